//! Files that the services hand in.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::Timestamp as StoredInstant;
use mppeep_core::domain::id::{SharedFileId, StoredFileId, UserId};
use mppeep_core::domain::permission::Scope;
use mppeep_core::domain::shared_file::{
    Reading, ReportingPeriod, SharedFile, SharedFileFields, SharedFileKind, SharedFileStatus,
};
use mppeep_core::domain::text::fold;
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart, SortValue};
use mppeep_core::ports::shared_file::{SharedFileFilter, SharedFileRepository};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::codec::{code, micros, stored};
use crate::document_list::position;
use crate::error::{self, ADAPTER};
use crate::filter::{Builder, page_of, push_limit, push_words_in};
use crate::stored_file::{self, StoredFileRecord};
use crate::unit::Handle;

const ENTITY: &str = "shared_file";

/// A row of `shared_file` with its content, in plain types.
#[derive(Debug, FromRow)]
struct SharedFileRecord {
    id: Uuid,
    kind: String,
    period: Option<String>,
    note: Option<String>,
    file_name: String,
    status: String,
    reading: Option<String>,
    uploaded_by: Option<Uuid>,
    uploaded_by_name: String,
    archived_at: Option<StoredInstant>,
    version: i64,
    created_at: StoredInstant,
    updated_at: StoredInstant,
    stored_file_id: Uuid,
    size: i64,
    sha256: Vec<u8>,
    file_kind: String,
    received_at: StoredInstant,
}

/// Columns of `shared_file AS s` under the names of [`SharedFileRecord`], without those of its content.
const COLUMNS: &str = "s.shared_file_id AS id, s.kind, s.period, s.note, s.file_name, s.status, s.reading, \
    s.uploaded_by, s.uploaded_by_name, s.archived_at, s.version, s.created_at, s.updated_at";

macro_rules! select_shared_file {
    ($condition:tt $(, $argument:expr)*) => {
        sqlx::query_as!(
            SharedFileRecord,
            r#"
                SELECT s.shared_file_id AS id, s.kind, s.period, s.note, s.file_name, s.status, s.reading,
                       s.uploaded_by, s.uploaded_by_name, s.archived_at, s.version, s.created_at, s.updated_at,
                       f.stored_file_id, f.size, f.sha256, f.kind AS file_kind, f.created_at AS received_at
                FROM shared_file AS s JOIN stored_file AS f ON f.stored_file_id = s.stored_file_id
            "# + $condition
            $(, $argument)*
        )
    };
}

impl TryFrom<SharedFileRecord> for SharedFile {
    type Error = BackendError;

    fn try_from(row: SharedFileRecord) -> Result<Self, BackendError> {
        let corrupt = |what| BackendError::corrupt(ADAPTER, what);
        let content = StoredFileRecord {
            stored_file_id: row.stored_file_id,
            size: row.size,
            sha256: row.sha256,
            file_kind: row.file_kind,
            received_at: row.received_at,
        };
        let (file, file_name) = content.named(row.file_name)?;
        let period = row.period.as_deref().map(ReportingPeriod::parse).transpose();
        let reading = row.reading.as_deref().map(serde_json::from_str).transpose();
        Ok(Self {
            id: SharedFileId::from_uuid(row.id),
            fields: SharedFileFields {
                kind: code(&row.kind, SharedFileKind::by_code, "shared_file.kind")?,
                period: period.map_err(|_| corrupt("shared_file.period"))?,
                note: row.note,
            },
            file,
            file_name,
            status: code(&row.status, SharedFileStatus::by_code, "shared_file.status")?,
            reading: reading.map_err(|_| corrupt("shared_file.reading"))?,
            uploaded_by: row.uploaded_by.map(UserId::from_uuid),
            uploaded_by_name: row.uploaded_by_name,
            archived_at: row.archived_at.map(StoredInstant::to_jiff),
            version: row.version,
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
        })
    }
}

/// What is searched of a file.
fn search_key(file: &SharedFile) -> String {
    let period = file.fields.period.as_ref().map_or("", ReportingPeriod::as_str);
    fold(&format!(
        "{} {period} {}",
        file.file_name.as_str(),
        file.uploaded_by_name
    ))
}

/// What reading a file found, as it is stored.
fn reading_of(file: &SharedFile) -> Result<Option<String>, BackendError> {
    let written = file.reading.as_ref().map(serde_json::to_string::<Reading>);
    written.transpose().map_err(|err| BackendError::Other {
        adapter: ADAPTER,
        source: Box::new(err),
    })
}

/// Files that a scope reaches: all, or those that its holder handed in.
fn push_makers(query: &mut Builder, scope: &Scope) {
    match (scope.everything, scope.made_by) {
        (true, _) => {}
        (false, Some(maker)) => {
            query.push(" AND s.uploaded_by = ").push_bind(maker.as_uuid());
        }
        (false, None) => {
            query.push(" AND false");
        }
    }
}

