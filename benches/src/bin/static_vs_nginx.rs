//! Static files beside the real nginx, in one run: `cargo run --release -p mppeep-benches --bin static_vs_nginx -- [rounds]`.
//!
//! nginx serves the same files from a memory-backed folder with `sendfile`, `open_file_cache` and `gzip_static`, which hands out
//! files that were compressed beforehand, as mppeep does. One client asks both: the same connections, the same bytes of request,
//! rounds in turn, so that whatever else the machine does is shared: first without a log, then with a line for each request
//! in a file, as either runs in earnest. Printed are requests a second, and what the servers alone spent on each request,
//! which is what counts when client and server share processors. Then sizes, beside what nginx makes of the same at level 6.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use mppeep_testbed::{Nginx, NginxOptions, free_port};
use mppeep_tests::processes::{descendants, processor_ticks};
use mppeep_tests::{Client, Launch};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// Kept connections of the client.
const CONNECTIONS: usize = 32;
/// How long one side is asked in a round.
const TURN: Duration = Duration::from_secs(2);
/// The lines of both, in the folder of nginx.
const LOGS: [&str; 2] = ["mppeep.log", "nginx.log"];
/// Files that are compared, below `/mppeep/static/`.
const FILES: [&str; 3] = ["css/style.css", "css/components.css", "js/app.js"];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let rounds = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(6);
    let launch = Launch::new()
        // What says where it listens, and no line for each request.
        .env("MPPEEP_LOG", "warn,mppeep::commands=info")
        .env("MPPEEP_REQUEST_RATE", 0)
        .with_demo(200);
    let server = launch.start();
    let user = server.demo_user("sdrh").await;
    let visitor = server.visitor();
    let mut contents = Vec::new();
    for file in FILES {
        let answer = visitor.get(&format!("/mppeep/static/{file}")).await.expect(200);
        contents.push((file.to_owned(), answer.body.to_vec()));
    }
    let json = user
        .get("/mppeep/api/v1/personnel?limit=50")
        .await
        .expect(200)
        .body;
    contents.push(("personnel.json".to_owned(), json.to_vec()));
    let nginx = nginx(&contents).await;
    let ours = Side {
        name: "mppeep",
        address: server.address(),
        root: "/mppeep/static",
        processes: vec![server.id()],
    };
    let theirs = |root| Side {
        name: "nginx",
        address: ([127, 0, 0, 1], nginx.port()).into(),
        root,
        processes: descendants(nginx.id()),
    };
    println!(
        "{CONNECTIONS} connections, {rounds} rounds of {TURN:?} on each side, in turn.\n\nWithout a log:\n"
    );
    for coding in ["identity", "gzip"] {
        compare(&ours, &theirs("/static"), "css/style.css", coding, rounds).await;
    }
    println!("With a line for each request:\n");
    let talkative = Talkative::start(nginx.folder()).await;
    let ours = Side {
        address: talkative.address,
        processes: vec![talkative.child.id().expect("it runs")],
        ..ours
    };
    for coding in ["identity", "gzip"] {
        compare(&ours, &theirs("/logged"), "css/style.css", coding, rounds).await;
        for log in LOGS {
            let file = File::options().write(true).open(nginx.folder().join(log));
            file.and_then(|file| file.set_len(0)).expect("a log");
        }
    }
    drop(talkative);
    let theirs = theirs("/static");
    sizes(&visitor, &user, &theirs, &contents).await;
}

/// A server whose log is a file.
struct Talkative {
    child: Child,
    address: SocketAddr,
    /// Holds its data.
    _launch: Launch,
}

impl Talkative {
    async fn start(folder: &Path) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let launch = Launch::new().env("MPPEEP_LISTEN", address);
        let log = File::options()
            .append(true)
            .create(true)
            .open(folder.join(LOGS[0]));
        let child = Command::from(launch.command())
            .arg("serve")
            .stderr(log.expect("a file"))
            .kill_on_drop(true)
            .spawn()
            .expect("the binary can be run");
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self {
            child,
            address,
            _launch: launch,
        }
    }
}

