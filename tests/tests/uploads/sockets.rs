//! Forms that are too large, broken or cut, byte by byte.

use mppeep_tests::{Client, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{PDF, Place, contents, deposit, documents, place, same_contents};

/// What is too large is refused at once when it says so, and while it comes when it does not.
#[tokio::test]
async fn what_is_too_large_is_refused_while_it_comes() {
    let Place { server, admin, agent } = place().await;
    let data = server.launch().data().to_path_buf();
    let before = contents(&data);
    let mut large = PDF.to_vec();
    large.resize(12 * 1024 * 1024, b' ');
    let fields = [("personnel_id", agent.as_str()), ("kind", "diploma")];
    let path = documents();
    let draft = admin
        .request("POST", &path)
        .multipart(&fields, ("file", "grand.pdf", "application/octet-stream", &large));
    let mut told = draft.clone().try_send().await;
    for _ in 0..5 {
        // What was refused is read on for three seconds: on a loaded machine we may still be sending then, and be cut.
        if told.is_err() {
            told = draft.clone().try_send().await;
        }
    }
    let problem = told.expect("an answer").problem(413);
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
