//! HTTP/2: what a connection may do, and peers who use it to keep the server busy.

use std::time::Duration;

use mppeep_tests::frames::{self, END_HEADERS, END_STREAM, frame, kind};
use mppeep_tests::processes::resident_kib;
use mppeep_tests::tls::{self, HOST, HTTP_2, Pair, SecureConnection, Wish};
use mppeep_tests::{Launch, Server, raw};
use tokio::io::AsyncWriteExt as _;

const PATIENCE: Duration = Duration::from_secs(60);

fn started() -> (Server, Pair) {
    let launch = Launch::new();
    let pair = Pair::make(launch.data());
    (pair.given_to(launch).start(), pair)
}

async fn open(server: &Server, pair: &Pair, wish: Wish<'_>) -> SecureConnection {
    SecureConnection::open(server.address(), pair, wish)
        .await
        .expect("a connection")
}

/// It comes by ALPN only.
#[tokio::test]
async fn http_2_is_not_spoken_without_tls() {
    let server = Server::start();
    let echo = raw::talk(server.address(), &frames::preface(&[]), PATIENCE).await;
    assert!(echo.closed && !echo.statuses().contains(&200), "{}", echo.text);
    let upgrade = format!(
        "GET /mppeep/login HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        server.address()
    );
    let echo = raw::ask(server.address(), upgrade.as_bytes(), Duration::from_secs(2)).await;
    assert_eq!(echo.statuses(), [200], "answered as HTTP/1.1");
}

/// One page says what a connection may do, and a hundred requests at once are answered on it.
#[tokio::test]
async fn a_hundred_requests_share_a_connection() {
    let (server, pair) = started();
    let mut stream = tls::connect(server.address(), &[&pair], HTTP_2)
        .await
        .expect("a handshake");
    let settings = frames::hello(&mut stream, &[]).await;
    let of = |id| {
        settings
            .iter()
            .find(|(other, _)| *other == id)
            .map(|(_, value)| *value)
    };
    assert_eq!(of(3), Some(100), "streams at once");
    assert_eq!(of(6), Some(32 * 1024), "bytes of a head");
    drop(stream);
    let connection = open(&server, &pair, HTTP_2).await;
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..100 {
        let mut connection = connection.share();
        requests.spawn(async move {
            let path = if number % 2 == 0 {
                "/mppeep/login"
            } else {
                "/mppeep/static/css/style.css"
            };
            connection
                .get(path)
                .await
                .expect("an answer")
                .expect(200)
                .body
                .len()
        });
    }
    let mut answered = 0;
    while let Some(size) = requests.join_next().await {
        assert!(size.expect("a whole answer") > 1000);
        answered += 1;
    }
    assert_eq!(answered, 100);
}

/// W-11, CVE-2023-44487: a stream opened and reset, ten thousand times.
#[tokio::test]
async fn a_flood_of_resets_ends_its_own_connection() {
    let (server, pair) = started();
    let mut stream = tls::connect(server.address(), &[&pair], HTTP_2)
        .await
        .expect("a handshake");
    frames::hello(&mut stream, &[]).await;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let flood = async move {
        let head = frames::get("/mppeep/login");
        for number in 0..10_000_u32 {
            let id = number * 2 + 1;
            let mut bytes = frame(kind::HEADERS, END_STREAM | END_HEADERS, id, &head);
            bytes.extend(frame(kind::RST_STREAM, 0, id, &8_u32.to_be_bytes()));
            if writer.write_all(&bytes).await.is_err() {
                return number;
            }
        }
        10_000
    };
    let (sent, (code, ended)) = tokio::join!(flood, frames::farewell(&mut reader, PATIENCE));
    println!("after {sent} resets the server said {code:?}");
    assert!(ended, "the connection is still open");
    assert!(
        code.is_none_or(|code| code == 11),
        "ENHANCE_YOUR_CALM, not {code:?}"
    );
    let mut other = open(&server, &pair, HTTP_2).await;
    let _alive = other.get("/mppeep/login").await.expect("an answer").expect(200);
}

