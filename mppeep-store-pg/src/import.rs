//! Uploaded imports between the steps of the assistant.

use async_trait::async_trait;
use jiff::Timestamp;
use mppeep_core::domain::id::{ImportId, UserId};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::import::{ImportFile, ImportRepository, ImportStatus};
use uuid::Uuid;

use crate::codec::{code, stored};
use crate::unit::Handle;

const ENTITY: &str = "import";

/// A row of `import` but for its bytes, in plain types.
struct ImportRecord {
    id: Uuid,
    user_id: Uuid,
    file_name: String,
    status: String,
    mapping: Option<String>,
    report: Option<String>,
    created_at: jiff_sqlx::Timestamp,
}

impl TryFrom<ImportRecord> for ImportFile {
    type Error = BackendError;

    fn try_from(row: ImportRecord) -> Result<Self, BackendError> {
        Ok(Self {
            id: ImportId::from_uuid(row.id),
            user: UserId::from_uuid(row.user_id),
            file_name: row.file_name,
            status: code(&row.status, ImportStatus::by_code, "import.status")?,
            mapping: row.mapping,
            report: row.report,
            created_at: row.created_at.to_jiff(),
        })
    }
}

#[async_trait]
impl ImportRepository for Handle<'_> {
    async fn insert(&mut self, import: &ImportFile, bytes: &[u8]) -> Result<(), StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                INSERT INTO import (import_id, user_id, file_name, status, mapping, report, created_at, bytes)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            "#,
            import.id.as_uuid(),
            import.user.as_uuid(),
            import.file_name,
            import.status.code(),
            import.mapping,
            import.report,
            stored(import.created_at) as _,
            bytes,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn find(&mut self, id: ImportId, user: UserId) -> Result<Option<ImportFile>, StoreError> {
        let link = self.0.reading().await?;
        let found = sqlx::query_as!(
            ImportRecord,
            r#"
                SELECT import_id AS id, user_id, file_name, status, mapping, report,
                       created_at
                FROM import WHERE import_id = $1 AND user_id = $2
            "#,
            id.as_uuid(),
            user.as_uuid(),
        )
        .fetch_optional(link)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(ImportFile::try_from).transpose())
    }

    async fn bytes(&mut self, id: ImportId) -> Result<Option<Vec<u8>>, StoreError> {
        let link = self.0.reading().await?;
        let bytes = sqlx::query_scalar!("SELECT bytes FROM import WHERE import_id = $1", id.as_uuid())
            .fetch_optional(link)
            .await;
        self.0.settle(ENTITY, bytes)
    }

    async fn update(&mut self, import: &ImportFile, expected: ImportStatus) -> Result<(), StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                UPDATE import SET status = $2, mapping = $3, report = $4 WHERE import_id = $1 AND status = $5
            "#,
            import.id.as_uuid(),
            import.status.code(),
            import.mapping,
            import.report,
            expected.code(),
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

    async fn list(&mut self, user: UserId) -> Result<Vec<ImportFile>, StoreError> {
        let link = self.0.reading().await?;
        let found = sqlx::query_as!(
            ImportRecord,
            r#"
                SELECT import_id AS id, user_id, file_name, status, mapping, report,
                       created_at
                FROM import WHERE user_id = $1 ORDER BY created_at DESC, import_id DESC LIMIT 50
            "#,
            user.as_uuid(),
        )
        .fetch_all(link)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0
            .decoded(found.into_iter().map(ImportFile::try_from).collect())
    }

    async fn delete_before(&mut self, instant: Timestamp) -> Result<u64, StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!("DELETE FROM import WHERE created_at < $1", stored(instant) as _)
            .execute(link)
            .await;
        Ok(self.0.settle(ENTITY, done)?.rows_affected())
    }
}
