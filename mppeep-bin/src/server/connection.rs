//! One connection: what it is doing, and how long it may do it.
//!
//! hyper times the head of a request, but with one clock for « sends its head » and « stays idle », and it times neither
//! a first byte that never comes nor a reader that never reads. This wrapper around the socket times all of them.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

/// How long a connection may take for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// From the connection, or from a head's first byte, to the end of the head.
    pub(crate) head: Duration,
    /// Between an answer and the next request's first byte.
    pub(crate) idle: Duration,
    /// Without the client taking a byte of an answer.
    pub(crate) write: Duration,
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A head is awaited or arriving.
    Head,
    /// A request is being answered.
    Busy,
    /// Between an answer and the next request.
    Idle,
}

/// Shared by the socket, the service and the registry.
#[derive(Debug)]
pub(crate) struct Activity {
    started: Instant,
    phase: AtomicU8,
    /// Milliseconds from `started` to the last change of phase.
    since: AtomicU64,
    /// Counts the changes of phase.
    changes: AtomicU64,
    /// Ends the connection.
    pub(crate) end: Notify,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            phase: AtomicU8::new(0),
            since: AtomicU64::new(0),
            changes: AtomicU64::new(1),
            end: Notify::new(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Head,
            1 => Phase::Busy,
            _ => Phase::Idle,
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        let code = match phase {
            Phase::Head => 0,
            Phase::Busy => 1,
            Phase::Idle => 2,
        };
        let since = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since.store(since, Ordering::Release);
        self.phase.store(code, Ordering::Release);
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// When the present phase began.
    pub(crate) fn since(&self) -> Instant {
        self.started + Duration::from_millis(self.since.load(Ordering::Acquire))
    }
}

/// A socket that gives up on a peer that keeps it waiting.
pub(crate) struct PatientSocket {
    socket: TcpStream,
    activity: std::sync::Arc<Activity>,
    patience: Patience,
    seen: u64,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl PatientSocket {
    pub(crate) fn new(socket: TcpStream, activity: std::sync::Arc<Activity>, patience: Patience) -> Self {
        Self {
            socket,
            activity,
            patience,
            seen: 0,
            reading: None,
            writing: None,
        }
    }

    /// Arms the clock of the present phase, if the phase has changed.
    fn arm(&mut self) {
        let changes = self.activity.changes.load(Ordering::Acquire);
        if changes == self.seen {
            return;
        }
        self.seen = changes;
        let allowed = match self.activity.phase() {
            Phase::Head => Some(self.patience.head),
            Phase::Idle => Some(self.patience.idle),
            Phase::Busy => None,
        };
        let deadline = allowed.map(|allowed| self.activity.since() + allowed);
        match (deadline, &mut self.reading) {
            (Some(deadline), Some(sleep)) => sleep.as_mut().reset(deadline),
            (Some(deadline), none) => *none = Some(Box::pin(tokio::time::sleep_until(deadline))),
            (None, some) => *some = None,
        }
    }

    /// Notes whether the peer takes what is written.
    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing = None;
            return written;
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
                if buffer.filled().len() > before && this.activity.phase() == Phase::Idle {
                    this.activity.enter(Phase::Head);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let expired = this
                    .reading
                    .as_mut()
                    .is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
                if expired {
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

/// A request being answered; the connection is idle again when it is dropped.
pub(crate) struct Answering(std::sync::Arc<Activity>);

impl Answering {
    pub(crate) fn new(activity: std::sync::Arc<Activity>) -> Self {
        activity.enter(Phase::Busy);
        Self(activity)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

/// An answer's body, which keeps its connection busy until it is sent.
pub(crate) struct AnsweringBody {
    body: axum::body::Body,
    _answering: Answering,
}

impl AnsweringBody {
    pub(crate) fn new(body: axum::body::Body, answering: Answering) -> Self {
        Self {
            body,
            _answering: answering,
        }
    }
}

impl HttpBody for AnsweringBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
