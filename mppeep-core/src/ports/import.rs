//! The repository of uploaded imports between the steps of the assistant.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::StoreError;
use crate::domain::codes::codes;
use crate::domain::id::{ImportId, UserId};

codes! {
    /// Where an import stands.
    ImportStatus {
        /// Uploaded; columns and findings may be looked at.
        Uploaded = "uploaded",
        /// Being written.
        Running = "running",
        /// Written, wholly.
        Done = "done",
        /// Refused; nothing was written.
        Failed = "failed",
    }
}

/// An uploaded import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportFile {
    /// Its identifier.
    pub id: ImportId,
    /// Who uploaded it; nobody else sees it.
    pub user: UserId,
    /// The file's name, cleaned.
    pub file_name: String,
    /// Where it stands.
    pub status: ImportStatus,
    /// The columns as corrected, as JSON that the import rules read.
    pub mapping: Option<String>,
    /// The outcome, as JSON that the import rules write.
    pub report: Option<String>,
    /// When it was uploaded; it is removed a day later.
    pub created_at: Timestamp,
}

/// Stores uploaded imports.
#[async_trait]
pub trait ImportRepository: Send {
    /// Stores an uploaded file.
    ///
    /// # Errors
    /// `Backend` only.
    async fn insert(&mut self, import: &ImportFile, bytes: &[u8]) -> Result<(), StoreError>;

    /// The import of that identifier and user.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find(&mut self, id: ImportId, user: UserId) -> Result<Option<ImportFile>, StoreError>;

    /// The bytes of the file.
    ///
    /// # Errors
    /// `Backend` only.
    async fn bytes(&mut self, id: ImportId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Replaces status, mapping and report, if the stored status is `expected`.
    ///
    /// # Errors
    /// `StaleVersion` when the status is another, or the import is gone.
    async fn update(&mut self, import: &ImportFile, expected: ImportStatus) -> Result<(), StoreError>;

    /// A user's imports, the latest first, at most 50.
    ///
    /// # Errors
    /// `Backend` only.
    async fn list(&mut self, user: UserId) -> Result<Vec<ImportFile>, StoreError>;

    /// Removes imports uploaded before an instant.
    ///
    /// # Errors
    /// `Backend` only.
    async fn delete_before(&mut self, instant: Timestamp) -> Result<u64, StoreError>;
}
