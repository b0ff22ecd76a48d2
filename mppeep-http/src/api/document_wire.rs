//! Documents as they are told, and the forms that carry them.

use mppeep_core::domain::document::{DocumentKind, DocumentState, DocumentVersion};
use mppeep_core::ports::document::DocumentRow;
use mppeep_core::services::documents::DocumentView;
use serde::Serialize;

use super::answers::ApiError;
use super::schema::code_schemas;
use crate::problem::Problem;

code_schemas! {
    kind_codes = DocumentKind, "diploma";
    state_codes = DocumentState, "to_check";
}

/// A document of an agent's file.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Document)]
pub(super) struct DocumentItem {
    id: uuid::Uuid,
    /// The agent.
    personnel_id: uuid::Uuid,
    /// The agent's matricule.
    #[schema(example = "345678K")]
    matricule: String,
    /// The agent's name.
    #[schema(example = "KONÉ Awa")]
    full_name: String,
    /// What it is.
    #[schema(schema_with = kind_codes)]
    kind: &'static str,
    /// How people call it.
    #[schema(example = "Diplôme de master")]
    title: String,
    /// Its number or reference.
    reference: Option<String>,
    /// When it was issued.
    #[schema(format = Date)]
    issued_on: Option<String>,
    /// Its last day.
    #[schema(format = Date)]
    expires_on: Option<String>,
    /// Whether the agent himself may not see it.
    confidential: bool,
    /// Whether it was looked at.
    #[schema(schema_with = state_codes)]
    state: &'static str,
    /// Why it was rejected.
    state_reason: Option<String>,
    /// The account that validated or rejected it.
    checked_by: Option<uuid::Uuid>,
    /// Its present content.
    content: VersionItem,
    pub(super) version: i64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// One content of a document.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DocumentVersion)]
pub(super) struct VersionItem {
    /// Its number, from 1.
    #[schema(example = 1)]
    number: u32,
    /// The file's name as its owner knows it.
    #[schema(example = "diplome.pdf")]
    file_name: String,
    /// What it is sent as.
    #[schema(example = "application/pdf")]
    media_type: &'static str,
    /// Size in bytes.
    #[schema(example = 18250)]
    size: u64,
    /// Why it replaces the one before.
    note: Option<String>,
    /// The account that deposited it; null for the operator.
    uploaded_by: Option<uuid::Uuid>,
    /// That person's name at the time.
    #[schema(example = "KONÉ Awa")]
    uploaded_by_name: String,
    #[schema(format = DateTime)]
    uploaded_at: String,
}

impl From<DocumentVersion> for VersionItem {
    fn from(version: DocumentVersion) -> Self {
        Self {
            number: version.number,
            file_name: version.file_name.as_str().to_owned(),
            media_type: version.file.kind.media_type(),
            size: version.file.size,
            note: version.note,
            uploaded_by: version.uploaded_by.map(|id| id.as_uuid()),
            uploaded_by_name: version.uploaded_by_name,
            uploaded_at: version.uploaded_at.to_string(),
        }
    }
}

impl From<DocumentRow> for DocumentItem {
    fn from(row: DocumentRow) -> Self {
        let document = row.document;
        let fields = document.fields;
        Self {
            id: document.id.as_uuid(),
            personnel_id: document.personnel.as_uuid(),
            matricule: row.matricule,
            full_name: row.full_name,
            kind: fields.kind.code(),
            title: fields.title,
            reference: fields.reference,
            issued_on: fields.issued_on.map(|date| date.to_string()),
            expires_on: fields.expires_on.map(|date| date.to_string()),
            confidential: fields.confidential,
            state: document.state.code(),
            state_reason: document.state_reason,
            checked_by: document.checked_by.map(|id| id.as_uuid()),
            content: row.current.into(),
            version: document.version,
            created_at: document.created_at.to_string(),
            updated_at: document.updated_at.to_string(),
        }
    }
}

/// The wire form of a document with all its contents.
pub(super) fn item_of(view: DocumentView) -> Result<DocumentItem, ApiError> {
    let current = view
        .current()
        .cloned()
        .ok_or_else(|| Problem::internal("a document has no present content"))?;
    Ok(DocumentRow {
        matricule: view.agent.fields.matricule.to_string(),
        full_name: view.agent.fields.full_name(),
        department_name: None,
        document: view.document,
        current,
    }
    .into())
}

/// A document to deposit. The file is the last part of the form.
#[derive(Debug, utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "it describes the parts of a form, which is read part by part"
)]
pub(super) struct DepositDocument {
    /// The agent.
    #[schema(example = "0197a3c0-5e1c-7cc1-8a52-3f1d6c2b9e10", format = Uuid)]
    personnel_id: String,
    /// What it is; told by the file's name when not given.
    #[schema(schema_with = kind_codes, required = false)]
    kind: Option<String>,
    /// How people call it; the file's name without its end when not given.
    #[schema(example = "Diplôme de master", max_length = 200)]
    title: Option<String>,
    /// Its number or reference.
    #[schema(example = "2019-0451", max_length = 80)]
    reference: Option<String>,
    /// When it was issued.
    #[schema(example = "2019-07-15", format = Date)]
    issued_on: Option<String>,
    /// Its last day.
    #[schema(example = "2029-07-14", format = Date)]
    expires_on: Option<String>,
    /// Whether the agent himself may not see it.
    #[schema(example = false)]
    confidential: Option<bool>,
    /// The file: PDF, PNG, JPEG, WebP, DOCX or ODT.
    #[schema(value_type = String, format = Binary, example = "%PDF-1.7")]
    file: Vec<u8>,
}

/// A newer content. The file is the last part of the form.
#[derive(Debug, utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "it describes the parts of a form, which is read part by part"
)]
pub(super) struct ReplaceDocument {
    /// The version the client read.
    #[schema(example = 1)]
    version: Option<i64>,
    /// Why it replaces the one before.
    #[schema(example = "Numérisation plus lisible", max_length = 200)]
    note: Option<String>,
    /// The file: PDF, PNG, JPEG, WebP, DOCX or ODT.
    #[schema(value_type = String, format = Binary, example = "%PDF-1.7")]
    file: Vec<u8>,
}
