//! Photographs of agents and of account holders.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use mppeep_core::domain::id::{PersonnelId, UserId};
use mppeep_core::domain::permission::{Action, Actor, Resource};
use mppeep_core::domain::photo::{MOST_BYTES, PhotoOwner};
use serde::Deserialize;
use utoipa_axum::routes;

use super::answers::{ApiError, ChangeProblems, DownloadProblems, UploadProblems};
use super::schema::Query;
use super::upload_form::{known_fields, needed};
use crate::app::AppState;
use crate::download::{self, As, Asked};
use crate::extract::{CurrentUser, Opened, PathId, UploadForm};
use crate::problem::Problem;
use crate::routes::{BodyLimit, Needs, RouteTable};

pub(super) fn routes() -> RouteTable {
    let sees_agents = Needs::Right(Resource::Directory, Action::Read);
    let sees_users = Needs::Right(Resource::User, Action::Read);
    let runs_users = Needs::Right(Resource::User, Action::Write);
    RouteTable::api()
        .operation(sees_agents, routes!(agent))
        // Whose photograph it is decides: an agent changes his own.
        .operation_with(sees_agents, BodyLimit::Upload, routes!(set_agent))
        .operation(sees_agents, routes!(remove_agent))
        .operation(Needs::Session, routes!(own))
        .operation_with(Needs::Session, BodyLimit::Upload, routes!(set_own))
        .operation(Needs::Session, routes!(remove_own))
        .operation(sees_users, routes!(user))
        .operation(runs_users, routes!(remove_user))
}

/// Which picture.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PictureParams {
    /// Whether the small one of lists is wanted.
    #[param(example = false)]
    small: Option<bool>,
}

/// A photograph. The file is the last part of the form.
#[derive(Debug, utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "it describes the parts of a form, which is read part by part"
)]
pub(super) struct SetPhoto {
    /// The image: JPEG, PNG or WebP.
    #[schema(value_type = String, format = Binary, example = "image")]
    file: Vec<u8>,
}

async fn show(
    state: &AppState,
    actor: &Actor,
    owner: PhotoOwner,
    params: &PictureParams,
    asked: &Asked,
) -> Result<Response, ApiError> {
    let small = params.small.unwrap_or(false);
    let (_, content) = state.services.photos.open(actor, owner, small).await?;
    Ok(download::send(content, As::Picture, asked).await?)
}

async fn set(
    state: &AppState,
    actor: &Actor,
    owner: PhotoOwner,
    mut form: UploadForm,
) -> Result<Response, ApiError> {
    // Who the owner is, and whether it is known, is said before an image is taken over.
    state.services.photos.find(actor, owner).await?;
    let Opened { fields, file } = form.open().await?;
    known_fields(&fields, &[])?;
    let image = form
        .whole(needed(file)?, MOST_BYTES)
        .await
        .map_err(Problem::from)?;
    state.services.photos.set(actor, owner, image).await?;
    state.portraits.forget(owner);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove(state: &AppState, actor: &Actor, owner: PhotoOwner) -> Result<Response, ApiError> {
    if state.services.photos.find(actor, owner).await?.is_none() {
        return Err(Problem::not_found().into());
    }
    state.services.photos.remove(actor, owner).await?;
    state.portraits.forget(owner);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The photograph of an agent, as JPEG.
#[utoipa::path(get, path = "/api/v1/personnel/{id}/photo", tag = "photos", operation_id = "get_agent_photo",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the agent."), PictureParams),
    responses((status = OK, description = "The picture.", body = Vec<u8>, content_type = "image/jpeg"),
        (status = PARTIAL_CONTENT, description = "The part that `Range` asks for.", body = Vec<u8>,
            content_type = "image/jpeg"),
        (status = NOT_MODIFIED, description = "`If-None-Match` names this picture."),
        (status = CONFLICT, description = "The picture is missing on the server.",
            body = crate::problem::ProblemBody, content_type = "application/problem+json"),
        DownloadProblems))]
pub(super) async fn agent(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<PersonnelId>,
    Query(params): Query<PictureParams>,
    asked: Asked,
) -> Result<Response, ApiError> {
    show(&state, &actor, PhotoOwner::Personnel(id), &params, &asked).await
}

/// Takes a photograph over for an agent, in place of the earlier one: the image is cut to a square and made anew. It is
/// for the staff of human resources, and for the agent himself.
#[utoipa::path(put, path = "/api/v1/personnel/{id}/photo", tag = "photos", operation_id = "set_agent_photo",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the agent.")),
    request_body(content = SetPhoto, content_type = "multipart/form-data"),
    responses((status = NO_CONTENT, description = "It is the agent's photograph now."), UploadProblems))]
