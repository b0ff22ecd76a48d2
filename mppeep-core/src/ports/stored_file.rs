//! The repository of contents that are kept: which there should be, and how much room they take.

use async_trait::async_trait;

use super::error::StoreError;
use crate::domain::id::StoredFileId;
use crate::domain::stored_file::StoredFile;

/// Stores what is known of contents. A row is there as long as something refers to the content.
#[async_trait]
pub trait StoredFileRepository: Send {
    /// Stores a content's row.
    ///
    /// # Errors
    /// `Conflict` on `id`.
    async fn insert(&mut self, file: &StoredFile) -> Result<(), StoreError>;

    /// The content of that identifier.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find(&mut self, id: StoredFileId) -> Result<Option<StoredFile>, StoreError>;

    /// Removes rows that nothing refers to any more; says how many there were.
    ///
    /// # Errors
    /// `DanglingReference` when something still refers to one of them.
    async fn delete(&mut self, ids: &[StoredFileId]) -> Result<u64, StoreError>;

    /// Bytes of all contents together.
    ///
    /// # Errors
    /// `Backend` only.
    async fn total_bytes(&mut self) -> Result<u64, StoreError>;

    /// The next contents after that one, or the first ones, in the order of their identifiers; `limit` at most.
    ///
    /// # Errors
    /// `Backend` only.
    async fn page(&mut self, after: Option<StoredFileId>, limit: u32) -> Result<Vec<StoredFile>, StoreError>;

    /// Which of these identifiers have no row, in their order.
    ///
    /// # Errors
    /// `Backend` only.
    async fn unknown(&mut self, ids: &[StoredFileId]) -> Result<Vec<StoredFileId>, StoreError>;
}
