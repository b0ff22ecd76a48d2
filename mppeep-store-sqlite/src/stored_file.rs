//! Contents of files: what is known of them.

use async_trait::async_trait;
use mppeep_core::domain::id::StoredFileId;
use mppeep_core::domain::stored_file::{FileType, StoredFile};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::stored_file::StoredFileRepository;
use sqlx::FromRow;
use uuid::Uuid;

use crate::codec::{code, id_array, instant, micros, number};
use crate::error::ADAPTER;
use crate::filter::Builder;
use crate::unit::Handle;

const ENTITY: &str = "stored_file";

/// A row of `stored_file`, in plain types, under names that stand beside those of other tables.
#[derive(Debug, FromRow)]
pub(crate) struct FileRecord {
    file_id: Uuid,
    file_size: i64,
    file_sha256: Vec<u8>,
    file_kind: String,
    file_created_at: i64,
}

/// Columns of `stored_file AS f` under the names of [`FileRecord`].
pub(crate) const FILE_COLUMNS: &str = "f.file_id, f.size AS file_size, f.sha256 AS file_sha256, \
    f.kind AS file_kind, f.created_at AS file_created_at";

impl TryFrom<FileRecord> for StoredFile {
    type Error = BackendError;

    fn try_from(row: FileRecord) -> Result<Self, BackendError> {
        let digest = row.file_sha256.try_into();
        Ok(Self {
            id: StoredFileId::from_uuid(row.file_id),
            size: number(row.file_size, "stored_file.size")?,
            sha256: digest.map_err(|_| BackendError::corrupt(ADAPTER, "stored_file.sha256"))?,
            kind: code(&row.file_kind, FileType::by_code, "stored_file.kind")?,
            created_at: instant(row.file_created_at, "stored_file.created_at")?,
        })
    }
}

fn ids(files: &[StoredFileId]) -> String {
    id_array(files.iter().map(|file| file.as_uuid()))
}

#[async_trait]
impl StoredFileRepository for Handle<'_> {
    async fn insert(&mut self, file: &StoredFile) -> Result<(), StoreError> {
        let conn = self.0.writing()?;
        let size = i64::try_from(file.size).map_err(|_| BackendError::Invalid {
            adapter: ADAPTER,
            what: format!("a content of {} bytes", file.size),
        })?;
        let done = sqlx::query!(
            "INSERT INTO stored_file (file_id, size, sha256, kind, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            file.id.as_uuid(),
            size,
            file.sha256.as_slice(),
            file.kind.code(),
            micros(file.created_at),
        )
        .execute(conn)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn find(&mut self, id: StoredFileId) -> Result<Option<StoredFile>, StoreError> {
        let conn = self.0.reading()?;
        let found = sqlx::query_as!(
            FileRecord,
            r#"
                SELECT file_id AS "file_id: Uuid", size AS file_size, sha256 AS file_sha256, kind AS file_kind,
                       created_at AS file_created_at
                FROM stored_file WHERE file_id = ?1
            "#,
            id.as_uuid(),
        )
        .fetch_optional(conn)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(StoredFile::try_from).transpose())
    }

    async fn delete(&mut self, files: &[StoredFileId]) -> Result<u64, StoreError> {
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            "DELETE FROM stored_file WHERE file_id IN (SELECT unhex(value) FROM json_each(?1))",
            ids(files),
        )
        .execute(conn)
        .await;
        Ok(self.0.settle(ENTITY, done)?.rows_affected())
    }

    async fn total_bytes(&mut self) -> Result<u64, StoreError> {
        let conn = self.0.reading()?;
        let total = sqlx::query_scalar!(r#"SELECT coalesce(sum(size), 0) AS "total!: i64" FROM stored_file"#)
            .fetch_one(conn)
            .await;
        let total = self.0.settle(ENTITY, total)?;
        self.0.decoded(number(total, "a sum of sizes"))
    }

    async fn page(&mut self, after: Option<StoredFileId>, limit: u32) -> Result<Vec<StoredFile>, StoreError> {
        let conn = self.0.reading()?;
        let mut query = Builder::new("SELECT ");
        query.push(FILE_COLUMNS).push(" FROM stored_file AS f");
        if let Some(after) = after {
            query.push(" WHERE f.file_id > ").push_bind(after.as_uuid());
        }
        query
            .push(" ORDER BY f.file_id LIMIT ")
            .push_bind(i64::from(limit));
        let rows = query.build_query_as::<FileRecord>().fetch_all(conn).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0
            .decoded(rows.into_iter().map(StoredFile::try_from).collect())
    }

    async fn unknown(&mut self, files: &[StoredFileId]) -> Result<Vec<StoredFileId>, StoreError> {
        let conn = self.0.reading()?;
        let unknown = sqlx::query_scalar!(
            r#"
                SELECT unhex(asked.value) AS "id!: Uuid" FROM json_each(?1) AS asked
                WHERE NOT EXISTS (SELECT 1 FROM stored_file WHERE file_id = unhex(asked.value))
                ORDER BY asked.key
            "#,
            ids(files),
        )
        .fetch_all(conn)
        .await;
        let unknown = self.0.settle(ENTITY, unknown)?;
        Ok(unknown.into_iter().map(StoredFileId::from_uuid).collect())
    }
}
