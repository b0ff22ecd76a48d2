//! Files that the services hand in.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use mppeep_core::domain::id::SharedFileId;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::shared_file::{
    Reading, RowFault, SharedFile, SharedFileInput, SharedFileKind, SharedFileStatus,
};
use mppeep_core::domain::text::search_words;
use mppeep_core::ports::shared_file::SharedFileFilter;
use serde::Serialize;
use utoipa_axum::routes;

use super::answers::{
    ApiError, ChangeProblems, DownloadProblems, IfMatch, ListProblems, ReadProblems, UploadProblems, created,
    versioned,
};
use super::schema::{List, OptionalBody, Query, VersionBody, code_schemas, list_query};
use super::upload_form::{known_fields, needed};
use crate::app::AppState;
use crate::download::{self, As, Asked};
use crate::extract::{CurrentUser, Opened, PathId, UploadForm};
use crate::problem::Problem;
use crate::routes::{Needs, RouteTable};

pub(super) fn routes() -> RouteTable {
    let reads = Needs::Right(Resource::SharedFile, Action::Read);
    let writes = Needs::Right(Resource::SharedFile, Action::Write);
    RouteTable::api()
        .operation(reads, routes!(list))
        .upload_creation(writes, routes!(hand_in))
        .operation(reads, routes!(get))
        .operation(writes, routes!(remove))
        .operation(writes, routes!(read_again))
        .operation(writes, routes!(archive))
        .operation(reads, routes!(content))
        .operation(reads, routes!(faults))
}

code_schemas! {
    kind_codes = SharedFileKind, "budget_data";
    status_codes = SharedFileStatus, "processed";
}

/// A file that somebody handed in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SharedFile)]
pub(super) struct FileItem {
    id: uuid::Uuid,
    /// What it holds.
    #[schema(schema_with = kind_codes)]
    kind: &'static str,
    /// The time it speaks of: a year, a quarter or a month.
    #[schema(example = "2026-T3")]
    period: Option<String>,
    /// A remark.
    note: Option<String>,
    /// The file's name as its owner knows it.
    #[schema(example = "budget-t3.xlsx")]
    file_name: String,
    /// What it is sent as.
    #[schema(example = "application/pdf")]
    media_type: &'static str,
    /// Size in bytes.
    #[schema(example = 18250)]
    size: u64,
    /// Where it stands.
    #[schema(schema_with = status_codes)]
    status: &'static str,
    /// Rows that are right; null before it was read, and where it is no table.
    #[schema(example = 120)]
    rows_ok: Option<u32>,
    /// Rows that are wrong.
    #[schema(example = 0)]
    rows_wrong: Option<u32>,
    /// Why it could not be read at all, in French.
    refusal: Option<String>,
    /// The account that handed it in; null for the operator.
    uploaded_by: Option<uuid::Uuid>,
    /// That person's name at the time.
    #[schema(example = "KONÉ Awa")]
    uploaded_by_name: String,
    /// When it was archived.
    #[schema(format = DateTime)]
    archived_at: Option<String>,
    version: i64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<SharedFile> for FileItem {
    fn from(file: SharedFile) -> Self {
        let Reading {
            rows_ok,
            rows_wrong,
            refusal,
            ..
        } = file.reading.unwrap_or_default();
        Self {
            id: file.id.as_uuid(),
            kind: file.fields.kind.code(),
            period: file.fields.period.map(|period| period.to_string()),
            note: file.fields.note,
            file_name: file.file_name.as_str().to_owned(),
            media_type: file.file.kind.media_type(),
            size: file.file.size,
            status: file.status.code(),
            rows_ok,
            rows_wrong,
            refusal,
            uploaded_by: file.uploaded_by.map(|id| id.as_uuid()),
            uploaded_by_name: file.uploaded_by_name,
            archived_at: file.archived_at.map(|at| at.to_string()),
            version: file.version,
            created_at: file.created_at.to_string(),
            updated_at: file.updated_at.to_string(),
        }
    }
}

list_query! {
    /// Conditions on files; all of them hold together.
    FileParams {
        /// Words that occur in the file's name, its period or the name of who handed it in.
        #[param(example = "budget")]
        q: Option<String>,
        /// Of this kind.
        #[param(schema_with = kind_codes)]
        kind: Option<SharedFileKind>,
        /// Standing there; everything that is not archived when not given.
        #[param(schema_with = status_codes)]
        status: Option<SharedFileStatus>,
    }
}

/// The files the reader may see, the latest first.
#[utoipa::path(get, path = "/api/v1/files", tag = "files", operation_id = "list_files", params(FileParams),
    responses((status = OK, description = "A page of files.", body = List<FileItem>), ListProblems))]
