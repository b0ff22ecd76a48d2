//! What hyper lets through and this server does not: a missing or odd host, unknown methods; and the panic guard.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::{Method, StatusCode, Version, header};

use crate::problem::Problem;

/// The methods that some address of this server has.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// Turns a panic of a handler into a 500; its text is in the log only.
pub(crate) async fn panics(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        // The panic hook has logged it, with the number of the request.
        Err(_) => Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response(),
    }
}

/// Refuses requests whose host is missing, doubled or malformed (RFC 9112 §3.2), and methods without meaning here.
pub(crate) async fn request(request: Request, next: Next) -> Response {
    if let Err(problem) = check(&request) {
        return problem.into_response();
    }
    next.run(request).await
}

pub(crate) fn check<B>(request: &http::Request<B>) -> Result<(), Problem> {
    match *request.method() {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => {}
        Method::TRACE | Method::CONNECT => {
            return Err(Problem::of_status(StatusCode::METHOD_NOT_ALLOWED).allow(METHODS));
        }
        // Where there is an address, its route names the methods it has.
        _ if request.extensions().get::<MatchedPath>().is_some() => {}
        _ => return Err(Problem::of_status(StatusCode::NOT_IMPLEMENTED)),
    }
    let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next()
        && (codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        // RFC 9112 §6.1: a coding that is not understood; where such a body ends cannot be known.
        return Err(Problem::of_status(StatusCode::NOT_IMPLEMENTED).close());
    }
    let wrong = || {
        Problem::new(StatusCode::BAD_REQUEST, "bad-host").detail("L’en-tête Host manque ou n’est pas valide.")
    };
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let authority = request.uri().authority();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_10 => Ok(()),
        // HTTP/2 names the host before the header fields (RFC 9113 §8.3.1).
        (None, _)
            if request.version() == Version::HTTP_2
                && authority.is_some_and(|authority| is_host(authority.as_str())) =>
        {
            Ok(())
        }
        (Some(host), None) => {
            let host = host.to_str().map_err(|_| wrong())?;
            let agrees = authority.is_none_or(|authority| authority.as_str().eq_ignore_ascii_case(host));
            if is_host(host) && agrees {
                Ok(())
            } else {
                Err(wrong())
            }
        }
        _ => Err(wrong()),
    }
}

/// `host[:port]` of RFC 3986, without user, path or anything else.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    if port.is_some_and(|port| port.len() > 5 || !port.bytes().all(|byte| byte.is_ascii_digit())) {
        return false;
    }
    if let Some(address) = host.strip_prefix('[') {
        return address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    }
    !host.is_empty()
        && host.len() <= 255
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

/// The host that the request was sent to.
pub(crate) fn effective_host(request: &Request) -> Option<Cow<'_, str>> {
    if let Some(authority) = request.uri().authority() {
        return Some(Cow::Borrowed(authority.as_str()));
    }
    request
        .headers()
        .get(header::HOST)?
        .to_str()
        .ok()
        .map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn verdict(request: http::request::Builder) -> u16 {
        check(&request.body(Body::empty()).unwrap())
            .map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    #[tokio::test]
    async fn a_known_address_names_its_methods() {
        use tower::ServiceExt as _;
        let router = axum::Router::new()
            .route("/", axum::routing::get(|| async {}))
            .layer(axum::middleware::from_fn(request));
        let ask = |method: &str, path: &str| {
            let request = http::Request::builder()
                .method(method)
                .uri(path)
                .header("host", "a.example");
            router.clone().oneshot(request.body(Body::empty()).unwrap())
        };
        let known = ask("QUERY", "/").await.unwrap();
        assert_eq!(known.status(), 405);
        assert_eq!(known.headers()[header::ALLOW], "GET,HEAD");
        assert_eq!(ask("QUERY", "/none").await.unwrap().status(), 501);
        assert_eq!(ask("TRACE", "/").await.unwrap().status(), 405);
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        use tower::ServiceExt as _;
        let router = axum::Router::new()
            .route(
                "/",
                axum::routing::get(|| async {
                    if true {
                        panic!("secret detail")
                    }
                }),
            )
            .layer(axum::middleware::from_fn(panics));
        let response = router
            .oneshot(http::Request::get("/").body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), 500);
        let text = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("secret"));
    }

    #[test]
    fn one_valid_host_is_needed() {
        let get = || http::Request::get("/mppeep/login");
        assert_eq!(verdict(get()), 400);
        assert_eq!(verdict(get().version(Version::HTTP_10)), 200);
        assert_eq!(verdict(get().version(Version::HTTP_2)), 400);
        let named = |uri: &str| http::Request::get(uri).version(Version::HTTP_2);
        assert_eq!(verdict(named("https://mppeep.example/mppeep/login")), 200);
        assert_eq!(verdict(named("https://user@mppeep.example/mppeep/login")), 400);
        assert_eq!(
            verdict(get().header("host", "a.example").header("host", "a.example")),
            400
        );
        for good in [
            "mppeep.example",
            "127.0.0.1:9000",
            "[::1]:9000",
            "[2001:db8::1]",
            "localhost",
            "a_b.example:",
        ] {
            assert_eq!(verdict(get().header("host", good)), 200, "{good}");
        }
        for bad in [
            "",
            "a b",
            "a/b",
            "user@host",
            "a,b",
            "host:port",
            "host:999999",
            "[::1",
            "[zz]",
            "a\"b",
            "ex<a>",
            ":80",
        ] {
            assert_eq!(verdict(get().header("host", bad)), 400, "{bad}");
        }
    }

    #[test]
    fn only_the_chunked_coding_is_understood() {
        let post = |coding: &str| {
            verdict(
                http::Request::post("/")
                    .header("host", "a.example")
                    .header("transfer-encoding", coding),
            )
        };
        for good in ["chunked", "Chunked"] {
            assert_eq!(post(good), 200, "{good}");
        }
        for bad in [
            "gzip, chunked",
            "chunked, chunked",
            "identity",
            "xchunked",
            "chunked;q=1",
            "",
        ] {
            assert_eq!(post(bad), 501, "{bad}");
        }
    }

    #[test]
    fn an_absolute_address_agrees_with_the_host() {
        let get = || http::Request::get("http://mppeep.example/mppeep/login");
        assert_eq!(verdict(get().header("host", "mppeep.example")), 200);
        assert_eq!(verdict(get().header("host", "evil.example")), 400);
    }

    #[test]
    fn methods_without_meaning_are_refused() {
        for (method, status) in [
            ("GET", 200),
            ("HEAD", 200),
            ("OPTIONS", 200),
            ("PATCH", 200),
            ("TRACE", 405),
            ("CONNECT", 405),
            ("FOO", 501),
            ("PRI", 501),
            ("get", 501),
            ("PROPFIND", 501),
        ] {
            let request = http::Request::builder()
                .method(method)
                .uri("/")
                .header("host", "mppeep.example");
            assert_eq!(verdict(request), status, "{method}");
        }
    }
}
