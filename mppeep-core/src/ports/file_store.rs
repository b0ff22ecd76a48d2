//! Contents of files, kept outside the database.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::error::{BackendError, BoxError};
use crate::domain::id::StoredFileId;
use crate::domain::stored_file::FileType;

/// Failure of a file store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileStoreError {
    /// There is no room, of bytes or of names. Nothing of the content is left.
    #[error("{adapter} is full")]
    Full {
        /// The adapter.
        adapter: &'static str,
        /// Its own error.
        source: Option<BoxError>,
    },
    /// The backend's failure.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// Room of a file store, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Still free for this program.
    pub free: u64,
    /// In all.
    pub total: u64,
}

/// Keeps contents under their identifiers. A content appears whole or not at all, and never changes.
#[async_trait]
pub trait FileStore: Send + Sync {
    /// Begins a content. It is not there before [`FileWriter::finish`]; dropping the writer leaves nothing of it.
    ///
    /// # Errors
    /// `Full`, `Backend`.
    async fn create(&self, id: StoredFileId) -> Result<Box<dyn FileWriter>, FileStoreError>;

    /// Opens a content, if it is there.
    ///
    /// # Errors
    /// `Backend`.
    async fn open(&self, id: StoredFileId) -> Result<Option<Box<dyn FileReader>>, FileStoreError>;

    /// Removes a content; whether there was one. Whoever has it open may read it to its end.
    ///
    /// # Errors
    /// `Backend`.
    async fn remove(&self, id: StoredFileId) -> Result<bool, FileStoreError>;

    /// Identifiers of contents that are there for at least `age`, in an order that is the store's own, after `after`, `limit`
    /// at most.
    ///
    /// # Errors
    /// `Backend`.
    async fn list(
        &self,
        age: Duration,
        after: Option<StoredFileId>,
        limit: usize,
    ) -> Result<Vec<StoredFileId>, FileStoreError>;

    /// Removes what writers of processes that died left behind for at least `age`; says how many.
    ///
    /// # Errors
    /// `Backend`.
    async fn sweep_unfinished(&self, age: Duration) -> Result<u64, FileStoreError>;

    /// How much room there is, where that can be told.
    ///
    /// # Errors
    /// `Backend`.
    async fn space(&self) -> Result<Option<Space>, FileStoreError>;
}

/// Writes one content.
#[async_trait]
pub trait FileWriter: Send {
    /// Appends bytes.
    ///
    /// # Errors
    /// `Full`, `Backend`; the writer is then of no more use.
    async fn write(&mut self, bytes: Bytes) -> Result<(), FileStoreError>;

    /// Makes the content durable and visible, in this order.
    ///
    /// # Errors
    /// `Full`, `Backend`; after `Indeterminate` the content may be there.
    async fn finish(self: Box<Self>) -> Result<(), FileStoreError>;
}

/// Reads one content.
#[async_trait]
pub trait FileReader: Send {
    /// Size of the content, in bytes.
    fn size(&self) -> u64;

    /// Goes on reading at that byte.
    ///
    /// # Errors
    /// `Backend`.
    async fn seek(&mut self, position: u64) -> Result<(), FileStoreError>;

    /// The next bytes, `most` at most; none at the end.
    ///
    /// # Errors
    /// `Backend`.
    async fn read(&mut self, most: usize) -> Result<Bytes, FileStoreError>;
}

/// Tells what a content is by its first bytes.
pub trait FileSniffer: Send + Sync {
    /// How many bytes it wants to see.
    fn head_bytes(&self) -> usize;

    /// What the content is; none where it is nothing that is accepted anywhere. `head` is the whole content where that
    /// is shorter than [`Self::head_bytes`].
    fn sniff(&self, head: &[u8]) -> Option<FileType>;
}
