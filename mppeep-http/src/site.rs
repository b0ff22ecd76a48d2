//! The application as one service: what is asked for most is answered at once, the rest goes through the layers.
//!
//! A static file that is asked for plainly has one answer for each coding, which is made when the server starts, by the same
//! functions that answer every other question about files. A condition, a range, an odd host, another method: all that is
//! not plain takes the long way. Either way the request is numbered, observed and logged.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use tower::Service;

use crate::assets::{self, Asset};
use crate::middleware::context::{self, Contexts, Transport};
use crate::middleware::observe::{self, RequestObserver};
use crate::middleware::{guard, headers};

/// Fields that make a question about a file more than plain.
const CONDITIONS: [header::HeaderName; 8] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::EXPECT,
];

/// The application.
#[derive(Clone)]
pub struct Site {
    files: Option<Arc<Files>>,
    router: Router,
}

impl Site {
    pub(crate) fn new(files: Files, router: Router) -> Self {
        Self {
            files: Some(Arc::new(files)),
            router,
        }
    }
}

/// A router alone, without files.
impl From<Router> for Site {
    fn from(router: Router) -> Self {
        Self { files: None, router }
    }
}

impl Site {
    /// The answer to a request that needs nothing else, for whoever accepts connections himself: it saves the making of
    /// everything that the layers want.
    pub fn answer_at_once<B>(
        &self,
        request: &http::Request<B>,
        peer: SocketAddr,
        transport: Transport,
    ) -> Option<Response> {
        self.files.as_ref()?.answer(request, Some(peer), transport)
    }
}

impl Service<Request> for Site {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.router.call(request)
    }
}

/// An answer without what differs from request to request.
struct Prepared {
    head: HeaderMap,
    body: Bytes,
}

impl Prepared {
    /// The answer to who accepts that coding alone.
    fn of(asset: &'static Asset, coding: Option<&'static str>) -> Self {
        let mut asked = HeaderMap::new();
        if let Some(coding) = coding {
            asked.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(coding));
        }
        let (parts, _) = assets::respond(asset, &Method::GET, &asked).into_parts();
        let mut head = parts.headers;
        headers::write(&mut head, false);
        Self {
            head,
            body: Bytes::from_static(assets::choose(asset, &asked).0),
        }
    }
}

/// Static files that are asked for plainly.
pub(crate) struct Files {
    contexts: Arc<Contexts>,
    observer: Arc<dyn RequestObserver>,
    /// How the route is called in the log and the metrics.
    route: Arc<str>,
    /// By path and coding.
    prepared: HashMap<(&'static str, Option<&'static str>), Prepared>,
}

impl Files {
    pub(crate) fn new(contexts: Arc<Contexts>, observer: Arc<dyn RequestObserver>) -> Self {
        let codings = [None, Some("gzip"), Some("br")];
        let prepared = assets::all()
            .flat_map(|asset| codings.map(|coding| ((asset.path, coding), Prepared::of(asset, coding))));
        Self {
            route: contexts.urls.path("/static/{*path}").into(),
            prepared: prepared.collect(),
            contexts,
            observer,
        }
    }

    fn answer<B>(
        &self,
        request: &http::Request<B>,
        peer: Option<SocketAddr>,
        transport: Transport,
    ) -> Option<Response> {
        if *request.method() != Method::GET {
            return None;
        }
        let path = self.contexts.urls.below_root(request.uri().path())?;
        let asset = assets::find(path.strip_prefix("/static/")?)?;
        let plain = CONDITIONS
            .iter()
            .all(|name| !request.headers().contains_key(name));
        let current = request
            .uri()
            .query()
            .is_none_or(|query| query.strip_prefix("v=") == Some(asset.hash));
        if !plain || !current || guard::check(request).is_err() {
            return None;
        }
        let (_, coding) = assets::choose(asset, request.headers());
        if coding.is_none() && !assets::takes_identity(request.headers()) {
            return None;
        }
        let prepared = self.prepared.get(&(asset.path, coding))?;
        let (path, fields) = (request.uri().path(), request.headers());
        let secure = transport == Transport::Tls;
        let context = Arc::new(self.contexts.make(peer, secure, path, fields));
        let mut response = Response::new(Body::from(prepared.body.clone()));
        let head = response.headers_mut();
        head.clone_from(&prepared.head);
        if context.https {
            head.insert(header::STRICT_TRANSPORT_SECURITY, headers::TRANSPORT);
        }
        context::number(&mut response, &context);
        observe::answered(&self.observer, context, &self.route, prepared.body.len());
        Some(response)
    }
}
