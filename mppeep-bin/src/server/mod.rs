//! The accept loop: HTTP/1.1 over our own sockets, because a ready-made one never ends a client that keeps it waiting.

mod connection;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use mppeep_http::Readiness;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

pub(crate) use connection::Patience;
use connection::{Activity, Answering, AnsweringBody, PatientSocket, Phase};

/// Connections that wait to be accepted. The kernel cuts it to `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// Descriptors kept for everything that is not a connection.
const SPARE_DESCRIPTORS: usize = 64;

/// Fields and bytes of a request's head; more gives 431.
const MOST_HEADERS: usize = 96;
const MOST_HEAD_BYTES: usize = 32 * 1024;
const BUFFER_BYTES: usize = 64 * 1024;

/// What the loop keeps to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerSettings {
    pub(crate) patience: Patience,
    pub(crate) max_connections: usize,
    /// After a signal: how long requests are still accepted, each answer closing its connection.
    pub(crate) last_calls: Duration,
    /// Then: how long running requests may take to end.
    pub(crate) drain: Duration,
}

impl ServerSettings {
    /// The contract's times.
    pub(crate) fn usual(max_connections: usize) -> Self {
        Self {
            patience: Patience {
                head: Duration::from_secs(10),
                idle: Duration::from_secs(120),
                write: Duration::from_secs(30),
            },
            max_connections: max_connections
                .min(descriptors().saturating_sub(SPARE_DESCRIPTORS))
                .max(16),
            last_calls: Duration::from_millis(500),
            drain: Duration::from_secs(10),
        }
    }
}

/// Descriptors this process may open.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    limits
        .lines()
        .find_map(|line| {
            line.strip_prefix("Max open files")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(1024)
}

/// Binds the address.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `shutdown` ends, then lets what runs end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    settings: ServerSettings,
    readiness: Arc<Readiness>,
    shutdown: impl Future<Output = ()>,
) {
    let mut server = Server {
        router,
        settings,
        readiness,
        open: Arc::default(),
        free: Arc::new(Semaphore::new(settings.max_connections)),
        graceful: GracefulShutdown::new(),
        tasks: JoinSet::new(),
        next: 0,
    };
    tokio::select! {
        () = server.accept(&listener) => {}
        () = shutdown => {}
    }
    tracing::info!("draining");
    server.readiness.drain();
    let last_calls = tokio::time::sleep(settings.last_calls);
    tokio::select! {
        () = server.accept(&listener) => {}
        () = last_calls => {}
    }
    drop(listener);
    let Server {
        graceful, mut tasks, ..
    } = server;
    if tokio::time::timeout(settings.drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some connections did not end in time and are cut");
    }
    tasks.shutdown().await;
    tracing::info!("drained");
}

type Open = Arc<Mutex<HashMap<u64, Arc<Activity>>>>;

struct Server {
    router: Router,
    settings: ServerSettings,
    readiness: Arc<Readiness>,
    open: Open,
    free: Arc<Semaphore>,
    graceful: GracefulShutdown,
    tasks: JoinSet<()>,
    next: u64,
}

impl Server {
    async fn accept(&mut self, listener: &TcpListener) {
        loop {
            let permit = self.room().await;
            match listener.accept().await {
                Ok((socket, peer)) => self.start(socket, peer, permit),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: make room, and let others have a moment to do so.
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.end_the_most_idle();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            while self.tasks.try_join_next().is_some() {}
        }
    }

    /// A place for one more connection; when all are taken, the one that has been waiting longest gives up its own.
    async fn room(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                return Some(permit);
            }
            self.end_the_most_idle();
            let freed = Arc::clone(&self.free).acquire_owned();
            if let Ok(permit) = tokio::time::timeout(Duration::from_millis(200), freed).await {
                return permit.ok();
            }
        }
    }

    fn end_the_most_idle(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = open.values().filter(|activity| activity.phase() != Phase::Busy);
        if let Some(activity) = waiting.min_by_key(|activity| activity.since()) {
            activity.end.notify_one();
        }
    }

    fn start(&mut self, socket: TcpStream, peer: SocketAddr, permit: Option<OwnedSemaphorePermit>) {
        // Answers are written whole; waiting to fill packets would only delay them.
        if socket.set_nodelay(true).is_err() {
            return;
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let activity = Arc::new(Activity::new());
        let held = Held::new(Arc::clone(&self.open), id, Arc::clone(&activity));
        let socket = PatientSocket::new(socket, Arc::clone(&activity), self.settings.patience);
        let service = {
            let (router, readiness, activity) = (
                self.router.clone(),
                Arc::clone(&self.readiness),
                Arc::clone(&activity),
            );
            service_fn(move |request| {
                answer(
                    router.clone(),
                    Arc::clone(&readiness),
                    Arc::clone(&activity),
                    peer,
                    request,
                )
            })
        };
        let connection = http1::Builder::new()
            .half_close(true)
            .header_read_timeout(None)
            .max_headers(MOST_HEADERS)
            .max_header_size(MOST_HEAD_BYTES)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(TokioIo::new(socket), service);
        let connection = self.graceful.watch(connection);
        self.tasks.spawn(async move {
            tokio::select! {
                result = connection => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "a connection ended early");
                    }
                }
                () = activity.end.notified() => {}
            }
            drop(held);
            drop(permit);
        });
    }
}

/// A connection in the registry, taken out when dropped.
struct Held {
    open: Open,
    id: u64,
}

impl Held {
    fn new(open: Open, id: u64, activity: Arc<Activity>) -> Self {
        open.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, activity);
        Self { open, id }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}

async fn answer(
    router: Router,
    readiness: Arc<Readiness>,
    activity: Arc<Activity>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<AnsweringBody>, Infallible> {
    let answering = Answering::new(activity);
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let mut response = router.oneshot(request).await?;
    if readiness.is_draining() {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| AnsweringBody::new(body, answering)))
}

/// Errors of `accept` that concern one peer only.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests;
