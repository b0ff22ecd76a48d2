//! What broken and unread connections leave behind: nothing.

use std::time::Duration;

use mppeep_tests::Server;
use mppeep_tests::processes::{descriptors, eventually, raise_descriptor_limit, resident_kib};
use tokio::io::AsyncWriteExt as _;

use crate::{connect, get};

/// W-07, W-12: connections that are broken off at any point leave nothing behind.
#[tokio::test]
async fn broken_connections_leave_nothing_behind() {
    let _limit = raise_descriptor_limit();
    let server = Server::start();
    let get = get(server.address(), "/mppeep/login");
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
    let back = eventually(Duration::from_secs(60), || descriptors(server.id()) <= files + 8).await;
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
    let asks = get(server.address(), "/mppeep/login").repeat(5000);
    // The server stops reading when it cannot write: the rest stays in this client's hands.
    let _stuck = tokio::time::timeout(Duration::from_secs(3), socket.write_all(asks.as_bytes())).await;
    let grown = resident_kib(server.id()).saturating_sub(memory);
    println!("{grown} KiB more with 5000 unread answers");
    assert!(grown < 16 * 1024, "{grown} KiB more with 5000 unread answers");
    let _alive = server.visitor().get("/mppeep/login").await.expect(200);
}
