//! The accept loop: HTTP over our own sockets, because a ready-made one never ends a client that keeps it waiting.

mod activity;
mod connection;
mod listeners;
mod places;
mod redirect;
mod reloads;
mod socket;
pub(crate) mod systemd;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mppeep_http::{Network, Readiness, Site};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use activity::Activity;
use connection::Shared;
pub(crate) use listeners::Listeners;
pub(crate) use places::Connections;
use places::Places;
pub(crate) use redirect::redirect;
pub(crate) use reloads::Reloads;
pub(crate) use socket::Patience;
pub(crate) use tls::{Certificates, TlsFiles};

/// Descriptors kept for everything that is not a connection.
const SPARE_DESCRIPTORS: usize = 64;

/// Places of the listener that only redirects.
const REDIRECT_PLACES: usize = 256;

/// How often the accept loop shows that it lives, when nobody comes.
const BEAT: Duration = Duration::from_secs(1);

/// What the loop keeps to.
#[derive(Debug, Clone)]
pub(crate) struct ServerSettings {
    pub(crate) patience: Patience,
    pub(crate) max_connections: usize,
    /// How many of them one address may have, unless it is a trusted proxy.
    pub(crate) max_of_an_address: usize,
    pub(crate) trusted_proxies: Vec<Network>,
    /// After a signal: how long connections are still accepted, each answer closing its own.
    pub(crate) last_calls: Duration,
    /// Then: how long connections that wait may still bring a request.
    pub(crate) linger: Duration,
    /// Then, that time included: how long running requests may take to end.
    pub(crate) drain: Duration,
}

impl ServerSettings {
    /// The contract's times.
    pub(crate) fn usual(max_connections: usize, trusted_proxies: Vec<Network>) -> Self {
        let spare = SPARE_DESCRIPTORS + REDIRECT_PLACES.min(descriptors() / 16);
        let max_connections = max_connections.min(descriptors().saturating_sub(spare)).max(16);
        Self {
            patience: Patience {
                head: Duration::from_secs(10),
                idle: Duration::from_secs(120),
                write: Duration::from_secs(30),
            },
            max_connections,
            // Whoever comes directly must not be able to take all places from one address.
            max_of_an_address: (max_connections / 4).max(16),
            trusted_proxies,
            last_calls: Duration::from_millis(500),
            linger: Duration::from_secs(1),
            drain: Duration::from_secs(10),
        }
    }

    /// The same for the listener that only redirects.
    pub(crate) fn of_redirects(&self) -> Self {
        let max_connections = REDIRECT_PLACES.min(descriptors() / 16).max(16);
        Self {
            max_connections,
            max_of_an_address: (max_connections / 4).max(16),
            ..self.clone()
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

/// A socket with what is said on it.
pub(crate) struct Endpoint {
    pub(crate) listener: TcpListener,
    pub(crate) site: Site,
    /// Without one, what is said is not secret.
    pub(crate) certificates: Option<Arc<Certificates>>,
    /// Counts of its connections.
    pub(crate) connections: Connections,
}

/// Serves until `shutdown` ends, then lets what runs end.
pub(crate) async fn serve(
    endpoint: Endpoint,
    settings: ServerSettings,
    readiness: Arc<Readiness>,
    shutdown: impl Future<Output = ()>,
) {
    let Endpoint {
        listener,
        site,
        certificates,
        connections,
    } = endpoint;
    let mut server = Server {
        shared: Arc::new(Shared {
            site,
            readiness: Arc::clone(&readiness),
            tls: certificates.map(|certificates| certificates.acceptor()),
            patience: settings.patience,
            linger: settings.linger,
        }),
        places: Arc::new(Places::new(
            settings.max_connections,
            settings.max_of_an_address,
            settings.trusted_proxies,
            connections.clone(),
        )),
        connections,
        tasks: JoinSet::new(),
    };
    tokio::select! {
        () = server.accept(&listener) => {}
        () = shutdown => {}
    }
    tracing::info!(connections = server.connections.open(), "draining");
    readiness.drain();
    let last_calls = tokio::time::sleep(settings.last_calls);
    tokio::select! {
        () = server.accept(&listener) => {}
        () = last_calls => {}
    }
    server.accept_those_who_wait(listener);
    server.connections.rest();
    server.places.close_all();
    let ended = async { while server.tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(settings.drain, ended).await.is_err() {
        let cut = server.connections.open();
        tracing::warn!(cut, "some connections did not end in time and are cut");
    }
    server.tasks.shutdown().await;
    tracing::info!("drained");
}

struct Server {
    shared: Arc<Shared>,
    places: Arc<Places>,
    connections: Connections,
    tasks: JoinSet<()>,
}

impl Server {
    async fn accept(&mut self, listener: &TcpListener) {
        loop {
            let permit = self.places.free().await;
            let accepted = loop {
                tokio::select! {
                    accepted = listener.accept() => break accepted,
                    () = tokio::time::sleep(BEAT) => {
                        self.connections.beat();
                        self.forget_the_ended();
                    }
                }
            };
            match accepted {
                Ok((socket, peer)) => self.start(socket, peer, permit),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: make room, and let others have a moment to do so.
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.places.end_the_most_idle();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            self.forget_the_ended();
        }
    }

    /// Gives back what a task holds after its end.
    fn forget_the_ended(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }

    /// Takes the connections that the kernel has accepted already, and closes the listener: whoever sat there would be
    /// reset, with a request on its way. The kernel is asked itself, since the runtime may not have heard of them yet.
    fn accept_those_who_wait(&mut self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else {
            return;
        };
        while let Ok((socket, peer)) = listener.accept() {
            if socket.set_nonblocking(true).is_ok()
                && let Ok(socket) = TcpStream::from_std(socket)
            {
                self.start(socket, peer, None);
            }
        }
    }

    fn start(&mut self, socket: TcpStream, peer: SocketAddr, permit: Option<OwnedSemaphorePermit>) {
        // Answers are written whole; waiting to fill packets would only delay them.
        if socket.set_nodelay(true).is_err() {
            return;
        }
        let activity = Arc::new(Activity::new());
        let Some(place) = self.places.take(peer.ip(), &activity, permit) else {
            tracing::debug!("an address has all the connections it may have");
            return;
        };
        let serving = connection::serve(socket, peer, activity, Arc::clone(&self.shared));
        self.tasks.spawn(async move {
            serving.await;
            drop(place);
        });
    }
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
#[cfg(test)]
mod tls_tests;
