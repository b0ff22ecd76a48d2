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
use http::{StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, Sleep};

use crate::problem::Problem;
use crate::routes::Limits;

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
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is larger than this address takes",
            Self::TooSlow => "the body did not arrive in time",
        })
    }
}

impl Error for BodyError {}

impl From<BodyError> for Problem {
    fn from(err: BodyError) -> Self {
        match err {
            BodyError::TooLarge => Self::of_status(StatusCode::PAYLOAD_TOO_LARGE),
            BodyError::TooSlow => Self::of_status(StatusCode::REQUEST_TIMEOUT).close(),
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
    /// From the head to the last byte of the body.
    pub(crate) deadline: Duration,
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
    let guarded = GuardedBody {
        inner: Some(body),
        left: limit,
        deadline: Instant::now() + rules.deadline,
        sleep: None,
        lingers,
    };
    if declared > limit {
        drop(guarded);
        return Problem::from(BodyError::TooLarge).into_response();
    }
    next.run(Request::from_parts(parts, Body::new(guarded))).await
}

struct GuardedBody {
    inner: Option<Body>,
    left: u64,
    deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    lingers: bool,
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
            return Poll::Ready(None);
        };
        match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let size = frame.data_ref().map_or(0, |data| data.len() as u64);
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
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                this.inner = None;
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Pending => {
                let deadline = this.deadline;
                let sleep = this
                    .sleep
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                if sleep.as_mut().poll(cx).is_ready() {
                    // Nothing more is wanted of a client this slow: its connection ends.
                    this.inner = None;
                    return Poll::Ready(Some(Err(BodyError::TooSlow.into())));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
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

    fn router(deadline: Duration) -> Router {
        let rules = BodyRules {
            limits: Limits::same_for_all(1000),
            deadline,
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
        router(Duration::from_secs(30))
            .oneshot(request)
            .await
            .unwrap()
            .status()
            .as_u16()
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

    #[tokio::test(start_paused = true)]
    async fn what_comes_too_slowly_is_given_up() {
        let stream = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"x")), ()))
        });
        let started = Instant::now();
        let request = Request::post("/").body(Body::from_stream(stream)).unwrap();
        let response = router(Duration::from_secs(30)).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 408);
        assert_eq!(response.headers()[header::CONNECTION], "close");
        assert!(
            started.elapsed() <= Duration::from_secs(31),
            "{:?}",
            started.elapsed()
        );
    }
}
