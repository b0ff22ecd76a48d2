//! The proxy does the harm that it was told to do, and no other.

use std::time::{Duration, Instant};

use mppeep_testbed::{Fault, FaultProxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that repeats what it is told.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reads, mut writes) = connection.into_split();
                let _ended = tokio::io::copy(&mut reads, &mut writes).await;
            });
        }
    });
    address
}

async fn repeat(connection: &mut TcpStream, word: &[u8]) -> std::io::Result<Vec<u8>> {
    connection.write_all(word).await?;
    let mut answer = vec![0; word.len()];
    connection.read_exact(&mut answer).await?;
    Ok(answer)
}

async fn connect(proxy: &FaultProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.expect("it listens")
}

#[tokio::test]
async fn it_lets_pass() {
    let proxy = FaultProxy::start(&echo().await);
    let mut first = connect(&proxy).await;
    let mut second = connect(&proxy).await;
    assert_eq!(repeat(&mut first, b"one").await.expect("it passes"), b"one");
    let long = vec![7; 300_000];
    let (mut reads, mut writes) = second.split();
    let mut answer = vec![0; long.len()];
    let (sent, read) = tokio::join!(writes.write_all(&long), reads.read_exact(&mut answer));
    sent.expect("it passes");
    read.expect("it passes");
    assert_eq!(answer, long);
    assert_eq!((proxy.accepted(), proxy.open()), (2, 2));
    // An end is passed on as an end.
    first.shutdown().await.expect("open");
    assert_eq!(first.read(&mut [0; 1]).await.expect("an end in order"), 0);
    while proxy.open() == 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(proxy.open(), 1);
}

#[tokio::test]
async fn it_refuses_and_listens_again_on_the_same_port() {
    let proxy = FaultProxy::start(&echo().await);
    let mut before = connect(&proxy).await;
    assert_eq!(repeat(&mut before, b"one").await.expect("it passes"), b"one");
    proxy.set(Fault::Refuse).await;
    let refused = TcpStream::connect(proxy.address())
        .await
        .expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(
        repeat(&mut before, b"two").await.expect("open ones go on"),
        b"two"
    );
    proxy.set(Fault::Pass).await;
    assert_eq!(
        repeat(&mut connect(&proxy).await, b"three").await.expect("back"),
        b"three"
    );
}

#[tokio::test]
async fn it_resets_new_connections_and_on_demand_the_open_ones() {
    let proxy = FaultProxy::start(&echo().await);
    let mut before = connect(&proxy).await;
    assert_eq!(repeat(&mut before, b"one").await.expect("it passes"), b"one");
    proxy.set(Fault::Reset).await;
    let mut new = connect(&proxy).await;
    let error = repeat(&mut new, b"two").await.expect_err("reset");
    println!("a reset connection says {error}");
    assert_eq!(
        repeat(&mut before, b"three").await.expect("open ones go on"),
        b"three"
    );
    proxy.reset_connections();
    let error = before.read_exact(&mut [0; 1]).await.expect_err("reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    proxy.set(Fault::Pass).await;
    assert_eq!(
        repeat(&mut connect(&proxy).await, b"four").await.expect("back"),
        b"four"
    );
}

#[tokio::test]
async fn it_resets_open_connections_in_a_black_hole() {
    let proxy = FaultProxy::start(&echo().await);
    let mut before = connect(&proxy).await;
    assert_eq!(repeat(&mut before, b"one").await.expect("it passes"), b"one");
    proxy.set(Fault::BlackHole).await;
    before.write_all(b"two").await.expect("it is taken");
    proxy.reset_connections();
    let error = before.read_exact(&mut [0; 1]).await.expect_err("reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_black_hole_takes_everything_and_gives_it_back_in_the_end() {
    let proxy = FaultProxy::start(&echo().await);
    let mut before = connect(&proxy).await;
    assert_eq!(repeat(&mut before, b"one").await.expect("it passes"), b"one");
    proxy.set(Fault::BlackHole).await;
    let mut new = connect(&proxy).await;
    for connection in [&mut before, &mut new] {
        connection.write_all(b"two").await.expect("it is taken");
        let answer = tokio::time::timeout(Duration::from_millis(200), connection.read(&mut [0; 1])).await;
        assert!(answer.is_err(), "nobody answers");
    }
    proxy.set(Fault::Pass).await;
    for connection in [&mut before, &mut new] {
        let mut answer = [0; 3];
        connection
            .read_exact(&mut answer)
            .await
            .expect("what waited arrives");
        assert_eq!(&answer, b"two");
    }
}

#[tokio::test]
async fn it_delays_replies() {
    let proxy = FaultProxy::start(&echo().await);
    let mut connection = connect(&proxy).await;
    proxy.set(Fault::Delay(Duration::from_millis(150))).await;
    let begun = Instant::now();
    assert_eq!(repeat(&mut connection, b"one").await.expect("it passes"), b"one");
    assert!(
        begun.elapsed() >= Duration::from_millis(150),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn it_cuts_replies_after_so_many_bytes() {
    let proxy = FaultProxy::start(&echo().await);
    let mut connection = connect(&proxy).await;
    assert_eq!(repeat(&mut connection, b"one").await.expect("it passes"), b"one");
    proxy.set(Fault::CutAfter(5)).await;
    assert_eq!(
        repeat(&mut connection, b"two").await.expect("three bytes"),
        b"two"
    );
    connection.write_all(b"three").await.expect("open");
    let mut rest = Vec::new();
    let error = connection.read_to_end(&mut rest).await.expect_err("reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(rest, b"th", "five bytes in all");
    // Each connection has its own count, which begins anew when it is set again.
    let mut next = connect(&proxy).await;
    assert_eq!(repeat(&mut next, b"four").await.expect("four bytes"), b"four");
    proxy.set(Fault::CutAfter(5)).await;
    assert_eq!(repeat(&mut next, b"four").await.expect("four bytes"), b"four");
}

#[tokio::test]
async fn it_corrupts_replies() {
    let proxy = FaultProxy::start(&echo().await);
    let mut connection = connect(&proxy).await;
    proxy.set(Fault::Corrupt).await;
    let answer = repeat(&mut connection, b"0000000000").await.expect("it passes");
    assert_eq!(answer, b"1000000100");
    proxy.set(Fault::Pass).await;
    assert_eq!(
        repeat(&mut connection, b"0000").await.expect("it passes"),
        b"0000"
    );
}

#[tokio::test]
async fn a_server_that_does_not_run_looks_like_a_reset() {
    // Bound, so that nobody else gets the port, and not listening.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let proxy = FaultProxy::start(&socket.local_addr().expect("bound").to_string());
    let mut connection = connect(&proxy).await;
    assert!(repeat(&mut connection, b"one").await.is_err());
}
