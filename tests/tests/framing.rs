//! Where one request ends and the next begins, as CHECKS M want it: a proxy in front must never see it otherwise.

use std::time::Duration;

use mppeep_tests::{Server, raw};

/// How long a loaded machine may take until it closes a connection, or goes on with its answers.
const PATIENCE: Duration = Duration::from_secs(15);
/// A second request that must never be seen as one when the first is broken.
const HIDDEN: &str = "GET /mppeep/static/css/style.css HTTP/1.1\r\nHost: hidden\r\n\r\n";

async fn say(server: &Server, text: &str) -> raw::Echo {
    raw::ask(
        server.address(),
        text.replace("{host}", &server.address().to_string()).as_bytes(),
        PATIENCE,
    )
    .await
}

/// M-01 … M-07b
#[tokio::test]
async fn bodies_of_two_lengths_are_one_answer_at_most() {
    let server = Server::start();
    let too_long = format!("Content-Length: {}", "9".repeat(22));
    let framings = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: -1",
        "Content-Length: +3",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        too_long.as_str(),
        "Content-Length:",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding: \"chunked\"",
        " Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
    ];
    for framing in framings {
        let text = format!(
            "POST /mppeep/login HTTP/1.1\r\nHost: {{host}}\r\nContent-Type: application/x-www-form-urlencoded\r\n{framing}\r\n\r\n0\r\n\r\n{HIDDEN}"
        );
        let echo = say(&server, &text).await;
        let statuses = echo.statuses();
        assert!(statuses.len() <= 1, "{framing:?}: two answers {statuses:?}");
        assert!(
            statuses.iter().all(|status| (400..=501).contains(status)),
            "{framing:?}: {statuses:?}"
        );
        assert!(echo.closed, "{framing:?}: the connection stays open");
    }
}

#[tokio::test]
async fn broken_chunks_are_one_answer_at_most() {
    let server = Server::start();
    for chunks in [
        "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "3\r\nabcdef\r\n0\r\n\r\n",
        "zz\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
    ] {
        let text = format!(
            "POST /mppeep/login HTTP/1.1\r\nHost: {{host}}\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{HIDDEN}"
        );
        let echo = say(&server, &text).await;
        let statuses = echo.statuses();
        assert!(statuses.len() <= 1, "{chunks:?}: two answers {statuses:?}");
        assert!(
            statuses.iter().all(|status| (400..=501).contains(status)),
            "{chunks:?}: {statuses:?}"
        );
    }
}

