//! The route table: each address with its method and what it needs. A layer asks for it before the body is read.
//!
//! A handler cannot enter the table without its need: only [`Endpoint`]s can, and only naming a need makes one.

mod gate;

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::handler::Handler;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use http::{HeaderValue, Method, StatusCode, header};
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::stored_file::FilesSettings;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{OpenApi, RefOr, Schema};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::app::AppState;
use crate::middleware::idempotency;
use crate::urls::Urls;
use gate::gated;

pub(crate) use gate::LOGIN_PATH;

/// Every line of the server's table: pages, API and what belongs to neither.
pub fn entries() -> Vec<RouteEntry> {
    crate::app::table().entries
}

/// What a route needs before anything of the request is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Public,
    /// Somebody who is logged in.
    Session,
    /// Somebody who may do this on something of that kind; the service then checks which.
    Right(Resource, Action),
}

/// How large a body a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLimit {
    /// A form of a page.
    Form,
    /// A JSON document.
    Json,
    /// A file to import.
    Import,
    /// A file to keep; the service knows the limit of the settings.
    Upload,
}

impl BodyLimit {
    /// The limit in bytes.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Form => 64 * 1024,
            Self::Json => 1024 * 1024,
            Self::Import => 25 * 1024 * 1024,
            Self::Upload => (FilesSettings::MOST_UPLOAD_MIB as u64 + 1) * 1024 * 1024,
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteEntry {
    /// The method.
    pub method: Method,
    /// The path below the root, with `{…}` for what varies.
    pub path: String,
    /// What it needs.
    pub needs: Needs,
    /// Whether it answers an actor who must first change the password or accept the charter.
    pub while_restricted: bool,
    /// How large a body it takes.
    pub body: BodyLimit,
}

/// A handler whose need is not named yet. It has no way into the table.
#[must_use]
pub struct Undeclared<S = AppState> {
    method: Method,
    router: MethodRouter<S>,
}

/// A handler with its need.
#[must_use]
pub struct Endpoint<S = AppState> {
    method: Method,
    router: MethodRouter<S>,
    needs: Needs,
    while_restricted: bool,
    body: Option<BodyLimit>,
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident $filter:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name<H, T, S>(handler: H) -> Undeclared<S>
        where
            H: Handler<T, S>,
            T: 'static,
            S: Clone + Send + Sync + 'static,
        {
            Undeclared { method: Method::$filter, router: axum::routing::on(MethodFilter::$filter, handler) }
        }
    )*};
}

methods! {
    /// Answers GET, and HEAD like it.
    get GET;
    /// Answers POST.
    post POST;
    /// Answers PUT.
    put PUT;
    /// Answers PATCH.
    patch PATCH;
    /// Answers DELETE.
    delete DELETE;
}

impl<S> Undeclared<S> {
    /// For everybody.
    pub fn public(self) -> Endpoint<S> {
        self.declare(Needs::Public)
    }

    /// For everybody who is logged in.
    pub fn session(self) -> Endpoint<S> {
        self.declare(Needs::Session)
    }

    /// For those who may do `action` on some `resource`.
    pub fn needs(self, resource: Resource, action: Action) -> Endpoint<S> {
        self.declare(Needs::Right(resource, action))
    }

    fn declare(self, needs: Needs) -> Endpoint<S> {
        let Self { method, router } = self;
        Endpoint {
            method,
            router,
            needs,
            while_restricted: false,
            body: None,
        }
    }
}

impl<S> Endpoint<S> {
    /// Takes bodies of another size than its area usually does.
    pub fn body(mut self, limit: BodyLimit) -> Self {
        self.body = Some(limit);
        self
    }

    /// Also answers an actor who must first change the password or accept the charter.
    pub fn while_restricted(mut self) -> Self {
        self.while_restricted = true;
        self
    }
}

