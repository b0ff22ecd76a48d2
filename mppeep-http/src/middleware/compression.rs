//! Compression of what is text, above a kilobyte and without a secret.

use http::{Extensions, HeaderMap, StatusCode, Version, header};
use tower_http::compression::predicate::{And, Predicate as _, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};

/// Marks an answer that shows a secret: its length must not tell anything about it, so it is not compressed.
#[derive(Debug, Clone, Copy)]
pub struct ShowsSecret;

/// Marks an answer whose coding was chosen when it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsItIs;

type Check = fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool;

/// Brotli and gzip at a speed that suits pages made on demand.
pub(crate) fn layer() -> CompressionLayer<And<SizeAbove, Check>> {
    let check: Check = is_compressible;
    CompressionLayer::new()
        .br(true)
        .gzip(true)
        .quality(CompressionLevel::Precise(5))
        .compress_when(SizeAbove::new(1024).and(check))
}

fn is_compressible(_: StatusCode, _: Version, headers: &HeaderMap, extensions: &Extensions) -> bool {
    if extensions.get::<ShowsSecret>().is_some() || extensions.get::<AsItIs>().is_some() {
        return false;
    }
    // Coded already; a part of something; the beginning or the end of a session.
    if [
        header::CONTENT_ENCODING,
        header::CONTENT_RANGE,
        header::SET_COOKIE,
    ]
    .iter()
    .any(|name| headers.contains_key(name))
    {
        return false;
    }
    let Some(kind) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    // A stream of events is sent piece by piece, and would be held back.
    if kind == "text/event-stream" {
        return false;
    }
    kind.starts_with("text/")
        || kind.ends_with("+json")
        || matches!(
            kind.as_str(),
            "application/json" | "application/javascript" | "image/svg+xml"
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::response::{Html, IntoResponse};
    use axum::routing::get;
    use http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    async fn ask(path: &str, accept: &str) -> (HeaderMap, Vec<u8>) {
        let text = "é".repeat(4000);
        let (large, secret) = (text.clone(), text.clone());
        let router = Router::new()
            .route("/large", get(move || async move { Html(large) }))
            .route("/small", get(move || async move { Html("short") }))
            .route(
                "/photo",
                get(move || async move { ([(header::CONTENT_TYPE, "image/png")], text) }),
            )
            .route(
                "/session",
                get(move || async move { ([(header::SET_COOKIE, "session_id=x")], Html("é".repeat(4000))) }),
            )
            .route(
                "/file",
                get(move || async move { (axum::Extension(AsItIs), Html("é".repeat(4000))) }),
            )
            .route(
                "/events",
                get(move || async move { ([(header::CONTENT_TYPE, "text/event-stream")], "é".repeat(4000)) }),
            )
            .route(
                "/part",
                get(move || async move {
                    (
                        [(header::CONTENT_RANGE, "bytes 0-7999/9000")],
                        Html("é".repeat(4000)),
                    )
                }),
            )
            .route(
                "/secret",
                get(move || async move {
                    let mut response = Html(secret).into_response();
                    response.extensions_mut().insert(ShowsSecret);
                    response
                }),
            )
            .layer(layer());
        let request = Request::get(path)
            .header(header::ACCEPT_ENCODING, accept)
            .body(Body::empty())
            .unwrap();
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        (parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
    }

    #[tokio::test]
    async fn large_text_is_compressed_as_asked() {
        for (accept, coding) in [
            ("br", Some("br")),
            ("gzip", Some("gzip")),
            ("gzip;q=0", None),
            ("identity", None),
            ("br;q=0", None),
        ] {
            let (headers, body) = ask("/large", accept).await;
            let found = headers
                .get(header::CONTENT_ENCODING)
                .map(|value| value.to_str().unwrap());
            assert_eq!(found, coding, "{accept}");
            assert_eq!(body.len() < 8000, coding.is_some(), "{accept}");
            assert_eq!(headers[header::VARY], "accept-encoding", "{accept}");
        }
    }

    #[tokio::test]
    async fn small_answers_pictures_streams_and_secrets_are_not() {
        for path in [
            "/small", "/photo", "/secret", "/session", "/file", "/events", "/part",
        ] {
            let (headers, _) = ask(path, "br, gzip").await;
            assert!(!headers.contains_key(header::CONTENT_ENCODING), "{path}");
        }
    }
}