/// A head that never ends (CONTINUATION flood), and one that is too large.
#[tokio::test]
async fn endless_and_large_heads_are_refused() {
    let (server, pair) = started();
    let memory = resident_kib(server.id());
    let mut stream = tls::connect(server.address(), &[&pair], HTTP_2)
        .await
        .expect("a handshake");
    frames::hello(&mut stream, &[]).await;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let filler = frames::field("x-filler", &"a".repeat(16_000));
    let flood = async move {
        let begin = frame(kind::HEADERS, END_STREAM, 1, &frames::get("/mppeep/login"));
        if writer.write_all(&begin).await.is_err() {
            return 0;
        }
        for number in 0..4_000 {
            if writer
                .write_all(&frame(kind::CONTINUATION, 0, 1, &filler))
                .await
                .is_err()
            {
                return number;
            }
        }
        4_000
    };
    let (sent, (code, ended)) = tokio::join!(flood, frames::farewell(&mut reader, PATIENCE));
    println!("after {sent} continuations the server said {code:?}");
    assert!(ended && sent < 4_000, "a head of {sent} pieces was listened to");
    let grown = resident_kib(server.id()).saturating_sub(memory);
    assert!(grown < 16 * 1024, "{grown} KiB more");

    // Whole, but larger than the server takes.
    let mut connection = open(&server, &pair, HTTP_2).await;
    let long = "a".repeat(6_000);
    let names: Vec<String> = (0..8).map(|number| format!("x-{number}")).collect();
    let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), long.as_str())).collect();
    match connection.request("GET", "/mppeep/login", &headers, "").await {
        Ok(answer) => assert_eq!(answer.status, 431),
        Err(error) => println!("refused: {error}"),
    }
    let mut other = open(&server, &pair, HTTP_2).await;
    let _alive = other.get("/mppeep/login").await.expect("an answer").expect(200);
}

/// Heads that HTTP/2 allows and this server does not.
#[tokio::test]
async fn one_valid_authority_is_needed_over_http_2_too() {
    let (server, pair) = started();
    let head = |authority: Option<&str>| {
        let mut fields = vec![frames::field(":method", "GET"), frames::field(":scheme", "https")];
        fields.extend(authority.map(|authority| frames::field(":authority", authority)));
        fields.push(frames::field(":path", "/mppeep/login"));
        fields.concat()
    };
    for (authority, accepted) in [
        (Some(HOST), true),
        (None, false),
        (Some("user@mppeep.test"), false),
        (Some("mppeep.test/x"), false),
    ] {
        let mut stream = tls::connect(server.address(), &[&pair], HTTP_2)
            .await
            .expect("a handshake");
        frames::hello(&mut stream, &[]).await;
        let request = frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &head(authority));
        stream.write_all(&request).await.expect("sent");
        let answer = loop {
            let Some(frame) = frames::next(&mut stream, PATIENCE).await else {
                break None;
            };
            if frame.stream == 1 || frame.kind == kind::GOAWAY {
                break Some(frame);
            }
        };
        // `:status 200` is entry 8 of the static table.
        let well = answer.is_some_and(|frame| frame.kind == kind::HEADERS && frame.payload[0] == 0x88);
        assert_eq!(well, accepted, "{authority:?}");
    }
}

/// A client that keeps its windows shut is not waited for, nor one that says nothing after its hello.
#[tokio::test]
async fn readers_who_never_read_are_ended_over_http_2_too() {
    let (server, pair) = started();
    let (mut shut, mut silent) = (
        tls::connect(server.address(), &[&pair], HTTP_2)
            .await
            .expect("a handshake"),
        tls::connect(server.address(), &[&pair], HTTP_2)
            .await
            .expect("a handshake"),
    );
    frames::hello(&mut shut, &[(4, 0)]).await;
    frames::hello(&mut silent, &[]).await;
    let ask = frame(
        kind::HEADERS,
        END_STREAM | END_HEADERS,
        1,
        &frames::get("/mppeep/static/css/style.css"),
    );
    shut.write_all(&ask).await.expect("sent");
    let keep_answering = async {
        // It answers every ping, so that nobody takes it for dead.
        while let Some(frame) = frames::next(&mut shut, Duration::from_secs(200)).await {
            if frame.kind == kind::PING && frame.flags == 0 {
                let pong = frames::frame(kind::PING, END_HEADERS, 0, &frame.payload);
                if shut.write_all(&pong).await.is_err() {
                    break;
                }
            }
        }
    };
    let begun = std::time::Instant::now();
    let (shut, silent) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(180), keep_answering),
        frames::farewell(&mut silent, PATIENCE)
    );
    println!("given up after {:?}", begun.elapsed());
    assert!(shut.is_ok(), "a reader that never reads is still connected");
    assert!(silent.1, "a client that asks nothing is still connected");
}