/// M-08
#[tokio::test]
async fn a_request_names_one_valid_host() {
    let server = Server::start();
    for hosts in [
        "",
        "Host: a\r\nHost: b\r\n",
        "Host: a\r\nHost: a\r\n",
        "Host:\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: a@b\r\n",
        "Host: a,b\r\n",
        "Host: [::1\r\n",
        "Host: a:b\r\n",
        "Host: <script>\r\n",
    ] {
        let echo = say(
            &server,
            &format!("GET /mppeep/login HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n"),
        )
        .await;
        assert_eq!(echo.statuses(), [400], "{hosts:?}");
    }
    for host in [
        "mppeep.example",
        "mppeep.example:443",
        "[::1]:9000",
        "192.0.2.1",
        "MPPEEP.example.",
    ] {
        let echo = say(
            &server,
            &format!("GET /mppeep/login HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        )
        .await;
        assert_eq!(echo.statuses(), [200], "{host:?}: {}", echo.text);
    }
    let elsewhere = say(
        &server,
        "GET http://evil.example/mppeep/login HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(!elsewhere.text.contains("evil.example"));
}

/// M-09
#[tokio::test]
async fn broken_header_lines_are_refused() {
    let server = Server::start();
    for line in [
        "X-A: a\r\n b",
        "X-A: a\0b",
        "X-A: a\rb",
        "X A: b",
        "X-A : b",
        ": b",
        "X-A",
        "X-(A): b",
    ] {
        let echo = say(
            &server,
            &format!("GET /mppeep/login HTTP/1.1\r\nHost: {{host}}\r\n{line}\r\n\r\n{HIDDEN}"),
        )
        .await;
        assert_eq!(echo.statuses(), [400], "{line:?}: {}", echo.text);
        assert!(echo.closed, "{line:?}");
    }
    for start in [
        "GET  /mppeep/login HTTP/1.1",
        "GET /mppeep/login HTTP/9.9",
        "GET /mppeep/login",
        "GET /a b HTTP/1.1",
        "\0GET / HTTP/1.1",
    ] {
        let echo = say(&server, &format!("{start}\r\nHost: {{host}}\r\n\r\n")).await;
        assert!(
            echo.statuses().iter().all(|status| (400..=505).contains(status)),
            "{start:?}: {}",
            echo.text
        );
    }
}

/// M-10
#[tokio::test]
async fn too_much_head_is_refused() {
    let server = Server::start();
    let long = format!(
        "GET /mppeep/login HTTP/1.1\r\nHost: {{host}}\r\nX-Long: {}\r\n\r\n",
        "a".repeat(300 * 1024)
    );
    let many: String = (0..2000).map(|n| format!("X-{n}: 1\r\n")).collect();
    let many = format!("GET /mppeep/login HTTP/1.1\r\nHost: {{host}}\r\n{many}\r\n");
    for text in [long, many] {
        let echo = say(&server, &text).await;
        assert_eq!(echo.statuses(), [431], "{}", echo.text);
    }
    let path = format!(
        "GET /mppeep/{} HTTP/1.1\r\nHost: {{host}}\r\nConnection: close\r\n\r\n",
        "a".repeat(100 * 1024)
    );
    let echo = say(&server, &path).await;
    assert!(
        echo.statuses()
            .iter()
            .all(|status| matches!(status, 404 | 303 | 414 | 431)),
        "{:?}",
        echo.statuses()
    );
}

/// M-12, M-14
#[tokio::test]
async fn requests_in_a_row_are_answered_in_step() {
    let server = Server::start();
    let row = "GET /mppeep/login HTTP/1.1\r\nHost: {host}\r\n\r\n\
               GET /mppeep/accueil HTTP/1.1\r\nHost: {host}\r\n\r\n\
               POST /mppeep/login HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nusername=\
               GET /mppeep/rien HTTP/1.1\r\nHost: {host}\r\n\r\n\
               GET /mppeep/health/live HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n";
    let echo = say(&server, row).await;
    let statuses = echo.statuses();
    assert_eq!(statuses.len(), 5, "{statuses:?}");
    assert_eq!((statuses[0], statuses[1], statuses[4]), (200, 303, 200));
    assert!(
        (400..500).contains(&statuses[2]) && matches!(statuses[3], 303 | 404),
        "{statuses:?}"
    );
    assert!(echo.closed);
}

/// M-13
#[tokio::test]
async fn chunk_extensions_and_trailers_do_not_confuse() {
    let server = Server::start();
    let text = "POST /mppeep/login HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n\
                9;name=\"a\"\r\nusername=\r\n0\r\nX-Trailer: 1\r\n\r\n\
                GET /mppeep/health/live HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n";
    let echo = say(&server, text).await;
    let statuses = echo.statuses();
    assert_eq!(statuses.len(), 2, "{}", echo.text);
    assert!(
        (400..500).contains(&statuses[0]) && statuses[1] == 200,
        "{statuses:?}"
    );
}

/// A client that has sent all and waits gets its answer.
#[tokio::test]
async fn a_half_closed_client_gets_its_answer() {
    use tokio::io::AsyncWriteExt as _;
    let server = Server::start();
    let mut socket = tokio::net::TcpStream::connect(server.address())
        .await
        .expect("accepts");
    let text = format!("GET /mppeep/login HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
    socket.write_all(text.as_bytes()).await.expect("sent");
    socket.shutdown().await.expect("half closed");
    let echo = raw::read(&mut socket, Duration::from_secs(60)).await;
    assert_eq!(echo.statuses(), [200]);
}

/// No HTTP/2 over clear text: nobody needs it here, and it has its own floods.
#[tokio::test]
async fn http2_is_not_spoken_over_clear_text() {
    let server = Server::start();
    let echo = say(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert!(
        !echo.text.as_bytes().starts_with(&[0, 0]),
        "a settings frame came back"
    );
    let _alive = server.visitor().get("/mppeep/login").await.expect(200);
}
