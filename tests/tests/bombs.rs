//! A few bytes that unfold into very many: they are refused, and cost nothing.

use std::io::Write as _;

use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Crc};
use mppeep_tests::agents::agent;
use mppeep_tests::api::{API, total};
use mppeep_tests::processes::resident_kib;
use mppeep_tests::{Launch, Server, html};

const MEBIBYTE: usize = 1024 * 1024;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory can be written to");
    encoder.finish().expect("memory can be written to")
}

/// Bodies in a coding are refused, so that none is undone.
#[tokio::test]
async fn coded_bodies_are_refused() {
    let server = Server::start();
    let admin = server.admin().await;
    let personnel = format!("{API}/personnel");
    let good = gzip(agent(1).body().to_string().as_bytes());
    let bomb = gzip(&vec![b' '; 300 * MEBIBYTE]);
    assert!(bomb.len() < 2 * MEBIBYTE, "{} bytes", bomb.len());
    let before = resident_kib(server.id());
    for coding in [
        "gzip",
        "br",
        "deflate",
        "zstd",
        "x-gzip",
        "identity, gzip",
        "gzip, gzip",
    ] {
        let answer = admin
            .request("POST", &personnel)
            .header("content-encoding", coding)
            .body("application/json", good.clone())
            .send()
            .await;
        let _problem = answer.problem(415);
        assert_eq!(answer.header("accept-encoding"), Some("identity"), "{coding}");
    }
    for (path, media) in [
        (personnel.as_str(), "application/json"),
        ("/mppeep/login", "application/x-www-form-urlencoded"),
        ("/mppeep/personnel/importer", "multipart/form-data; boundary=x"),
    ] {
        let answer = admin
            .request("POST", path)
            .header("content-encoding", "gzip")
            .body(media, bomb.clone())
            .send()
            .await;
        assert!(matches!(answer.status, 413 | 415), "{path}: {}", answer.status);
    }
    let after = resident_kib(server.id());
    println!("{before} KiB before, {after} KiB after");
    assert!(
        after < before + 64 * 1024,
        "{before} KiB before, {after} KiB after"
    );
    let plain = admin
        .request("POST", &personnel)
        .header("content-encoding", "identity")
        .json(&agent(1).body())
        .send()
        .await;
    let _made = plain.expect(201);
    assert_eq!(total(&admin, "personnel").await, 1);
}

/// An archive of one compressed file that is `size` blanks long.
fn archive(name: &str, size: usize) -> Vec<u8> {
    let piece = vec![b' '; MEBIBYTE];
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let mut sum = Crc::new();
    for _ in 0..size / MEBIBYTE {
        encoder.write_all(&piece).expect("memory can be written to");
        sum.update(&piece);
    }
    let packed = encoder.finish().expect("memory can be written to");
    let word = |value: usize| u32::try_from(value).expect("below 4 GiB").to_le_bytes();
    let short = |value: u16| value.to_le_bytes();
    let length = u16::try_from(name.len()).expect("a short name");
    // Versions, flags, method, time and date; then sum, sizes and the length of the name.
    let mut fields = Vec::new();
    for value in [20, 0, 8, 0, 0] {
        fields.extend(short(value));
    }
    fields.extend(sum.sum().to_le_bytes());
    fields.extend(word(packed.len()));
    fields.extend(word(size));
    fields.extend(short(length));
    fields.extend(short(0));
    let mut out = b"PK\x03\x04".to_vec();
    out.extend(&fields);
    out.extend(name.as_bytes());
    out.extend(&packed);
    let directory = out.len();
    out.extend(b"PK\x01\x02");
    out.extend(short(20));
    out.extend(&fields);
    out.extend([0; 10]); // comment, disk, attributes
    out.extend(word(0));
    out.extend(name.as_bytes());
    let size = out.len() - directory;
    out.extend(b"PK\x05\x06");
    for value in [0, 0, 1, 1] {
        out.extend(short(value));
    }
    out.extend(word(size));
    out.extend(word(directory));
    out.extend(short(0));
    out
}

/// A workbook that would fill the memory is refused with a reason, and without filling it.
#[tokio::test]
async fn a_workbook_that_unpacks_to_too_much_is_refused() {
    // A build that is not optimised unpacks slowly, and beside others on a loaded machine: that is not its subject.
    let server = Launch::new().env("MPPEEP_REQUEST_SECONDS", 110).start();
    let admin = server.admin().await;
    let bomb = archive("xl/worksheets/sheet1.xml", 600 * MEBIBYTE);
    assert!(bomb.len() < 4 * MEBIBYTE, "{} bytes", bomb.len());
    let before = resident_kib(server.id());
    let answer = admin
        .request("POST", "/mppeep/personnel/importer")
        .multipart(
            &[],
            (
                "file",
                "agents.xlsx",
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                &bomb,
            ),
        )
        .send()
        .await
        .expect(422);
    let after = resident_kib(server.id());
    println!(
        "{} bytes that would be 600 MiB; {before} KiB before, {after} KiB after",
        bomb.len()
    );
    assert!(
        after < before + 100 * 1024,
        "{before} KiB before, {after} KiB after"
    );
    let text = html::text(&answer.text());
    assert!(text.contains("trop volumineux une fois décompressé"), "{text}");
    let _alive = admin.get("/mppeep/personnel").await.expect(200);
}
