//! Bodies: how large they may be, and how long they may take.
//!
//! A body that its handler leaves unread (because the request is refused) is read on for a short while after the
//! answer, so that the client gets to read the answer instead of a reset connection.

use std::error::Error;
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, Sleep};

use super::deadline::Progress;
use super::shedding::{self, Place};
use crate::problem::Problem;
use crate::routes::{BodyLimit, Limits};

/// A file may take longer than a form, as long as something of it keeps coming: so much in each window.
pub(crate) const FILE_DEADLINE: Duration = Duration::from_secs(600);
const FILE_WINDOW: Duration = Duration::from_secs(10);
const FILE_WINDOW_BYTES: u64 = 10 * 1024;

/// How much is read of a body nobody wants, and for how long.
const LINGER_BYTES: u64 = 16 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(3);

/// Why a body could not be read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It is larger than the address takes.
    TooLarge,
    /// It did not arrive in time.
    TooSlow,
    /// When it had come at last, there were too many requests under way.
    Overloaded,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is larger than this address takes",
            Self::TooSlow => "the body did not arrive in time",
            Self::Overloaded => "too many requests are under way",
        })
    }
}

impl Error for BodyError {}

impl From<BodyError> for Problem {
    fn from(err: BodyError) -> Self {
        match err {
            BodyError::TooLarge => Self::of_status(StatusCode::PAYLOAD_TOO_LARGE),
            BodyError::TooSlow => Self::of_status(StatusCode::REQUEST_TIMEOUT).close(),
            BodyError::Overloaded => shedding::overloaded(),
        }
    }
}

/// The problem of an error that a body's reader got, if the body was the cause.
pub(crate) fn problem_of(error: &(dyn Error + 'static)) -> Option<Problem> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(body) = error.downcast_ref::<BodyError>() {
            return Some((*body).into());
        }
        cause = error.source();
    }
    None
}

/// Reads a whole body.
pub(crate) async fn read(body: Body) -> Result<Bytes, Problem> {
    match body.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => {
            Err(problem_of(&error)
                .unwrap_or_else(|| Problem::unreadable("Le contenu n’a pas été reçu entier.")))
        }
    }
}

/// What the layer needs to know.
#[derive(Debug)]
pub(crate) struct BodyRules {
    pub(crate) limits: Limits,
    /// From the head to the last byte of the body of a form or a document.
    pub(crate) deadline: Duration,
}

impl BodyRules {
    /// The clocks of a body of at most `limit` bytes.
    fn clock(&self, limit: u64) -> Clock {
        let is_file = limit > BodyLimit::Json.bytes();
        Clock {
            deadline: Instant::now() + if is_file { FILE_DEADLINE } else { self.deadline },
            window: is_file.then_some(FILE_WINDOW),
            came: 0,
            sleep: None,
        }
    }
}

/// How long a body may take.
struct Clock {
    deadline: Instant,
    /// In which a file must bring something.
    window: Option<Duration>,
    /// Bytes that came in the present window.
    came: u64,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    /// Whether waiting any longer makes no sense.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            let now = Instant::now();
            let (deadline, window) = (self.deadline, self.window);
            let next = || window.map_or(deadline, |window| deadline.min(now + window));
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next())));
            if sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
            if now >= deadline || self.came < FILE_WINDOW_BYTES {
                return true;
            }
            self.came = 0;
            self.sleep = None;
        }
    }
}

/// Refuses at once what says that it is too large; bounds the rest while it is read.
pub(crate) async fn layer(State(rules): State<Arc<BodyRules>>, request: Request, next: Next) -> Response {
    let limit = rules.limits.of(&request);
    let lingers = !request.headers().contains_key(header::EXPECT);
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let declared = body.size_hint().lower();
    let coded = is_coded(&parts.headers);
    let guarded = GuardedBody {
        inner: Some(body),
        left: limit,
        clock: rules.clock(limit),
        lingers,
        progress: parts.extensions.get::<Arc<Progress>>().cloned(),
        place: parts.extensions.get::<Arc<Place>>().cloned(),
        coming_back: None,
    };
    if declared > limit {
        drop(guarded);
        return Problem::from(BodyError::TooLarge).into_response();
    }
    if coded {
        drop(guarded);
        let mut response = Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .detail("Le contenu doit être envoyé sans compression (Content-Encoding).")
            .into_response();
        // RFC 9110 §12.5.3: what would have been understood.
        response
            .headers_mut()
            .insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        return response;
    }
    next.run(Request::from_parts(parts, Body::new(guarded))).await
}

/// Whether a body is sent in a coding. None is undone here: a few bytes of it could be made to unfold into gigabytes.
fn is_coded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

struct GuardedBody {
    inner: Option<Body>,
    left: u64,
    clock: Clock,
    lingers: bool,
    progress: Option<Arc<Progress>>,
    place: Option<Arc<Place>>,
    coming_back: Option<Pin<Box<dyn Future<Output = bool> + Send>>>,
}

