//! Documents of agents and their versions. Whoever changes a document locks its row first.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff_sqlx::{Date as StoredDate, Timestamp as StoredInstant};
use mppeep_core::domain::document::{Document, DocumentFields, DocumentKind, DocumentState, DocumentVersion};
use mppeep_core::domain::id::{DocumentId, PersonnelId, StoredFileId, UserId};
use mppeep_core::domain::text::fold;
use mppeep_core::ports::document::{DocumentFilter, DocumentRepository, DocumentRow, MissingDocuments};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::page::{Page, PageRequest};
use uuid::Uuid;

use crate::codec::{code, number, stored, stored_date};
use crate::link::Link;
use crate::stored_file::StoredFileRecord;
use crate::unit::Handle;

pub(crate) const ENTITY: &str = "document";

/// A row of `document`, in plain types.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct DocumentRecord {
    id: Uuid,
    personnel_id: Uuid,
    kind: String,
    title: String,
    reference: Option<String>,
    issued_on: Option<StoredDate>,
    expires_on: Option<StoredDate>,
    confidential: bool,
    state: String,
    state_reason: Option<String>,
    checked_by: Option<Uuid>,
    current: i64,
    version: i64,
    created_at: StoredInstant,
    updated_at: StoredInstant,
}

/// Columns of `document AS d` under the names of [`DocumentRecord`].
pub(crate) const COLUMNS: &str = "d.document_id AS id, d.personnel_id, d.kind, d.title, d.reference, d.issued_on, \
    d.expires_on, d.confidential, d.state, d.state_reason, d.checked_by, d.current, d.version, d.created_at, \
    d.updated_at";

impl TryFrom<DocumentRecord> for Document {
    type Error = BackendError;

    fn try_from(row: DocumentRecord) -> Result<Self, BackendError> {
        Ok(Self {
            id: DocumentId::from_uuid(row.id),
            personnel: PersonnelId::from_uuid(row.personnel_id),
            fields: DocumentFields {
                kind: code(&row.kind, DocumentKind::by_code, "document.kind")?,
                title: row.title,
                reference: row.reference,
                issued_on: row.issued_on.map(StoredDate::to_jiff),
                expires_on: row.expires_on.map(StoredDate::to_jiff),
                confidential: row.confidential,
            },
            state: code(&row.state, DocumentState::by_code, "document.state")?,
            state_reason: row.state_reason,
            checked_by: row.checked_by.map(UserId::from_uuid),
            current: number(row.current, "document.current")?,
            version: row.version,
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
        })
    }
}

/// A row of `document_version` with its content, in plain types.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct VersionRecord {
    document_id: Uuid,
    number: i64,
    file_name: String,
    note: Option<String>,
    uploaded_by: Option<Uuid>,
    uploaded_by_name: String,
    uploaded_at: StoredInstant,
    stored_file_id: Uuid,
    size: i64,
    sha256: Vec<u8>,
    file_kind: String,
    received_at: StoredInstant,
}

/// Columns of `document_version AS v` under the names of [`VersionRecord`], without those of its content.
pub(crate) const VERSION_COLUMNS: &str =
    "v.document_id, v.number, v.file_name, v.note, v.uploaded_by, v.uploaded_by_name, v.uploaded_at";

impl TryFrom<VersionRecord> for DocumentVersion {
    type Error = BackendError;

    fn try_from(row: VersionRecord) -> Result<Self, BackendError> {
        let content = StoredFileRecord {
            stored_file_id: row.stored_file_id,
            size: row.size,
            sha256: row.sha256,
            file_kind: row.file_kind,
            received_at: row.received_at,
        };
        let (file, file_name) = content.named(row.file_name)?;
        Ok(Self {
            document: DocumentId::from_uuid(row.document_id),
            number: number(row.number, "document_version.number")?,
            file,
            file_name,
            note: row.note,
            uploaded_by: row.uploaded_by.map(UserId::from_uuid),
            uploaded_by_name: row.uploaded_by_name,
            uploaded_at: row.uploaded_at.to_jiff(),
        })
    }
}

async fn insert_version(link: Link<'_>, version: &DocumentVersion) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
            INSERT INTO document_version (
                document_id, number, stored_file_id, file_name, note, uploaded_by, uploaded_by_name, uploaded_at
            )
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        "#,
        version.document.as_uuid(),
        i64::from(version.number),
        version.file.id.as_uuid(),
        version.file_name.as_str(),
        version.note,
        version.uploaded_by.map(UserId::as_uuid),
        version.uploaded_by_name,
        stored(version.uploaded_at) as _,
    )
    .execute(link)
    .await?;
    Ok(())
}