/// nginx with the same files below `/static` and `/logged`, compressed beforehand, and below `/level6`, compressed as they
/// are asked for.
async fn nginx(contents: &[(String, Vec<u8>)]) -> Nginx {
    let mut files = Vec::new();
    for (name, content) in contents {
        let name = name.replace('/', "-");
        files.push((format!("{name}.gz"), gzip(content)));
        files.push((name, content.clone()));
    }
    let port = free_port();
    let files_of = |location: &str, log: &str| {
        format!(
            "location {location} {{\n\
             alias {{folder}}/; gzip_static on; gzip_vary on; access_log {log};\n\
             add_header Cache-Control \"public, max-age=2592000, immutable\";\n\
             add_header X-Content-Type-Options nosniff;\n\
             }}"
        )
    };
    let (quiet, logged) = (
        files_of("/static/", "off"),
        files_of("/logged/", &format!("{{folder}}/{} lines", LOGS[1])),
    );
    let site = format!(
        "sendfile on; tcp_nopush on; tcp_nodelay on;\n\
             open_file_cache max=100; open_file_cache_valid 60s;\n\
             keepalive_requests 100000000; keepalive_timeout 75s;\n\
             gzip_types text/css text/javascript application/javascript application/json; gzip_comp_level 6; gzip_min_length 20;\n\
             log_format lines escape=json '{{\"time\":\"$time_iso8601\",\"request_id\":\"$request_id\",\"method\":\"$request_method\",\
             \"uri\":\"$uri\",\"status\":$status,\"duration\":$request_time,\"client\":\"$remote_addr\",\"bytes\":$body_bytes_sent}}';\n\
             server {{\n\
             listen 127.0.0.1:{port} backlog=4096; server_tokens off;\n\
             {quiet}\n\
             {logged}\n\
             location /level6/ {{ alias {{folder}}/; gzip on; }}\n\
             }}"
    );
    Nginx::start(&NginxOptions {
        site,
        files,
        port,
        workers: 2,
        quiet: true,
    })
    .await
    .expect("a good site")
}

/// As `gzip -9`, which is what one compresses with beforehand.
fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// Who is asked.
struct Side {
    name: &'static str,
    address: SocketAddr,
    root: &'static str,
    processes: Vec<u32>,
}

impl Side {
    /// The bytes of a request that a browser would send, but for its many other headers.
    fn request(&self, file: &str, coding: &str) -> Vec<u8> {
        let file = if self.name == "nginx" {
            file.replace('/', "-")
        } else {
            file.to_owned()
        };
        format!(
            "GET {}/{file} HTTP/1.1\r\nHost: {}\r\nAccept: text/css,*/*;q=0.1\r\nAccept-Encoding: {coding}\r\n\r\n",
            self.root, self.address
        )
        .into_bytes()
    }

    /// Hundredths of a second of processor that it has used.
    fn ticks(&self) -> u64 {
        self.processes.iter().map(|id| processor_ticks(*id)).sum()
    }
}

/// What one side did.
#[derive(Default)]
struct Score {
    answers: u64,
    seconds: f64,
    ticks: u64,
}

impl Score {
    fn rate(&self) -> f64 {
        self.answers as f64 / self.seconds
    }

    /// Microseconds of processor for each answer.
    fn cost(&self) -> f64 {
        self.ticks as f64 * 10_000.0 / self.answers as f64
    }
}

async fn compare(ours: &Side, theirs: &Side, file: &str, coding: &str, rounds: u32) {
    let mut scores = [Score::default(), Score::default()];
    let mut ratios = Vec::new();
    for round in 0..=rounds {
        let mut rates = [0.0; 2];
        // Who comes first changes each time.
        for turn in 0..2 {
            let at = (turn + round as usize) % 2;
            let side = [ours, theirs][at];
            let score = ask(side, &side.request(file, coding)).await;
            rates[at] = score.rate();
            // The first round only warms.
            if round > 0 {
                scores[at].answers += score.answers;
                scores[at].seconds += score.seconds;
                scores[at].ticks += score.ticks;
            }
        }
        if round > 0 {
            ratios.push(rates[0] / rates[1]);
        }
    }
    ratios.sort_unstable_by(f64::total_cmp);
    println!("{file}, {coding}:");
    for (side, score) in [ours, theirs].iter().zip(&scores) {
        println!(
            "  {:<8} {:>9.0} req/s   {:>6.1} µs of processor each",
            side.name,
            score.rate(),
            score.cost()
        );
    }
    println!(
        "  ratio    {:>9.2} req/s   {:>6.2}   (by round: {:.2} to {:.2})\n",
        scores[0].rate() / scores[1].rate(),
        scores[1].cost() / scores[0].cost(),
        ratios[0],
        ratios[ratios.len() - 1]
    );
}

