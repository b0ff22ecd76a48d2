//! Slow ones of every kind by the hundred.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mppeep_tests::Server;
use mppeep_tests::processes::{descriptors, eventually, raise_descriptor_limit, resident_kib};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::{drip, endless_head, form_head, get, judge, length, others};

/// How a client is slow.
#[derive(Clone, Copy)]
enum Slow {
    /// One byte of a head every two seconds.
    Head,
    /// Nothing at all.
    Silent,
    /// One byte of a body every two seconds.
    Body,
    /// Asks twenty times for a style sheet and reads one byte a second.
    Reader,
}

impl Slow {
    /// Once, until the server ends it.
    async fn visit(self, server: SocketAddr) -> std::io::Result<()> {
        let mut socket = TcpStream::connect(server).await?;
        match self {
            Self::Head => {
                let _end = drip(socket, endless_head(server), Duration::from_secs(2)).await;
            }
            Self::Silent => {
                let _end = drip(socket, String::new(), Duration::from_secs(1)).await;
            }
            Self::Body => {
                socket.write_all(form_head(server).as_bytes()).await?;
                let _end = drip(socket, "x".repeat(500), Duration::from_secs(2)).await;
            }
            Self::Reader => {
                let asks = get(server, "/mppeep/static/css/style.css").repeat(20);
                socket.write_all(asks.as_bytes()).await?;
                let mut one = [0; 1];
                while socket.read(&mut one).await? > 0 {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
        Ok(())
    }
}

/// W-01: whoever is ended comes back at once, so that the crowd stays as large as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_served_while_hundreds_are_slow() {
    const LEAST: usize = 30;
    let _limit = raise_descriptor_limit();
    let server = Server::start();
    let address = server.address();
    let session = server.admin().await.session();
    let before = others(address, &session, Duration::from_secs(2)).await;
    println!("alone: {}", before.summary());
    let (files, memory) = (descriptors(server.id()), resident_kib(server.id()));
    let ended = Arc::new(AtomicUsize::new(0));
    let mut crowd = JoinSet::new();
    for (slow, count) in [
        (Slow::Head, 300),
        (Slow::Silent, 100),
        (Slow::Body, 100),
        (Slow::Reader, 50),
    ] {
        for _ in 0..count {
            let ended = Arc::clone(&ended);
            crowd.spawn(async move {
                loop {
                    if slow.visit(address).await.is_err() {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    ended.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    let here = eventually(Duration::from_secs(60), || {
        descriptors(server.id()) >= files + 500
    })
    .await;
    assert!(
        here,
        "{} descriptors: the crowd is not here",
        descriptors(server.id())
    );
    let mut meanwhile = others(address, &session, length()).await;
    // A machine with much other work may need longer for as many.
    for _ in 0..5 {
        if meanwhile.count() <= LEAST {
            meanwhile.extend(others(address, &session, length()).await);
        }
    }
    let during = resident_kib(server.id());
    println!(
        "{} slow ones were ended; {} KiB more meanwhile",
        ended.load(Ordering::Relaxed),
        during.saturating_sub(memory)
    );
    // Three of them, each asking every twentieth of a second or so.
    assert!(meanwhile.count() > LEAST, "{}", meanwhile.summary());
    judge("meanwhile", &meanwhile);
    crowd.shutdown().await;
    // Both come back when the crowd has gone.
    let back = eventually(Duration::from_secs(60), || descriptors(server.id()) <= files + 8).await;
    assert!(
        back,
        "{files} descriptors before, {} now",
        descriptors(server.id())
    );
    let grown = resident_kib(server.id()).saturating_sub(memory);
    println!("{grown} KiB more than before, when they are gone");
    assert!(grown < 32 * 1024, "{grown} KiB more than before");
}
