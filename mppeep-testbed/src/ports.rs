//! Free ports.

use std::net::{Ipv4Addr, TcpListener};

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
