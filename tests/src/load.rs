//! Measuring: many requests over kept connections, and what their times look like.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Times, sorted on demand.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Adds one.
    pub fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Adds those of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The time below which that share (0 to 100) of them lies.
    #[must_use]
    pub fn percentile(&self, share: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        sorted
            .get((sorted.len() * share / 100).min(last))
            .copied()
            .unwrap_or_default()
    }

    /// `p50 1.2 ms  p95 …` on one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let ms = |share| self.percentile(share).as_secs_f64() * 1000.0;
        format!(
            "n {:>6}  p50 {:>7.2} ms  p95 {:>7.2} ms  p99 {:>7.2} ms  max {:>7.2} ms",
            self.count(),
            ms(50),
            ms(95),
            ms(99),
            ms(100)
        )
    }
}

/// One kept connection of somebody.
pub struct Connection {
    server: SocketAddr,
    cookie: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// When the server does not accept.
    pub async fn open(
        server: SocketAddr,
        session: Option<&str>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let io = TokioIo::new(TcpStream::connect(server).await?);
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(connection);
        let cookie = session.map(|id| format!("session_id={id}")).unwrap_or_default();
        Ok(Self {
            server,
            cookie,
            sender,
        })
    }

    /// GETs a path, reads the answer to its end, and gives its status, size and time.
    ///
    /// # Errors
    ///
    /// When the connection broke.
    pub async fn get(
        &mut self,
        path: &str,
    ) -> Result<(u16, usize, Duration), Box<dyn std::error::Error + Send + Sync>> {
        let begun = Instant::now();
        self.sender.ready().await?;
        let mut request = Request::get(path).header("host", self.server.to_string());
        if !self.cookie.is_empty() {
            request = request.header("cookie", &self.cookie);
        }
        let answer = self.sender.send_request(request.body(Full::default())?).await?;
        let status = answer.status().as_u16();
        let size = answer.into_body().collect().await?.to_bytes().len();
        Ok((status, size, begun.elapsed()))
    }
}