/// Routes with their needs, and the description of those that belong to the API.
#[must_use]
pub struct RouteTable<S = AppState> {
    usual_body: BodyLimit,
    entries: Vec<RouteEntry>,
    routers: Vec<(String, MethodRouter<S>)>,
    paths: BTreeMap<String, PathItem>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl<S> RouteTable<S>
where
    S: Clone + Send + Sync + 'static,
{
    /// A table of pages: bodies are forms.
    pub fn pages() -> Self {
        Self::empty(BodyLimit::Form)
    }

    /// A table of the API: bodies are JSON.
    pub fn api() -> Self {
        Self::empty(BodyLimit::Json)
    }

    fn empty(usual_body: BodyLimit) -> Self {
        Self {
            usual_body,
            entries: Vec::new(),
            routers: Vec::new(),
            paths: BTreeMap::new(),
            schemas: Vec::new(),
        }
    }

    /// Adds a route; `path` is below the root and starts with `/`.
    pub fn route(mut self, path: &str, endpoint: Endpoint<S>) -> Self {
        let Endpoint {
            method,
            router,
            needs,
            while_restricted,
            body,
        } = endpoint;
        let body = body.unwrap_or(self.usual_body);
        self.entries.push(RouteEntry {
            method,
            path: path.to_owned(),
            needs,
            while_restricted,
            body,
        });
        self.routers
            .push((path.to_owned(), gated(router, needs, while_restricted)));
        self
    }

    /// Adds described operations, made by `utoipa_axum::routes!`, which all need the same.
    pub fn operation(self, needs: Needs, routes: UtoipaMethodRouter<S, Infallible>) -> Self {
        let body = self.usual_body;
        self.operation_with(needs, body, routes)
    }

    /// The same for a creation: it has one effect however often it is sent with the same key.
    pub fn creation(self, needs: Needs, routes: UtoipaMethodRouter<S, Infallible>) -> Self {
        let (schemas, mut paths, router) = routes;
        paths.paths.values_mut().for_each(idempotency::describe);
        let router = router.route_layer(from_fn(idempotency::layer));
        self.operation(needs, (schemas, paths, router))
    }

    /// The same for a creation by an upload.
    pub fn upload_creation(self, needs: Needs, routes: UtoipaMethodRouter<S, Infallible>) -> Self {
        let (schemas, mut paths, router) = routes;
        paths.paths.values_mut().for_each(idempotency::describe);
        let router = router.route_layer(from_fn(idempotency::upload_layer));
        self.operation_with(needs, BodyLimit::Upload, (schemas, paths, router))
    }

    /// The same as [`Self::operation`], for bodies of another size.
    pub fn operation_with(
        mut self,
        needs: Needs,
        body: BodyLimit,
        (schemas, paths, router): UtoipaMethodRouter<S, Infallible>,
    ) -> Self {
        let router = gated(router, needs, false);
        for (path, item) in paths.paths {
            for method in methods_of(&item) {
                let path = path.clone();
                self.entries.push(RouteEntry {
                    method,
                    path,
                    needs,
                    while_restricted: false,
                    body,
                });
            }
            self.routers.push((path.clone(), router.clone()));
            match self.paths.get_mut(&path) {
                Some(known) => known.merge_operations(item),
                None => {
                    self.paths.insert(path, item);
                }
            }
        }
        self.schemas.extend(schemas);
        self
    }

    /// Adds every route of another table.
    pub fn merge(mut self, other: Self) -> Self {
        self.entries.extend(other.entries);
        self.routers.extend(other.routers);
        for (path, item) in other.paths {
            match self.paths.get_mut(&path) {
                Some(known) => known.merge_operations(item),
                None => {
                    self.paths.insert(path, item);
                }
            }
        }
        self.schemas.extend(other.schemas);
        self
    }

    /// The table, line by line.
    pub fn entries(&self) -> &[RouteEntry] {
        &self.entries
    }

    /// The sizes of bodies by route.
    pub(crate) fn limits(&self, urls: &Urls) -> Limits {
        let by_route = self
            .entries
            .iter()
            .map(|entry| ((entry.method.clone(), urls.path(&entry.path)), entry.body.bytes()))
            .collect();
        Limits {
            by_route,
            elsewhere: BodyLimit::Json.bytes(),
        }
    }

    /// The description `base` with the table's operations and schemas in it.
    pub(crate) fn describe(&self, mut base: OpenApi) -> OpenApi {
        for (path, item) in &self.paths {
            match base.paths.paths.get_mut(path) {
                Some(known) => known.merge_operations(item.clone()),
                None => {
                    base.paths.paths.insert(path.clone(), item.clone());
                }
            }
        }
        let components = base.components.get_or_insert_default();
        for (name, schema) in &self.schemas {
            components
                .schemas
                .entry(name.clone())
                .or_insert_with(|| schema.clone());
        }
        base
    }

    /// The router over the table, below the root.
    pub(crate) fn into_router(self, urls: &Urls) -> Router<S> {
        let mut by_path: BTreeMap<String, MethodRouter<S>> = BTreeMap::new();
        for (path, router) in self.routers {
            let path = urls.path(&path);
            let merged = match by_path.remove(&path) {
                Some(known) => known.merge(router),
                None => router,
            };
            by_path.insert(path, merged);
        }
        by_path
            .into_iter()
            .fold(Router::new(), |router, (path, methods)| {
                router.route(&path, methods)
            })
    }
}

fn methods_of(item: &PathItem) -> Vec<Method> {
    let held: [(Method, &Option<Operation>); 7] = [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
        (Method::HEAD, &item.head),
        (Method::OPTIONS, &item.options),
    ];
    held.into_iter()
        .filter(|(_, operation)| operation.is_some())
        .map(|(method, _)| method)
        .collect()
}

/// 303 to another address of this server, with nothing in it.
pub(crate) fn see_other(location: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// The largest body by route.
#[derive(Debug)]
pub(crate) struct Limits {
    by_route: HashMap<(Method, String), u64>,
    elsewhere: u64,
}

impl Limits {
    #[cfg(test)]
    pub(crate) fn same_for_all(bytes: u64) -> Self {
        Self {
            by_route: HashMap::new(),
            elsewhere: bytes,
        }
    }

    pub(crate) fn of(&self, request: &Request) -> u64 {
        let Some(path) = request.extensions().get::<MatchedPath>() else {
            return self.elsewhere;
        };
        let key = (request.method().clone(), path.as_str().to_owned());
        self.by_route.get(&key).copied().unwrap_or(self.elsewhere)
    }
}