#[async_trait]
impl DocumentRepository for Handle<'_> {
    async fn insert(&mut self, document: &Document, first: &DocumentVersion) -> Result<(), StoreError> {
        let fields = &document.fields;
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                INSERT INTO document (
                    document_id, personnel_id, kind, title, title_key, reference, issued_on, expires_on, confidential,
                    state, state_reason, checked_by, current, version, created_at, updated_at
                )
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
            "#,
            document.id.as_uuid(),
            document.personnel.as_uuid(),
            fields.kind.code(),
            fields.title,
            fold(&fields.title),
            fields.reference,
            fields.issued_on.map(stored_date) as _,
            fields.expires_on.map(stored_date) as _,
            fields.confidential,
            document.state.code(),
            document.state_reason,
            document.checked_by.map(UserId::as_uuid),
            i64::from(document.current),
            document.version,
            stored(document.created_at) as _,
            stored(document.updated_at) as _,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        let done = insert_version(self.0.same_write()?, first).await;
        self.0.settle(ENTITY, done)
    }

    async fn update(
        &mut self,
        document: &Document,
        added: Option<&DocumentVersion>,
    ) -> Result<(), StoreError> {
        let fields = &document.fields;
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                UPDATE document SET
                    personnel_id = $2, kind = $3, title = $4, title_key = $5, reference = $6, issued_on = $7,
                    expires_on = $8, confidential = $9, state = $10, state_reason = $11, checked_by = $12,
                    current = $13, version = $14, updated_at = $15
                WHERE document_id = $1 AND version = $14::bigint - 1
            "#,
            document.id.as_uuid(),
            document.personnel.as_uuid(),
            fields.kind.code(),
            fields.title,
            fold(&fields.title),
            fields.reference,
            fields.issued_on.map(stored_date) as _,
            fields.expires_on.map(stored_date) as _,
            fields.confidential,
            document.state.code(),
            document.state_reason,
            document.checked_by.map(UserId::as_uuid),
            i64::from(document.current),
            document.version,
            stored(document.updated_at) as _,
        )
        .execute(link)
        .await;
        let done = self.0.settle(ENTITY, done)?;
        if done.rows_affected() == 0 {
            return Err(StoreError::StaleVersion);
        }
        if let Some(added) = added {
            let done = insert_version(self.0.same_write()?, added).await;
            self.0.settle(ENTITY, done)?;
        }
        Ok(())
    }

    async fn delete(&mut self, id: DocumentId) -> Result<Vec<StoredFileId>, StoreError> {
        let link = self.0.writing().await?;
        // A unit that is adding a content has this row; what it added is seen by the next statement.
        let locked = sqlx::query_scalar!(
            "SELECT document_id FROM document WHERE document_id = $1 FOR UPDATE",
            id.as_uuid(),
        )
        .fetch_optional(link)
        .await;
        if self.0.settle(ENTITY, locked)?.is_none() {
            return Ok(Vec::new());
        }
        let contents = sqlx::query_scalar!(
            r#"
                WITH gone AS (
                    DELETE FROM document_version WHERE document_id = $1 RETURNING number, stored_file_id
                )
                SELECT stored_file_id AS "stored_file_id!" FROM gone ORDER BY number
            "#,
            id.as_uuid(),
        )
        .fetch_all(self.0.same_write()?)
        .await;
        let contents = self.0.settle(ENTITY, contents)?;
        let done = sqlx::query!("DELETE FROM document WHERE document_id = $1", id.as_uuid())
            .execute(self.0.same_write()?)
            .await;
        self.0.settle(ENTITY, done)?;
        Ok(contents.into_iter().map(StoredFileId::from_uuid).collect())
    }

    async fn find(&mut self, id: DocumentId) -> Result<Option<Document>, StoreError> {
        let link = self.0.reading().await?;
        let found = sqlx::query_as!(
            DocumentRecord,
            r#"
                SELECT document_id AS id, personnel_id, kind, title, reference, issued_on, expires_on, confidential,
                       state, state_reason, checked_by, current, version, created_at, updated_at
                FROM document WHERE document_id = $1
            "#,
            id.as_uuid(),
        )
        .fetch_optional(link)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(Document::try_from).transpose())
    }

    async fn versions(&mut self, id: DocumentId) -> Result<Vec<DocumentVersion>, StoreError> {
        let link = self.0.reading().await?;
        let found = sqlx::query_as!(
            VersionRecord,
            r#"
                SELECT v.document_id, v.number, v.file_name, v.note, v.uploaded_by, v.uploaded_by_name, v.uploaded_at,
                       f.stored_file_id, f.size, f.sha256, f.kind AS file_kind, f.created_at AS received_at
                FROM document_version AS v JOIN stored_file AS f ON f.stored_file_id = v.stored_file_id
                WHERE v.document_id = $1 ORDER BY v.number DESC
            "#,
            id.as_uuid(),
        )
        .fetch_all(link)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0
            .decoded(found.into_iter().map(DocumentVersion::try_from).collect())
    }

    async fn list(
        &mut self,
        filter: &DocumentFilter,
        page: &PageRequest,
    ) -> Result<Page<DocumentRow>, StoreError> {
        self.list_documents(filter, page).await
    }

    async fn missing(
        &mut self,
        mandatory: &BTreeSet<DocumentKind>,
        filter: &DocumentFilter,
        page: &PageRequest,
    ) -> Result<Page<MissingDocuments>, StoreError> {
        self.list_missing(mandatory, filter, page).await
    }
}
