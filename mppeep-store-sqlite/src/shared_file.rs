//! Files that the services hand in.

use async_trait::async_trait;
use jiff::Timestamp;
use mppeep_core::domain::id::{SharedFileId, StoredFileId, UserId};
use mppeep_core::domain::shared_file::{
    ReportingPeriod, SharedFile, SharedFileFields, SharedFileKind, SharedFileStatus,
};
use mppeep_core::domain::stored_file::{FileName, StoredFile};
use mppeep_core::domain::text::fold;
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart, SortValue};
use mppeep_core::ports::shared_file::{SharedFileFilter, SharedFileRepository};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::codec::{code, instant, micros, optional_instant};
use crate::error::{self, ADAPTER};
use crate::filter::{Builder, page_of, push_limit, push_sort_value, push_words_in};
use crate::stored_file::{FILE_COLUMNS, FileRecord};
use crate::unit::Handle;

const ENTITY: &str = "shared_file";

/// A row of `shared_file`, in plain types, but for the content it names.
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
    archived_at: Option<i64>,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

/// Columns of `shared_file AS s` under the names of [`SharedFileRecord`].
const COLUMNS: &str = "s.shared_file_id AS id, s.kind, s.period, s.note, s.file_name, s.status, s.reading, \
    s.uploaded_by, s.uploaded_by_name, s.archived_at, s.version, s.created_at, s.updated_at";

fn decode_row(row: &SqliteRow) -> Result<SharedFile, BackendError> {
    let file = StoredFile::try_from(FileRecord::from_row(row).map_err(error::backend)?)?;
    let row = SharedFileRecord::from_row(row).map_err(error::backend)?;
    let corrupt = |what| move |_| BackendError::corrupt(ADAPTER, what);
    let period = row.period.as_deref().map(ReportingPeriod::parse).transpose();
    let reading = row.reading.as_deref().map(serde_json::from_str).transpose();
    Ok(SharedFile {
        id: SharedFileId::from_uuid(row.id),
        fields: SharedFileFields {
            kind: code(&row.kind, SharedFileKind::by_code, "shared_file.kind")?,
            period: period.map_err(|_| BackendError::corrupt(ADAPTER, "shared_file.period"))?,
            note: row.note,
        },
        file_name: FileName::stored(row.file_name, file.kind),
        file,
        status: code(&row.status, SharedFileStatus::by_code, "shared_file.status")?,
        reading: reading.map_err(corrupt("shared_file.reading"))?,
        uploaded_by: row.uploaded_by.map(UserId::from_uuid),
        uploaded_by_name: row.uploaded_by_name,
        archived_at: optional_instant(row.archived_at, "shared_file.archived_at")?,
        version: row.version,
        created_at: instant(row.created_at, "shared_file.created_at")?,
        updated_at: instant(row.updated_at, "shared_file.updated_at")?,
    })
}

/// What words are looked for in.
fn search_key(file: &SharedFile) -> String {
    let period = file.fields.period.as_ref().map_or("", ReportingPeriod::as_str);
    fold(&format!(
        "{} {period} {}",
        file.file_name.as_str(),
        file.uploaded_by_name
    ))
}

fn reading_of(file: &SharedFile) -> Result<Option<String>, BackendError> {
    let text = file.reading.as_ref().map(serde_json::to_string).transpose();
    text.map_err(|err| BackendError::Other {
        adapter: ADAPTER,
        source: Box::new(err),
    })
}

/// The conditions of a filter, on `s`.
fn push_conditions(query: &mut Builder, filter: &SharedFileFilter) {
    if !filter.scope.everything {
        match filter.scope.made_by {
            Some(user) => query.push(" AND s.uploaded_by = ").push_bind(user.as_uuid()),
            None => query.push(" AND 0"),
        };
    }
    if let Some(kind) = filter.kind {
        query.push(" AND s.kind = ").push_bind(kind.code());
    }
    match filter.status {
        Some(status) => query.push(" AND s.status = ").push_bind(status.code()),
        None => query.push(" AND s.status <> 'archived'"),
    };
    push_words_in(query, "s.search_key", &filter.words);
}

fn build(filter: &SharedFileFilter, page: &PageRequest) -> Builder {
    let mut query = Builder::new(
        "WITH filtered AS NOT MATERIALIZED (SELECT s.shared_file_id AS id, s.created_at AS sort_key \
         FROM shared_file AS s WHERE 1",
    );
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
    query.push(FILE_COLUMNS).push(
        " FROM (SELECT count(*) AS total FROM filtered) AS t LEFT JOIN page ON 1 \
         LEFT JOIN shared_file AS s ON s.shared_file_id = page.id LEFT JOIN stored_file AS f ON f.file_id = s.file_id \
         ORDER BY page.sort_key DESC, page.id DESC",
    );
    query
}

