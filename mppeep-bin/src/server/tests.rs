//! The accept loop against clients that keep it waiting, over real sockets and with short times.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::Request as AxumRequest;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;

pub(super) const HEAD: Duration = Duration::from_millis(400);
pub(super) const IDLE: Duration = Duration::from_millis(1500);
pub(super) const WRITE: Duration = Duration::from_millis(700);
/// Longer than anybody waits here: what ends a connection is then another of the times.
const LONG: Duration = Duration::from_secs(300);
/// How long a test waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const DRAIN: Duration = Duration::from_secs(60);

/// All the time there is.
pub(super) const PATIENT: Patience = Patience {
    head: LONG,
    idle: LONG,
    write: LONG,
};
/// Little time for a head, and all there is for the rest.
pub(super) const SHORT_HEADS: Patience = Patience {
    head: HEAD,
    ..PATIENT
};

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

pub(super) struct Running {
    address: SocketAddr,
    connections: Connections,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(patience: Patience) -> Self {
        Self::start_with(patience, 100, None).await
    }

    pub(super) async fn start_with(
        patience: Patience,
        max_connections: usize,
        certificates: Option<Arc<Certificates>>,
    ) -> Self {
        let settings = ServerSettings {
            patience,
            max_connections,
            max_of_an_address: max_connections,
            trusted_proxies: Vec::new(),
            last_calls: Duration::from_millis(100),
            linger: Duration::from_millis(100),
            drain: DRAIN,
        };
        let hits = Arc::new(AtomicUsize::new(0));
        let router = Router::new()
            .route(
                "/",
                get(move || async move { hits.fetch_add(1, Ordering::SeqCst).to_string() }),
            )
            .route(
                "/slow",
                get(|| async {
                    tokio::time::sleep(Duration::from_millis(1000)).await;
                    "slow"
                }),
            )
            .route("/pieces", get(|| async { Body::new(Pieces(10_000)) }))
            .route("/large", get(|| async { vec![b'x'; 64 * 1024 * 1024] }))
            .route(
                "/echo",
                post(|request: AxumRequest| async {
                    axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap()
                }),
            );
        let listener = listeners::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let readiness = Arc::new(Readiness::new(Arc::new(NoStore)));
        let connections = Connections::default();
        let endpoint = Endpoint {
            listener,
            site: router.into(),
            certificates,
            connections: connections.clone(),
        };
        let task = tokio::spawn(serve(endpoint, settings, readiness, async move {
            let _ = stopped.await;
        }));
        Self {
            address,
            connections,
            stop: Some(stop),
            task,
        }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Waits until no connection is open any more.
    async fn emptied(&self) {
        let ended = async {
            while self.connections.open() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, ended).await;
        assert!(waited.is_ok(), "a connection stays open");
    }

    pub(super) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub(super) async fn ended(self) {
        self.task.await.unwrap();
    }
}

/// A body of so many pieces.
struct Pieces(u32);

impl http_body::Body for Pieces {
    type Data = bytes::Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Infallible>>> {
        self.0 = self.0.saturating_sub(1);
        let piece = bytes::Bytes::from_static(&[b'x'; 1000]);
        Poll::Ready((self.0 > 0).then(|| Ok(http_body::Frame::data(piece))))
    }
}

/// The accept loop asks the readiness for its draining only.
struct NoStore;

#[async_trait::async_trait]
impl mppeep_core::ports::store::Store for NoStore {
    async fn begin(
        &self,
    ) -> Result<Box<dyn mppeep_core::ports::store::UnitOfWork>, mppeep_core::ports::error::StoreError> {
        Err(mppeep_core::ports::error::StoreError::ReadOnly)
    }

    async fn begin_read(
        &self,
    ) -> Result<Box<dyn mppeep_core::ports::store::UnitOfWork>, mppeep_core::ports::error::StoreError> {
        Err(mppeep_core::ports::error::StoreError::ReadOnly)
    }

    async fn ping(&self) -> Result<(), mppeep_core::ports::error::StoreError> {
        Ok(())
    }
}

/// Everything until the server closes.
async fn rest(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut bytes)).await;
    assert!(read.is_ok(), "the server did not close");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer, in however many pieces it comes.
