//! A socket with patience.
//!
//! hyper times the head of a request, but with one clock for « sends its head » and « stays idle », and it times neither
//! a handshake, nor a first byte that never comes, nor a reader that never reads. This wrapper times all of them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::activity::{Activity, Phase};

/// Less than this is housekeeping of the protocols, such as an answer to a ping, and no part of an answer.
const HOUSEKEEPING: usize = 256;

/// How long a connection may take for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// From the connection to the end of the first head, its handshake included; then from a head's first byte to its end.
    pub(crate) head: Duration,
    /// Between an answer and the next request's first byte.
    pub(crate) idle: Duration,
    /// Without the client taking a byte of an answer.
    pub(crate) write: Duration,
}

/// A socket that gives up on a peer that keeps it waiting.
pub(super) struct PatientSocket {
    socket: TcpStream,
    activity: Arc<Activity>,
    patience: Patience,
    /// The last change of phase that was seen, and until when that phase may last.
    seen: u64,
    deadline: Option<Instant>,
    /// Rings at the deadline or before.
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl PatientSocket {
    pub(super) fn new(socket: TcpStream, activity: Arc<Activity>, patience: Patience) -> Self {
        Self {
            socket,
            activity,
            patience,
            seen: 0,
            deadline: None,
            reading: None,
            writing: None,
        }
    }

    /// Notes until when the present phase may last, if the phase has changed. A clock that is to ring earlier than that goes
    /// on: it is set anew when it rings, which is seldom, and not with each request.
    fn arm(&mut self) {
        let (changes, phase, since) = self.activity.now();
        if changes == self.seen {
            return;
        }
        self.seen = changes;
        let patience = if phase == Phase::Head {
            self.patience.head
        } else {
            self.patience.idle
        };
        self.deadline = since.map(|since| since + patience);
        match (self.deadline, &mut self.reading) {
            (Some(deadline), Some(sleep)) if deadline < sleep.deadline() => sleep.as_mut().reset(deadline),
            (Some(deadline), none @ None) => *none = Some(Box::pin(tokio::time::sleep_until(deadline))),
            _ => {}
        }
    }

    /// Whether the present phase has lasted longer than it may.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(sleep) = &mut self.reading else {
            return false;
        };
        while sleep.as_mut().poll(cx).is_ready() {
            match self.deadline {
                Some(deadline) if deadline > sleep.deadline() => sleep.as_mut().reset(deadline),
                Some(_) => return true,
                None => {
                    self.reading = None;
                    return false;
                }
            }
        }
        false
    }

    /// Notes whether the peer takes what is written.
    fn judge(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = written {
            self.writing = None;
            if result.as_ref().is_ok_and(|count| *count >= HOUSEKEEPING) {
                self.activity.took();
            }
            return Poll::Ready(result);
        }
        let patience = self.patience.write;
        let sleep = self
            .writing
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        match sleep.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for PatientSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.arm();
        let before = buffer.filled().len();
        match Pin::new(&mut this.socket).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                if buffer.filled().len() > before {
                    this.activity.heard();
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                if this.is_late(cx) {
                    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
                } else {
                    Poll::Pending
                }
            }
        }
    }
}

impl AsyncWrite for PatientSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
