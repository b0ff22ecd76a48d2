//! Who asks.

use std::convert::Infallible;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use mppeep_core::domain::permission::Actor;

use crate::middleware::context::{RequestContext, limit_key};
use crate::middleware::session::SessionState;
use crate::problem::Problem;

/// The logged-in user; the route table has already let him in.
#[derive(Debug, Clone)]
pub struct CurrentUser(pub Arc<Actor>);

impl Deref for CurrentUser {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CurrentUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extensions.get::<SessionState>() {
            Some(SessionState::Known(actor)) => Ok(Self(Arc::clone(actor))),
            Some(SessionState::Unavailable) => Err(Problem::unavailable()),
            Some(SessionState::Anonymous) | None => Err(Problem::unauthenticated()),
        }
    }
}

/// The logged-in user, on a page that is open to everybody.
#[derive(Debug, Clone)]
pub struct MaybeUser(pub Option<Arc<Actor>>);

impl<S: Send + Sync> FromRequestParts<S> for MaybeUser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(match parts.extensions.get::<SessionState>() {
            Some(SessionState::Known(actor)) => Some(Arc::clone(actor)),
            _ => None,
        }))
    }
}

/// Where a request comes from.
#[derive(Debug, Clone)]
pub struct Client {
    /// The client's canonical address.
    pub ip: IpAddr,
    /// The address as limits count it: an IPv6 customer is a /64.
    pub limit_key: String,
    /// Cloudflare's number of the request.
    pub cf_ray: Option<String>,
    /// The country that Cloudflare sees the client in.
    pub country: Option<String>,
    /// Whether the client spoke https to the outermost server.
    pub https: bool,
    /// Number of the request.
    pub request_id: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let context = parts
            .extensions
            .get::<Arc<RequestContext>>()
            .ok_or_else(|| Problem::internal("the context layer is missing"))?;
        Ok(Self {
            ip: context.client,
            limit_key: limit_key(context.client),
            cf_ray: context.cf_ray.clone(),
            country: context.country.clone(),
            https: context.https,
            request_id: context.request_id.clone(),
        })
    }
}
