//! The application as one service: what is asked for most is answered at once, the rest goes through the layers.
//!
//! A static file that is asked for plainly has one answer for each coding, which is made when the server starts, by the same
//! functions that answer every other question about files. A condition, a range, an odd host, another method: all that is
//! not plain takes the long way. Either way the request is numbered, observed and logged.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use tower::Service;

use crate::assets::{self, Asset, Weights};
use crate::middleware::context::{self, Contexts, REQUEST_ID, Transport};
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
    ) -> Option<http::Response<Bytes>> {
        self.files.as_ref()?.answer(request, peer, transport)
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

/// The answers to who asks for one file in one coding, but for what differs from request to request.
struct Prepared {
    head: HeaderMap,
    /// The same for who came by https.
    secure_head: HeaderMap,
    body: Bytes,
}

impl Prepared {
    /// The answers to who accepts that coding alone.
    fn of(asset: &'static Asset, coding: Option<&'static str>) -> Self {
        let mut asked = HeaderMap::new();
        if let Some(coding) = coding {
            asked.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(coding));
        }
        let head = |https| {
            let (parts, _) = assets::respond(asset, &Method::GET, &asked).into_parts();
            let mut head = parts.headers;
            // The connection writes it, from the body.
            head.remove(header::CONTENT_LENGTH);
            headers::write(&mut head, https);
            // The place of the number of each request.
            head.insert(REQUEST_ID, HeaderValue::from_static("-"));
            head
        };
        Self {
            head: head(false),
            secure_head: head(true),
            body: Bytes::from_static(Weights::read(&asked).choose(asset).0),
        }
    }
}

/// Static files that are asked for plainly.
pub(crate) struct Files {
    contexts: Arc<Contexts>,
    observer: Arc<dyn RequestObserver>,
    /// How the route is called in the log and the metrics.
    route: String,
    /// In the order of the files; as they are, as gzip, as brotli.
    prepared: Vec<(&'static Asset, [Prepared; 3])>,
}

impl Files {
    pub(crate) fn new(contexts: Arc<Contexts>, observer: Arc<dyn RequestObserver>) -> Self {
        let codings = [None, Some("gzip"), Some("br")];
        let prepared = assets::all().map(|asset| (asset, codings.map(|coding| Prepared::of(asset, coding))));
        Self {
            route: contexts.urls.path("/static/{*path}"),
            prepared: prepared.collect(),
            contexts,
            observer,
        }
    }

    fn answer<B>(
        &self,
        request: &http::Request<B>,
        peer: SocketAddr,
        transport: Transport,
    ) -> Option<http::Response<Bytes>> {
        if *request.method() != Method::GET {
            return None;
        }
        let started = Instant::now();
        let (path, fields) = (request.uri().path(), request.headers());
        let file = self.contexts.urls.below_root(path)?.strip_prefix("/static/")?;
        let (asset, [identity, gzip, brotli]) = self.prepared.get(assets::place(file)?)?;
        let plain = fields.keys().all(|name| !CONDITIONS.contains(name));
        let current = request
            .uri()
            .query()
            .is_none_or(|query| query.strip_prefix("v=") == Some(asset.hash));
        if !plain || !current || guard::check(request).is_err() {
            return None;
        }
        let weights = Weights::read(fields);
        let prepared = match weights.choose(asset).1 {
            Some("br") => brotli,
            Some(_) => gzip,
            None if weights.takes_identity() => identity,
            None => return None,
        };
        let caller = self
            .contexts
            .caller(Some(peer), transport == Transport::Tls, fields);
        let number = self.contexts.number(&caller);
        let head = if caller.https {
            &prepared.secure_head
        } else {
            &prepared.head
        };
        let mut response = http::Response::new(prepared.body.clone());
        *response.headers_mut() = head.clone();
        context::write_number(response.headers_mut(), number.as_str());
        observe::answered(
            &*self.observer,
            &self.route,
            prepared.body.len(),
            started,
            &caller.asker(&number),
        );
        Some(response)
    }
}