pub(super) async fn set_agent(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<PersonnelId>,
    form: UploadForm,
) -> Result<Response, ApiError> {
    set(&state, &actor, PhotoOwner::Personnel(id), form).await
}

/// Removes the photograph of an agent.
#[utoipa::path(delete, path = "/api/v1/personnel/{id}/photo", tag = "photos", operation_id = "remove_agent_photo",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the agent.")),
    responses((status = NO_CONTENT, description = "It is gone."), ChangeProblems))]
pub(super) async fn remove_agent(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<PersonnelId>,
) -> Result<Response, ApiError> {
    remove(&state, &actor, PhotoOwner::Personnel(id)).await
}

fn own_of(actor: &Actor) -> Result<PhotoOwner, Problem> {
    actor.user.map(PhotoOwner::User).ok_or_else(Problem::not_found)
}

/// The reader's own photograph, as JPEG.
#[utoipa::path(get, path = "/api/v1/session/photo", tag = "photos", operation_id = "get_own_photo",
    params(PictureParams),
    responses((status = OK, description = "The picture.", body = Vec<u8>, content_type = "image/jpeg"),
        (status = PARTIAL_CONTENT, description = "The part that `Range` asks for.", body = Vec<u8>,
            content_type = "image/jpeg"),
        (status = NOT_MODIFIED, description = "`If-None-Match` names this picture."),
        (status = NOT_FOUND, description = "There is none.",
            body = crate::problem::ProblemBody, content_type = "application/problem+json"),
        (status = CONFLICT, description = "The picture is missing on the server.",
            body = crate::problem::ProblemBody, content_type = "application/problem+json"),
        DownloadProblems))]
pub(super) async fn own(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    Query(params): Query<PictureParams>,
    asked: Asked,
) -> Result<Response, ApiError> {
    show(&state, &actor, own_of(&actor)?, &params, &asked).await
}

/// Takes a photograph over for the reader's own account.
#[utoipa::path(put, path = "/api/v1/session/photo", tag = "photos", operation_id = "set_own_photo",
    request_body(content = SetPhoto, content_type = "multipart/form-data"),
    responses((status = NO_CONTENT, description = "It is the account's photograph now."), UploadProblems))]
pub(super) async fn set_own(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    form: UploadForm,
) -> Result<Response, ApiError> {
    set(&state, &actor, own_of(&actor)?, form).await
}

/// Removes the reader's own photograph.
#[utoipa::path(delete, path = "/api/v1/session/photo", tag = "photos", operation_id = "remove_own_photo",
    responses((status = NO_CONTENT, description = "It is gone."),
        (status = NOT_FOUND, description = "There is none.",
            body = crate::problem::ProblemBody, content_type = "application/problem+json"),
        ChangeProblems))]
pub(super) async fn remove_own(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
) -> Result<Response, ApiError> {
    remove(&state, &actor, own_of(&actor)?).await
}

/// The photograph of an account holder, as JPEG, for administrators.
#[utoipa::path(get, path = "/api/v1/users/{id}/photo", tag = "photos", operation_id = "get_user_photo",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the account."), PictureParams),
    responses((status = OK, description = "The picture.", body = Vec<u8>, content_type = "image/jpeg"),
        (status = PARTIAL_CONTENT, description = "The part that `Range` asks for.", body = Vec<u8>,
            content_type = "image/jpeg"),
        (status = NOT_MODIFIED, description = "`If-None-Match` names this picture."),
        (status = CONFLICT, description = "The picture is missing on the server.",
            body = crate::problem::ProblemBody, content_type = "application/problem+json"),
        DownloadProblems))]
pub(super) async fn user(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<UserId>,
    Query(params): Query<PictureParams>,
    asked: Asked,
) -> Result<Response, ApiError> {
    show(&state, &actor, PhotoOwner::User(id), &params, &asked).await
}

/// Removes the photograph of an account holder.
#[utoipa::path(delete, path = "/api/v1/users/{id}/photo", tag = "photos", operation_id = "remove_user_photo",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the account.")),
    responses((status = NO_CONTENT, description = "It is gone."), ChangeProblems))]
pub(super) async fn remove_user(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<UserId>,
) -> Result<Response, ApiError> {
    remove(&state, &actor, PhotoOwner::User(id)).await
}
