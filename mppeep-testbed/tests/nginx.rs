//! A private nginx starts, answers, refuses what it does not understand, and ends.

use std::time::{Duration, Instant};

use mppeep_testbed::{Nginx, NginxOptions, free_port, process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn an_nginx_answers_and_leaves_nothing_behind() {
    let port = free_port();
    let nginx = Nginx::start(&NginxOptions {
        site: format!("server {{ listen 127.0.0.1:{port}; root {{folder}}; }}"),
        files: vec![("word.txt".into(), b"pirogue".to_vec())],
        port,
        ..NginxOptions::default()
    })
    .await
    .expect("a good site");
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.expect("accepted");
    socket
        .write_all(b"GET /word.txt HTTP/1.0\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("pirogue"), "{answer}");
    // One may answer before the other one is there.
    let end = Instant::now() + Duration::from_secs(60);
    let mut family = process::descendants(nginx.id());
    while family.len() < 2 && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
        family = process::descendants(nginx.id());
    }
    assert_eq!(family.len(), 2, "two workers");
    nginx.stop().await;
    assert!(nginx.requests().contains("GET /word.txt"), "{}", nginx.requests());
    let id = nginx.id();
    drop(nginx);
    assert!(!process::runs(id));
    for worker in family {
        assert!(!process::runs(worker), "a worker outlives its master");
    }
}

#[tokio::test]
async fn an_nginx_says_what_it_does_not_understand() {
    let wrong = NginxOptions {
        site: "server { listens 80; }".into(),
        port: free_port(),
        ..NginxOptions::default()
    };
    let said = Nginx::start(&wrong).await.err().expect("refused");
    assert!(said.contains("listens"), "{said}");
}
