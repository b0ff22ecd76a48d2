//! Gives an error the form that its reader expects: a problem document, or the French error page.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};

use super::context::{Area, RequestContext};
use crate::problem::{ErrorPageRenderer, Problem};

/// Far above what any problem says.
const MOST_WRITTEN: usize = 1024 * 1024;

pub(crate) async fn layer(State(render): State<ErrorPageRenderer>, request: Request, next: Next) -> Response {
    let context = request.extensions().get::<Arc<RequestContext>>().cloned();
    let wants_json = wants_json(request.headers());
    let response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let Some(context) = context else { return response };
    let problem = response.extensions().get::<Problem>().cloned();
    let Some(problem) = problem.or_else(|| is_bare(&response).then(|| Problem::of_status(status))) else {
        return response;
    };
    let as_page = !matches!(context.area, Area::Api | Area::Health) && !wants_json;
    let (parts, body) = response.into_parts();
    let mut answer = problem.clone().into_response();
    *answer.body_mut() = if as_page {
        answer.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        answer.headers_mut().remove(header::WWW_AUTHENTICATE);
        Body::from(problem.page(render, &context.request_id, &context.urls))
    } else {
        Body::from(numbered(&problem, body, &context.request_id).await)
    };
    let headers = answer.headers_mut();
    let replaced = [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::WWW_AUTHENTICATE,
    ];
    for name in parts.headers.keys().filter(|name| !replaced.contains(name)) {
        headers.remove(name);
        for value in parts.headers.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    answer.extensions_mut().extend(parts.extensions);
    answer
}

/// The document with the number of the request. A handler may have written more into it than the problem says.
async fn numbered(problem: &Problem, body: Body, request_id: &str) -> Vec<u8> {
    let written = axum::body::to_bytes(body, MOST_WRITTEN).await.unwrap_or_default();
    match serde_json::from_slice::<serde_json::Map<_, _>>(&written) {
        Ok(mut members) => {
            members.insert("request_id".to_owned(), request_id.into());
            serde_json::to_vec(&members).unwrap_or_default()
        }
        Err(_) => problem.document(request_id),
    }
}

/// An error that a library made: no content of its own, or a line of plain text.
fn is_bare(response: &Response) -> bool {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|value| value.to_str().is_ok_and(|value| value.starts_with("text/plain")))
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accepted.contains("json") && !accepted.contains("text/html")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middleware::context::Contexts;
    use crate::middleware::peer::ClientIpHeader;
    use crate::urls::Urls;
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use http::StatusCode;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    async fn ask(path: &str, accept: &str) -> (StatusCode, HeaderMap, String) {
        let contexts = Contexts {
            urls: Urls::new("/mppeep"),
            trusted: Vec::new(),
            header: ClientIpHeader::None,
            process: 0,
        };
        let render: ErrorPageRenderer =
            |page| format!("<!doctype html><html lang=\"fr\"><h1>{}</h1>", page.title);
        let router = Router::new()
            .route("/mppeep/page", get(|| async { Problem::conflict("taken") }))
            .route(
                "/mppeep/own",
                get(|| async { (StatusCode::UNAUTHORIZED, axum::response::Html("mine")) }),
            )
            .route("/mppeep/api/v1/x", get(|| async { Problem::conflict("taken") }))
            .layer(from_fn_with_state(render, layer))
            .layer(from_fn_with_state(
                Arc::new(contexts),
                crate::middleware::context::layer,
            ));
        let request = Request::get(path)
            .header(header::ACCEPT, accept)
            .body(Body::empty())
            .unwrap();
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        (parts.status, parts.headers, text)
    }

    #[tokio::test]
    async fn pages_get_pages_and_the_api_gets_documents() {
        for (path, accept, status, kind) in [
            ("/mppeep/page", "*/*", 409, "text/html; charset=utf-8"),
            (
                "/mppeep/page",
                "application/json",
                409,
                "application/problem+json",
            ),
            ("/mppeep/none", "text/html", 404, "text/html; charset=utf-8"),
            ("/mppeep/api/v1/x", "text/html", 409, "application/problem+json"),
            (
                "/mppeep/api/v1/none",
                "text/html",
                404,
                "application/problem+json",
            ),
            ("/elsewhere", "text/html", 404, "text/html; charset=utf-8"),
        ] {
            let (found, headers, text) = ask(path, accept).await;
            assert_eq!(found.as_u16(), status, "{path}");
            assert_eq!(headers[header::CONTENT_TYPE], kind, "{path} {accept}");
            if kind == "application/problem+json" {
                let document: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(document["status"], status, "{text}");
                assert_eq!(document["request_id"], headers["x-request-id"].to_str().unwrap());
            }
            assert_eq!(
                text.contains("lang=\"fr\""),
                kind.starts_with("text/html"),
                "{path} {accept}"
            );
        }
    }

    #[tokio::test]
    async fn a_page_of_its_own_stays() {
        let (status, _, text) = ask("/mppeep/own", "text/html").await;
        assert_eq!((status, text.as_str()), (StatusCode::UNAUTHORIZED, "mine"));
    }
}
