//! Connections that only wait, as a tunnel keeps them.

use std::time::Duration;

use futures_util::future::join_all;
use mppeep_tests::Server;
use mppeep_tests::processes::{descriptors, eventually, raise_descriptor_limit, resident_kib};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{connect, get, judge, others};

/// W-06, W-10: they cost little, disturb nobody, and give back what they held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_idle_connections_are_cheap_and_given_back() {
    const CROWD: u32 = 2_000;
    const AT_ONCE: u32 = 10;
    /// What each may cost.
    const MOST_KIB: f64 = 40.0;
    let limit = raise_descriptor_limit();
    assert!(
        limit >= 2_500,
        "this machine allows {limit} open files: raise `ulimit -Hn`"
    );
    let server = Server::start();
    let address = server.address();
    let session = server.admin().await.session();
    let _warm = others(server.address(), &session, Duration::from_secs(1)).await;
    let (files, memory) = (descriptors(server.id()), resident_kib(server.id()));
    let mut idle = Vec::new();
    for _ in 0..CROWD / AT_ONCE {
        // Some at once: on a loaded machine the first ones would else be idle for too long before the last ones come.
        let some = (0..AT_ONCE).map(|_| async move {
            let mut socket = connect(address).await;
            let get = get(address, "/mppeep/login");
            socket.write_all(get.as_bytes()).await.expect("sent");
            let mut some = [0; 1024];
            assert!(socket.read(&mut some).await.expect("an answer") > 0);
            socket
        });
        idle.extend(join_all(some).await);
    }
    let grown = resident_kib(server.id()).saturating_sub(memory);
    let each = grown as f64 / f64::from(CROWD);
    println!("{each:.1} KiB for each of {CROWD} idle connections, {grown} KiB in all");
    assert!(each <= MOST_KIB, "{each:.1} KiB for each idle connection");
    // Those that warmed it have gone meanwhile.
    let open = descriptors(server.id());
    assert!(
        open + 8 >= files + 2_000,
        "{files} descriptors before, {open} with all of them"
    );
    judge(
        "others",
        &others(server.address(), &session, Duration::from_secs(2)).await,
    );
    drop(idle);
    let back = eventually(Duration::from_secs(60), || descriptors(server.id()) <= files + 8).await;
    assert!(
        back,
        "{files} descriptors before, {} now",
        descriptors(server.id())
    );
    // Again, on memory that was given back: nothing is lost from one crowd to the next.
    let after_first = resident_kib(server.id());
    let mut again = Vec::new();
    for _ in 0..CROWD {
        again.push(connect(server.address()).await);
    }
    drop(again);
    let back = eventually(Duration::from_secs(60), || descriptors(server.id()) <= files + 8).await;
    assert!(
        back,
        "{files} descriptors before, {} now",
        descriptors(server.id())
    );
    let grown = resident_kib(server.id()).saturating_sub(after_first);
    println!("{grown} KiB more after a second crowd");
    assert!(grown < 16 * 1024, "{grown} KiB more after a second crowd");
}
