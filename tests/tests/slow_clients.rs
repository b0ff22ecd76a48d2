//! Clients that are slow, silent or gone, as CHECKS W want them ended without harm to the others.
//!
//! No assertion here is about how fast something was: only about what is open, what was answered and what is left.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mppeep_tests::load::Times;
use mppeep_tests::processes::{descriptors, eventually, raise_descriptor_limit, resident_kib};
use mppeep_tests::{Server, raw};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn connect(server: SocketAddr) -> TcpStream {
    TcpStream::connect(server).await.expect("the server accepts")
}

/// Writes one byte of a text every so often until the server has had enough.
async fn drip(mut socket: TcpStream, text: String, pause: Duration) -> (Duration, String) {
    let begun = Instant::now();
    let (mut reader, mut writer) = socket.split();
    let mut answer = Vec::new();
    let slowly = async {
        for byte in text.bytes() {
            if writer.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = slowly => {}
        _ = reader.read_to_end(&mut answer) => {}
    }
    (begun.elapsed(), String::from_utf8_lossy(&answer).into_owned())
}

/// W-02, W-03, W-04: all at once, since each only waits. A minute of patience, where the promise is 35 to 40 seconds.
#[tokio::test]
async fn slow_heads_silent_sockets_and_slow_bodies_are_ended() {
    const PATIENCE: Duration = Duration::from_secs(60);
    let server = Server::start();
    let address = server.address();
    let head = format!(
        "GET /mppeep/login HTTP/1.1\r\nHost: {address}\r\nX-Slow: {}",
        "a".repeat(500)
    );
    let body = format!(
        "POST /mppeep/login HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 500\r\n\r\nu"
    );
    let slow_head = drip(connect(address).await, head, Duration::from_secs(1));
    let silent = drip(connect(address).await, String::new(), Duration::from_secs(1));
    let slow_body = async {
        let mut socket = connect(address).await;
        socket
            .write_all(body.as_bytes())
            .await
            .expect("the head is taken");
        drip(socket, "x".repeat(500), Duration::from_secs(2)).await
    };
    let half_line = drip(connect(address).await, "GE".to_owned(), Duration::from_secs(1));
    let ends = tokio::join!(
        tokio::time::timeout(PATIENCE, slow_head),
        tokio::time::timeout(PATIENCE, silent),
        tokio::time::timeout(PATIENCE, slow_body),
        tokio::time::timeout(PATIENCE, half_line),
    );
    let (took_head, _) = ends.0.expect("the slow head is still open");
    let (took_silent, _) = ends.1.expect("the silent socket is still open");
    let (took_body, answer) = ends.2.expect("the slow body is still open");
    let (took_half, _) = ends.3.expect("the half line is still open");
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    println!(
        "ended: head {took_head:?}, silent {took_silent:?}, body {took_body:?}, half a line {took_half:?}"
    );
    let _alive = server.visitor().get("/mppeep/login").await.expect(200);
}

/// W-01: slow ones of every kind by the hundred, and others are served meanwhile. `MPPEEP_SCENARIO_SECONDS=45` for the
/// whole scenario; the times are printed.
#[tokio::test]
async fn others_are_served_while_hundreds_are_slow() {
    let _limit = raise_descriptor_limit();
    let server = Server::start();
    let address = server.address();
    let client = server.admin().await;
    let mut slow = tokio::task::JoinSet::new();
    for _ in 0..300 {
        slow.spawn(async move {
            let head = format!(
                "GET /mppeep/login HTTP/1.1\r\nHost: {address}\r\nX-Slow: {}",
                "a".repeat(500)
            );
            let _end = drip(connect(address).await, head, Duration::from_secs(2)).await;
        });
    }
    for _ in 0..100 {
        slow.spawn(async move {
            let _end = drip(connect(address).await, String::new(), Duration::from_secs(1)).await;
        });
        slow.spawn(async move {
            let mut socket = connect(address).await;
            let head = format!(
                "POST /mppeep/login HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 500\r\n\r\n"
            );
            let _sent = socket.write_all(head.as_bytes()).await;
            let _end = drip(socket, "x".repeat(500), Duration::from_secs(2)).await;
        });
    }
    for _ in 0..50 {
        slow.spawn(async move {
            let mut socket = connect(address).await;
            let get = format!("GET /mppeep/static/css/style.css HTTP/1.1\r\nHost: {address}\r\n\r\n");
            let _sent = socket.write_all(get.repeat(20).as_bytes()).await;
            let mut one = [0; 1];
            while socket.read(&mut one).await.is_ok_and(|count| count > 0) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
    let seconds = std::env::var("MPPEEP_SCENARIO_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(6);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut times = Times::default();
    while Instant::now() < end {
        let begun = Instant::now();
        let _page = client.get("/mppeep/accueil").await.expect(200);
        times.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        times.count() > 20,
        "{} answers in {seconds} seconds",
        times.count()
    );
    println!("meanwhile: {}", times.summary());
    slow.abort_all();
}

/// W-06, W-10: connections that only wait cost little, and give back what they held.
#[tokio::test]
async fn two_thousand_idle_connections_are_cheap_and_given_back() {
    let limit = raise_descriptor_limit();
    assert!(
        limit >= 2_500,
        "this machine allows {limit} open files: raise `ulimit -Hn`"
    );
    let server = Server::start();
    let _warm = server.visitor().get("/mppeep/login").await.expect(200);
    let (files, memory) = (descriptors(server.id()), resident_kib(server.id()));
    let mut idle = Vec::new();
    for _ in 0..2000 {
        let mut socket = connect(server.address()).await;
        let get = format!(
            "GET /mppeep/health/live HTTP/1.1\r\nHost: {}\r\n\r\n",
            server.address()
        );
        socket.write_all(get.as_bytes()).await.expect("sent");
        let mut some = [0; 512];
        assert!(socket.read(&mut some).await.expect("an answer") > 0);
        idle.push(socket);
    }
    let each = resident_kib(server.id()).saturating_sub(memory) / 2000;
    println!("{each} KiB for each idle connection");
    assert!(each <= 40, "{each} KiB for each idle connection");
    let _others = server.visitor().get("/mppeep/login").await.expect(200);
    drop(idle);
    let back = eventually(Duration::from_secs(30), || descriptors(server.id()) <= files + 8).await;
    assert!(
        back,
        "{files} descriptors before, {} now",
        descriptors(server.id())
    );
}

/// W-07, W-12: connections that are broken off at any point leave nothing behind.
#[tokio::test]
async fn broken_connections_leave_nothing_behind() {
    let _limit = raise_descriptor_limit();
    let server = Server::start();
    let get = format!("GET /mppeep/login HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
    let storm = async |count: usize| {
        for number in 0..count {
            let mut socket = connect(server.address()).await;
            let sent = &get.as_bytes()[..(number * 7) % (get.len() + 1)];
            let _sent = socket.write_all(sent).await;
            socket.set_zero_linger().expect("the socket can be broken off");
        }
    };
    storm(300).await; // what is allocated once is allocated now
    let (files, memory) = (descriptors(server.id()), resident_kib(server.id()));
    storm(1500).await;
    let back = eventually(Duration::from_secs(30), || descriptors(server.id()) <= files + 8).await;
    assert!(
        back,
        "{files} descriptors before, {} now",
        descriptors(server.id())
    );
    let grown = resident_kib(server.id()).saturating_sub(memory);
    println!("{grown} KiB more after 1500 broken connections");
    assert!(
        grown < 16 * 1024,
        "{grown} KiB more after 1500 broken connections"
    );
    let _alive = server.visitor().get("/mppeep/login").await.expect(200);
}

/// W-09: whoever asks and never reads is not worked for without end.
#[tokio::test]
async fn requests_whose_answers_nobody_reads_cost_bounded_memory() {
    let server = Server::start();
    let _warm = server.visitor().get("/mppeep/login").await.expect(200);
    let memory = resident_kib(server.id());
    let mut socket = connect(server.address()).await;
    let get = format!("GET /mppeep/login HTTP/1.1\r\nHost: {}\r\n\r\n", server.address()).repeat(5000);
    // The server stops reading when it cannot write: the rest stays in this client's hands.
    let _stuck = tokio::time::timeout(Duration::from_secs(3), socket.write_all(get.as_bytes())).await;
    let grown = resident_kib(server.id()).saturating_sub(memory);
    println!("{grown} KiB more with 5000 unread answers");
    assert!(grown < 16 * 1024, "{grown} KiB more with 5000 unread answers");
    let _alive = server.visitor().get("/mppeep/login").await.expect(200);
}

/// Kept connections are kept: many requests on one, with pauses.
#[tokio::test]
async fn kept_connections_stay_in_step() {
    let server = Server::start();
    let mut socket = connect(server.address()).await;
    for _ in 0..5 {
        let get = format!(
            "GET /mppeep/health/live HTTP/1.1\r\nHost: {}\r\n\r\n",
            server.address()
        );
        socket
            .write_all(get.as_bytes())
            .await
            .expect("the connection is still open");
        let echo = raw::read(&mut socket, Duration::from_millis(300)).await;
        assert_eq!(echo.statuses(), [200]);
        assert!(!echo.closed);
    }
}
