//! Codings of answers, as CHECKS N want them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use mppeep_tests::api::API;
use mppeep_tests::kinds::STYLE;
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Client, Response, Server};

async fn as_coded(client: &Client, path: &str, codings: &str) -> Response {
    client
        .request("GET", path)
        .header("accept-encoding", codings)
        .send()
        .await
        .expect(200)
}

fn decoded(answer: &Response) -> Vec<u8> {
    let mut out = Vec::new();
    match answer.header("content-encoding") {
        Some("br") => brotli::Decompressor::new(&answer.body[..], 4096).read_to_end(&mut out),
        Some("gzip") => flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut out),
        Some(other) => panic!("a coding that nobody asked for: {other}"),
        None => (&answer.body[..]).read_to_end(&mut out),
    }
    .expect("the body can be decoded");
    out
}

#[track_caller]
fn varies(answer: &Response) {
    let vary = answer.header_or_empty("vary").to_lowercase();
    assert!(vary.contains("accept-encoding"), "Vary: {vary}");
}

/// N-01 … N-05, N-07: what is asked for is given, for files that were compressed before and answers made now.
#[tokio::test]
async fn answers_are_compressed_as_asked() {
    let server = Server::demo();
    let hr = server.demo_user("sdrh").await;
    let list = format!("{API}/personnel?limit=40");
    let description = format!("{API}/openapi.json");
    for path in [STYLE, "/mppeep/personnel", list.as_str(), description.as_str()] {
        let plain = hr.get(path).await.expect(200);
        assert!(plain.header("content-encoding").is_none(), "{path}");
        assert!(plain.body.len() > 1024, "{path} is too small to be compressed");
        varies(&plain);
        for (asked, expected) in [
            ("br", Some("br")),
            ("gzip", Some("gzip")),
            ("GZIP", Some("gzip")),
            ("gzip, deflate, br, zstd", Some("br")),
            ("br;q=0, gzip", Some("gzip")),
            ("gzip;q=1.0, br;q=0.1", Some("gzip")),
            ("gzip;q=0.5, br;q=0.501", Some("br")),
            ("identity, gzip;q=0.5", None),
            ("identity", None),
            ("br;q=0, gzip;q=0", None),
            ("gzip;q=0.0", None),
            ("compress, x-odd", None),
            ("gzip;q=nonsense", None),
            (";;;q=,", None),
            ("", None),
        ] {
            let answer = as_coded(&hr, path, asked).await;
            assert_eq!(answer.header("content-encoding"), expected, "{path} for {asked}");
            varies(&answer);
            let text = decoded(&answer);
            if path == STYLE || path == description {
                assert_eq!(text, plain.body, "{path} for {asked}");
            } else {
                assert!(text.len() > 1024, "{path} for {asked}");
            }
            assert_eq!(
                answer.body.len() < plain.body.len(),
                expected.is_some(),
                "{path} for {asked}"
            );
        }
    }
}

/// Every file of a folder, by its path from there.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_in(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// N-01, N-02: every file's codings hold the same bytes, and each is smaller than what it stands for.
#[tokio::test]
async fn every_coding_of_every_file_holds_the_same_bytes() {
    let server = Server::start();
    let visitor = server.visitor();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mppeep-http/assets");
    let (mut files, mut coded) = (0, 0);
    for file in files_in(&folder) {
        let name = file
            .strip_prefix(&folder)
            .expect("below the folder")
            .to_string_lossy();
        if name.starts_with('.') || name.contains("/.") {
            continue;
        }
        let path = format!("/mppeep/static/{name}");
        let plain = visitor.get(&path).await.expect(200);
        files += 1;
        for coding in ["br", "gzip"] {
            let answer = as_coded(&visitor, &path, coding).await;
            varies(&answer);
            assert_eq!(decoded(&answer), plain.body, "{name} as {coding}");
            if answer.header("content-encoding").is_some() {
                coded += 1;
                assert!(answer.body.len() < plain.body.len(), "{name} as {coding}");
            }
        }
        let is_text = [".css", ".js", ".svg"].iter().any(|end| name.ends_with(end));
        if is_text && plain.body.len() > 1024 {
            let best = as_coded(&visitor, &path, "gzip, br").await;
            assert_eq!(best.header("content-encoding"), Some("br"), "{name}");
        }
    }
    println!("{files} files, {coded} coded answers");
    assert!(
        files >= 5 && coded >= files,
        "{files} files, {coded} coded answers"
    );
}

/// What is small, holds a secret, or comes as it happens, is left as it is.
#[tokio::test]
async fn secrets_and_small_answers_are_left_plain() {
    let server = Server::start();
    let visitor = server.visitor().with_header("accept-encoding", "br, gzip");
    let admin = server.admin().await.with_header("accept-encoding", "br, gzip");
    let refused = visitor.login("x@mppeep.example", "nicht").await.expect(401);
    assert!(refused.body.len() > 1024, "the form comes back");
    let entered = visitor.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.expect(303);
    let small = visitor.get("/mppeep/health/live").await.expect(200);
    let fields = [
        ("email", "nouveau@mppeep.example"),
        ("display_name", "Nouveau"),
        ("status", "active"),
        ("roles", "agent"),
    ];
    let made = admin
        .post_form("/mppeep/admin/utilisateurs", &fields)
        .await
        .expect(200);
    assert!(made.body.len() > 1024, "the page that shows the password");
    for (what, answer) in [
        ("a refused login", refused),
        ("a login", entered),
        ("a small answer", small),
        ("a password made by the server", made),
    ] {
        assert!(answer.header("content-encoding").is_none(), "{what}");
    }
    // The same kind of page without a secret is compressed.
    let page = admin.get("/mppeep/accueil").await.expect(200);
    assert_eq!(page.header("content-encoding"), Some("br"));
}
