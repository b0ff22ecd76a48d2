//! Many at once, and more than there is room for.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mppeep_tests::load::{Connection, Times};
use mppeep_tests::processes::{descriptors, eventually, raise_descriptor_limit};
use mppeep_tests::{Client, Launch, Server, binary};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::judge;

/// How long a loaded machine may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that may open few files.
struct Narrow {
    child: Child,
    address: SocketAddr,
}

impl Narrow {
    /// The harness starts servers as they are; this one is started by a shell that takes descriptors away first.
    fn start(launch: &Launch, files: u32) -> Self {
        let plain = launch.command();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {files} && exec \"$0\" serve")]);
        command.arg(binary::path()).stderr(Stdio::piped());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(launch.data());
        let mut child = command.spawn().expect("sh can be run");
        let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
        let address = log
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let line: Value = serde_json::from_str(&line).ok()?;
                let field = |name: &str| line.get(name).or_else(|| line.get("fields")?.get(name))?.as_str();
                (field("message")? == "listening").then(|| field("address")?.parse().ok())?
            })
            .expect("it listens");
        // Nobody may be left to read what it writes.
        std::thread::spawn(move || log.for_each(drop));
        Self { child, address }
    }
}

impl Drop for Narrow {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// X-S3: six hundred who say nothing, where there is room for less than two hundred. Somebody who asks is answered; and
/// the server lives when they have gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_than_descriptors_do_not_keep_others_out() {
    let _limit = raise_descriptor_limit();
    let launch = Launch::new();
    let mut server = tokio::task::block_in_place(|| Narrow::start(&launch, 200));
    let visitor = Client::new(server.address);
    let _before = visitor.get("/mppeep/login").await.expect(200);
    let mut silent = Vec::new();
    for _ in 0..600 {
        silent.push(
            TcpStream::connect(server.address)
                .await
                .expect("the kernel takes it"),
        );
    }
    let begun = Instant::now();
    let mut times = Times::default();
    for _ in 0..5 {
        let asked = Instant::now();
        // On a connection of his own, behind all of them.
        let answer = tokio::time::timeout(PATIENCE, visitor.get("/mppeep/login")).await;
        let _page = answer.expect("somebody who asks is served").expect(200);
        times.push(asked.elapsed());
    }
    let most = descriptors(server.child.id());
    println!(
        "served after {:?} beside 600 silent ones: {}; {most} descriptors",
        begun.elapsed(),
        times.summary()
    );
    assert!(most <= 200, "{most} descriptors");
    drop(silent);
    let back = eventually(PATIENCE, || descriptors(server.child.id()) < 60).await;
    assert!(
        back,
        "{} descriptors when they have gone",
        descriptors(server.child.id())
    );
    let _after = visitor.get("/mppeep/login").await.expect(200);
    assert!(
        server.child.try_wait().expect("a child").is_none(),
        "it still runs"
    );
}

/// X-S11: a thousand connections in one moment, each with a request; then a pool of a hundred kept ones, as the tunnel has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_arrive_at_once_are_all_served() {
    const AT_ONCE: usize = 1_000;
    const POOL: usize = 100;
    let _limit = raise_descriptor_limit();
    let server = Server::start();
    let address = server.address();
    let _warm = server.visitor().get("/mppeep/login").await.expect(200);
    let arrivals = (0..AT_ONCE).map(|_| {
        tokio::spawn(async move {
            let begun = Instant::now();
            let mut connection = Connection::open(address, None).await.expect("accepted");
            let (status, _, _) = connection
                .get("/mppeep/static/css/style.css")
                .await
                .expect("an answer");
            assert_eq!(status, 200);
            (connection, begun.elapsed())
        })
    });
    let arrived = join_all(arrivals).await;
    let mut times = Times::default();
    let mut pool = Vec::new();
    for done in arrived {
        let (connection, took) = done.expect("everybody is served");
        times.push(took);
        if pool.len() < POOL {
            pool.push(connection);
        }
    }
    // On a machine of two cores that also has the thousand to play, this is not what one of them waits.
    println!("a thousand at once: {}", times.summary());
    let kept = pool.into_iter().map(|mut connection| {
        tokio::spawn(async move {
            let mut times = Times::default();
            for _ in 0..20 {
                let (status, _, took) = connection
                    .get("/mppeep/login")
                    .await
                    .expect("the connection is kept");
                assert_eq!(status, 200);
                times.push(took);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            times
        })
    });
    let mut times = Times::default();
    for done in join_all(kept).await {
        times.extend(done.expect("everybody is served"));
    }
    judge("a pool of a hundred", &times);
}
