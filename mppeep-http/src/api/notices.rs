//! The account's own notices.

use axum::Json;
use axum::extract::State;
use mppeep_core::domain::id::NoticeId;
use mppeep_core::domain::notice::Notice;
use serde::{Deserialize, Serialize};
use utoipa_axum::routes;

use super::answers::{ActionProblems, ApiError, ListProblems};
use crate::app::AppState;
use crate::extract::{CurrentUser, JsonBody};
use crate::routes::{Needs, RouteTable};

pub(super) fn routes() -> RouteTable {
    RouteTable::api()
        .operation(Needs::Session, routes!(list))
        .operation(Needs::Session, routes!(mark_read))
}

/// A notice.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Notice)]
pub(super) struct NoticeItem {
    id: uuid::Uuid,
    /// Code of what it tells.
    kind: &'static str,
    /// What it is about: a period, a year, an address, a queue.
    label: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was read.
    #[schema(format = DateTime)]
    read_at: Option<String>,
}

impl From<Notice> for NoticeItem {
    fn from(notice: Notice) -> Self {
        Self {
            id: notice.id.as_uuid(),
            kind: notice.kind.code(),
            label: notice.label,
            created_at: notice.created_at.to_string(),
            read_at: notice.read_at.map(|at| at.to_string()),
        }
    }
}

/// The latest notices of the account.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Notices {
    /// The latest first, fifty at most.
    items: Vec<NoticeItem>,
    /// How many are not read, also of those that are not here.
    unread: u64,
}

/// The account's notices.
#[utoipa::path(get, path = "/api/v1/notices", tag = "notices", operation_id = "list_notices",
    responses((status = OK, description = "The latest notices.", body = Notices), ListProblems))]
pub(super) async fn list(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
) -> Result<Json<Notices>, ApiError> {
    let notices = &state.services.notices;
    Ok(Json(Notices {
        items: notices.list(&actor).await?.into_iter().map(Into::into).collect(),
        unread: notices.unread(&actor).await?,
    }))
}

/// Which notices were read.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadNotices {
    /// One of them; without it all of them.
    #[schema(example = "01932f3e-7a00-7000-8000-000000000001")]
    id: Option<uuid::Uuid>,
}

/// How many notices are read now that were not before.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct MarkedNotices {
    marked: u64,
}

/// Marks notices as read.
#[utoipa::path(post, path = "/api/v1/notices/read", tag = "notices", operation_id = "mark_notices_read",
    request_body = ReadNotices,
    responses((status = OK, description = "How many were marked.", body = MarkedNotices), ActionProblems))]
pub(super) async fn mark_read(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    JsonBody(body): JsonBody<ReadNotices>,
) -> Result<Json<MarkedNotices>, ApiError> {
    let which = body.id.map(NoticeId::from_uuid);
    let marked = state.services.notices.mark_read(&actor, which).await?;
    Ok(Json(MarkedNotices { marked }))
}
