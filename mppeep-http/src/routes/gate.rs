//! The gate of a route: who gets to its handler, and where the others are sent.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::StatusCode;

use super::{Needs, see_other};
use crate::middleware::context::{Area, RequestContext};
use crate::middleware::session::SessionState;
use crate::problem::Problem;

/// Where those go who must do something first, below the root.
pub(crate) const LOGIN_PATH: &str = "/login";
const PASSWORD_PATH: &str = "/mot-de-passe";
const CHARTER_PATH: &str = "/charte";

pub(super) fn gated<S>(router: MethodRouter<S>, needs: Needs, while_restricted: bool) -> MethodRouter<S>
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middleware::context::Contexts;
    use crate::middleware::peer::ClientIpHeader;
    use crate::routes::{RouteTable, get, post};
    use crate::urls::Urls;
    use axum::body::Body;
    use http::header;
    use mppeep_core::domain::permission::{Action, Actor, Resource};
    use mppeep_core::domain::user::Role;
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
            process: 0,
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
