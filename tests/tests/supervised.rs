//! Under systemd: what it is told, the sockets that it hands over; and crowds that are larger than the limits.

use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mppeep_tests::processes::{descriptors, eventually, hang_up, raise_descriptor_limit, terminate};
use mppeep_tests::tls::Pair;
use mppeep_tests::{Client, Launch, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(60);

/// The socket that systemd would listen on.
struct Supervisor(UnixDatagram);

impl Supervisor {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a patience");
        Self(socket)
    }

    /// The next message that is about something else than the watchdog.
    fn told(&self) -> String {
        loop {
            let message = self.next();
            if message.trim() != "WATCHDOG=1" {
                return message;
            }
        }
    }

    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        let count = self.0.recv(&mut buffer).expect("systemd is told something");
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }
}

#[tokio::test]
async fn systemd_is_told_how_the_process_is() {
    let launch = Launch::new();
    let pair = Pair::make(launch.data());
    let path = launch.data().join("notify");
    let supervisor = Supervisor::at(&path);
    let mut server = pair
        .given_to(launch)
        .env("NOTIFY_SOCKET", path.display())
        .env("WATCHDOG_USEC", 900_000)
        .start();
    tokio::task::spawn_blocking(move || {
        assert_eq!(supervisor.told().trim(), "READY=1");
        for _ in 0..3 {
            assert_eq!(supervisor.next().trim(), "WATCHDOG=1");
        }
        hang_up(server.id());
        let reloading = supervisor.told();
        assert!(
            reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="),
            "{reloading}"
        );
        assert_eq!(supervisor.told().trim(), "READY=1");
        terminate(server.id());
        assert_eq!(supervisor.told().trim(), "STOPPING=1");
        let end = Instant::now() + PATIENCE;
        while server.runs() {
            assert!(Instant::now() < end, "still there");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(server.status(), Some(0));
    })
    .await
    .expect("systemd was told everything");
}

/// A socket that outlives the process: while one server ends and another starts, nobody is refused.
#[tokio::test]
async fn a_restart_on_a_socket_handed_over_refuses_nobody() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty()).expect("inherited");
    let launch = Launch::new()
        .env("LISTEN_FDS", 1)
        .env("LISTEN_FDS_FIRST_FD", socket.as_raw_fd());
    let mut server = launch.start();
    assert_eq!(server.address(), address);
    let (answered, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut visitors = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (answered, ended) = (Arc::clone(&answered), Arc::clone(&ended));
        visitors.spawn(async move {
            while !ended.load(Ordering::SeqCst) {
                let _page = Client::new(address).get("/mppeep/login").await.expect(200);
                answered.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let before = answered.load(Ordering::SeqCst);
        let next = launch.clone();
        server = tokio::task::spawn_blocking(move || {
            let status = server.terminate(PATIENCE).expect("ended");
            assert!(status.success(), "{status}");
            next.start()
        })
        .await
        .expect("restarted");
        assert_eq!(server.address(), address);
        let goes_on = eventually(PATIENCE, || answered.load(Ordering::SeqCst) > before + 8).await;
        assert!(goes_on, "nobody is answered any more");
    }
    ended.store(true, Ordering::SeqCst);
    while let Some(visitor) = visitors.join_next().await {
        visitor.expect("somebody was refused");
    }
    println!("{} answers over two restarts", answered.load(Ordering::SeqCst));
}

/// X-S3: more connections than descriptors.
#[tokio::test]
async fn more_connections_than_descriptors_do_no_harm() {
    let _limit = raise_descriptor_limit();
    let server = Launch::new().wrapped_by(&["prlimit", "--nofile=200"]).start();
    let mut crowd = Vec::new();
    for _ in 0..600 {
        // Whoever is not taken, or put out again, is no concern of this test.
        if let Ok(Ok(socket)) =
            tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(server.address())).await
        {
            crowd.push(socket);
        }
    }
    println!(
        "{} of 600 connected, {} descriptors",
        crowd.len(),
        descriptors(server.id())
    );
    let page = server.visitor().get("/mppeep/login").await;
    let _page = page.expect(200);
    let _entered = server.admin().await;
    assert!(descriptors(server.id()) <= 200);
    drop(crowd);
    let _page = server.visitor().get("/mppeep/login").await.expect(200);
}

/// X-S11: a thousand at once, then a pool of a hundred such as the tunnel keeps.
#[tokio::test]
async fn a_thousand_at_once_are_all_taken() {
    let _limit = raise_descriptor_limit();
    let server = Server::start();
    let address = server.address();
    let get = format!("GET /mppeep/health/live HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let get = get.clone();
        crowd.spawn(async move {
            let mut socket = TcpStream::connect(address).await.expect("accepted");
            socket.write_all(get.as_bytes()).await.expect("sent");
            let mut some = [0; 1024];
            let count = socket.read(&mut some).await.expect("an answer");
            assert!(some[..count].starts_with(b"HTTP/1.1 200"), "{count} bytes");
            socket
        });
    }
    let mut kept = Vec::new();
    while let Some(socket) = crowd.join_next().await {
        kept.push(socket.expect("everybody is answered"));
    }
    kept.truncate(100);
    for round in 0..3 {
        for socket in &mut kept {
            socket.write_all(get.as_bytes()).await.expect("still open");
            let mut some = [0; 1024];
            let count = socket.read(&mut some).await.expect("an answer");
            assert!(some[..count].starts_with(b"HTTP/1.1 200"), "round {round}");
        }
    }
}

/// One address that comes directly cannot take all places, and a proxy may take as many as it likes.
#[tokio::test]
async fn one_address_cannot_take_all_places() {
    let _limit = raise_descriptor_limit();
    // 64 places, of which an address that is no trusted proxy gets 16.
    let launch = Launch::new().env("MPPEEP_MAX_CONNECTIONS", 64);
    let proxied = launch.start();
    let direct = Launch::new()
        .env("MPPEEP_MAX_CONNECTIONS", 64)
        .env("MPPEEP_TRUSTED_PROXIES", "192.0.2.1/32")
        .start();
    for (server, most) in [(&proxied, 40), (&direct, 16)] {
        let address = server.address();
        let get = format!("GET /mppeep/health/live HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let mut open = Vec::new();
        for _ in 0..40 {
            let mut socket = TcpStream::connect(address).await.expect("accepted");
            socket.write_all(get.as_bytes()).await.expect("sent");
            let mut some = [0; 1024];
            let count = socket.read(&mut some).await.expect("an answer");
            assert!(some[..count].starts_with(b"HTTP/1.1 200"), "the newest is served");
            open.push(socket);
        }
        // The last ones are ended a moment after the newest is served.
        let end = Instant::now() + PATIENCE;
        loop {
            let mut alive = Vec::new();
            for mut socket in open {
                let mut some = [0; 16];
                let read = tokio::time::timeout(Duration::from_millis(200), socket.read(&mut some));
                // Nothing to read yet: it is still open.
                if read.await.is_err() {
                    alive.push(socket);
                }
            }
            open = alive;
            if open.len() <= most || Instant::now() >= end {
                break;
            }
        }
        assert_eq!(open.len(), most);
    }
}
