//! Documents of agents, and their versions.

use std::collections::BTreeSet;

use async_trait::async_trait;
use mppeep_core::domain::document::{Document, DocumentFields, DocumentKind, DocumentState, DocumentVersion};
use mppeep_core::domain::id::{DocumentId, PersonnelId, StoredFileId, UserId};
use mppeep_core::domain::stored_file::{FileName, StoredFile};
use mppeep_core::domain::text::fold;
use mppeep_core::ports::document::{DocumentFilter, DocumentRepository, DocumentRow, MissingDocuments};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart, SortValue};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::codec::{code, instant, micros, number, optional_date, text_array};
use crate::error;
use crate::filter::{
    Builder, asks_of_agents, page_of, push_limit, push_scope, push_sort_value, push_unit, push_words,
};
use crate::stored_file::{FILE_COLUMNS, FileRecord};
use crate::unit::Handle;

const ENTITY: &str = "document";

/// A row of `document`, in plain types.
#[derive(Debug, FromRow)]
struct DocumentRecord {
    id: Uuid,
    personnel_id: Uuid,
    kind: String,
    title: String,
    reference: Option<String>,
    issued_on: Option<String>,
    expires_on: Option<String>,
    confidential: bool,
    state: String,
    state_reason: Option<String>,
    checked_by: Option<Uuid>,
    current: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

/// Columns of `document AS d` under the names of [`DocumentRecord`].
const COLUMNS: &str = "d.document_id AS id, d.personnel_id, d.kind, d.title, d.reference, d.issued_on, d.expires_on, \
    d.confidential, d.state, d.state_reason, d.checked_by, d.current, d.version, d.created_at, d.updated_at";

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
                issued_on: optional_date(row.issued_on.as_deref(), "document.issued_on")?,
                expires_on: optional_date(row.expires_on.as_deref(), "document.expires_on")?,
                confidential: row.confidential,
            },
            state: code(&row.state, DocumentState::by_code, "document.state")?,
            state_reason: row.state_reason,
            checked_by: row.checked_by.map(UserId::from_uuid),
            current: number(row.current, "document.current")?,
            version: row.version,
            created_at: instant(row.created_at, "document.created_at")?,
            updated_at: instant(row.updated_at, "document.updated_at")?,
        })
    }
}

/// A row of `document_version`, in plain types, but for the content it names.
#[derive(Debug, FromRow)]
struct VersionRecord {
    document_id: Uuid,
    number: i64,
    file_name: String,
    note: Option<String>,
    uploaded_by: Option<Uuid>,
    uploaded_by_name: String,
    uploaded_at: i64,
}

/// Columns of `document_version AS v` under the names of [`VersionRecord`].
const VERSION_COLUMNS: &str =
    "v.document_id, v.number, v.file_name, v.note, v.uploaded_by, v.uploaded_by_name, v.uploaded_at";

fn decode_version(row: &SqliteRow) -> Result<DocumentVersion, BackendError> {
    let version = VersionRecord::from_row(row).map_err(error::backend)?;
    let file = StoredFile::try_from(FileRecord::from_row(row).map_err(error::backend)?)?;
    Ok(DocumentVersion {
        document: DocumentId::from_uuid(version.document_id),
        number: number(version.number, "document_version.number")?,
        file_name: FileName::stored(version.file_name, file.kind),
        file,
        note: version.note,
        uploaded_by: version.uploaded_by.map(UserId::from_uuid),
        uploaded_by_name: version.uploaded_by_name,
        uploaded_at: instant(version.uploaded_at, "document_version.uploaded_at")?,
    })
}

/// The conditions of a filter, on `d` and, where agents matter, on `p`.
fn push_conditions(query: &mut Builder, filter: &DocumentFilter) {
    push_scope(query, &filter.scope);
    push_unit(query, filter.unit);
    for word in &filter.words {
        query
            .push(" AND (instr(p.search_key, ")
            .push_bind(word.clone())
            .push(") > 0 OR instr(d.title_key, ")
            .push_bind(word.clone())
            .push(") > 0)");
    }
    if !filter.with_confidential {
        query.push(" AND d.confidential = 0");
    }
    if let Some(personnel) = filter.personnel {
        query
            .push(" AND d.personnel_id = ")
            .push_bind(personnel.as_uuid());
    }
    if let Some(kind) = filter.kind {
        query.push(" AND d.kind = ").push_bind(kind.code());
    }
    if let Some(state) = filter.state {
        query.push(" AND d.state = ").push_bind(state.code());
    }
    if let Some(until) = filter.expires_until {
        query.push(" AND d.expires_on <= ").push_bind(until.to_string());
    }
}

