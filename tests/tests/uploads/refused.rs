//! What is refused for what it is, or for who sends it.

use super::{PDF, PNG, Place, contents, deposit, documents, place, same_contents};

/// Active, disguised and doubly named files are refused with what is wrong, and leave nothing.
#[tokio::test]
async fn what_is_not_what_it_says_is_refused() {
    let Place { server, admin, agent } = place().await;
    let data = server.launch().data().to_path_buf();
    let before = contents(&data);
    let elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0";
    let cases: [(&str, &[u8], &str); 16] = [
        ("page.html", b"<html><script>alert(1)</script>", "file-type"),
        (
            "image.svg",
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
            "file-type",
        ),
        ("script.js", b"alert(1)", "file-type"),
        ("shell.php", b"<?php system($_GET[0]);", "file-type"),
        ("macro.docm", b"PK\x03\x04", "file-type"),
        ("tool.exe", b"MZ\x90\0", "file-type"),
        ("a.pdf.exe", PDF, "file-type"),
        ("a.php.pdf", PDF, "file-type"),
        ("a.html.png", PNG, "file-type"),
        (".htaccess", b"Options +ExecCGI", "file-type"),
        ("sans-extension", PDF, "file-type"),
        ("page.pdf", b"<html><script>alert(1)</script>", "file-content"),
        ("image.png", b"GIF89a\x01\0\x01\0", "file-content"),
        ("image.jpg", PNG, "file-content"),
        ("tool.pdf", elf, "file-content"),
        ("vide.pdf", b"", "empty-file"),
    ];
    for (name, content, code) in cases {
        let problem = deposit(&admin, &agent, name, content).await.problem(422);
        assert_eq!(problem["errors"][0]["field"], "file", "{name}: {problem}");
        assert_eq!(problem["errors"][0]["code"], code, "{name}: {problem}");
    }
    same_contents(&data, &before, "a refused upload").await;
    assert_eq!(admin.get(&documents()).await.expect(200).json()["total"], 0);
}

/// Nobody, and a page of another site, are refused before a byte of the file is used.
#[tokio::test]
async fn nobody_and_other_sites_upload_nothing() {
    let Place { server, admin, agent } = place().await;
    let data = server.launch().data().to_path_buf();
    let before = contents(&data);
    let _problem = deposit(&server.visitor(), &agent, "a.pdf", PDF)
        .await
        .problem(401);
    let page = format!("/mppeep/personnel/{agent}/documents/deposer");
    let answer = server
        .visitor()
        .request("POST", &page)
        .multipart(&[], ("file", "a.pdf", "application/pdf", PDF))
        .send()
        .await;
    assert_eq!(answer.status, 303);
    for address in [page.as_str(), documents().as_str(), "/mppeep/fichiers"] {
        let answer = admin
            .request("POST", address)
            .header("origin", "https://elsewhere.example")
            .header("sec-fetch-site", "cross-site")
            .multipart(
                &[("personnel_id", &agent)],
                ("file", "a.pdf", "application/pdf", PDF),
            )
            .send()
            .await;
        assert_eq!(answer.status, 403, "{address}: {}", answer.text());
    }
    same_contents(&data, &before, "a refused visitor").await;
}
