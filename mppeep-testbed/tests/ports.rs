//! A free port stays this process's, while servers come and go on it.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use mppeep_testbed::free_port;
use tokio::net::TcpSocket;

#[tokio::test]
async fn servers_come_and_go_on_a_port_that_nobody_else_is_given() {
    let (port, other) = (free_port(), free_port());
    assert_ne!(port, other);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for _ in 0..2 {
        let refused = TcpStream::connect(address).expect_err("nobody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        // As the kernel sees it: who does not reuse addresses cannot have it, and who names no port is not given it.
        let stranger = TcpSocket::new_v4().expect("a socket");
        let taken = stranger.bind(address).expect_err("kept");
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        let server = TcpListener::bind(address).expect("a server of ours");
        let _met = TcpStream::connect(address).expect("it listens");
        drop(server);
    }
}
