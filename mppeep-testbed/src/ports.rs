//! Free ports.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
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

/// A port of the loopback address that stays free while a server which had it starts again: the kernel gives ports of
/// this range to nobody who did not ask for that one.
///
/// # Panics
///
/// Where the machine has no such port left.
#[must_use]
pub fn lasting_port() -> u16 {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run at the same time begin at places of their own.
    let own = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0);
    (0..COUNT)
        .map(|_| {
            let turn = NEXT.fetch_add(1, Ordering::Relaxed);
            FIRST + own.wrapping_mul(37).wrapping_add(turn) % COUNT
        })
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port")
}
