//! Bytes on a socket, for what no HTTP client would send.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What came back on a socket.
#[derive(Clone, Debug)]
pub struct Echo {
    /// The bytes, lossily as text.
    pub text: String,
    /// Whether the server closed (or reset) the connection before the patience ended.
    pub closed: bool,
}

impl Echo {
    /// The statuses of the answers, in order.
    #[must_use]
    pub fn statuses(&self) -> Vec<u16> {
        self.text
            .match_indices("HTTP/1.1 ")
            .filter_map(|(at, mark)| self.text.get(at + mark.len()..at + mark.len() + 3)?.parse().ok())
            .filter(|status| *status >= 200)
            .collect()
    }
}

/// Sends bytes, then reads until the server closes or the patience ends.
pub async fn talk(server: SocketAddr, bytes: &[u8], patience: Duration) -> Echo {
    read(&mut say(server, bytes).await, patience).await
}

async fn say(server: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(server).await.expect("the server accepts");
    // A server that refuses early may close before it has read all: that is an answer, not an error.
    let _early = socket.write_all(bytes).await;
    socket
}

/// How long a loaded machine may take for the first byte of an answer.
const FIRST_BYTE: Duration = Duration::from_secs(60);

/// Sends bytes, then reads until the server closes, or has said something and is silent for so long: for answers after
/// which the connection may stay open.
pub async fn ask(server: SocketAddr, bytes: &[u8], silence: Duration) -> Echo {
    until_silent(&mut say(server, bytes).await, silence).await
}

/// Reads until the server closes, or has said something and is silent for so long.
pub async fn until_silent(socket: &mut TcpStream, silence: Duration) -> Echo {
    gather(socket, Instant::now() + FIRST_BYTE, || Instant::now() + silence).await
}

/// Reads until the server closes or the patience ends.
pub async fn read(socket: &mut TcpStream, patience: Duration) -> Echo {
    let end = Instant::now() + patience;
    gather(socket, end, || end).await
}

/// Reads until the server closes or the end comes; whatever is read may move the end.
async fn gather(socket: &mut TcpStream, mut end: Instant, then: impl Fn() -> Instant) -> Echo {
    let mut received = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        match tokio::time::timeout_at(end, socket.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return echo(&received, true),
            Ok(Ok(count)) => received.extend_from_slice(&buffer[..count]),
            Err(_) => return echo(&received, false),
        }
        end = then();
    }
}

fn echo(received: &[u8], closed: bool) -> Echo {
    Echo {
        text: String::from_utf8_lossy(received).into_owned(),
        closed,
    }
}