async fn one_answer(socket: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = vec![0; 8192];
    while !is_whole(&text) {
        let length = tokio::time::timeout(PATIENCE, socket.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        assert!(length > 0, "the server closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    text
}

fn is_whole(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    let mut lengths = head
        .lines()
        .filter_map(|line| line.strip_prefix("content-length:"));
    let length = lengths
        .next()
        .and_then(|length| length.trim().parse::<usize>().ok());
    body.len() >= length.unwrap_or(0)
}

#[tokio::test]
async fn a_silent_socket_and_half_a_head_are_ended() {
    let server = Running::start(SHORT_HEADS).await;
    let started = Instant::now();
    let silent = server.connect().await;
    let mut half = server.connect().await;
    half.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-").await.unwrap();
    let mut dripping = server.connect().await;
    let drip = async {
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            .iter()
            .cycle()
        {
            if dripping.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended_after = async |mut socket: TcpStream| {
        rest(&mut socket).await;
        started.elapsed()
    };
    let drip = tokio::time::timeout(PATIENCE, drip);
    let (silent, half, drip) = tokio::join!(ended_after(silent), ended_after(half), drip);
    for took in [silent, half] {
        assert!(took >= HEAD, "{took:?}");
    }
    assert!(drip.is_ok(), "a head that drips is waited for");
}

#[tokio::test]
async fn an_idle_connection_lives_longer_than_a_slow_head() {
    let server = Running::start(SHORT_HEADS).await;
    let mut socket = server.connect().await;
    socket.write_all(ASK).await.unwrap();
    assert!(one_answer(&mut socket).await.starts_with("HTTP/1.1 200"));
    tokio::time::sleep(HEAD * 2).await;
    socket.write_all(ASK).await.unwrap();
    assert!(one_answer(&mut socket).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_idle_connection_is_ended_in_its_time() {
    let server = Running::start(Patience {
        idle: IDLE,
        ..SHORT_HEADS
    })
    .await;
    let started = Instant::now();
    let mut socket = server.connect().await;
    socket.write_all(ASK).await.unwrap();
    let text = rest(&mut socket).await;
    assert!(
        text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n0"),
        "{text}"
    );
    assert!(started.elapsed() >= IDLE, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_second_head_is_timed_like_the_first() {
    let server = Running::start(SHORT_HEADS).await;
    let mut socket = server.connect().await;
    socket.write_all(ASK).await.unwrap();
    one_answer(&mut socket).await;
    socket.write_all(b"GET / HT").await.unwrap();
    rest(&mut socket).await;
}

#[tokio::test]
async fn a_slow_handler_is_not_hurried() {
    let server = Running::start(SHORT_HEADS).await;
    let mut socket = server.connect().await;
    socket
        .write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let text = rest(&mut socket).await;
    assert!(text.ends_with("slow"), "{text}");
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_given_up() {
    let server = Running::start(Patience {
        write: WRITE,
        ..PATIENT
    })
    .await;
    let mut socket = server.connect().await;
    socket
        .write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    // The answer begins, and the connection ends although not a byte of it is read.
    let begun = tokio::time::timeout(PATIENCE, socket.readable()).await;
    begun.unwrap().unwrap();
    server.emptied().await;
    let mut total = 0;
    let mut buffer = vec![0; 1 << 20];
    while let Ok(Ok(length)) = tokio::time::timeout(PATIENCE, socket.read(&mut buffer)).await {
        if length == 0 {
            break;
        }
        total += length;
    }
    assert!(total < 64 * 1024 * 1024, "the whole answer came");
}

#[tokio::test]
async fn a_client_that_ends_its_half_gets_its_answer() {
    let server = Running::start(SHORT_HEADS).await;
    let mut socket = server.connect().await;
    socket
        .write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    socket.shutdown().await.unwrap();
    assert!(rest(&mut socket).await.ends_with("slow"));
}

#[tokio::test]
async fn large_and_long_heads_are_refused() {
    let server = Running::start(PATIENT).await;
    let mut long = b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: ".to_vec();
    long.extend(std::iter::repeat_n(b'a', 300 * 1024));
    let mut many = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
    for index in 0..2000 {
        many.extend(format!("X-{index}: a\r\n").into_bytes());
    }
    for mut head in [long, many] {
        head.extend(b"\r\n\r\n");
        let mut socket = server.connect().await;
        // The server may answer and close before all of it is sent.
        let _ = socket.write_all(&head).await;
        assert!(one_answer(&mut socket).await.starts_with("HTTP/1.1 431"));
    }
}

#[tokio::test]
async fn pipelined_requests_and_bodies_stay_in_step() {
    let server = Running::start(PATIENT).await;
    let mut socket = server.connect().await;
    let text = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n\
        GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nde";
    socket.write_all(text).await.unwrap();
    let answers = rest(&mut socket).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
    assert!(answers.find("abc").unwrap() < answers.find("de").unwrap());
}

#[tokio::test]
async fn silent_sockets_give_way_when_all_places_are_taken() {
    // Nothing but the want of places ends the silent ones.
    let server = Running::start_with(PATIENT, 16, None).await;
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(server.connect().await);
    }
    let mut socket = server.connect().await;
    socket
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(rest(&mut socket).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn what_runs_is_ended_before_the_server_ends() {
    let mut server = Running::start(PATIENT).await;
    let mut running = server.connect().await;
    running
        .write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut idle = server.connect().await;
    idle.write_all(ASK).await.unwrap();
    one_answer(&mut idle).await;
    let started = Instant::now();
    server.stop();
    // The last calls are still answered, and told that they are the last.
    let mut late = server.connect().await;
    late.write_all(ASK).await.unwrap();
    let text = rest(&mut late).await;
    assert!(text.to_ascii_lowercase().contains("connection: close"), "{text}");
    let text = rest(&mut running).await;
    assert!(text.ends_with("slow"), "{text}");
    server.task.await.unwrap();
    assert!(started.elapsed() < DRAIN, "{:?}", started.elapsed());
    assert!(TcpStream::connect(server.address).await.is_err());
}
