//! What a connection is doing, shared by its socket, its requests and the table of places.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A handshake or a head is awaited or arriving.
    Head,
    /// A request is being answered.
    Busy,
    /// Between an answer and the next request.
    Idle,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// When it began to wait, unless it is busy. The clock is read when somebody wants to know, which its socket does as
    /// soon as there is something to wait for: a head that comes in one piece needs no clock.
    since: Option<Instant>,
    /// Counts the changes of phase.
    changes: u64,
    /// Requests being answered; more than one only over HTTP/2.
    running: u32,
    /// Answers that have a piece more than their reader takes; counted over HTTP/2 only.
    unread: u32,
    /// When a reader last took something; noted over HTTP/2 only.
    taken: Instant,
    /// Whether requests share the connection (HTTP/2).
    shared: bool,
    /// Whether it was told to give up its place.
    ended: bool,
    /// Whether it was told that the server ends.
    closing: bool,
    /// Wakes the one task that waits to be told.
    waker: Option<Waker>,
}

/// What one connection is doing, and since when.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
}

impl Activity {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            state: Mutex::new(State {
                phase: Phase::Head,
                since: Some(now),
                changes: 1,
                running: 0,
                unread: 0,
                taken: now,
                shared: false,
                ended: false,
                closing: false,
                waker: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of the last change, the phase, and when it began, unless the connection is busy.
    pub(super) fn now(&self) -> (u64, Phase, Option<Instant>) {
        let mut state = self.state();
        let since = (state.phase != Phase::Busy).then(|| state.since());
        (state.changes, state.phase, since)
    }

    pub(super) fn phase(&self) -> Phase {
        self.state().phase
    }

    /// From now on requests share the connection.
    pub(super) fn share(&self) {
        self.state().shared = true;
    }

    pub(super) fn is_shared(&self) -> bool {
        self.state().shared
    }

    /// Bytes came. Over HTTP/1.1 they begin a head; over HTTP/2 they may be anything, and do not prolong idleness.
    pub(super) fn heard(&self) {
        let mut state = self.state();
        if state.phase == Phase::Idle && !state.shared {
            state.enter(Phase::Head);
        }
    }

    /// The reader took bytes of an answer.
    pub(super) fn took(&self) {
        let mut state = self.state();
        if state.shared {
            state.taken = Instant::now();
        }
        if state.phase == Phase::Idle {
            // The rest of an answer that was handed over whole.
            state.enter(Phase::Idle);
        }
    }

    fn begin(&self) {
        let mut state = self.state();
        state.running += 1;
        if state.running == 1 {
            // Since when is asked of those that wait only.
            state.phase = Phase::Busy;
            state.changes += 1;
        }
    }

    fn finish(&self) {
        let mut state = self.state();
        state.running = state.running.saturating_sub(1);
        if state.running == 0 {
            state.enter(Phase::Idle);
        }
    }

    /// A piece of an answer is given to a connection that requests share.
    fn hand_over(&self) {
        let mut state = self.state();
        state.unread += 1;
        if state.unread == 1 {
            state.taken = Instant::now();
        }
    }

    fn was_read(&self) {
        let mut state = self.state();
        state.unread = state.unread.saturating_sub(1);
        state.taken = Instant::now();
    }

    /// Whether answers wait for a reader who has taken nothing for so long. Of HTTP/2 only: there the socket is read
    /// also by whoever keeps the windows of his streams shut.
    pub(super) fn is_stuck(&self, patience: Duration) -> bool {
        let state = self.state();
        state.shared && state.unread > 0 && state.taken.elapsed() >= patience
    }

    /// For how long nothing has been asked, if nothing is being answered.
    pub(super) fn waiting(&self) -> Option<Duration> {
        let mut state = self.state();
        (state.phase != Phase::Busy && !state.ended).then(|| state.since().elapsed())
    }

    /// Makes the connection give up its place.
    pub(super) fn end(&self) {
        self.tell(|state| state.ended = true);
    }

    /// Tells the connection that the server ends.
    pub(super) fn close(&self) {
        self.tell(|state| state.closing = true);
    }

    fn tell(&self, what: impl FnOnce(&mut State)) {
        let mut state = self.state();
        what(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits until the connection has to give up its place. Only the connection's own task may wait.
    pub(super) async fn ended(&self) {
        poll_fn(|cx| self.poll_told(cx, |state| state.ended)).await;
    }

    /// Waits until the server ends. Only the connection's own task may wait.
    pub(super) async fn closing(&self) {
        poll_fn(|cx| self.poll_told(cx, |state| state.closing)).await;
    }

    /// A connection looks for this with each request, so it costs one look.
    fn poll_told(&self, cx: &Context<'_>, told: impl Fn(&State) -> bool) -> Poll<()> {
        let mut state = self.state();
        if told(&state) {
            return Poll::Ready(());
        }
        let known = state.waker.as_ref();
        if !known.is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = None;
        self.changes += 1;
    }

    fn since(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now)
    }
}

/// A request being answered; the connection is idle again when the last one is dropped.
pub(super) struct Answering(Arc<Activity>);

impl Answering {
    pub(super) fn new(activity: Arc<Activity>) -> Self {
        activity.begin();
        Self(activity)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Where the bytes of an answer come from.
pub(super) enum Content {
    /// They are at hand.
    Whole(Bytes),
    /// They come as they are made.
    Pieces(axum::body::Body),
}

/// An answer's body, which keeps its connection busy until it is sent.
pub(super) struct AnsweringBody {
    content: Content,
    /// A piece was given, and the next one has not been asked for.
    unread: bool,
    /// Whether requests share the connection.
    shared: bool,
    answering: Answering,
}

impl AnsweringBody {
    pub(super) fn new(content: Content, shared: bool, answering: Answering) -> Self {
        Self {
            content,
            unread: false,
            shared,
            answering,
        }
    }

    fn was_read(&mut self) {
        if self.unread {
            self.unread = false;
            self.answering.0.was_read();
        }
    }
}

impl Drop for AnsweringBody {
    fn drop(&mut self) {
        self.was_read();
    }
}

impl HttpBody for AnsweringBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.was_read();
        let polled = match &mut self.content {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Pieces(body) => Pin::new(body).poll_frame(cx),
        };
        if self.shared && matches!(polled, Poll::Ready(Some(Ok(_)))) {
            self.unread = true;
            self.answering.0.hand_over();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Pieces(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Pieces(body) => body.size_hint(),
        }
    }
}
