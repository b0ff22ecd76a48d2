//! Documents of the agents' files.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use mppeep_core::domain::document::{DocumentInput, DocumentKind, DocumentState};
use mppeep_core::domain::id::{DepartmentId, DirectorateId, DocumentId, PersonnelId, ProgrammeId};
use mppeep_core::domain::permission::{Action, Actor, Resource};
use mppeep_core::domain::text::search_words;
use mppeep_core::ports::document::DocumentFilter;
use serde::Deserialize;
use utoipa_axum::routes;

use super::answers::{
    ApiError, ChangeProblems, DownloadProblems, IfMatch, ListProblems, ReadProblems, UploadProblems, created,
    versioned, wrong,
};
use super::document_wire::{
    DepositDocument, DocumentItem, ReplaceDocument, VersionItem, item_of, kind_codes, state_codes,
};
use super::schema::{
    List, OptionalBody, Query, QueryDate, Text, VersionBody, day, known_reference, list_query, nullable,
    over, reference, unit_of,
};
use super::upload_form::{flag, known_fields, needed, version_in};
use crate::app::AppState;
use crate::catalogue;
use crate::download::{self, As, Asked};
use crate::extract::{CurrentUser, JsonBody, Opened, PathId, UploadForm};
use crate::problem::Problem;
use crate::routes::{Needs, RouteTable};

pub(super) fn routes() -> RouteTable {
    let reads = Needs::Right(Resource::Document, Action::Read);
    let writes = Needs::Right(Resource::Document, Action::Write);
    let validates = Needs::Right(Resource::Document, Action::Validate);
    RouteTable::api()
        .operation(reads, routes!(list))
        .upload_creation(writes, routes!(deposit))
        .operation(reads, routes!(get))
        .operation(writes, routes!(correct))
        .operation(writes, routes!(remove))
        .operation(reads, routes!(versions))
        .upload_creation(writes, routes!(replace))
        .operation(validates, routes!(validate))
        .operation(validates, routes!(reject))
        .operation(reads, routes!(content))
}

async fn item(state: &AppState, actor: &Actor, id: DocumentId) -> Result<DocumentItem, ApiError> {
    item_of(state.services.documents.get(actor, id).await?)
}

list_query! {
    /// Conditions on documents; all of them hold together.
    DocumentParams {
        /// Words that occur in the agent's matricule or names, or in the title.
        #[param(example = "kone")]
        q: Option<String>,
        /// One agent's.
        #[param(value_type = Option<uuid::Uuid>)]
        personnel_id: Option<Text<PersonnelId>>,
        /// Of agents of this programme.
        #[param(value_type = Option<uuid::Uuid>)]
        programme_id: Option<Text<ProgrammeId>>,
        /// Of agents of this directorate.
        #[param(value_type = Option<uuid::Uuid>)]
        directorate_id: Option<Text<DirectorateId>>,
        /// Of agents of this department.
        #[param(value_type = Option<uuid::Uuid>)]
        department_id: Option<Text<DepartmentId>>,
        /// Of this kind.
        #[param(schema_with = kind_codes)]
        kind: Option<DocumentKind>,
        /// In this state.
        #[param(schema_with = state_codes)]
        state: Option<DocumentState>,
        /// Whose last day is this one or earlier.
        #[param(value_type = Option<String>, format = Date)]
        expires_until: Option<QueryDate>,
    }
}

/// The documents the reader may see, the latest deposit first.
#[utoipa::path(get, path = "/api/v1/documents", tag = "documents", operation_id = "list_documents",
    params(DocumentParams),
    responses((status = OK, description = "A page of documents.", body = List<DocumentItem>), ListProblems))]
pub(super) async fn list(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    Query(params): Query<DocumentParams>,
) -> Result<Json<List<DocumentItem>>, ApiError> {
    let page = params.page()?;
    let organisation = state.services.organisation.names().await?;
    let filter = DocumentFilter {
        personnel: params.personnel_id.map(|id| id.0),
        unit: unit_of(
            &organisation,
            params.programme_id,
            params.directorate_id,
            params.department_id,
        ),
        kind: params.kind,
        state: params.state,
        expires_until: day(params.expires_until),
        words: params.q.as_deref().map(search_words).unwrap_or_default(),
        ..DocumentFilter::default()
    };
    let page = state.services.documents.list(&actor, filter, &page).await?;
    Ok(List::of(page, DocumentItem::from))
}

/// Deposits a document. Fields come first, the file last; anything after the file is refused with 400. What an agent
/// deposits himself is to be checked by the staff of human resources.
#[utoipa::path(post, path = "/api/v1/documents", tag = "documents", operation_id = "deposit_document",
    request_body(content = DepositDocument, content_type = "multipart/form-data"),
    responses((status = CREATED, description = "The document, with its address in `Location`.", body = DocumentItem),
        UploadProblems))]
