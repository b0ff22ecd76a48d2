//! Contents that are kept: what is known of them. What names one is a foreign key, and holds its row back.

use async_trait::async_trait;
use jiff_sqlx::Timestamp as StoredInstant;
use mppeep_core::domain::id::StoredFileId;
use mppeep_core::domain::stored_file::{FileName, FileType, StoredFile};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::stored_file::StoredFileRepository;
use uuid::Uuid;

use crate::codec::{code, number, stored};
use crate::error::ADAPTER;
use crate::filter::Builder;
use crate::unit::Handle;

const ENTITY: &str = "stored_file";

/// Columns of `stored_file AS f` under the names of [`StoredFileRecord`].
pub(crate) const COLUMNS: &str =
    "f.stored_file_id, f.size, f.sha256, f.kind AS file_kind, f.created_at AS received_at";

/// A row of `stored_file`, in plain types, under names that a join leaves alone.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct StoredFileRecord {
    pub(crate) stored_file_id: Uuid,
    pub(crate) size: i64,
    pub(crate) sha256: Vec<u8>,
    pub(crate) file_kind: String,
    pub(crate) received_at: StoredInstant,
}

impl StoredFileRecord {
    /// The content, and its name.
    pub(crate) fn named(self, name: String) -> Result<(StoredFile, FileName), BackendError> {
        let file = StoredFile::try_from(self)?;
        let name = FileName::stored(name, file.kind);
        Ok((file, name))
    }
}

impl TryFrom<StoredFileRecord> for StoredFile {
    type Error = BackendError;

    fn try_from(row: StoredFileRecord) -> Result<Self, BackendError> {
        let sha256 = row.sha256.try_into();
        Ok(Self {
            id: StoredFileId::from_uuid(row.stored_file_id),
            size: number(row.size, "stored_file.size")?,
            sha256: sha256.map_err(|_| BackendError::corrupt(ADAPTER, "stored_file.sha256"))?,
            kind: code(&row.file_kind, FileType::by_code, "stored_file.kind")?,
            created_at: row.received_at.to_jiff(),
        })
    }
}

fn plain(ids: &[StoredFileId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.as_uuid()).collect()
}

#[async_trait]
impl StoredFileRepository for Handle<'_> {
    async fn insert(&mut self, file: &StoredFile) -> Result<(), StoreError> {
        let size = i64::try_from(file.size).map_err(|_| BackendError::Invalid {
            adapter: ADAPTER,
            what: format!("a content of {} bytes", file.size),
        })?;
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            "INSERT INTO stored_file (stored_file_id, size, sha256, kind, created_at) VALUES ($1, $2, $3, $4, $5)",
            file.id.as_uuid(),
            size,
            file.sha256.as_slice(),
            file.kind.code(),
            stored(file.created_at) as _,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn find(&mut self, id: StoredFileId) -> Result<Option<StoredFile>, StoreError> {
        let link = self.0.reading().await?;
        let found = sqlx::query_as!(
            StoredFileRecord,
            r#"
                SELECT stored_file_id, size, sha256, kind AS file_kind, created_at AS received_at
                FROM stored_file WHERE stored_file_id = $1
            "#,
            id.as_uuid(),
        )
        .fetch_optional(link)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(StoredFile::try_from).transpose())
    }

    async fn delete(&mut self, ids: &[StoredFileId]) -> Result<u64, StoreError> {
        let link = self.0.writing().await?;
        // Locked in order, so that two units that remove the same contents do not wait for each other.
        let done = sqlx::query!(
            r#"
                WITH dead AS MATERIALIZED (
                    SELECT stored_file_id FROM stored_file WHERE stored_file_id = ANY ($1)
                    ORDER BY stored_file_id FOR UPDATE
                )
                DELETE FROM stored_file AS f USING dead WHERE f.stored_file_id = dead.stored_file_id
            "#,
            &plain(ids),
        )
        .execute(link)
        .await;
        Ok(self.0.settle(ENTITY, done)?.rows_affected())
    }

    async fn total_bytes(&mut self) -> Result<u64, StoreError> {
        let link = self.0.reading().await?;
        let total = sqlx::query_scalar!(
            r#"SELECT least(coalesce(sum(size), 0), 9223372036854775807)::bigint AS "total!" FROM stored_file"#
        )
        .fetch_one(link)
        .await;
        let total = self.0.settle(ENTITY, total)?;
        self.0.decoded(number(total, "a sum of sizes"))
    }

    async fn page(&mut self, after: Option<StoredFileId>, limit: u32) -> Result<Vec<StoredFile>, StoreError> {
        let link = self.0.reading().await?;
        let mut query = Builder::new("SELECT ");
        query.push(COLUMNS).push(" FROM stored_file AS f");
        if let Some(after) = after {
            query
                .push(" WHERE f.stored_file_id > ")
                .push_bind(after.as_uuid());
        }
        query
            .push(" ORDER BY f.stored_file_id LIMIT ")
            .push_bind(i64::from(limit));
        let rows = query.build_query_as::<StoredFileRecord>().fetch_all(link).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0
            .decoded(rows.into_iter().map(StoredFile::try_from).collect())
    }

    async fn unknown(&mut self, ids: &[StoredFileId]) -> Result<Vec<StoredFileId>, StoreError> {
        let link = self.0.reading().await?;
        let unknown = sqlx::query_scalar!(
            r#"
                SELECT asked.id AS "id!" FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, place)
                WHERE NOT EXISTS (SELECT 1 FROM stored_file AS f WHERE f.stored_file_id = asked.id)
                ORDER BY asked.place
            "#,
            &plain(ids),
        )
        .fetch_all(link)
        .await;
        let unknown = self.0.settle(ENTITY, unknown)?;
        Ok(unknown.into_iter().map(StoredFileId::from_uuid).collect())
    }
}
