//! The one address that scrapers may ask.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How long one scrape may take, from the connection to the last byte: whoever is slower is cut off.
const PATIENCE: Duration = Duration::from_secs(10);

/// Scrapes at once; others wait for their turn.
const MOST: usize = 16;

/// Fields and bytes of a request's head.
const MOST_HEADERS: usize = 64;
const BUFFER_BYTES: usize = 16 * 1024;

const PATH: &str = "/metrics";
const KIND: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Answers scrapes, one a connection.
pub(super) async fn serve(listener: TcpListener, registry: Registry) {
    let registry = Arc::new(registry);
    let places = Arc::new(Semaphore::new(MOST));
    let mut scrapes = JoinSet::new();
    loop {
        // The semaphore is never closed.
        let place = Arc::clone(&places).acquire_owned().await.ok();
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::debug!(%error, "a scrape could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while scrapes.try_join_next().is_some() {}
        let registry = Arc::clone(&registry);
        scrapes.spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(&request, &registry);
                async { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .keep_alive(false)
                .header_read_timeout(None)
                .max_headers(MOST_HEADERS)
                .max_buf_size(BUFFER_BYTES)
                .serve_connection(TokioIo::new(socket), service);
            // A client that goes away, or is slow, is no matter of ours.
            let _ended = tokio::time::timeout(PATIENCE, connection).await;
            drop(place);
        });
    }
}

fn answer(request: &Request<Incoming>, registry: &Registry) -> Response<Body> {
    if request.uri().path() != PATH {
        return plain(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "metrics are read with GET\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        refused.headers_mut().insert(header::ALLOW, allowed);
        return refused;
    }
    let mut page = String::new();
    if text::encode(&mut page, registry).is_err() {
        return plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "metrics could not be written\n",
        );
    }
    with_kind(StatusCode::OK, page, KIND)
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    with_kind(
        status,
        text.to_owned(),
        HeaderValue::from_static("text/plain; charset=utf-8"),
    )
}

fn with_kind(status: StatusCode, text: String, kind: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