fn build(filter: &DocumentFilter, page: &PageRequest) -> Builder {
    let agents = if asks_of_agents(&filter.scope, filter.unit, &filter.words) {
        " JOIN personnel AS p ON p.personnel_id = d.personnel_id"
    } else {
        ""
    };
    let mut query = Builder::new("WITH counted AS (SELECT count(*) AS total FROM document AS d");
    query.push(agents).push(" WHERE 1");
    push_conditions(&mut query, filter);
    query.push(
        "), filtered AS NOT MATERIALIZED (SELECT d.document_id AS id, d.created_at AS sort_key FROM document AS d",
    );
    query.push(agents).push(" WHERE 1");
    push_conditions(&mut query, filter);
    query.push("), page AS MATERIALIZED (SELECT f.id, f.sort_key FROM filtered AS f");
    if let PageStart::After(cursor) = &page.start {
        query.push(" WHERE (f.sort_key, f.id) < (");
        push_sort_value(&mut query, &cursor.value);
        query.push(", ").push_bind(cursor.id).push(")");
    }
    query.push(" ORDER BY f.sort_key DESC, f.id DESC");
    push_limit(&mut query, page);
    query.push(") SELECT t.total, ").push(COLUMNS).push(", ");
    query.push(VERSION_COLUMNS).push(", ").push(FILE_COLUMNS).push(
        ", p.matricule, p.family_name || ' ' || p.given_names AS full_name, u.name AS department_name \
         FROM counted AS t LEFT JOIN page ON 1 LEFT JOIN document AS d ON d.document_id = page.id \
         LEFT JOIN document_version AS v ON v.document_id = d.document_id AND v.number = d.current \
         LEFT JOIN stored_file AS f ON f.file_id = v.file_id \
         LEFT JOIN personnel AS p ON p.personnel_id = d.personnel_id \
         LEFT JOIN department AS u ON u.department_id = p.department_id ORDER BY page.sort_key DESC, page.id DESC",
    );
    query
}

fn decode(rows: &[SqliteRow], limit: u32) -> Result<Page<DocumentRow>, BackendError> {
    let mut total = 0;
    let mut listed = Vec::new();
    for row in rows {
        total = row.try_get::<i64, _>("total").map_err(error::backend)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id").map_err(error::backend)? else {
            continue;
        };
        let record = DocumentRecord::from_row(row).map_err(error::backend)?;
        let value = SortValue::Integer(record.created_at);
        let document = DocumentRow {
            document: record.try_into()?,
            current: decode_version(row)?,
            matricule: row.try_get("matricule").map_err(error::backend)?,
            full_name: row.try_get("full_name").map_err(error::backend)?,
            department_name: row.try_get("department_name").map_err(error::backend)?,
        };
        listed.push((Cursor { value, id }, document));
    }
    page_of(listed, limit, total)
}

/// Documents of the agent `p` that count towards the mandatory kinds `m.kind`.
const HELD: &str = "SELECT 1 FROM document AS h WHERE h.personnel_id = p.personnel_id AND h.kind = m.kind \
    AND h.state <> 'rejected'";