fn decode(rows: &[SqliteRow], limit: u32) -> Result<Page<SharedFile>, BackendError> {
    let mut total = 0;
    let mut listed = Vec::new();
    for row in rows {
        total = row.try_get::<i64, _>("total").map_err(error::backend)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id").map_err(error::backend)? else {
            continue;
        };
        let value = SortValue::Integer(row.try_get("created_at").map_err(error::backend)?);
        listed.push((Cursor { value, id }, decode_row(row)?));
    }
    page_of(listed, limit, total)
}

/// Files with their contents, up to the condition.
fn select() -> Builder {
    let mut query = Builder::new("SELECT ");
    query
        .push(COLUMNS)
        .push(", ")
        .push(FILE_COLUMNS)
        .push(" FROM shared_file AS s JOIN stored_file AS f ON f.file_id = s.file_id WHERE ");
    query
}

#[async_trait]
impl SharedFileRepository for Handle<'_> {
    async fn insert(&mut self, file: &SharedFile) -> Result<(), StoreError> {
        let reading = reading_of(file)?;
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            r#"
                INSERT INTO shared_file (
                    shared_file_id, kind, period, note, file_id, file_name, status, reading, uploaded_by,
                    uploaded_by_name, archived_at, version, created_at, updated_at, search_key
                )
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
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
            file.archived_at.map(micros),
            file.version,
            micros(file.created_at),
            micros(file.updated_at),
            search_key(file),
        )
        .execute(conn)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn update(&mut self, file: &SharedFile) -> Result<(), StoreError> {
        let reading = reading_of(file)?;
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            r#"
                UPDATE shared_file SET
                    kind = ?2, period = ?3, note = ?4, file_name = ?5, status = ?6, reading = ?7, archived_at = ?8,
                    version = ?9, updated_at = ?10, search_key = ?11
                WHERE shared_file_id = ?1 AND version = ?9 - 1
            "#,
            file.id.as_uuid(),
            file.fields.kind.code(),
            file.fields.period.as_ref().map(ReportingPeriod::as_str),
            file.fields.note,
            file.file_name.as_str(),
            file.status.code(),
            reading,
            file.archived_at.map(micros),
            file.version,
            micros(file.updated_at),
            search_key(file),
        )
        .execute(conn)
        .await;
        if self.0.settle(ENTITY, done)?.rows_affected() == 0 {
            Err(StoreError::StaleVersion)
        } else {
            Ok(())
        }
    }

    async fn delete(&mut self, id: SharedFileId) -> Result<Option<StoredFileId>, StoreError> {
        let conn = self.0.writing()?;
        let file = sqlx::query_scalar!(
            r#"DELETE FROM shared_file WHERE shared_file_id = ?1 RETURNING file_id AS "file_id!: Uuid""#,
            id.as_uuid(),
        )
        .fetch_optional(conn)
        .await;
        Ok(self.0.settle(ENTITY, file)?.map(StoredFileId::from_uuid))
    }

    async fn find(&mut self, id: SharedFileId) -> Result<Option<SharedFile>, StoreError> {
        let mut query = select();
        query.push("s.shared_file_id = ").push_bind(id.as_uuid());
        let conn = self.0.reading()?;
        let found = query.build().fetch_optional(conn).await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(|row| decode_row(&row)).transpose())
    }

    async fn list(
        &mut self,
        filter: &SharedFileFilter,
        page: &PageRequest,
    ) -> Result<Page<SharedFile>, StoreError> {
        let mut query = build(filter, page);
        let conn = self.0.reading()?;
        let rows = query.build().fetch_all(conn).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(decode(&rows, page.limit))
    }

    async fn archived_before(
        &mut self,
        instant: Timestamp,
        limit: u32,
    ) -> Result<Vec<SharedFile>, StoreError> {
        let mut query = select();
        query
            .push("s.status = 'archived' AND s.archived_at < ")
            .push_bind(micros(instant))
            .push(" ORDER BY s.archived_at, s.shared_file_id LIMIT ")
            .push_bind(i64::from(limit));
        let conn = self.0.reading()?;
        let rows = query.build().fetch_all(conn).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(rows.iter().map(decode_row).collect())
    }
}