fn build(filter: &SharedFileFilter, page: &PageRequest) -> Builder {
    let mut query = Builder::new(
        "WITH filtered AS NOT MATERIALIZED (SELECT s.shared_file_id AS id, s.created_at AS sort_key \
         FROM shared_file AS s WHERE TRUE",
    );
    push_makers(&mut query, &filter.scope);
    push_words_in(&mut query, "s.search_key", &filter.words);
    if let Some(kind) = filter.kind {
        query.push(" AND s.kind = ").push_bind(kind.code());
    }
    match filter.status {
        Some(status) => query.push(" AND s.status = ").push_bind(status.code()),
        None => query
            .push(" AND s.status <> ")
            .push_bind(SharedFileStatus::Archived.code()),
    };
    query.push("), page AS MATERIALIZED (SELECT f.id, f.sort_key FROM filtered AS f");
    if let PageStart::After(cursor) = &page.start
        && let Some(at) = position(cursor)
    {
        query
            .push(" WHERE (f.sort_key, f.id) < (")
            .push_bind(stored(at))
            .push(", ")
            .push_bind(cursor.id)
            .push(")");
    }
    query.push(" ORDER BY f.sort_key DESC, f.id DESC");
    push_limit(&mut query, page);
    query.push(") SELECT t.total, ").push(COLUMNS).push(", ");
    query.push(stored_file::COLUMNS).push(
        " FROM (SELECT count(*) AS total FROM filtered) AS t LEFT JOIN page ON TRUE \
         LEFT JOIN shared_file AS s ON s.shared_file_id = page.id \
         LEFT JOIN stored_file AS f ON f.stored_file_id = s.stored_file_id ORDER BY page.sort_key DESC, page.id DESC",
    );
    query
}

fn decode(rows: &[PgRow], limit: u32) -> Result<Page<SharedFile>, BackendError> {
    let mut total = 0;
    let mut listed = Vec::new();
    for row in rows {
        total = row.try_get::<i64, _>("total").map_err(error::backend)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id").map_err(error::backend)? else {
            continue;
        };
        let record = SharedFileRecord::from_row(row).map_err(error::backend)?;
        let value = SortValue::Integer(micros(record.created_at.to_jiff()));
        listed.push((Cursor { value, id }, record.try_into()?));
    }
    page_of(listed, limit, total)
}

#[async_trait]
impl SharedFileRepository for Handle<'_> {
    async fn insert(&mut self, file: &SharedFile) -> Result<(), StoreError> {
        let reading = reading_of(file)?;
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                INSERT INTO shared_file (
                    shared_file_id, kind, period, note, stored_file_id, file_name, status, reading, uploaded_by,
                    uploaded_by_name, archived_at, search_key, version, created_at, updated_at
                )
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
            "#,
            file.id.as_uuid(),
            file.fields.kind.code(),
            file.fields.period.as_ref().map(ReportingPeriod::as_str),
            file.fields.note,
            file.file.id.as_uuid(),
            file.file_name.as_str(),
            file.status.code(),
            reading,
            file.uploaded_by.map(UserId::as_uuid),
            file.uploaded_by_name,
            file.archived_at.map(stored) as _,
            search_key(file),
            file.version,
            stored(file.created_at) as _,
            stored(file.updated_at) as _,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn update(&mut self, file: &SharedFile) -> Result<(), StoreError> {
        let reading = reading_of(file)?;
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                UPDATE shared_file SET
                    kind = $2, period = $3, note = $4, file_name = $5, status = $6, reading = $7, archived_at = $8,
                    search_key = $9, version = $10, updated_at = $11
                WHERE shared_file_id = $1 AND version = $10::bigint - 1
            "#,
            file.id.as_uuid(),
            file.fields.kind.code(),
            file.fields.period.as_ref().map(ReportingPeriod::as_str),
            file.fields.note,
            file.file_name.as_str(),
            file.status.code(),
            reading,
            file.archived_at.map(stored) as _,
            search_key(file),
            file.version,
            stored(file.updated_at) as _,
        )
        .execute(link)
        .await;
        let done = self.0.settle(ENTITY, done)?;
        if done.rows_affected() == 0 {
            Err(StoreError::StaleVersion)
        } else {
            Ok(())
        }
    }

    async fn delete(&mut self, id: SharedFileId) -> Result<Option<StoredFileId>, StoreError> {
        let link = self.0.batch().await?;
        let content = sqlx::query_scalar!(
            "DELETE FROM shared_file WHERE shared_file_id = $1 RETURNING stored_file_id",
            id.as_uuid(),
        )
        .fetch_optional(link)
        .await;
        let content = self.0.settle(ENTITY, content)?;
        Ok(content.map(StoredFileId::from_uuid))
    }

    async fn find(&mut self, id: SharedFileId) -> Result<Option<SharedFile>, StoreError> {
        let link = self.0.reading().await?;
        let found = select_shared_file!("WHERE s.shared_file_id = $1", id.as_uuid())
            .fetch_optional(link)
            .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(SharedFile::try_from).transpose())
    }

    async fn list(
        &mut self,
        filter: &SharedFileFilter,
        page: &PageRequest,
    ) -> Result<Page<SharedFile>, StoreError> {
        let mut query = build(filter, page);
        let link = self.0.reading().await?;
        let rows = query.build().fetch_all(link).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(decode(&rows, page.limit))
    }

    async fn archived_before(
        &mut self,
        instant: Timestamp,
        limit: u32,
    ) -> Result<Vec<SharedFile>, StoreError> {
        let link = self.0.reading().await?;
        let found = select_shared_file!(
            r#"
                WHERE s.status = 'archived' AND s.archived_at < $1
                ORDER BY s.archived_at, s.shared_file_id LIMIT $2
            "#,
            stored(instant) as _,
            i64::from(limit)
        )
        .fetch_all(link)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0
            .decoded(found.into_iter().map(SharedFile::try_from).collect())
    }
}
