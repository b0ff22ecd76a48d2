//! The route table: each address with its method and what it needs. A layer asks for it before the body is read.
//!
//! A handler cannot enter the table without its need: only [`Endpoint`]s can, and only naming a need makes one.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use http::{HeaderValue, Method, StatusCode, header};
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::stored_file::FilesSettings;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{OpenApi, RefOr, Schema};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::app::AppState;
use crate::middleware::context::{Area, RequestContext};
use crate::middleware::idempotency;
use crate::middleware::session::SessionState;
use crate::problem::Problem;
use crate::urls::Urls;

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

/// Where those go who must do something first, below the root.
pub(crate) const LOGIN_PATH: &str = "/login";
const PASSWORD_PATH: &str = "/mot-de-passe";
const CHARTER_PATH: &str = "/charte";

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

fn gated<S>(router: MethodRouter<S>, needs: Needs, while_restricted: bool) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.route_layer(from_fn(move |request: Request, next: Next| {
        gate(needs, while_restricted, request, next)
    }))
}

async fn gate(needs: Needs, while_restricted: bool, request: Request, next: Next) -> Response {
    match admit(needs, while_restricted, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal,
    }
}

#[expect(
    clippy::result_large_err,
    reason = "the refusal is the answer itself, made once a request"
)]
fn admit(needs: Needs, while_restricted: bool, request: &Request) -> Result<(), Response> {
    if needs == Needs::Public {
        return Ok(());
    }
    let context = request.extensions().get::<Arc<RequestContext>>();
    let page = context.filter(|context| context.area == Area::Page);
    let elsewhere = |path: &str, problem: Problem| match page {
        Some(context) => see_other(&context.urls.path(path)),
        None => problem.into_response(),
    };
    let actor = match request.extensions().get::<SessionState>() {
        Some(SessionState::Known(actor)) => actor,
        Some(SessionState::Unavailable) => return Err(Problem::unavailable().into_response()),
        Some(SessionState::Anonymous) | None => {
            return Err(elsewhere(LOGIN_PATH, Problem::unauthenticated()));
        }
    };
    if !while_restricted && actor.must_change_password {
        let problem = Problem::new(StatusCode::FORBIDDEN, "password-change-required")
            .detail("Le mot de passe doit d’abord être changé.");
        return Err(elsewhere(PASSWORD_PATH, problem));
    }
    if !while_restricted && actor.must_accept_charter {
        let problem = Problem::new(StatusCode::FORBIDDEN, "charter-required")
            .detail("La charte doit d’abord être acceptée.");
        return Err(elsewhere(CHARTER_PATH, problem));
    }
    match needs {
        Needs::Right(resource, action) if !actor.may(resource, action) => {
            Err(Problem::forbidden().into_response())
        }
        _ => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middleware::context::Contexts;
    use crate::middleware::peer::ClientIpHeader;
    use axum::body::Body;
    use mppeep_core::domain::permission::Actor;
    use mppeep_core::domain::user::Role;
    use std::sync::atomic::AtomicU64;
    use tower::ServiceExt as _;

    fn actor(role: Role) -> Actor {
        Actor {
            roles: [role].into(),
            ..Actor::operator("test")
        }
    }

    async fn touch() -> &'static str {
        "reached"
    }

    async fn ask(method: &str, path: &str, state: SessionState) -> Response {
        let urls = Urls::new("/mppeep");
        let contexts = Contexts {
            urls: urls.clone(),
            trusted: Vec::new(),
            header: ClientIpHeader::None,
            id_prefix: 0,
            id_next: AtomicU64::new(0),
        };
        let table: RouteTable<()> = RouteTable::pages()
            .route("/open", get(touch).public())
            .route("/mine", get(touch).session())
            .route("/logout", post(touch).session().while_restricted())
            .route("/users", get(touch).needs(Resource::User, Action::Read))
            .route("/users", post(touch).needs(Resource::User, Action::Write))
            .merge(RouteTable::api().route("/api/v1/users", get(touch).needs(Resource::User, Action::Read)));
        let router = table
            .into_router(&urls)
            .layer(from_fn(move |mut request: Request, next: Next| {
                request.extensions_mut().insert(state.clone());
                next.run(request)
            }))
            .layer(axum::middleware::from_fn_with_state(
                Arc::new(contexts),
                crate::middleware::context::layer,
            ));
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        router.oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn each_route_opens_to_those_it_names() {
        let anonymous = || SessionState::Anonymous;
        let known = |role| SessionState::Known(Arc::new(actor(role)));
        for (method, path, state, status) in [
            ("GET", "/mppeep/open", anonymous(), 200),
            ("GET", "/mppeep/open", SessionState::Unavailable, 200),
            ("GET", "/mppeep/mine", anonymous(), 303),
            ("HEAD", "/mppeep/mine", anonymous(), 303),
            ("GET", "/mppeep/mine", SessionState::Unavailable, 503),
            ("GET", "/mppeep/mine", known(Role::Invite), 200),
            ("GET", "/mppeep/users", anonymous(), 303),
            ("GET", "/mppeep/users", known(Role::Agent), 403),
            ("POST", "/mppeep/users", known(Role::Sdrh), 403),
            ("POST", "/mppeep/users", known(Role::Admin), 200),
            ("GET", "/mppeep/api/v1/users", anonymous(), 401),
            ("GET", "/mppeep/api/v1/users", known(Role::Sdrh), 403),
            ("GET", "/mppeep/api/v1/users", known(Role::Admin), 200),
            ("DELETE", "/mppeep/users", known(Role::Admin), 405),
            ("GET", "/mppeep/users/", known(Role::Admin), 404),
            ("GET", "/users", known(Role::Admin), 404),
        ] {
            let response = ask(method, path, state.clone()).await;
            assert_eq!(response.status().as_u16(), status, "{method} {path} {state:?}");
            if status == 303 {
                assert_eq!(response.headers()[header::LOCATION], "/mppeep/login");
            }
            if status == 405 {
                let allowed = response.headers()[header::ALLOW].to_str().unwrap();
                assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
            }
        }
    }

    #[tokio::test]
    async fn who_must_change_the_password_does_nothing_else() {
        let restricted = || {
            SessionState::Known(Arc::new(Actor {
                must_change_password: true,
                ..actor(Role::Admin)
            }))
        };
        for (method, path, status) in [
            ("GET", "/mppeep/mine", 303),
            ("GET", "/mppeep/users", 303),
            ("GET", "/mppeep/api/v1/users", 403),
            ("POST", "/mppeep/logout", 200),
            ("GET", "/mppeep/open", 200),
        ] {
            let response = ask(method, path, restricted()).await;
            assert_eq!(response.status().as_u16(), status, "{path}");
            if status == 303 {
                assert_eq!(response.headers()[header::LOCATION], "/mppeep/mot-de-passe");
            }
        }
    }
}
