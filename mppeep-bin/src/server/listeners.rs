//! The sockets that connections come in by: handed over by whoever started the process, or bound here.

use std::io;
use std::net::SocketAddr;

use anyhow::Context as _;
use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be accepted. The kernel cuts it to `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// Where this process listens.
pub(crate) struct Listeners {
    /// For requests.
    pub(crate) main: TcpListener,
    /// For those who come without https.
    pub(crate) redirect: Option<TcpListener>,
}

impl Listeners {
    /// Takes the sockets that systemd hands over, in this order, and binds what it does not: a socket that outlives the
    /// process refuses no connection while it is started anew.
    pub(crate) fn open(main: SocketAddr, redirect: Option<SocketAddr>) -> anyhow::Result<Self> {
        let mut given = ListenFd::from_env();
        if given.len() > 0 {
            tracing::info!(sockets = given.len(), "listening on the sockets handed over");
        }
        let main = obtain(&mut given, 0, main)?;
        let redirect = redirect
            .map(|address| obtain(&mut given, 1, address))
            .transpose()?;
        Ok(Self { main, redirect })
    }
}

fn obtain(given: &mut ListenFd, index: usize, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let handed = given
        .take_tcp_listener(index)
        .with_context(|| format!("socket {index} that was handed over is not one to listen on"))?;
    match handed {
        Some(listener) => {
            // The runtime takes no other.
            listener.set_nonblocking(true)?;
            Ok(TcpListener::from_std(listener)?)
        }
        None => bind(address).with_context(|| format!("cannot listen on address {address}")),
    }
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