pub(super) async fn list(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    Query(params): Query<FileParams>,
) -> Result<Json<List<FileItem>>, ApiError> {
    let page = params.page()?;
    let filter = SharedFileFilter {
        kind: params.kind,
        status: params.status,
        words: params.q.as_deref().map(search_words).unwrap_or_default(),
        ..SharedFileFilter::default()
    };
    let page = state.services.shared_files.list(&actor, filter, &page).await?;
    Ok(List::of(page, FileItem::from))
}

/// A file to hand in. The file is the last part of the form.
#[derive(Debug, utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "it describes the parts of a form, which is read part by part"
)]
pub(super) struct HandInFile {
    /// What it holds.
    #[schema(schema_with = kind_codes)]
    kind: String,
    /// The time it speaks of: `2026`, `2026-T3` or `2026-11`.
    #[schema(example = "2026-T3", max_length = 7)]
    period: Option<String>,
    /// A remark.
    #[schema(example = "Version définitive", max_length = 500)]
    note: Option<String>,
    /// The file: XLSX, CSV, ODS, PDF, DOCX, ODT, TXT, PNG or JPEG.
    #[schema(value_type = String, format = Binary, example = "Rubrique;Montant")]
    file: Vec<u8>,
}

/// Hands a file in; it is then read. Fields come first, the file last; anything after the file is refused with 400.
#[utoipa::path(post, path = "/api/v1/files", tag = "files", operation_id = "hand_in_file",
    request_body(content = HandInFile, content_type = "multipart/form-data"),
    responses((status = CREATED, description = "The file, with its address in `Location`.", body = FileItem),
        UploadProblems))]
pub(super) async fn hand_in(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    mut form: UploadForm,
) -> Result<Response, ApiError> {
    let service = &state.services.shared_files;
    let Opened { fields, file } = form.open().await?;
    known_fields(&fields, &["kind", "period", "note"])?;
    let file = needed(file)?;
    let text = |name| fields.single(name).map(str::to_owned);
    let input = SharedFileInput {
        kind: text("kind")?,
        period: text("period")?,
        note: text("note")?,
    };
    let mut upload = service.begin_upload(&actor, file.name()).await?;
    form.pour(file, &mut upload).await.map_err(Problem::from)?;
    let file = service.hand_in(&actor, &input, upload).await?;
    let (id, version) = (file.id, file.version);
    Ok(created(&state, "files", id, version, FileItem::from(file)))
}

/// One file.
#[utoipa::path(get, path = "/api/v1/files/{id}", tag = "files", operation_id = "get_file",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the file.")),
    responses((status = OK, description = "The file, with its version in `ETag`.", body = FileItem), ReadProblems))]
pub(super) async fn get(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<SharedFileId>,
) -> Result<Response, ApiError> {
    let file = state.services.shared_files.get(&actor, id).await?;
    Ok(versioned(file.version, FileItem::from(file)))
}

