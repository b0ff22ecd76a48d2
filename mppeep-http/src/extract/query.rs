//! The query string.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::urlencoded::Pairs;
use crate::problem::Problem;

/// The query string as `T`: 400 when it cannot be decoded, 422 when a value is wrong or a single field comes twice.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueryParams<T>(pub T);

impl<T, S> FromRequestParts<S> for QueryParams<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Pairs::parse(parts.uri.query().unwrap_or_default().as_bytes())?
            .read()
            .map(Self)
    }
}
