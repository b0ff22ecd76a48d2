//! Documents of agents: the list, the tab of a file, one document with its contents.

mod agent;
mod content;
mod deposit;
mod detail;
mod list;

use mppeep_core::domain::document::DocumentKind;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::ports::document::DocumentRow;
use mppeep_core::services::ServiceError;

use super::ui::{Badge, Choice, FormErrors};
use super::visit::Visit;
use crate::catalogue::{self, Label};
use crate::extract::{FormFields, UploadError};
use crate::problem::Problem;
use crate::routes::{BodyLimit, RouteTable, get, post};

pub(super) use agent::AgentDocuments;

/// The list, below the root.
const PATH: &str = "/documents";

pub(super) fn routes() -> RouteTable {
    use Action::{Read, Validate, Write};
    use Resource::Document;
    RouteTable::pages()
        .route(PATH, get(list::show_list).needs(Document, Read))
        .route("/documents/{id}", get(detail::show_detail).needs(Document, Read))
        .route("/documents/{id}", post(detail::correct).needs(Document, Write))
        .route(
            "/documents/{id}/modifier",
            get(detail::edit_form).needs(Document, Write),
        )
        .route(
            "/documents/{id}/version",
            get(deposit::replace_form).needs(Document, Write),
        )
        .route(
            "/documents/{id}/version",
            post(deposit::replace)
                .needs(Document, Write)
                .body(BodyLimit::Upload),
        )
        .route(
            "/documents/{id}/valider",
            post(detail::validate).needs(Document, Validate),
        )
        .route(
            "/documents/{id}/rejeter",
            post(detail::reject).needs(Document, Validate),
        )
        .route(
            "/documents/{id}/supprimer",
            get(detail::remove_form).needs(Document, Write),
        )
        .route(
            "/documents/{id}/supprimer",
            post(detail::remove).needs(Document, Write),
        )
        .route(
            "/documents/{id}/contenu",
            get(content::download).needs(Document, Read),
        )
        .route(
            "/documents/{id}/apercu",
            get(content::preview).needs(Document, Read),
        )
        .route(
            "/personnel/{id}/documents/deposer",
            get(deposit::new_form).needs(Document, Write),
        )
        .route(
            "/personnel/{id}/documents/deposer",
            post(deposit::deposit)
                .needs(Document, Write)
                .body(BodyLimit::Upload),
        )
}

/// A document in a list.
struct Row {
    url: String,
    title: String,
    kind: &'static str,
    reference: String,
    agent: String,
    agent_url: String,
    matricule: String,
    issued: String,
    expiry: Option<Badge>,
    by: String,
    on: String,
    state: Badge,
    confidential: bool,
}

impl Row {
    fn of(visit: &Visit, row: &DocumentRow) -> Self {
        let document = &row.document;
        let fields = &document.fields;
        Self {
            url: visit.url(&format!("{PATH}/{}", document.id)),
            title: fields.title.clone(),
            kind: fields.kind.label(),
            reference: fields.reference.clone().unwrap_or_default(),
            agent: row.full_name.clone(),
            agent_url: visit.url(&format!("/personnel/{}?onglet=documents", document.personnel)),
            matricule: row.matricule.clone(),
            issued: fields.issued_on.map(catalogue::date).unwrap_or_default(),
            expiry: catalogue::expiry_badge(document, visit.today, visit.settings.files.expiry_notice_days),
            by: row.current.uploaded_by_name.clone(),
            on: catalogue::date(catalogue::day_of(row.current.uploaded_at)),
            state: catalogue::document_badge(document.state),
            confidential: fields.confidential,
        }
    }
}

fn kinds() -> Vec<Choice> {
    catalogue::choices(DocumentKind::ALL, DocumentKind::code)
}

/// What a form about a file says when the service refuses; the message without a field is of the whole form.
pub(super) fn refusal(error: ServiceError) -> Result<FormErrors, Problem> {
    use mppeep_core::services::uploads::FIELD;
    let mut errors = FormErrors::new();
    match error {
        ServiceError::Invalid(violations) => return Ok(catalogue::form_errors(&violations)),
        ServiceError::TooLarge { limit_bytes } => errors.add(FIELD, catalogue::too_large(limit_bytes)),
        ServiceError::QuotaReached => errors.add(FIELD, catalogue::QUOTA_REACHED),
        ServiceError::StorageFull => errors.add(FIELD, catalogue::STORAGE_FULL),
        ServiceError::State(code) => match catalogue::file_refusal(code) {
            Some(text) => errors.add("", text),
            None => return Err(ServiceError::State(code).into()),
        },
        ServiceError::Stale => errors.add(
            "",
            "Quelqu’un d’autre a modifié ce document entre-temps. Vérifiez-le, puis recommencez.",
        ),
        other => return Err(other.into()),
    }
    Ok(errors)
}

/// The status that goes with a refusal.
pub(super) fn status_of(error: &ServiceError) -> http::StatusCode {
    use http::StatusCode as S;
    match error {
        ServiceError::TooLarge { .. } => S::PAYLOAD_TOO_LARGE,
        ServiceError::QuotaReached | ServiceError::StorageFull => S::INSUFFICIENT_STORAGE,
        ServiceError::State(_) => S::CONFLICT,
        ServiceError::Stale => S::PRECONDITION_FAILED,
        _ => S::UNPROCESSABLE_ENTITY,
    }
}

/// A refusal of the service while a file was received; anything else is a problem of its own.
pub(super) fn service_error(error: UploadError) -> Result<ServiceError, Problem> {
    match error {
        UploadError::Service(error) => Ok(error),
        UploadError::Form(problem) => Err(problem),
    }
}

/// The version that a form was made for.
pub(super) fn version_of(fields: &FormFields) -> Result<i64, Problem> {
    fields
        .single("version")?
        .parse()
        .map_err(|_| Problem::unreadable("La version manque."))
}