fn build_missing(mandatory: &BTreeSet<DocumentKind>, filter: &DocumentFilter, page: &PageRequest) -> Builder {
    let mut query = Builder::new("WITH mandatory AS MATERIALIZED (SELECT value AS kind FROM json_each(");
    query
        .push_bind(text_array(mandatory.iter().map(|kind| kind.code())))
        .push(
            ")), filtered AS NOT MATERIALIZED (SELECT p.personnel_id AS id, p.name_key AS sort_key \
             FROM personnel AS p WHERE p.archived = 0",
        );
    push_scope(&mut query, &filter.scope);
    push_unit(&mut query, filter.unit);
    push_words(&mut query, &filter.words, false);
    if let Some(personnel) = filter.personnel {
        query
            .push(" AND p.personnel_id = ")
            .push_bind(personnel.as_uuid());
    }
    query
        .push(" AND EXISTS (SELECT 1 FROM mandatory AS m WHERE NOT EXISTS (")
        .push(HELD)
        .push("))), page AS MATERIALIZED (SELECT f.id, f.sort_key FROM filtered AS f");
    if let PageStart::After(cursor) = &page.start {
        query.push(" WHERE (f.sort_key, f.id) > (");
        push_sort_value(&mut query, &cursor.value);
        query.push(", ").push_bind(cursor.id).push(")");
    }
    query.push(" ORDER BY f.sort_key, f.id");
    push_limit(&mut query, page);
    query
        .push(
            ") SELECT t.total, page.id, page.sort_key, p.matricule, \
             p.family_name || ' ' || p.given_names AS full_name, u.name AS department_name, \
             (SELECT group_concat(m.kind) FROM mandatory AS m WHERE NOT EXISTS (",
        )
        .push(HELD)
        .push(
            ")) AS missing FROM (SELECT count(*) AS total FROM filtered) AS t LEFT JOIN page ON 1 \
             LEFT JOIN personnel AS p ON p.personnel_id = page.id \
             LEFT JOIN department AS u ON u.department_id = p.department_id ORDER BY page.sort_key, page.id",
        );
    query
}

fn decode_missing(rows: &[SqliteRow], limit: u32) -> Result<Page<MissingDocuments>, BackendError> {
    let mut total = 0;
    let mut listed = Vec::new();
    for row in rows {
        total = row.try_get::<i64, _>("total").map_err(error::backend)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id").map_err(error::backend)? else {
            continue;
        };
        let kinds: String = row.try_get("missing").map_err(error::backend)?;
        let missing: Result<BTreeSet<DocumentKind>, BackendError> = kinds
            .split(',')
            .map(|kind| code(kind, DocumentKind::by_code, "a kind of documents"))
            .collect();
        let agent = MissingDocuments {
            personnel: PersonnelId::from_uuid(id),
            matricule: row.try_get("matricule").map_err(error::backend)?,
            full_name: row.try_get("full_name").map_err(error::backend)?,
            department_name: row.try_get("department_name").map_err(error::backend)?,
            missing: missing?,
        };
        let value = SortValue::Text(row.try_get("sort_key").map_err(error::backend)?);
        listed.push((Cursor { value, id }, agent));
    }
    page_of(listed, limit, total)
}

impl Handle<'_> {
    async fn insert_version(&mut self, version: &DocumentVersion) -> Result<(), StoreError> {
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            r#"
                INSERT INTO document_version (
                    document_id, number, file_id, file_name, note, uploaded_by, uploaded_by_name, uploaded_at
                )
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
            "#,
            version.document.as_uuid(),
            version.number,
            version.file.id.as_uuid(),
            version.file_name.as_str(),
            version.note,
            version.uploaded_by.map(UserId::as_uuid),
            version.uploaded_by_name,
            micros(version.uploaded_at),
        )
        .execute(conn)
        .await;
        // The document is written already: one without its content must not be committed.
        self.0.settle(ENTITY, done).map_err(|err| self.0.abandon(err))?;
        Ok(())
    }
}

