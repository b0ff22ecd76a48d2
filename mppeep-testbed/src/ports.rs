//! Free ports.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// A port of the loopback address on which nobody listens at this moment.
///
/// Somebody else may take it before it is used: whoever starts a server on it tries again with another one.
///
/// # Panics
///
/// Where the machine has no port left.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound address").port()
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
