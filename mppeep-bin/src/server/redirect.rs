//! The listener that only says where the site is: over https.

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use mppeep_http::Origin;

/// Sends everybody to the same address on `origin`. What the client takes for the host is not asked.
pub(crate) fn redirect(origin: &Origin) -> Router {
    let origin = origin.to_string();
    Router::new().fallback(move |method: Method, uri: Uri| async move { answer(&origin, &method, &uri) })
}

fn answer(origin: &str, method: &Method, uri: &Uri) -> Response {
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let Ok(location) = HeaderValue::from_str(&format!("{origin}{path}")) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if !path.starts_with('/') {
        // `OPTIONS *` and `CONNECT host:port` have no address there.
        return StatusCode::BAD_REQUEST.into_response();
    }
    // Whatever has a body must be sent again with it.
    let status = if matches!(*method, Method::GET | Method::HEAD) {
        StatusCode::MOVED_PERMANENTLY
    } else {
        StatusCode::PERMANENT_REDIRECT
    };
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::LOCATION, location),
        // Kept for a while only: the public address may be changed.
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=3600"),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    (status, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use http::Request;
    use tower::ServiceExt as _;

    async fn ask(method: &str, uri: &str, host: &str) -> (u16, String) {
        let router = redirect(&"https://mppeep.example".parse().unwrap());
        let request = Request::builder().method(method).uri(uri).header("host", host);
        let answer = router
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert!(!answer.headers().contains_key(header::STRICT_TRANSPORT_SECURITY));
        let location = answer.headers().get(header::LOCATION);
        let location = location.map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location.unwrap_or_default())
    }

    #[tokio::test]
    async fn everybody_is_sent_to_the_public_address() {
        let home = "https://mppeep.example";
        for (method, uri, path, status) in [
            ("GET", "/mppeep/login?next=%2Fa", "/mppeep/login?next=%2Fa", 301),
            ("HEAD", "/", "/", 301),
            ("POST", "/mppeep/login", "/mppeep/login", 308),
            ("GET", "http://evil.example/a?b", "/a?b", 301),
            ("GET", "//evil.example/", "//evil.example/", 301),
        ] {
            let (found, location) = ask(method, uri, "evil.example").await;
            assert_eq!(
                (found, location),
                (status, format!("{home}{path}")),
                "{method} {uri}"
            );
        }
        assert_eq!(ask("OPTIONS", "*", "mppeep.example").await.0, 400);
    }
}
