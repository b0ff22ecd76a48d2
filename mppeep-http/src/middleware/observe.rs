//! One line in the log for each request, at its end, and what the metrics are told of it.
//!
//! The end is the last byte of the answer handed to the connection, or the moment somebody gave up. A stream of events is
//! therefore told of when it ends. An answer that was not taken whole (the client went away, or kept us waiting too long) is
//! marked `cut`; a request that was given up before there was an answer has the status 499, which is never sent.
//!
//! The line names the route and not the path, the account's identifier and not its name: nothing in it was typed by anybody.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use mppeep_core::layered::spent::{Part, Spent, scope, scope_step};

use super::context::{Asker, RequestContext};

/// The status of a request that was given up before there was an answer, as nginx logs it.
const GIVEN_UP: u16 = 499;

/// What is logged in place of the path of a request that no route matches: anything may be written there.
const NO_ROUTE: &str = "unmatched";

/// A request that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedRequest<'a> {
    /// Its method; `OTHER` for those without a meaning here.
    pub method: &'static str,
    /// The template of its route, such as `/mppeep/personnel/{id}`; `unmatched` when there is none.
    pub route: &'a str,
    /// The status of the answer; none when it was given up before.
    pub status: Option<u16>,
    /// From its head to the end of the answer.
    pub duration: Duration,
    /// Bytes of the answer's body, as they were sent.
    pub bytes: u64,
    /// Whether the answer was a stream that lasts as long as somebody listens.
    pub stream: bool,
    /// Whether the answer was not taken whole.
    pub cut: bool,
}

/// Is told of every request, for the metrics. Must not wait.
pub trait RequestObserver: Debug + Send + Sync {
    /// One begins.
    fn began(&self) {}

    /// One has ended; told once for each that began.
    fn ended(&self, request: &ObservedRequest<'_>) {
        let _ = request;
    }

    /// One was sent away for want of room.
    fn shed(&self) {}
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl RequestObserver for Unobserved {}

/// Just inside the layer that makes the context.
pub(crate) async fn layer(
    State(observer): State<Arc<dyn RequestObserver>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(context) = request.extensions().get::<Arc<RequestContext>>().cloned() else {
        return next.run(request).await;
    };
    let mut record = Record::begin(observer, context, &request);
    let response = scope(Arc::clone(&record.spent), next.run(request)).await;
    let (parts, body) = response.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE);
    record.status = Some(parts.status);
    record.stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if body.is_end_stream() || !may_have_body(record.method, parts.status) {
        record.complete = true;
        return Response::from_parts(parts, body);
    }
    Response::from_parts(parts, Body::new(ObservedBody { body, record }))
}

/// Whether the connection will ask for the body at all (RFC 9110 §6.4.1).
fn may_have_body(method: &str, status: StatusCode) -> bool {
    method != "HEAD"
        && !status.is_informational()
        && status != StatusCode::NO_CONTENT
        && status != StatusCode::NOT_MODIFIED
}

/// The method, by one of few names.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// Tells of a GET request that was answered at once and whole.
pub(crate) fn answered(
    observer: &dyn RequestObserver,
    route: &str,
    bytes: usize,
    started: Instant,
    asker: &Asker<'_>,
) {
    observer.began();
    let ended = ObservedRequest {
        method: "GET",
        route,
        status: Some(StatusCode::OK.as_u16()),
        duration: started.elapsed(),
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        stream: false,
        cut: false,
    };
    log(asker, &Spent::default(), &ended);
    observer.ended(&ended);
}

/// What is known of a request; told when it is dropped, whoever drops it.
struct Record {
    observer: Arc<dyn RequestObserver>,
    context: Arc<RequestContext>,
    started: Instant,
    method: &'static str,
    route: Option<MatchedPath>,
    spent: Arc<Spent>,
    status: Option<StatusCode>,
    bytes: u64,
    stream: bool,
    /// Whether the answer was taken whole.
    complete: bool,
}

impl Record {
    fn begin(observer: Arc<dyn RequestObserver>, context: Arc<RequestContext>, request: &Request) -> Self {
        observer.began();
        Self {
            observer,
            context,
            started: Instant::now(),
            method: name_of(request.method()),
            route: request.extensions().get().cloned(),
            spent: Arc::default(),
            status: None,
            bytes: 0,
            stream: false,
            complete: false,
        }
    }
}

/// Writes the line of a request. It names the request itself, and needs no span.
fn log(asker: &Asker<'_>, spent: &Spent, ended: &ObservedRequest<'_>) {
    let (database, cache) = (spent.on(Part::Database), spent.on(Part::Cache));
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                target: "access",
                parent: None,
                request_id = asker.request_id,
                cf_ray = asker.cf_ray,
                method = ended.method,
                route = ended.route,
                status = ended.status.unwrap_or(GIVEN_UP),
                duration_ms = millis(ended.duration),
                database_ms = millis(database.time),
                database_calls = database.calls,
                cache_ms = millis(cache.time),
                cache_calls = cache.calls,
                user = asker.user,
                client = %asker.client,
                bytes = ended.bytes,
                stream = ended.stream.then_some(true),
                cut = ended.cut.then_some(true),
                $message
            )
        };
    }
    match ended.status {
        None => line!(warn, "request given up"),
        Some(401 | 403 | 429) => line!(warn, "request refused"),
        Some(503) => line!(warn, "request not served"),
        Some(500..) => line!(error, "request failed"),
        Some(_) => line!(info, "request"),
    }
}

/// Milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

impl Drop for Record {
    fn drop(&mut self) {
        let ended = ObservedRequest {
            method: self.method,
            route: self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str),
            status: self.status.map(|status| status.as_u16()),
            duration: self.started.elapsed(),
            bytes: self.bytes,
            stream: self.stream,
            cut: !self.complete && !self.stream,
        };
        log(&self.context.asker(), &self.spent, &ended);
        self.observer.ended(&ended);
    }
}

/// A body that is counted as it is sent.
struct ObservedBody {
    body: Body,
    record: Record,
}

impl HttpBody for ObservedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, record } = &mut *self;
        let polled = scope_step(&record.spent, || Pin::new(&mut *body).poll_frame(cx));
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                record.bytes += u64::try_from(length).unwrap_or(0);
                record.complete = body.is_end_stream();
            }
            Poll::Ready(None) => record.complete = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middleware::context::{self, Contexts};
    use crate::middleware::peer::ClientIpHeader;
    use crate::urls::Urls;
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::response::IntoResponse as _;
    use axum::routing::get;
    use futures_util::stream;
    use http_body_util::BodyExt as _;
    use std::convert::Infallible;
    use std::sync::Mutex;
    use tower::ServiceExt as _;

    /// Method, route, status, bytes, stream, cut.
    type Noted = (&'static str, String, Option<u16>, u64, bool, bool);

    #[derive(Debug, Default)]
    struct Book {
        begun: Mutex<usize>,
        ended: Mutex<Vec<Noted>>,
    }

    impl RequestObserver for Book {
        fn began(&self) {
            *self.begun.lock().unwrap() += 1;
        }

        fn ended(&self, request: &ObservedRequest<'_>) {
            let ObservedRequest {
                method,
                route,
                status,
                bytes,
                stream,
                cut,
                ..
            } = *request;
            self.ended
                .lock()
                .unwrap()
                .push((method, route.to_owned(), status, bytes, stream, cut));
        }
    }

    impl Book {
        fn only(&self) -> Noted {
            let mut ended = self.ended.lock().unwrap();
            assert_eq!((ended.len(), *self.begun.lock().unwrap()), (1, 1), "{ended:?}");
            *self.begun.lock().unwrap() = 0;
            ended.remove(0)
        }
    }

    fn words() -> Body {
        Body::from_stream(stream::iter(["one", "three"].map(Ok::<_, Infallible>)))
    }

    fn router(book: &Arc<Book>) -> Router {
        let events = || async { ([(header::CONTENT_TYPE, "text/event-stream")], words()).into_response() };
        let observer: Arc<dyn RequestObserver> = Arc::clone(book) as _;
        let contexts = Contexts {
            urls: Urls::new("/mppeep"),
            trusted: Vec::new(),
            header: ClientIpHeader::None,
            process: 0,
        };
        Router::new()
            .route("/agents/{id}", get(|| async { "four" }))
            .route("/nothing", get(|| async { StatusCode::NO_CONTENT }))
            .route("/words", get(|| async { words() }))
            .route("/events", get(events))
            .route("/never", get(std::future::pending::<()>))
            .layer(from_fn_with_state(observer, layer))
            .layer(from_fn_with_state(Arc::new(contexts), context::layer))
    }

    async fn ask(router: &Router, method: &str, path: &str) -> Response {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        router.clone().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_sent_is_told_once_at_its_end() {
        let book = Arc::new(Book::default());
        let router = router(&book);
        for (method, path, expected) in [
            ("GET", "/agents/AB1234", ("GET", "/agents/{id}", 200, 4)),
            ("HEAD", "/agents/AB1234", ("HEAD", "/agents/{id}", 200, 0)),
            ("PUT", "/agents/AB1234", ("PUT", "/agents/{id}", 405, 0)),
            ("PURGE", "/agents/AB1234", ("OTHER", "/agents/{id}", 405, 0)),
            ("GET", "/nobody@example", ("GET", "unmatched", 404, 0)),
            ("GET", "/nothing", ("GET", "/nothing", 204, 0)),
            ("GET", "/words", ("GET", "/words", 200, 8)),
        ] {
            let answer = ask(&router, method, path).await;
            let _body = answer.into_body().collect().await.unwrap();
            let (method, route, status, bytes) = expected;
            assert_eq!(
                book.only(),
                (method, route.to_owned(), Some(status), bytes, false, false)
            );
        }
    }

    #[tokio::test]
    async fn who_goes_away_is_told_of() {
        let book = Arc::new(Book::default());
        let router = router(&book);
        let mut answer = ask(&router, "GET", "/words").await;
        let _first = answer.body_mut().frame().await.unwrap().unwrap();
        assert!(book.ended.lock().unwrap().is_empty(), "told before its end");
        drop(answer);
        assert_eq!(
            book.only(),
            ("GET", "/words".to_owned(), Some(200), 3, false, true)
        );

        let waiting = ask(&router, "GET", "/never");
        let gave_up = tokio::time::timeout(Duration::from_millis(5), waiting).await;
        assert!(gave_up.is_err());
        assert_eq!(book.only(), ("GET", "/never".to_owned(), None, 0, false, true));

        let mut events = ask(&router, "GET", "/events").await;
        let _first = events.body_mut().frame().await.unwrap().unwrap();
        drop(events);
        assert_eq!(
            book.only(),
            ("GET", "/events".to_owned(), Some(200), 3, true, false)
        );
    }
}