/// Asks again and again over kept connections for one turn.
async fn ask(side: &Side, request: &[u8]) -> Score {
    let mut tasks = JoinSet::new();
    let before = side.ticks();
    let begun = Instant::now();
    for _ in 0..CONNECTIONS {
        let (address, request) = (side.address, request.to_vec());
        tasks.spawn(async move {
            let mut socket = TcpStream::connect(address).await.expect("accepted");
            socket.set_nodelay(true).expect("a socket");
            let mut buffer = vec![0; 64 * 1024];
            socket.write_all(&request).await.expect("sent");
            let first = read_answer(&mut socket, &mut buffer).await;
            let mut answers = 1;
            while begun.elapsed() < TURN {
                socket.write_all(&request).await.expect("sent");
                read_another(&mut socket, &mut buffer, first).await;
                answers += 1;
            }
            answers
        });
    }
    let mut answers = 0;
    while let Some(done) = tasks.join_next().await {
        answers += done.expect("a connection");
    }
    Score {
        answers,
        seconds: begun.elapsed().as_secs_f64(),
        ticks: side.ticks() - before,
    }
}

/// Reads one more answer of so many bytes. To take each apart would be the client's work, and more of it the longer the
/// head: the heads compared here are not equally long.
async fn read_another(socket: &mut TcpStream, buffer: &mut [u8], length: usize) {
    let mut filled = 0;
    while filled < length {
        let count = socket.read(&mut buffer[filled..]).await.expect("an answer");
        assert!(count > 0, "the connection was closed");
        filled += count;
    }
    assert!(
        filled == length && buffer.starts_with(b"HTTP/1.1 200"),
        "another answer"
    );
}

/// Reads one answer of 200 with a length. Gives how long it was, its head included.
async fn read_answer(socket: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    let end = loop {
        let count = socket.read(&mut buffer[filled..]).await.expect("an answer");
        assert!(count > 0, "the connection was closed");
        filled += count;
        if let Some(at) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = std::str::from_utf8(&buffer[..end]).expect("ASCII");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length: usize = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or_else(|| panic!("no length: {head}"));
    let mut left = (end + length).checked_sub(filled).expect("one answer at a time");
    while left > 0 {
        let most = left.min(buffer.len());
        let count = socket.read(&mut buffer[..most]).await.expect("the rest");
        assert!(count > 0, "the connection was closed");
        left -= count;
    }
    end + length
}

/// How many bytes go over the line.
async fn sizes(visitor: &Client, user: &Client, theirs: &Side, contents: &[(String, Vec<u8>)]) {
    println!("bytes                     as is  nginx gzip 6      our gzip        our br");
    let nginx = Client::new(theirs.address);
    for (name, content) in contents {
        let ours = async |coding: &str| {
            let (client, path) = if name.ends_with(".json") {
                (user, "/mppeep/api/v1/personnel?limit=50".to_owned())
            } else {
                (visitor, format!("/mppeep/static/{name}"))
            };
            let answer = client
                .request("GET", &path)
                .header("accept-encoding", coding)
                .send()
                .await;
            assert_eq!(answer.header("content-encoding"), Some(coding), "{path}");
            answer.expect(200).body.len()
        };
        let path = format!("/level6/{}", name.replace('/', "-"));
        let answer = nginx
            .request("GET", &path)
            .header("accept-encoding", "gzip")
            .send()
            .await
            .expect(200);
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{path}");
        let level6 = answer.body.len();
        let (gzip, brotli) = (ours("gzip").await, ours("br").await);
        let share = |bytes: usize| 100.0 * bytes as f64 / level6 as f64;
        println!(
            "{name:<20} {:>10} {level6:>13} {gzip:>7} {:>4.0} % {brotli:>6} {:>4.0} %",
            content.len(),
            share(gzip),
            share(brotli)
        );
    }
}
