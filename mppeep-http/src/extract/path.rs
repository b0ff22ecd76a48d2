//! Identifiers in addresses.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use crate::problem::Problem;

/// The one `{…}` of a path. What is no identifier names nothing: 404.
#[derive(Debug, Clone, Copy)]
pub struct PathId<T>(pub T);

/// The two `{…}` of a path, in order.
#[derive(Debug, Clone, Copy)]
pub struct PathIds<A, B>(pub A, pub B);

async fn raw<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<RawPathParams, Problem> {
    // Bytes that are not UTF-8 cannot be an identifier.
    RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| Problem::not_found())
}

fn parse<T: FromStr>(text: Option<(&str, &str)>) -> Result<T, Problem> {
    text.and_then(|(_, value)| value.parse().ok())
        .ok_or_else(Problem::not_found)
}

impl<T, S> FromRequestParts<S> for PathId<T>
where
    T: FromStr,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = raw(parts, state).await?;
        parse(params.iter().next()).map(Self)
    }
}

impl<A, B, S> FromRequestParts<S> for PathIds<A, B>
where
    A: FromStr,
    B: FromStr,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = raw(parts, state).await?;
        let mut values = params.iter();
        let first = parse(values.next())?;
        Ok(Self(first, parse(values.next())?))
    }
}
