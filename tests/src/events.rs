//! A stream of events (`/mppeep/evenements`), as a page keeps it open.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// How long a loaded machine may take to send an event.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open stream of events.
pub struct Events<S> {
    socket: S,
    received: String,
    /// Where the last words waited for ended: one read may bring several events.
    seen: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Events<S> {
    /// Asks a host for the stream of whoever has that session, and waits until it has begun.
    pub async fn open(mut socket: S, host: &str, session: &str) -> Self {
        let head = format!(
            "GET /mppeep/evenements HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\nAccept-Encoding: br, gzip\r\n\
             Cookie: session_id={session}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.expect("sent");
        let mut events = Self {
            socket,
            received: String::new(),
            seen: 0,
        };
        events.until("event: ready").await;
        events
    }

    /// Reads until these words came, after those waited for before.
    ///
    /// # Panics
    /// When the stream ends before, or they do not come in a minute.
    pub async fn until(&mut self, words: &str) {
        let mut buffer = [0; 4096];
        let reading = async {
            loop {
                if let Some(at) = self.received[self.seen..].find(words) {
                    self.seen += at + words.len();
                    return;
                }
                let count = self.socket.read(&mut buffer).await.expect("readable");
                assert!(count > 0, "the stream ended: {}", self.received);
                self.received.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        };
        let came = tokio::time::timeout(PATIENCE, reading).await;
        assert!(came.is_ok(), "{words:?} did not come: {}", self.received);
    }

    /// All that came so far, the head first.
    pub fn received(&self) -> &str {
        &self.received
    }

    /// The connection, for whoever wants to see its end.
    pub fn into_socket(self) -> S {
        self.socket
    }
}