impl GuardedBody {
    /// The body is whole. If the request gave up its place while it was waited for, it waits for one again.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Some(place) = self.place.take_if(|place| place.is_left()) {
            self.coming_back = Some(Box::pin(place.come_back()));
        }
        let Some(coming_back) = &mut self.coming_back else {
            return Poll::Ready(None);
        };
        match coming_back.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(came) => {
                self.coming_back = None;
                let refused = (!came).then(|| Err(BodyError::Overloaded.into()));
                Poll::Ready(refused)
            }
        }
    }
}

impl HttpBody for GuardedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else {
            return this.poll_end(cx);
        };
        match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let size = frame.data_ref().map_or(0, |data| data.len() as u64);
                this.clock.came += size;
                if let Some(progress) = &this.progress {
                    progress.note();
                }
                match this.left.checked_sub(size) {
                    Some(left) => {
                        this.left = left;
                        Poll::Ready(Some(Ok(frame)))
                    }
                    None => Poll::Ready(Some(Err(BodyError::TooLarge.into()))),
                }
            }
            Poll::Ready(None) => {
                this.inner = None;
                this.poll_end(cx)
            }
            Poll::Ready(Some(Err(error))) => {
                this.inner = None;
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Pending => {
                if this.clock.is_over(cx) {
                    // Nothing more is wanted of a client this slow: its connection ends.
                    this.inner = None;
                    return Poll::Ready(Some(Err(BodyError::TooSlow.into())));
                }
                if let Some(place) = &this.place {
                    place.leave();
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.coming_back.is_none() && self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for GuardedBody {
    fn drop(&mut self) {
        let Some(body) = self.inner.take() else { return };
        if !self.lingers || body.is_end_stream() || body.size_hint().lower() > LINGER_BYTES {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(LINGER_TIME, swallow(body)));
        }
    }
}

async fn swallow(mut body: Body) {
    let mut left = LINGER_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        match left.checked_sub(size) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::post;
    use std::convert::Infallible;
    use tower::ServiceExt as _;

    fn router(limit: u64) -> Router {
        let rules = BodyRules {
            limits: Limits::same_for_all(limit),
            deadline: Duration::from_secs(30),
        };
        Router::new()
            .route(
                "/",
                post(|request: Request| async {
                    read(request.into_body())
                        .await
                        .map_or_else(IntoResponse::into_response, IntoResponse::into_response)
                }),
            )
            .layer(axum::middleware::from_fn_with_state(Arc::new(rules), layer))
    }

    async fn status(body: Body) -> u16 {
        let request = Request::post("/").body(body).unwrap();
        router(1000).oneshot(request).await.unwrap().status().as_u16()
    }

    fn chunks(count: usize) -> Body {
        let pieces = (0..count).map(|_| Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 100])));
        Body::from_stream(futures_util::stream::iter(pieces))
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_declared_or_not() {
        assert_eq!(status(Body::from(vec![b'x'; 1000])).await, 200);
        assert_eq!(status(Body::from(vec![b'x'; 1001])).await, 413);
        assert_eq!(status(chunks(10)).await, 200);
        assert_eq!(status(chunks(11)).await, 413);
    }

    /// Pieces of so many bytes, one every two seconds.
    fn drip(count: usize, bytes: usize) -> Body {
        let stream = futures_util::stream::unfold(0, move |sent| async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            (sent < count).then(|| (Ok::<_, Infallible>(Bytes::from(vec![b'x'; bytes])), sent + 1))
        });
        Body::from_stream(stream)
    }

    async fn timed(limit: u64, body: Body) -> (Response, Duration) {
        let started = Instant::now();
        let request = Request::post("/").body(body).unwrap();
        let response = router(limit).oneshot(request).await.unwrap();
        (response, started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_too_slowly_is_given_up() {
        let (response, took) = timed(1000, drip(500, 1)).await;
        assert_eq!(response.status(), 408);
        assert_eq!(response.headers()[header::CONNECTION], "close");
        assert!(took <= Duration::from_secs(31), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_may_take_its_time_but_must_keep_coming() {
        const FILE: u64 = 10 * 1024 * 1024;
        let (whole, took) = timed(FILE, drip(60, 4096)).await;
        assert_eq!(whole.status(), 200);
        assert!(took >= Duration::from_secs(120), "{took:?}");
        let (dripped, took) = timed(FILE, drip(500, 100)).await;
        assert_eq!(dripped.status(), 408);
        assert!(took <= Duration::from_secs(11), "{took:?}");
        let (endless, took) = timed(FILE, drip(2000, 4096)).await;
        assert_eq!(endless.status(), 408);
        assert!(took <= FILE_DEADLINE + Duration::from_secs(1), "{took:?}");
    }

    #[tokio::test]
    async fn codings_of_bodies_are_refused() {
        for (coding, expected) in [
            ("identity", 200),
            ("Identity", 200),
            ("gzip", 415),
            ("br", 415),
            ("identity, gzip", 415),
            ("", 415),
        ] {
            let request = Request::post("/")
                .header(header::CONTENT_ENCODING, coding)
                .body(Body::from("x"))
                .unwrap();
            let response = router(1000).oneshot(request).await.unwrap();
            assert_eq!(response.status(), expected, "{coding:?}");
            if expected == 415 {
                assert_eq!(response.headers()[header::ACCEPT_ENCODING], "identity");
            }
        }
    }
}
