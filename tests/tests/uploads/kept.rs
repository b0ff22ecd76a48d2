//! What is kept.

use mppeep_tests::api::id_of;
use serde_json::Value;

use super::{PDF, Place, contents, deposit, documents, place};

/// A document that is kept comes back byte by byte, with a name, a tag and no way to run.
#[tokio::test]
async fn what_is_kept_goes_out_as_it_came_in() {
    let Place { server, admin, agent } = place().await;
    let made = deposit(&admin, &agent, "Diplôme n°1.pdf", PDF).await.expect(201);
    let location = made.header("location").expect("an address").to_owned();
    let made = made.json();
    assert_eq!(made["title"], "Diplôme n°1");
    assert_eq!(made["content"]["size"], PDF.len());
    let address = format!("{location}/content");
    let whole = admin.get(&address).await.expect(200);
    assert_eq!(whole.body.as_ref(), PDF);
    assert_eq!(whole.header("content-type"), Some("application/pdf"));
    assert_eq!(
        whole.header("content-length"),
        Some(PDF.len().to_string().as_str())
    );
    assert_eq!(
        whole.header("content-disposition"),
        Some("attachment; filename=\"Dipl_me n_1.pdf\"; filename*=UTF-8''Dipl%C3%B4me%20n%C2%B01.pdf")
    );
    assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(whole.header("cache-control"), Some("private, no-store"));
    assert!(
        whole
            .header_or_empty("content-security-policy")
            .contains("sandbox")
    );
    let tag = whole.header("etag").expect("a tag").to_owned();
    assert!(tag.len() == 66 && tag.starts_with('"'), "{tag}");
    let known = admin
        .request("GET", &address)
        .header("if-none-match", &tag)
        .send()
        .await
        .expect(304);
    assert!(known.body.is_empty());
    let part = admin
        .request("GET", &address)
        .header("range", "bytes=5-8")
        .send()
        .await;
    let part = part.expect(206);
    assert_eq!(part.body.as_ref(), &PDF[5..9]);
    assert_eq!(
        part.header("content-range"),
        Some(format!("bytes 5-8/{}", PDF.len()).as_str())
    );
    let beyond = admin
        .request("GET", &address)
        .header("range", "bytes=9999-")
        .send()
        .await;
    assert_eq!(beyond.status, 416);
    let head = admin.request("HEAD", &address).send().await.expect(200);
    assert!(head.body.is_empty());
    assert_eq!(head.header("content-length"), whole.header("content-length"));
    // Nobody, and a name that only we know on the disk.
    let _refused = server.visitor().get(&address).await.problem(401);
    let names: Vec<String> = contents(server.launch().data())
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    assert!(names.iter().all(|name| !name.contains("Dipl")), "{names:?}");
    // The page's own way, and its preview.
    let id = id_of(&made);
    let page = admin
        .get(&format!("/mppeep/documents/{id}/contenu"))
        .await
        .expect(200);
    assert_eq!(page.body.as_ref(), PDF);
    let preview = admin
        .get(&format!("/mppeep/documents/{id}/apercu"))
        .await
        .expect(200);
    assert!(
        preview
            .header_or_empty("content-disposition")
            .starts_with("inline;")
    );
    let policy = preview.header_or_empty("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(
        policy.contains("sandbox") && !policy.contains("script-src"),
        "{policy}"
    );
    let anonymous = server
        .visitor()
        .get(&format!("/mppeep/documents/{id}/contenu"))
        .await;
    assert_eq!(anonymous.status, 303);
    assert!(anonymous.header_or_empty("location").ends_with("/login"));
}

/// Twenty names as hostile clients send them: none reaches the disk, none breaks the head of an answer.
#[tokio::test]
async fn names_are_cleaned_on_their_way_in_and_out() {
    let Place { server, admin, agent } = place().await;
    let names = [
        "../../../etc/passwd.pdf",
        "..\\\\..\\\\windows\\\\system32\\\\x.pdf",
        "/etc/shadow.pdf",
        "C:\\\\fakepath\\\\cni.pdf",
        "a/b/c.pdf",
        "CON.pdf",
        "nul.pdf",
        "-rf.pdf",
        "~root.pdf",
        "$(id).pdf",
        "`id`.pdf",
        "a;b|c&d.pdf",
        "a%00b.pdf",
        "a%0d%0aSet-Cookie: x=1.pdf",
        "été à Bouaké – Œuvre.pdf",
        "名前.pdf",
        "😀.pdf",
        "a b   c.pdf",
        "'; drop table document; --.pdf",
        "<img src=x onerror=alert(1)>.pdf",
    ];
    let mut kept = 0;
    for name in names {
        let answer = deposit(&admin, &agent, name, PDF).await;
        if answer.status == 422 {
            continue;
        }
        kept += 1;
        let made = answer.expect(201).json();
        let told = made["content"]["file_name"].as_str().expect("a name");
        assert!(
            !told.contains(['/', '\\', '"', '<', '>', '\r', '\n']),
            "{name}: {told}"
        );
        let sent = admin
            .get(&format!("{}/{}/content", documents(), id_of(&made)))
            .await
            .expect(200);
        let disposition = sent.header("content-disposition").expect("one");
        assert!(
            disposition.starts_with("attachment; filename=\""),
            "{disposition}"
        );
        assert!(
            disposition.is_ascii() && disposition.contains("; filename*=UTF-8''"),
            "{disposition}"
        );
        assert_eq!(disposition.matches('"').count(), 2, "{disposition}");
        assert!(sent.set_cookies().is_empty());
    }
    assert!(kept >= 15, "{kept}");
    let data = server.launch().data();
    for path in contents(data) {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
            "{name}"
        );
    }
    assert!(!data.parent().expect("a folder").join("passwd.pdf").exists());
}

/// Twelve at once: all are kept, each with its own bytes.
#[tokio::test]
async fn twelve_uploads_at_once_are_all_kept() {
    let Place { admin, agent, .. } = &place().await;
    let uploads = (0..12_u8).map(|number| async move {
        let mut content = PDF.to_vec();
        content.resize(2 * 1024 * 1024, number);
        let made = deposit(admin, agent, &format!("piece-{number}.pdf"), &content)
            .await
            .expect(201)
            .json();
        let back = admin
            .get(&format!("{}/{}/content", documents(), id_of(&made)))
            .await
            .expect(200);
        assert!(back.body == content, "the bytes of {number} came back changed");
    });
    futures_util::future::join_all(uploads).await;
    let all: Value = admin.get(&documents()).await.expect(200).json();
    assert_eq!(all["total"], 12);
}