pub(super) async fn deposit(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    mut form: UploadForm,
) -> Result<Response, ApiError> {
    let service = &state.services.documents;
    let Opened { fields, file } = form.open().await?;
    let known = [
        "personnel_id",
        "kind",
        "title",
        "reference",
        "issued_on",
        "expires_on",
        "confidential",
    ];
    known_fields(&fields, &known)?;
    let agent = match fields.single("personnel_id")? {
        "" => return Err(wrong("personnel_id", "required", "Ce champ est obligatoire.").into()),
        text => reference::<PersonnelId>("personnel_id", text)?,
    };
    let file = needed(file)?;
    let text = |name| fields.single(name).map(str::to_owned);
    let kind = match fields.single("kind")? {
        "" => DocumentKind::guess(file.name()).code().to_owned(),
        kind => kind.to_owned(),
    };
    let input = DocumentInput {
        kind,
        title: text("title")?,
        reference: text("reference")?,
        issued_on: text("issued_on")?,
        expires_on: text("expires_on")?,
        confidential: flag(&fields, "confidential")?,
    };
    let begun = service.begin_upload(&actor, agent, file.name()).await;
    let mut upload = known_reference("personnel_id", begun)?;
    form.pour(file, &mut upload).await.map_err(Problem::from)?;
    let deposited = service.deposit(&actor, agent, &input, upload).await;
    let document = known_reference("personnel_id", deposited)?;
    let (id, version) = (document.id, document.version);
    let item = item(&state, &actor, id).await?;
    Ok(created(&state, "documents", id, version, item))
}

/// One document.
#[utoipa::path(get, path = "/api/v1/documents/{id}", tag = "documents", operation_id = "get_document",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the document.")),
    responses((status = OK, description = "The document, with its version in `ETag`.", body = DocumentItem),
        ReadProblems))]
pub(super) async fn get(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<DocumentId>,
) -> Result<Response, ApiError> {
    let item = item(&state, &actor, id).await?;
    Ok(versioned(item.version, item))
}

/// A correction: members that are left out stay as they are.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CorrectDocument {
    /// The version the client read.
    #[schema(example = 1)]
    version: Option<i64>,
    /// What it is.
    #[schema(schema_with = kind_codes, required = false)]
    kind: Option<String>,
    /// How people call it.
    #[schema(example = "Diplôme de master", max_length = 200)]
    title: Option<String>,
    /// Its number or reference; null removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, example = "2019-0451", max_length = 80)]
    reference: Option<Option<String>>,
    /// When it was issued; null removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, example = "2019-07-15", format = Date)]
    issued_on: Option<Option<String>>,
    /// Its last day; null removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, example = "2029-07-14", format = Date)]
    expires_on: Option<Option<String>>,
    /// Whether the agent himself may not see it.
    #[schema(example = false)]
    confidential: Option<bool>,
}

/// Corrects what is known of a document: members that are left out stay as they are.
#[utoipa::path(patch, path = "/api/v1/documents/{id}", tag = "documents", operation_id = "correct_document",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the document."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    request_body = CorrectDocument,
    responses((status = OK, description = "The document as it is now.", body = DocumentItem), ChangeProblems))]
pub(super) async fn correct(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<DocumentId>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<CorrectDocument>,
) -> Result<Response, ApiError> {
    let service = &state.services.documents;
    let present = service.get(&actor, id).await?.document;
    let version = if_match.check(body.version, present.version)?;
    let fields = present.fields;
    let date = |date: Option<jiff::civil::Date>| date.map(|date| date.to_string());
    if body.title.as_deref().is_some_and(|title| title.trim().is_empty()) {
        return Err(wrong("title", "required", "Ce champ est obligatoire.").into());
    }
    let input = DocumentInput {
        kind: body.kind.unwrap_or_else(|| fields.kind.code().to_owned()),
        title: body.title.unwrap_or(fields.title),
        reference: over(body.reference, fields.reference),
        issued_on: over(body.issued_on, date(fields.issued_on)),
        expires_on: over(body.expires_on, date(fields.expires_on)),
        confidential: body.confidential.unwrap_or(fields.confidential),
    };
    let document = service.correct(&actor, id, version, &input).await?;
    Ok(versioned(document.version, item(&state, &actor, id).await?))
}