/// Removes a file with its content.
#[utoipa::path(delete, path = "/api/v1/files/{id}", tag = "files", operation_id = "remove_file",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the file."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    responses((status = NO_CONTENT, description = "It is gone."), ChangeProblems))]
pub(super) async fn remove(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<SharedFileId>,
    if_match: IfMatch,
) -> Result<Response, ApiError> {
    let service = &state.services.shared_files;
    let present = service.get(&actor, id).await?;
    let version = if_match.check(None, present.version)?;
    service.remove(&actor, id, version).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Has a file read once more.
#[utoipa::path(post, path = "/api/v1/files/{id}/read-again", tag = "files", operation_id = "read_file_again",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the file."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    request_body = Option<VersionBody>,
    responses((status = OK, description = "The file as it is now.", body = FileItem), ChangeProblems))]
pub(super) async fn read_again(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<SharedFileId>,
    if_match: IfMatch,
    OptionalBody(body): OptionalBody<VersionBody>,
) -> Result<Response, ApiError> {
    let service = &state.services.shared_files;
    let present = service.get(&actor, id).await?;
    let version = if_match.check(body.version, present.version)?;
    let file = service.read_again(&actor, id, version).await?;
    Ok(versioned(file.version, FileItem::from(file)))
}

/// Archives a file: it leaves the list, and is removed after the time of the setting.
#[utoipa::path(post, path = "/api/v1/files/{id}/archive", tag = "files", operation_id = "archive_file",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the file."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    request_body = Option<VersionBody>,
    responses((status = OK, description = "The file as it is now.", body = FileItem), ChangeProblems))]
pub(super) async fn archive(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<SharedFileId>,
    if_match: IfMatch,
    OptionalBody(body): OptionalBody<VersionBody>,
) -> Result<Response, ApiError> {
    let service = &state.services.shared_files;
    let present = service.get(&actor, id).await?;
    let version = if_match.check(body.version, present.version)?;
    let file = service.archive(&actor, id, version).await?;
    Ok(versioned(file.version, FileItem::from(file)))
}

/// The content of a file, to be saved. A reading is noted in the journal when it begins.
#[utoipa::path(get, path = "/api/v1/files/{id}/content", tag = "files", operation_id = "read_file",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the file.")),
    responses((status = OK, description = "The whole content.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = PARTIAL_CONTENT, description = "The part that `Range` asks for.", body = Vec<u8>,
            content_type = "application/octet-stream"),
        (status = NOT_MODIFIED, description = "`If-None-Match` names this content."),
        (status = CONFLICT, description = "The content is missing on the server.",
            body = crate::problem::ProblemBody, content_type = "application/problem+json"),
        DownloadProblems))]
pub(super) async fn content(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<SharedFileId>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let how = As::Attachment;
    let service = &state.services.shared_files;
    let content = service.open(&actor, id, |file| asked.reading(how, file)).await?;
    Ok(download::send(content, how, &asked).await?)
}

/// Something wrong in one row of a table.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RowFault)]
pub(super) struct FaultItem {
    /// The row, counted from 1 as spreadsheets show it.
    #[schema(example = 12)]
    row: u32,
    /// The heading of the column, if one cell is wrong.
    column: Option<String>,
    /// What is wrong, in French.
    #[schema(example = "La ligne a plus de cellules que l’en-tête n’a d’intitulés.")]
    message: String,
}

impl From<RowFault> for FaultItem {
    fn from(fault: RowFault) -> Self {
        Self {
            row: fault.row,
            column: fault.column,
            message: fault.message,
        }
    }
}

/// What reading a file found wrong, the first thousand faults.
#[utoipa::path(get, path = "/api/v1/files/{id}/faults", tag = "files", operation_id = "list_file_faults",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the file.")),
    responses((status = OK, description = "The faults.", body = List<FaultItem>), ReadProblems))]
pub(super) async fn faults(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<SharedFileId>,
) -> Result<Json<List<FaultItem>>, ApiError> {
    let file = state.services.shared_files.get(&actor, id).await?;
    let faults = file.reading.unwrap_or_default().faults;
    Ok(List::whole(faults.into_iter().map(FaultItem::from).collect()))
}
