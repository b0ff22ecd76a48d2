//! Uploads over a socket: what is refused leaves nothing behind, what is kept goes out as it came in and no further.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mppeep_tests::api::{API, create_agent, id_of};
use mppeep_tests::{Client, Response, Server, processes};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\x0f\0\x01\x01\x01\0\x1b\xb6\xeeV\0\0\0\0IEND\xaeB`\x82";

fn documents() -> String {
    format!("{API}/documents")
}

async fn deposit(client: &Client, agent: &str, name: &str, content: &[u8]) -> Response {
    let fields = [("personnel_id", agent), ("kind", "diploma")];
    client
        .request("POST", &documents())
        .multipart(&fields, ("file", name, "application/octet-stream", content))
        .send()
        .await
}

/// Every file below a folder that is no part of the database.
fn contents(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
        {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if !path.to_string_lossy().contains(".db") {
                found.insert(path);
            }
        }
    }
    found
}

/// Waits until the folder holds the same as before: a request that was cut is cleaned up after when its end is noticed.
async fn same_contents(folder: &Path, before: &BTreeSet<PathBuf>, what: &str) {
    let mut now = contents(folder);
    for _ in 0..600 {
        if now == *before {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        now = contents(folder);
    }
    panic!(
        "{what} left something: {:?}",
        now.difference(before).collect::<Vec<_>>()
    );
}

struct Place {
    server: Server,
    admin: Client,
    agent: String,
}

async fn place() -> Place {
    let server = Server::start();
    let admin = server.admin().await;
    let agent = id_of(&create_agent(&admin, 1).await);
    Place { server, admin, agent }
}

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

/// What is too large is refused at once when it says so, and while it comes when it does not.
#[tokio::test]
async fn what_is_too_large_is_refused_while_it_comes() {
    let Place { server, admin, agent } = place().await;
    let data = server.launch().data().to_path_buf();
    let before = contents(&data);
    let mut large = PDF.to_vec();
    large.resize(12 * 1024 * 1024, b' ');
    let problem = deposit(&admin, &agent, "grand.pdf", &large).await.problem(413);
    assert!(
        problem["detail"].as_str().is_some_and(|text| text.contains("10")),
        "{problem}"
    );
    // 999 GB: told before anything is sent.
    let answer = raw(
        &server,
        &admin,
        "Content-Length: 999000000000\r\nExpect: 100-continue\r\n",
        &[],
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // In chunks, of which nobody knows how many will come.
    let head = format!(
        "--B\r\nContent-Disposition: form-data; name=\"personnel_id\"\r\n\r\n{agent}\r\n\
         --B\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\ndiploma\r\n\
         --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n%PDF-1.4\n"
    );
    let mut body = chunk(head.as_bytes());
    let piece = chunk(&vec![b' '; 1024 * 1024]);
    for _ in 0..13 {
        body.extend_from_slice(&piece);
    }
    let answer = raw(&server, &admin, "Transfer-Encoding: chunked\r\n", &body).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    same_contents(&data, &before, "a file that is too large").await;
    // Just below the limit it is kept.
    large.truncate(10 * 1024 * 1024);
    let _kept = deposit(&admin, &agent, "juste.pdf", &large).await.expect(201);
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// Sends a head of a multipart upload with these bytes after it, and gives what comes back.
async fn raw(server: &Server, client: &Client, headers: &str, body: &[u8]) -> String {
    let stream = TcpStream::connect(server.address()).await.expect("connected");
    let (mut reader, mut writer) = stream.into_split();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nCookie: session_id={}\r\nContent-Type: multipart/form-data; boundary=B\r\n{headers}\r\n",
        documents(),
        server.address(),
        client.session()
    );
    let body = body.to_vec();
    let sending = tokio::spawn(async move {
        let _refused = writer.write_all(head.as_bytes()).await;
        let _refused = writer.write_all(&body).await;
        let _refused = writer.flush().await;
        writer
    });
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let end = std::time::Duration::from_secs(60);
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        match tokio::time::timeout(end, reader.read(&mut buffer)).await {
            Ok(Ok(read)) if read > 0 => answer.extend_from_slice(&buffer[..read]),
            _ => break,
        }
    }
    drop(sending.await);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Forms that are none, and forms that are too much.
#[tokio::test]
async fn malformed_forms_are_refused_and_leave_nothing() {
    let Place { server, admin, agent } = place().await;
    let data = server.launch().data().to_path_buf();
    let before = contents(&data);
    let part = |head: &str, content: &str| {
        format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
    };
    let owner = part("name=\"personnel_id\"", &agent);
    let kind = part("name=\"kind\"", "diploma");
    let pdf = std::str::from_utf8(PDF).expect("ASCII");
    let file = part("name=\"file\"; filename=\"a.pdf\"", pdf);
    let end = "--B--\r\n";
    let form = "multipart/form-data; boundary=B";
    for (what, media, body, status) in [
        ("no file", form, format!("{owner}{kind}{end}"), 422),
        ("no owner", form, format!("{kind}{file}{end}"), 422),
        (
            "an unknown field",
            form,
            format!("{owner}{}{file}{end}", part("name=\"x\"", "y")),
            422,
        ),
        (
            "a field twice",
            form,
            format!("{owner}{kind}{kind}{file}{end}"),
            422,
        ),
        (
            "an unknown kind",
            form,
            format!("{owner}{}{file}{end}", part("name=\"kind\"", "visa")),
            422,
        ),
        (
            "fields after the file",
            form,
            format!("{owner}{file}{kind}{end}"),
            400,
        ),
        ("two files", form, format!("{owner}{kind}{file}{file}{end}"), 400),
        ("no end", form, format!("{owner}{kind}{file}"), 400),
        (
            "a cut head",
            form,
            format!("{owner}{kind}--B\r\nContent-Disp"),
            400,
        ),
        ("no boundary in it", form, "rien du tout".to_owned(), 400),
        ("nothing", form, String::new(), 400),
        (
            "no boundary",
            "multipart/form-data",
            format!("{owner}{kind}{file}{end}"),
            400,
        ),
        ("JSON", "application/json", "{}".to_owned(), 415),
        (
            "another multipart",
            "multipart/mixed; boundary=B",
            format!("{file}{end}"),
            415,
        ),
        (
            "too many fields",
            form,
            format!(
                "{}{file}{end}",
                (0..100)
                    .map(|n| part(&format!("name=\"f{n}\""), "x"))
                    .collect::<String>()
            ),
            400,
        ),
        (
            "a field without end",
            form,
            format!(
                "{owner}{}{file}{end}",
                part("name=\"title\"", &"x".repeat(200_000))
            ),
            413,
        ),
    ] {
        let answer = admin.request("POST", &documents()).body(media, body).send().await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        let _problem = answer.problem(status);
    }
    same_contents(&data, &before, "a malformed form").await;
    assert_eq!(admin.get(&documents()).await.expect(200).json()["total"], 0);
}

/// A connection that ends in the middle of a file leaves nothing; nor does a process that is killed, once it is cleaned.
#[tokio::test]
async fn a_cut_upload_leaves_nothing() {
    let Place { server, admin, agent } = place().await;
    let data = server.launch().data().to_path_buf();
    let before = contents(&data);
    for sent in [0_usize, 10, 100_000, 3_000_000] {
        let mut stream = TcpStream::connect(server.address()).await.expect("connected");
        let start = format!(
            "--B\r\nContent-Disposition: form-data; name=\"personnel_id\"\r\n\r\n{agent}\r\n\
             --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n%PDF-1.4\n"
        );
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nCookie: session_id={}\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 5000000\r\n\r\n{start}",
            documents(),
            server.address(),
            admin.session()
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream.write_all(&vec![b' '; sent]).await.expect("sent");
        stream.flush().await.expect("sent");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        drop(stream);
    }
    same_contents(&data, &before, "a cut upload").await;
    assert_eq!(admin.get(&documents()).await.expect(200).json()["total"], 0);
    assert!(admin.is_logged_in().await);
}

/// A text of Office that would unfold into gigabytes is stored as it is and never unfolded.
#[tokio::test]
async fn a_bomb_is_not_unfolded() {
    let Place { server, admin, agent } = place().await;
    let bomb = office_text(64 * 1024 * 1024);
    println!("{} bytes that unfold into 64 MiB", bomb.len());
    let memory = || processes::resident_kib(server.id());
    let before = memory();
    let answer = deposit(&admin, &agent, "texte.docx", &bomb).await;
    assert!(matches!(answer.status, 201 | 422), "{}", answer.text());
    let grown = memory().saturating_sub(before);
    println!("resident memory grew by {grown} KiB");
    assert!(grown < 32 * 1024, "{grown} KiB");
}

/// A document of Office Open XML whose text is so many times the same byte.
fn office_text(bytes: usize) -> Vec<u8> {
    use std::io::Write as _;
    let mut coder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b' '; 1024 * 1024];
    let mut crc = flate2::Crc::new();
    for _ in 0..bytes / zeros.len() {
        coder.write_all(&zeros).expect("coded");
        crc.update(&zeros);
    }
    let coded = coder.finish().expect("coded");
    let plain = |text: &str| {
        let mut crc = flate2::Crc::new();
        crc.update(text.as_bytes());
        (text.as_bytes().to_vec(), crc.sum(), text.len(), 0_u16)
    };
    let types = "<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";
    let entries = [
        ("[Content_Types].xml", plain(types)),
        ("_rels/.rels", plain("<?xml version=\"1.0\"?><Relationships/>")),
        ("word/document.xml", (coded, crc.sum(), bytes, 8)),
    ];
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for (name, (content, sum, size, method)) in &entries {
        let offset = u32::try_from(file.len()).expect("small");
        let mut common = Vec::new();
        common.extend_from_slice(&[20, 0, 0, 0]);
        common.extend_from_slice(&method.to_le_bytes());
        common.extend_from_slice(&[0, 0, 0x21, 0]);
        common.extend_from_slice(&sum.to_le_bytes());
        common.extend_from_slice(&u32::try_from(content.len()).expect("small").to_le_bytes());
        common.extend_from_slice(&u32::try_from(*size).expect("small").to_le_bytes());
        common.extend_from_slice(&u16::try_from(name.len()).expect("short").to_le_bytes());
        common.extend_from_slice(&[0, 0]);
        file.extend_from_slice(b"PK\x03\x04");
        file.extend_from_slice(&common);
        file.extend_from_slice(name.as_bytes());
        file.extend_from_slice(content);
        directory.extend_from_slice(b"PK\x01\x02\x14\0");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let start = u32::try_from(file.len()).expect("small");
    let count = u16::try_from(entries.len()).expect("few").to_le_bytes();
    file.extend_from_slice(&directory);
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    file.extend_from_slice(&count);
    file.extend_from_slice(&count);
    file.extend_from_slice(&u32::try_from(directory.len()).expect("small").to_le_bytes());
    file.extend_from_slice(&start.to_le_bytes());
    file.extend_from_slice(&[0, 0]);
    file
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
