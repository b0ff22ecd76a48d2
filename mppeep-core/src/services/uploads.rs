//! Uploads: received piece by piece while they are counted, hashed and recognised, and kept only when all is well.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::context::Context;
use super::error::ServiceError;
use crate::domain::id::StoredFileId;
use crate::domain::stored_file::{FileName, FileType, StoredFile};
use crate::domain::validation::{Rule, Violations};
use crate::ports::file_store::{FileReader, FileSniffer, FileStore, FileStoreError, FileWriter};

/// The field of forms and of the API that carries the file.
pub const FIELD: &str = "file";

/// Where contents are kept, and what recognises them.
#[derive(Clone)]
pub struct Contents {
    /// Keeps them.
    pub store: Arc<dyn FileStore>,
    /// Recognises them.
    pub sniffer: Arc<dyn FileSniffer>,
}

/// A content that is being received. Dropping it leaves nothing of it.
pub struct Upload {
    id: StoredFileId,
    name: FileName,
    writer: Option<Box<dyn FileWriter>>,
    sniffer: Arc<dyn FileSniffer>,
    head: BytesMut,
    hash: Sha256,
    size: u64,
    most: u64,
    /// What is left of the room for all contents.
    room: u64,
}

impl Upload {
    /// The file's name.
    pub fn name(&self) -> &FileName {
        &self.name
    }

    /// Bytes received so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Size of the largest upload, in bytes.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// `TooLarge`, `QuotaReached`, `StorageFull`; `Invalid` as soon as the beginning is not what the name announces; `Store`.
    /// The upload is then of no more use, and nothing of it is left.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ServiceError> {
        let taken = self.take(bytes).await;
        if taken.is_err() {
            self.writer = None;
        }
        taken
    }

    async fn take(&mut self, bytes: Bytes) -> Result<(), ServiceError> {
        self.size = self
            .size
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.size > self.most {
            return Err(ServiceError::TooLarge {
                limit_bytes: self.most,
            });
        }
        if self.size > self.room {
            return Err(ServiceError::QuotaReached);
        }
        let wanted = self.sniffer.head_bytes();
        if self.head.len() < wanted {
            let part = bytes.len().min(wanted - self.head.len());
            self.head.extend_from_slice(bytes.get(..part).unwrap_or_default());
            if self.head.len() == wanted {
                self.check_type()?;
            }
        }
        self.hash.update(&bytes);
        let gone = || ServiceError::State("upload-ended");
        self.writer.as_mut().ok_or_else(gone)?.write(bytes).await?;
        Ok(())
    }

    fn check_type(&self) -> Result<(), ServiceError> {
        let found = self.sniffer.sniff(&self.head);
        if found.is_some_and(|found| self.name.kind().agrees_with(found)) {
            return Ok(());
        }
        let rule = Rule::FileContent {
            found: found.map(FileType::code),
        };
        Err(Violations::one(FIELD, rule).into())
    }

    /// Checks that all of it is what its name announces.
    ///
    /// # Errors
    /// `Invalid` on [`FIELD`].
    pub fn check(&self) -> Result<(), ServiceError> {
        if self.size == 0 {
            return Err(Violations::one(FIELD, Rule::EmptyFile).into());
        }
        self.check_type()
    }

    /// Makes it durable. Whoever does not store the row that this gives removes the content again.
    pub(crate) async fn keep(mut self, context: &Context) -> Result<StoredFile, ServiceError> {
        self.check()?;
        let writer = self.writer.take().ok_or(ServiceError::State("upload-ended"))?;
        writer.finish().await?;
        Ok(StoredFile {
            id: self.id,
            size: self.size,
            sha256: self.hash.finalize().into(),
            kind: self.name.kind(),
            created_at: context.now(),
        })
    }
}

/// A content that somebody may read.
pub struct Content {
    /// What is known of it.
    pub file: StoredFile,
    /// How people call it.
    pub name: FileName,
    /// Reads it.
    pub reader: Box<dyn FileReader>,
}

impl Contents {
    /// Begins an upload of one of the accepted types. Rights are the caller's business.
    pub(crate) async fn begin(
        &self,
        context: &Context,
        file_name: &str,
        accepted: &[FileType],
    ) -> Result<Upload, ServiceError> {
        let name = FileName::parse(file_name, accepted).map_err(|rule| Violations::one(FIELD, rule))?;
        let settings = context.settings().await?;
        if settings.maintenance.read_only {
            return Err(ServiceError::ReadOnlyMode);
        }
        let mut unit = context.store().begin_read().await?;
        let used = unit.stored_files().total_bytes().await?;
        drop(unit);
        let room = settings.files.quota_bytes().saturating_sub(used);
        if room == 0 {
            return Err(ServiceError::QuotaReached);
        }
        let id = StoredFileId::new(context.clock(), context.entropy());
        Ok(Upload {
            id,
            name,
            writer: Some(self.store.create(id).await?),
            sniffer: Arc::clone(&self.sniffer),
            head: BytesMut::new(),
            hash: Sha256::new(),
            size: 0,
            most: settings.files.max_upload_bytes(),
            room,
        })
    }

    /// Opens a content that there is a row of.
    pub(crate) async fn open(&self, file: StoredFile, name: FileName) -> Result<Content, ServiceError> {
        match self.store.open(file.id).await? {
            Some(reader) if reader.size() == file.size => Ok(Content { file, name, reader }),
            found => {
                tracing::error!(
                    file = %file.id,
                    size = file.size,
                    found = found.map(|reader| reader.size()),
                    "a content is missing or has another size"
                );
                Err(ServiceError::State("content-missing"))
            }
        }
    }

    /// Removes contents that nothing refers to any more. What cannot be removed now is an orphan, and removed later.
    pub(crate) async fn discard(&self, ids: &[StoredFileId]) {
        for id in ids {
            if let Err(error) = self.store.remove(*id).await {
                tracing::warn!(%error, file = %id, "a content could not be removed yet");
            }
        }
    }

    /// Gives `stored` on; a content that was kept for nothing is removed again, unless the store may have its row.
    pub(crate) async fn or_discard<T>(
        &self,
        file: StoredFileId,
        stored: Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        if let Err(error) = &stored
            && !error.is_indeterminate()
        {
            self.discard(&[file]).await;
        }
        stored
    }
}

impl From<FileStoreError> for ServiceError {
    fn from(error: FileStoreError) -> Self {
        match error {
            FileStoreError::Full { .. } => {
                tracing::error!(%error, "there is no room for a content");
                Self::StorageFull
            }
            FileStoreError::Backend(error) => error.into(),
        }
    }
}

/// Reads a content whole; how large it may be is the caller's business.
pub(crate) async fn read_whole(mut reader: Box<dyn FileReader>) -> Result<Bytes, ServiceError> {
    let mut whole = BytesMut::with_capacity(usize::try_from(reader.size()).unwrap_or_default());
    loop {
        let part = reader.read(256 * 1024).await?;
        if part.is_empty() {
            return Ok(whole.freeze());
        }
        whole.extend_from_slice(&part);
    }
}
