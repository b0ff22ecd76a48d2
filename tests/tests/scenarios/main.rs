//! Crowds of clients that are slow, silent, gone, or simply many, and what everybody else notices of them (CHECKS W, X-S3,
//! X-S11).
//!
//! In the gate only what is open, what was answered and what is left decides; times are printed. `MPPEEP_SCENARIO_SECONDS=45`
//! with `MPPEEP_TEST_BINARY` naming a release build is the whole scenario, and there times decide too:
//!
//! ```sh
//! MPPEEP_SCENARIO_SECONDS=45 MPPEEP_TEST_BINARY=target/release/mppeep \
//!     cargo nextest run -p mppeep-tests -E 'binary(scenarios)' --no-capture
//! ```

mod arrivals;
mod crowd;
mod idle;
mod leaks;
mod slow;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mppeep_tests::load::{Connection, Times};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What others may wait at most, nineteen times in twenty, in a whole scenario.
const OTHERS_P95: Duration = Duration::from_millis(500);

/// How long crowds stay: eight seconds in the gate.
fn length() -> Duration {
    let seconds = std::env::var("MPPEEP_SCENARIO_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(8))
}

/// Whether this is a measurement, rather than the gate on a machine with other work to do.
fn is_whole() -> bool {
    length() >= Duration::from_secs(45)
}

/// Prints what others waited, and judges it where that is fair.
fn judge(what: &str, others: &Times) {
    println!("{what}: {}", others.summary());
    if is_whole() {
        assert!(others.percentile(95) < OTHERS_P95, "{what}: {}", others.summary());
    }
}

async fn connect(server: SocketAddr) -> TcpStream {
    TcpStream::connect(server).await.expect("the server accepts")
}

/// A GET as bytes.
fn get(server: SocketAddr, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n")
}

/// A head that does not end.
fn endless_head(server: SocketAddr) -> String {
    format!(
        "GET /mppeep/login HTTP/1.1\r\nHost: {server}\r\nX-Slow: {}",
        "a".repeat(500)
    )
}

/// The head of a form of 500 bytes.
fn form_head(server: SocketAddr) -> String {
    format!(
        "POST /mppeep/login HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 500\r\n\r\n"
    )
}

/// Writes one byte of a text every so often until the server has had enough. Gives how long it took, and what it said.
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

/// Others, three at once, each on a kept connection of his own: a page of somebody, the login page, a static file. Every
/// answer must be 200.
async fn others(server: SocketAddr, session: &str, length: Duration) -> Times {
    let paths = [
        ("/mppeep/accueil", Some(session)),
        ("/mppeep/login", None),
        ("/mppeep/static/css/style.css", None),
    ];
    let visits = paths.map(async |(path, session)| {
        let mut times = Times::default();
        let mut connection = Connection::open(server, session)
            .await
            .expect("the server accepts");
        let end = Instant::now() + length;
        while Instant::now() < end {
            let (status, _, took) = connection.get(path).await.expect("an answer");
            assert_eq!(status, 200, "{path}");
            times.push(took);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        times
    });
    let mut all = Times::default();
    for times in futures_util::future::join_all(visits).await {
        all.extend(times);
    }
    all
}
