//! Free ports.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use tokio::net::TcpSocket;

/// A port of the loopback address that the kernel gives to nobody who does not ask for that one, as long as this lives.
pub(crate) struct KeptPort(TcpSocket);

impl KeptPort {
    pub(crate) fn take() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Bound, and never listening: a server that reuses addresses, as all of them do, may listen beside it, and finds
        // its port again when it comes back.
        socket.set_reuseaddr(true).expect("a socket can be set up");
        socket
            .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .expect("a free port");
        Self(socket)
    }

    pub(crate) fn number(&self) -> u16 {
        self.0.local_addr().expect("a bound address").port()
    }
}

/// A port of the loopback address on which nobody listens. It is kept for this process until that ends: a server may be
/// started on it, stopped, and started again, and nobody else is there meanwhile.
///
/// # Panics
///
/// Where the machine has no port left.
#[must_use]
pub fn free_port() -> u16 {
    static KEPT: Mutex<Vec<KeptPort>> = Mutex::new(Vec::new());
    let port = KeptPort::take();
    let number = port.number();
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(port);
    number
}