#[async_trait]
impl DocumentRepository for Handle<'_> {
    async fn insert(&mut self, document: &Document, first: &DocumentVersion) -> Result<(), StoreError> {
        let fields = &document.fields;
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            r#"
                INSERT INTO document (
                    document_id, personnel_id, kind, title, title_key, reference, issued_on, expires_on, confidential,
                    state, state_reason, checked_by, current, version, created_at, updated_at
                )
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
            "#,
            document.id.as_uuid(),
            document.personnel.as_uuid(),
            fields.kind.code(),
            fields.title,
            fold(&fields.title),
            fields.reference,
            fields.issued_on.map(|date| date.to_string()),
            fields.expires_on.map(|date| date.to_string()),
            fields.confidential,
            document.state.code(),
            document.state_reason,
            document.checked_by.map(UserId::as_uuid),
            document.current,
            document.version,
            micros(document.created_at),
            micros(document.updated_at),
        )
        .execute(conn)
        .await;
        self.0.settle(ENTITY, done)?;
        self.insert_version(first).await
    }

    async fn update(
        &mut self,
        document: &Document,
        added: Option<&DocumentVersion>,
    ) -> Result<(), StoreError> {
        let fields = &document.fields;
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            r#"
                UPDATE document SET
                    personnel_id = ?2, kind = ?3, title = ?4, title_key = ?5, reference = ?6, issued_on = ?7,
                    expires_on = ?8, confidential = ?9, state = ?10, state_reason = ?11, checked_by = ?12,
                    current = ?13, version = ?14, updated_at = ?15
                WHERE document_id = ?1 AND version = ?14 - 1
            "#,
            document.id.as_uuid(),
            document.personnel.as_uuid(),
            fields.kind.code(),
            fields.title,
            fold(&fields.title),
            fields.reference,
            fields.issued_on.map(|date| date.to_string()),
            fields.expires_on.map(|date| date.to_string()),
            fields.confidential,
            document.state.code(),
            document.state_reason,
            document.checked_by.map(UserId::as_uuid),
            document.current,
            document.version,
            micros(document.updated_at),
        )
        .execute(conn)
        .await;
        if self.0.settle(ENTITY, done)?.rows_affected() == 0 {
            return Err(StoreError::StaleVersion);
        }
        match added {
            Some(version) => self.insert_version(version).await,
            None => Ok(()),
        }
    }

    async fn delete(&mut self, id: DocumentId) -> Result<Vec<StoredFileId>, StoreError> {
        let conn = self.0.writing()?;
        let files = sqlx::query_scalar!(
            r#"DELETE FROM document_version WHERE document_id = ?1 RETURNING file_id AS "file_id!: Uuid""#,
            id.as_uuid(),
        )
        .fetch_all(conn)
        .await;
        let files = self.0.settle(ENTITY, files)?;
        let conn = self.0.writing()?;
        let done = sqlx::query!("DELETE FROM document WHERE document_id = ?1", id.as_uuid())
            .execute(conn)
            .await;
        self.0.settle(ENTITY, done)?;
        Ok(files.into_iter().map(StoredFileId::from_uuid).collect())
    }

    async fn find(&mut self, id: DocumentId) -> Result<Option<Document>, StoreError> {
        let conn = self.0.reading()?;
        let found = sqlx::query_as!(
            DocumentRecord,
            r#"
                SELECT document_id AS "id: Uuid", personnel_id AS "personnel_id: Uuid", kind, title, reference,
                       issued_on, expires_on, confidential AS "confidential: bool", state, state_reason,
                       checked_by AS "checked_by: Uuid", current, version, created_at, updated_at
                FROM document WHERE document_id = ?1
            "#,
            id.as_uuid(),
        )
        .fetch_optional(conn)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(Document::try_from).transpose())
    }

    async fn versions(&mut self, id: DocumentId) -> Result<Vec<DocumentVersion>, StoreError> {
        let mut query = Builder::new("SELECT ");
        query.push(VERSION_COLUMNS).push(", ").push(FILE_COLUMNS).push(
            " FROM document_version AS v JOIN stored_file AS f ON f.file_id = v.file_id WHERE v.document_id = ",
        );
        query.push_bind(id.as_uuid()).push(" ORDER BY v.number DESC");
        let conn = self.0.reading()?;
        let rows = query.build().fetch_all(conn).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(rows.iter().map(decode_version).collect())
    }

    async fn list(
        &mut self,
        filter: &DocumentFilter,
        page: &PageRequest,
    ) -> Result<Page<DocumentRow>, StoreError> {
        let mut query = build(filter, page);
        let conn = self.0.reading()?;
        let rows = query.build().fetch_all(conn).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(decode(&rows, page.limit))
    }

    async fn missing(
        &mut self,
        mandatory: &BTreeSet<DocumentKind>,
        filter: &DocumentFilter,
        page: &PageRequest,
    ) -> Result<Page<MissingDocuments>, StoreError> {
        let mut query = build_missing(mandatory, filter, page);
        let conn = self.0.reading()?;
        let rows = query.build().fetch_all(conn).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(decode_missing(&rows, page.limit))
    }
}
