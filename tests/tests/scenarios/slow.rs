//! One slow client of each kind: it is ended.

use std::time::Duration;

use mppeep_tests::{Server, raw};
use tokio::io::AsyncWriteExt as _;

use crate::{connect, drip, endless_head, form_head, get};

/// W-02, W-03, W-04: all at once, since each only waits. A minute of patience, where the promise is 35 to 40 seconds.
#[tokio::test]
async fn slow_heads_silent_sockets_and_slow_bodies_are_ended() {
    const PATIENCE: Duration = Duration::from_secs(60);
    let server = Server::start();
    let address = server.address();
    let slow_head = drip(
        connect(address).await,
        endless_head(address),
        Duration::from_secs(1),
    );
    let silent = drip(connect(address).await, String::new(), Duration::from_secs(1));
    let slow_body = async {
        let mut socket = connect(address).await;
        let begin = format!("{}u", form_head(address));
        socket
            .write_all(begin.as_bytes())
            .await
            .expect("the head is taken");
        drip(socket, "x".repeat(499), Duration::from_secs(2)).await
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

/// Kept connections are kept: many requests on one, with pauses.
#[tokio::test]
async fn kept_connections_stay_in_step() {
    let server = Server::start();
    let mut socket = connect(server.address()).await;
    for _ in 0..5 {
        let get = get(server.address(), "/mppeep/health/live");
        socket
            .write_all(get.as_bytes())
            .await
            .expect("the connection is still open");
        let echo = raw::until_silent(&mut socket, Duration::from_millis(300)).await;
        assert_eq!(echo.statuses(), [200], "{}", echo.text);
        assert!(!echo.closed);
    }
}
