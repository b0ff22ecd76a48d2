//! Counts pages that are shown, and changes that are made.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, StatusCode, header};

use super::context::{Area, RequestContext};
use super::session::SessionState;
use crate::app::Services;
use crate::urls::Urls;

/// Who counts, and where the site begins.
pub(crate) struct Traffic {
    pub(crate) services: Arc<Services>,
    pub(crate) urls: Urls,
}

/// Counts a page by its route, never by its address: which record was read is nobody's business here.
pub(crate) async fn layer(State(traffic): State<Arc<Traffic>>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .and_then(|path| traffic.urls.below_root(path.as_str()))
        .map(str::to_owned);
    let is_page = request
        .extensions()
        .get::<Arc<RequestContext>>()
        .is_some_and(|context| context.area == Area::Page);
    let user = match request.extensions().get::<SessionState>() {
        Some(SessionState::Known(actor)) => actor.user,
        _ => None,
    };
    let method = request.method().clone();
    let response = next.run(request).await;
    let status = response.status();
    if method == Method::GET && is_page && status == StatusCode::OK && is_html(&response) {
        if let Some(route) = route {
            traffic.services.traffic.page_shown(&route);
        }
    } else if let Some(user) = user
        && !method.is_safe()
        && (status.is_success() || status == StatusCode::SEE_OTHER)
    {
        traffic.services.traffic.action_done(user);
    }
    response
}

fn is_html(response: &Response) -> bool {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/html"))
}