/// Removes a document with all its contents. An agent may take back what was not validated of his own deposits.
#[utoipa::path(delete, path = "/api/v1/documents/{id}", tag = "documents", operation_id = "remove_document",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the document."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    responses((status = NO_CONTENT, description = "It is gone."), ChangeProblems))]
pub(super) async fn remove(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<DocumentId>,
    if_match: IfMatch,
) -> Result<Response, ApiError> {
    let service = &state.services.documents;
    let present = service.get(&actor, id).await?.document;
    let version = if_match.check(None, present.version)?;
    service.remove(&actor, id, version).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The contents of a document, the latest first.
#[utoipa::path(get, path = "/api/v1/documents/{id}/versions", tag = "documents", operation_id = "list_document_versions",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the document.")),
    responses((status = OK, description = "Its contents.", body = List<VersionItem>), ReadProblems))]
pub(super) async fn versions(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<DocumentId>,
) -> Result<Json<List<VersionItem>>, ApiError> {
    let view = state.services.documents.get(&actor, id).await?;
    Ok(List::whole(
        view.versions.into_iter().map(VersionItem::from).collect(),
    ))
}

/// Adds a newer content; the earlier ones stay. Fields come first, the file last.
#[utoipa::path(post, path = "/api/v1/documents/{id}/versions", tag = "documents", operation_id = "replace_document",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the document."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    request_body(content = ReplaceDocument, content_type = "multipart/form-data"),
    responses((status = CREATED, description = "The document as it is now.", body = DocumentItem), UploadProblems))]
pub(super) async fn replace(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<DocumentId>,
    if_match: IfMatch,
    mut form: UploadForm,
) -> Result<Response, ApiError> {
    let service = &state.services.documents;
    let Opened { fields, file } = form.open().await?;
    known_fields(&fields, &["version", "note"])?;
    let file = needed(file)?;
    let present = service.get(&actor, id).await?.document;
    let version = if_match.check(version_in(&fields)?, present.version)?;
    let mut upload = service.begin_replacement(&actor, id, file.name()).await?;
    form.pour(file, &mut upload).await.map_err(Problem::from)?;
    let document = service
        .replace(&actor, id, version, fields.single("note")?, upload)
        .await?;
    let item = item(&state, &actor, id).await?;
    Ok(created(&state, "documents", id, document.version, item))
}

/// Validates a document. Nobody validates what he deposited himself, or what is of his own file (409
/// `/problems/own-document`).
#[utoipa::path(post, path = "/api/v1/documents/{id}/validate", tag = "documents", operation_id = "validate_document",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the document."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    request_body = Option<VersionBody>,
    responses((status = OK, description = "The document as it is now.", body = DocumentItem), ChangeProblems))]
pub(super) async fn validate(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<DocumentId>,
    if_match: IfMatch,
    OptionalBody(body): OptionalBody<VersionBody>,
) -> Result<Response, ApiError> {
    let service = &state.services.documents;
    let present = service.get(&actor, id).await?.document;
    let version = if_match.check(body.version, present.version)?;
    let document = service.validate(&actor, id, version).await?;
    Ok(versioned(document.version, item(&state, &actor, id).await?))
}

/// Why a document is rejected.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RejectDocument {
    /// The version the client read.
    #[schema(example = 1)]
    version: Option<i64>,
    /// Why, for who deposited it.
    #[schema(example = "La page 2 est illisible.", max_length = 300)]
    reason: String,
}

/// Rejects a document, with a reason for who deposited it.
#[utoipa::path(post, path = "/api/v1/documents/{id}/reject", tag = "documents", operation_id = "reject_document",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the document."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    request_body = RejectDocument,
    responses((status = OK, description = "The document as it is now.", body = DocumentItem), ChangeProblems))]
pub(super) async fn reject(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<DocumentId>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<RejectDocument>,
) -> Result<Response, ApiError> {
    let service = &state.services.documents;
    let present = service.get(&actor, id).await?.document;
    let version = if_match.check(body.version, present.version)?;
    let document = service.reject(&actor, id, version, &body.reason).await?;
    Ok(versioned(document.version, item(&state, &actor, id).await?))
}

/// Which content.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ContentParams {
    /// Its number; the present one when not given.
    #[param(minimum = 1, example = 1)]
    number: Option<u32>,
}

/// A content of a document, to be saved. A reading is noted in the journal when it begins.
#[utoipa::path(get, path = "/api/v1/documents/{id}/content", tag = "documents", operation_id = "read_document",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the document."), ContentParams),
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
    PathId(id): PathId<DocumentId>,
    Query(params): Query<ContentParams>,
    asked: Asked,
) -> Result<Response, ApiError> {
    if params.number == Some(0) {
        let rule = mppeep_core::domain::validation::Rule::Unknown { nearest: Vec::new() };
        return Err(wrong("number", rule.code(), &catalogue::rule_message(&rule)).into());
    }
    let how = As::Attachment;
    let service = &state.services.documents;
    let content = service
        .open(&actor, id, params.number, |file| asked.reading(how, file))
        .await?;
    Ok(download::send(content, how, &asked).await?)
}
