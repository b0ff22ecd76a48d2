//! A disk without room for another file (X-S6): a clear answer, nothing half kept, everything else goes on, and it heals.
//!
//! The folder of contents lies on a small file system of its own. Nobody needs rights for that: the server runs in
//! namespaces of its own (`unshare`), in which it may mount one.

use std::path::PathBuf;

use mppeep_tests::api::{API, create_agent, id_of};
use mppeep_tests::{Client, Launch, Response, Server};

const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

/// A server whose folder of contents is a memory file system with these limits.
fn with_small_disk(limits: &str) -> Server {
    let folder = tempfile::TempDir::with_prefix("mppeep-disk-").expect("a folder");
    let allowed = std::process::Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "-o", limits, "tmpfs"])
        .arg(folder.path())
        .output()
        .expect("unshare is installed (package util-linux)");
    assert!(
        allowed.status.success(),
        "this machine does not let unshare mount a file system, which this test needs: {}",
        String::from_utf8_lossy(&allowed.stderr)
    );
    let script = format!(
        "mkdir -p \"$MPPEEP_DATA_DIR/files\" && mount -t tmpfs -o {limits} tmpfs \"$MPPEEP_DATA_DIR/files\" && exec \"$0\" \"$@\""
    );
    Launch::new()
        .wrapped_by(&["unshare", "-rm", "sh", "-c", &script])
        .start()
}

/// The contents in the folder, as the server sees it; beside them lies a note of the database that they belong to.
fn contents(server: &Server) -> Vec<PathBuf> {
    let data = server.launch().data().join("files");
    let inside = PathBuf::from(format!("/proc/{}/root{}", server.id(), data.display()));
    let mut found = Vec::new();
    let mut open = vec![inside];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder)
            .expect("the folder can be read")
            .filter_map(Result::ok)
        {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else if entry.file_name() != "belongs-to" {
                found.push(entry.path());
            }
        }
    }
    found
}

async fn deposit(client: &Client, agent: &str, size: usize) -> Response {
    let mut content = PDF.to_vec();
    content.resize(size, b' ');
    client
        .request("POST", &format!("{API}/documents"))
        .multipart(
            &[("personnel_id", agent), ("kind", "other")],
            ("file", "piece.pdf", "application/pdf", &content),
        )
        .send()
        .await
}

#[tokio::test]
async fn a_full_disk_is_told_and_heals() {
    let server = with_small_disk("size=4m");
    let admin = server.admin().await;
    let agent = id_of(&create_agent(&admin, 1).await);
    let mut kept = Vec::new();
    let refused = loop {
        let answer = deposit(&admin, &agent, 1024 * 1024).await;
        if answer.status != 201 {
            break answer;
        }
        kept.push(id_of(&answer.json()));
        assert!(kept.len() < 5, "four mebibytes hold no five of one");
    };
    let problem = refused.problem(507);
    assert_eq!(problem["type"], "/problems/storage-full");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|text| text.contains("place")),
        "{problem}"
    );
    assert!(!kept.is_empty());
    assert_eq!(
        contents(&server).len(),
        kept.len(),
        "nothing half kept: {:?}",
        contents(&server)
    );
    // The page says it too, beside the field.
    let page = admin
        .request("POST", &format!("/mppeep/personnel/{agent}/documents/deposer"))
        .multipart(
            &[("title", "Gros dossier")],
            (
                "file",
                "a.pdf",
                "application/pdf",
                &[PDF, &vec![b' '; 4 * 1024 * 1024]].concat(),
            ),
        )
        .send()
        .await;
    assert_eq!(page.status, 507);
    let html = page.text();
    assert!(
        html.contains("plus de place") && html.contains("value=\"Gros dossier\""),
        "{html}"
    );
    // Everything else goes on.
    let again = server.admin().await;
    assert_eq!(again.get("/mppeep/accueil").await.status, 200);
    assert_eq!(id_of(&create_agent(&again, 2).await).len(), 36);
    for id in &kept {
        let whole = again
            .get(&format!("{API}/documents/{id}/content"))
            .await
            .expect(200);
        assert_eq!(whole.body.len(), 1024 * 1024);
    }
    // Room again.
    let first = kept.remove(0);
    let gone = again
        .request("DELETE", &format!("{API}/documents/{first}"))
        .send()
        .await;
    assert_eq!(gone.status, 204);
    assert_eq!(deposit(&again, &agent, 1024 * 1024).await.status, 201);
}

#[tokio::test]
async fn a_disk_without_names_is_told_and_heals() {
    let server = with_small_disk("size=4m,nr_inodes=12");
    let admin = server.admin().await;
    let agent = id_of(&create_agent(&admin, 1).await);
    let mut kept = Vec::new();
    let refused = loop {
        let answer = deposit(&admin, &agent, 200).await;
        if answer.status != 201 {
            break answer;
        }
        kept.push(id_of(&answer.json()));
        assert!(kept.len() < 12, "there are twelve names");
    };
    let _problem = refused.problem(507);
    assert_eq!(
        contents(&server).len(),
        kept.len(),
        "nothing half kept: {:?}",
        contents(&server)
    );
    assert!(server.admin().await.is_logged_in().await);
    for id in kept {
        let gone = admin
            .request("DELETE", &format!("{API}/documents/{id}"))
            .send()
            .await;
        assert_eq!(gone.status, 204);
    }
    assert_eq!(deposit(&admin, &agent, 200).await.status, 201);
}
