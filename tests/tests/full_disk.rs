//! A disk without room for another file (X-S6): a clear answer, nothing half kept, everything else goes on, and it heals.
//!
//! The folder of contents, or the one of all data with the database in it, lies on a small file system of its own. Nobody
//! needs rights for that: the server runs in namespaces of its own (`unshare`), in which it may mount one.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mppeep_tests::agents::agent;
use mppeep_tests::api::{API, create_agent, id_of, total};
use mppeep_tests::server::sqlite3;
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Backend, Client, Launch, Response, Server};

const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

/// A server whose folder of contents is a memory file system with these limits.
fn with_small_disk(limits: &str) -> Server {
    on_small_disk(&Launch::new(), "files", limits)
}

/// The same for this folder below the one of the data.
fn on_small_disk(launch: &Launch, below: &str, limits: &str) -> Server {
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
        "place=\"$MPPEEP_DATA_DIR/{below}\" && mkdir -p \"$place\" && mount -t tmpfs -o {limits} tmpfs \"$place\" \
         && exec \"$0\" \"$@\""
    );
    launch
        .clone()
        .wrapped_by(&["unshare", "-rm", "sh", "-c", &script])
        .start()
}

/// The folder of the data, as the server sees it.
fn data(server: &Server) -> PathBuf {
    PathBuf::from(format!(
        "/proc/{}/root{}",
        server.id(),
        server.launch().data().display()
    ))
}

/// The contents in the folder; beside them lies a note of the database that they belong to.
fn contents(server: &Server) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![data(server).join("files")];
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

/// Takes all the room that is left, and gives the file that has it.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("ballast");
    let mut ballast = std::fs::File::create(&path).expect("a name is left");
    for size in [1 << 16, 1 << 12, 1, 1] {
        let piece = vec![b'x'; size];
        while ballast.write_all(&piece).is_ok() {}
        // Health writes a file from time to time, and gives its room back.
        std::thread::sleep(Duration::from_millis(100));
    }
    path
}

/// Creates agents from this number on until one is refused, and counts those that are kept.
async fn until_refused(client: &Client, next: &mut usize, kept: &mut u64) -> Response {
    loop {
        let answer = create(client, *next).await;
        *next += 1;
        if answer.status != 201 {
            return answer;
        }
        *kept += 1;
        assert!(*kept < 5_000, "the disk is full");
    }
}

async fn create(client: &Client, number: usize) -> Response {
    client
        .post(&format!("{API}/personnel"), &agent(number).body())
        .await
}

/// Asserts that this says that there is no room, or that it cannot be done at the moment.
#[track_caller]
fn assert_put_off(answer: &Response) {
    let problem = answer.problem(answer.status);
    match answer.status {
        507 => {}
        503 => assert!(answer.header("retry-after").is_some(), "{problem}"),
        other => panic!("{other}: {problem}"),
    }
}

/// Whoever reads, with a session or without, notices nothing.
async fn assert_reads_work(server: &Server, somebody: &Client) {
    for path in [
        "/mppeep/accueil",
        "/mppeep/personnel",
        "/mppeep/profil",
        "/mppeep/api/v1/personnel?limit=5",
    ] {
        let answer = somebody.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    for path in ["/mppeep/login", "/mppeep/health/live"] {
        let answer = server.visitor().get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
}

/// The database and everything else on a disk that somebody fills to the last byte.
#[tokio::test]
async fn a_full_disk_under_the_database_puts_writes_off_and_heals() {
    let server = on_small_disk(&Launch::on(Backend::Sqlite), "", "size=16m");
    let admin = server.admin().await;
    let mut kept = 0;
    for number in 1..=3 {
        let _agent = create_agent(&admin, number).await;
        kept += 1;
    }
    let ballast = fill(&data(&server));
    // Some more fit into what the database has already.
    let mut next = 4;
    let refused = until_refused(&admin, &mut next, &mut kept).await;
    println!(
        "{kept} agents were kept before the first refusal: {}",
        refused.text()
    );
    assert_put_off(&refused);
    assert_reads_work(&server, &admin).await;
    // The log-in needs to write: it says so, in the same words.
    let login = server.visitor().login(ADMIN_EMAIL, ADMIN_PASSWORD).await;
    assert!(
        matches!(login.status, 303 | 503 | 507) && (login.status == 303 || login.is_html()),
        "{}: {}",
        login.status,
        login.text()
    );
    // The next one may need a page less than the one that was refused.
    let refused = until_refused(&admin, &mut next, &mut kept).await;
    assert_put_off(&refused);
    assert_reads_work(&server, &admin).await;
    assert_eq!(
        total(&admin, "personnel?limit=1").await,
        kept,
        "nothing is half there"
    );
    // Room again.
    std::fs::remove_file(ballast).expect("the ballast goes");
    let again = server.admin().await;
    assert_eq!(create(&again, next).await.status, 201);
    assert_eq!(total(&again, "personnel?limit=1").await, kept + 1);
    let database = data(&server).join("mppeep.db");
    assert_eq!(sqlite3(&database, "pragma integrity_check").trim(), "ok");
}

/// A disk on which there is room, but no name for another file: the database needs none.
#[tokio::test]
async fn a_disk_without_names_under_the_database_refuses_files_only() {
    let server = on_small_disk(&Launch::on(Backend::Sqlite), "", "size=16m,nr_inodes=64");
    let admin = server.admin().await;
    let agent = id_of(&create_agent(&admin, 1).await);
    let mut names = Vec::new();
    let mut refusals = 0;
    // More than one refusal: health takes a name from time to time, and gives it back.
    while refusals < 3 {
        let name = data(&server).join(format!("name-{}", names.len()));
        if std::fs::File::create(&name).is_err() {
            refusals += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        names.push(name);
        assert!(names.len() < 64, "there are sixty-four names");
    }
    assert!(!names.is_empty());
    let _problem = deposit(&admin, &agent, 200).await.problem(507);
    assert!(contents(&server).is_empty(), "{:?}", contents(&server));
    assert_reads_work(&server, &admin).await;
    let again = server.admin().await;
    assert_eq!(create(&again, 2).await.status, 201);
    for name in names {
        std::fs::remove_file(name).expect("a name is given back");
    }
    assert_eq!(deposit(&again, &agent, 200).await.status, 201);
}
