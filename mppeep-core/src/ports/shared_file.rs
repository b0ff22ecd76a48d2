//! The repository of files that the services hand in.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::StoreError;
use super::page::{Page, PageRequest};
use crate::domain::id::{SharedFileId, StoredFileId};
use crate::domain::permission::Scope;
use crate::domain::shared_file::{SharedFile, SharedFileKind, SharedFileStatus};

/// Conditions on files; all of them hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedFileFilter {
    /// What the reader may see: everything, or what he handed in (`made_by`).
    pub scope: Scope,
    /// Of this kind.
    pub kind: Option<SharedFileKind>,
    /// Standing there; none lists everything that is not archived.
    pub status: Option<SharedFileStatus>,
    /// Folded words, each of which occurs in the folded file name, period or name of who handed it in.
    pub words: Vec<String>,
}

/// Stores files. The rows of their contents are stored before ([`super::stored_file`]).
#[async_trait]
pub trait SharedFileRepository: Send {
    /// Stores a new file.
    ///
    /// # Errors
    /// `DanglingReference`.
    async fn insert(&mut self, file: &SharedFile) -> Result<(), StoreError>;

    /// Replaces a file whose stored version is one less. Its content and who handed it in do not change.
    ///
    /// # Errors
    /// `StaleVersion`.
    async fn update(&mut self, file: &SharedFile) -> Result<(), StoreError>;

    /// Removes a file; gives the content it named, whose row stays.
    ///
    /// # Errors
    /// `Backend` only.
    async fn delete(&mut self, id: SharedFileId) -> Result<Option<StoredFileId>, StoreError>;

    /// The file of that identifier.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find(&mut self, id: SharedFileId) -> Result<Option<SharedFile>, StoreError>;

    /// A page of the list, the latest first (sort value: the instant in microseconds).
    ///
    /// # Errors
    /// `Backend` only.
    async fn list(
        &mut self,
        filter: &SharedFileFilter,
        page: &PageRequest,
    ) -> Result<Page<SharedFile>, StoreError>;

    /// Files that were archived before an instant, `limit` at most, the oldest first.
    ///
    /// # Errors
    /// `Backend` only.
    async fn archived_before(
        &mut self,
        instant: Timestamp,
        limit: u32,
    ) -> Result<Vec<SharedFile>, StoreError>;
}
