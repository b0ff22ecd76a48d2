//! A bound on how long a request may be worked on. While its body arrives the clock begins anew with each piece: how long
//! a body may take is the body's business.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body::Body as _;
use tokio::time::Instant;

use crate::problem::Problem;

/// Seconds after which asking again makes sense.
const RETRY_SECONDS: u64 = 5;

/// A body that does not come is told so before its request is given up.
const BODY_FIRST: Duration = Duration::from_secs(2);

/// When the last piece of a request's body came.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Instant,
    last: AtomicU64,
}

impl Progress {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    /// A piece has come.
    pub(crate) fn note(&self) {
        let since = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.started + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

pub(crate) async fn layer(State(limit): State<Duration>, mut request: Request, next: Next) -> Response {
    let progress = Arc::new(Progress::new());
    request.extensions_mut().insert(Arc::clone(&progress));
    let limit = if request.body().is_end_stream() {
        limit
    } else {
        limit + BODY_FIRST
    };
    let mut work = pin!(next.run(request));
    loop {
        let until = progress.last() + limit;
        if let Ok(response) = tokio::time::timeout_at(until, work.as_mut()).await {
            return response;
        }
        if progress.last() + limit <= Instant::now() {
            tracing::warn!("a request took too long and was given up");
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "deadline")
                .detail("La demande a pris trop de temps et a été abandonnée.")
                .retry_after(RETRY_SECONDS)
                .into_response();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use bytes::Bytes;
    use futures_util::StreamExt as _;
    use http::header;
    use std::convert::Infallible;
    use tower::ServiceExt as _;

    const LIMIT: Duration = Duration::from_secs(30);

    async fn sleep(seconds: u64) -> &'static str {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        "done"
    }

    /// Reads its body as the body's layer does, then works for twenty seconds.
    async fn reads(request: Request) -> &'static str {
        let progress = request.extensions().get::<Arc<Progress>>().cloned().unwrap();
        let mut pieces = request.into_body().into_data_stream();
        while pieces.next().await.is_some() {
            progress.note();
        }
        sleep(20).await
    }

    async fn ask(path: &str, body: Body) -> (Response, Duration) {
        let router = Router::new()
            .route("/slow", get(|| sleep(29)))
            .route("/slower", get(|| sleep(31)))
            .route("/reads", get(reads))
            .layer(from_fn_with_state(LIMIT, layer));
        let started = Instant::now();
        let request = http::Request::get(path).body(body).unwrap();
        (router.oneshot(request).await.unwrap(), started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_given_up() {
        assert_eq!(ask("/slow", Body::empty()).await.0.status(), 200);
        let (late, took) = ask("/slower", Body::empty()).await;
        assert_eq!(late.status(), 503);
        assert!(late.headers().contains_key(header::RETRY_AFTER));
        assert!(took <= LIMIT + Duration::from_millis(10), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_keeps_coming_is_waited_for() {
        let pieces = futures_util::stream::unfold(0, |count| async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            (count < 8).then(|| (Ok::<_, Infallible>(Bytes::from_static(b"x")), count + 1))
        });
        let (response, took) = ask("/reads", Body::from_stream(pieces)).await;
        assert_eq!(response.status(), 200);
        assert!(took >= Duration::from_secs(110), "{took:?}");
    }
}
