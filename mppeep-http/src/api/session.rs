//! One's own session: who one is, what one may do, and leaving.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use mppeep_core::domain::permission::{Action, Actor, Resource};
use mppeep_core::domain::session::SessionToken;
use serde::Serialize;
use utoipa_axum::routes;

use super::answers::{ApiError, ListProblems};
use crate::app::AppState;
use crate::extract::{CurrentUser, session_cookie};
use crate::routes::{Needs, RouteTable};

pub(super) fn routes() -> RouteTable {
    RouteTable::api()
        .operation(Needs::Session, routes!(read))
        .operation(Needs::Session, routes!(end))
}

/// How far a right reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reach {
    /// Every record.
    All,
    /// Some of them: those of some units, or one's own.
    Some,
}

/// Who is logged in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct OwnSession {
    user_id: Option<uuid::Uuid>,
    /// E-mail address of the account.
    email: String,
    /// Name of the account.
    display_name: String,
    /// Codes of its roles.
    #[schema(schema_with = super::users::roles_schema)]
    roles: Vec<&'static str>,
    /// The agent whose account it is.
    personnel_id: Option<uuid::Uuid>,
    /// What the account may do: `read`, `write`, `export` by kind of record, and how far.
    #[schema(value_type = std::collections::HashMap<String, std::collections::HashMap<String, Reach>>)]
    rights: BTreeMap<&'static str, BTreeMap<&'static str, Reach>>,
}

fn rights(actor: &Actor) -> BTreeMap<&'static str, BTreeMap<&'static str, Reach>> {
    let reach = |resource, action| match actor.scope(resource, action) {
        scope if scope.everything => Some(Reach::All),
        scope if scope.is_empty() => None,
        _ => Some(Reach::Some),
    };
    let actions = |resource: &Resource| -> BTreeMap<&'static str, Reach> {
        Action::ALL
            .iter()
            .filter_map(|action| Some((action.code(), reach(*resource, *action)?)))
            .collect()
    };
    Resource::ALL
        .iter()
        .map(|resource| (resource.code(), actions(resource)))
        .filter(|(_, actions)| !actions.is_empty())
        .collect()
}

/// Who is logged in, and what he may do.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", operation_id = "get_session",
    responses((status = OK, description = "The account and its rights.", body = OwnSession), ListProblems))]
pub(super) async fn read(CurrentUser(actor): CurrentUser) -> Json<OwnSession> {
    Json(OwnSession {
        user_id: actor.user.map(|id| id.as_uuid()),
        email: actor.email.clone(),
        display_name: actor.display_name.clone(),
        roles: actor.roles.iter().map(|role| role.code()).collect(),
        personnel_id: actor.personnel.map(|id| id.as_uuid()),
        rights: rights(&actor),
    })
}

/// Ends one's session.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", operation_id = "end_session",
    responses((status = NO_CONTENT, description = "The session is ended and its cookie cleared."), ListProblems))]
pub(super) async fn end(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Some(token) = session_cookie::read(&headers).and_then(SessionToken::parse) {
        state.services.auth.logout(&actor, &token).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cleared) = session_cookie::clear(&state.urls, state.cookie_security) {
        response.headers_mut().insert(header::SET_COOKIE, cleared);
    }
    Ok(response)
}
