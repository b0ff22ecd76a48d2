//! A folder that keeps contents.
//!
//! `<folder>/<last byte of the identifier>/<identifier>` holds a content, `<folder>/incoming/<identifier>` one that is
//! being written. A content is synchronised, then renamed, then its folder is synchronised: after a power cut it is there
//! whole, or not at all.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use mppeep_core::domain::id::StoredFileId;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::file_store::{FileReader, FileStore, FileStoreError, FileWriter, Space};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

const ADAPTER: &str = "file folder";

/// Where contents are that are being written.
const INCOMING: &str = "incoming";

/// Largest part read at once, in bytes.
const MOST_READ: usize = 256 * 1024;

/// Keeps contents in a folder, which several processes may share.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    /// The store in that folder, which is made if it is not there, readable by its owner alone.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        make_folder(&root.join(INCOMING))?;
        Ok(Self { root })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn incoming(&self) -> PathBuf {
        self.root.join(INCOMING)
    }

    /// The folder of a content. The end of an identifier is random, so that contents spread evenly.
    fn shard(&self, id: StoredFileId) -> PathBuf {
        self.root.join(format!("{:02x}", shard_of(id)))
    }

    fn path(&self, id: StoredFileId) -> PathBuf {
        self.shard(id).join(id.to_string())
    }
}

fn shard_of(id: StoredFileId) -> u8 {
    let [.., last] = id.as_uuid().into_bytes();
    last
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A failure of the disk: no room, or something else that was not carried out.
fn failure(error: io::Error) -> FileStoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => FileStoreError::Full {
            adapter: ADAPTER,
            source: Some(Box::new(error)),
        },
        _ => FileStoreError::Backend(BackendError::Unavailable {
            adapter: ADAPTER,
            source: Some(Box::new(error)),
        }),
    }
}

/// Runs work on the disk on a thread for it.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileStoreError> + Send + 'static,
) -> Result<T, FileStoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(FileStoreError::Backend(BackendError::Other {
            adapter: ADAPTER,
            source: Box::new(error),
        })),
    }
}

#[async_trait]
impl FileStore for FolderStore {
    async fn create(&self, id: StoredFileId) -> Result<Box<dyn FileWriter>, FileStoreError> {
        let incoming = self.incoming().join(id.to_string());
        // When this future is dropped meanwhile, what the thread gives back is dropped too, and the file with it.
        let (file, incoming) = on_disk(move || {
            let file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&incoming)
                .map_err(failure)?;
            Ok((file, Unfinished(Some(incoming))))
        })
        .await?;
        Ok(Box::new(FolderWriter {
            file: Some(File::from_std(file)),
            incoming,
            shard: self.shard(id),
            path: self.path(id),
        }))
    }

    async fn open(&self, id: StoredFileId) -> Result<Option<Box<dyn FileReader>>, FileStoreError> {
        let file = match File::open(self.path(id)).await {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failure(error)),
        };
        let size = file.metadata().await.map_err(failure)?.len();
        Ok(Some(Box::new(FolderReader { file, size })))
    }

    async fn remove(&self, id: StoredFileId) -> Result<bool, FileStoreError> {
        match tokio::fs::remove_file(self.path(id)).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failure(error)),
        }
    }

    async fn list(
        &self,
        age: Duration,
        after: Option<StoredFileId>,
        limit: usize,
    ) -> Result<Vec<StoredFileId>, FileStoreError> {
        let root = self.root.clone();
        on_disk(move || {
            let mut found = Vec::new();
            for shard in after.map_or(0, shard_of)..=u8::MAX {
                let mut names = contents_of(&root.join(format!("{shard:02x}")), age)?;
                names.sort_unstable();
                let after = after.filter(|after| shard_of(*after) == shard);
                found.extend(
                    names
                        .into_iter()
                        .filter(|id| after.is_none_or(|after| *id > after)),
                );
                if found.len() >= limit {
                    break;
                }
            }
            found.truncate(limit);
            Ok(found)
        })
        .await
    }

    async fn sweep_unfinished(&self, age: Duration) -> Result<u64, FileStoreError> {
        let incoming = self.incoming();
        on_disk(move || {
            let mut swept = 0;
            for id in contents_of(&incoming, age)? {
                match fs::remove_file(incoming.join(id.to_string())) {
                    Ok(()) => swept += 1,
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(failure(error)),
                }
            }
            Ok(swept)
        })
        .await
    }

    async fn space(&self) -> Result<Option<Space>, FileStoreError> {
        let root = self.root.clone();
        on_disk(move || {
            let told = rustix::fs::statvfs(&root).map_err(|error| failure(error.into()))?;
            Ok(Some(Space {
                free: told.f_bavail.saturating_mul(told.f_frsize),
                total: told.f_blocks.saturating_mul(told.f_frsize),
            }))
        })
        .await
    }
}

/// Identifiers of the contents in a folder that did not change for at least `age`. Other names are not ours.
fn contents_of(folder: &Path, age: Duration) -> Result<Vec<StoredFileId>, FileStoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failure(error)),
    };
    let now = SystemTime::now();
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failure)?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One that vanished meanwhile is not there any more.
        let Ok(changed) = entry.metadata().and_then(|metadata| metadata.modified()) else {
            continue;
        };
        if now.duration_since(changed).unwrap_or_default() >= age {
            found.push(id);
        }
    }
    Ok(found)
}

/// The name of an unfinished content, removed when dropped.
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    /// There is nothing of that name any more.
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // What cannot be removed now is swept later.
            let _swept_later = fs::remove_file(path);
        }
    }
}

struct FolderWriter {
    file: Option<File>,
    incoming: Unfinished,
    shard: PathBuf,
    path: PathBuf,
}

#[async_trait]
impl FileWriter for FolderWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), FileStoreError> {
        let ended = || failure(ErrorKind::BrokenPipe.into());
        let file = self.file.as_mut().ok_or_else(ended)?;
        // The file writes behind: `flush` waits for it, so that a full disk is told with the bytes that do not fit.
        let written = match file.write_all(&bytes).await {
            Ok(()) => file.flush().await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            self.file = None;
        }
        written.map_err(failure)
    }

    async fn finish(mut self: Box<Self>) -> Result<(), FileStoreError> {
        let ended = || failure(ErrorKind::BrokenPipe.into());
        let file = self.file.take().ok_or_else(ended)?;
        file.sync_all().await.map_err(failure)?;
        drop(file);
        let (incoming, shard, path) = (self.incoming.0.take(), self.shard.clone(), self.path.clone());
        let incoming = Unfinished(incoming);
        on_disk(move || {
            make_folder(&shard).map_err(failure)?;
            let from = incoming.0.as_ref().ok_or_else(ended)?;
            move_to_new(from, &path).map_err(failure)?;
            incoming.forget();
            sync_folder(&shard)
                .and_then(|()| shard.parent().map_or(Ok(()), sync_folder))
                .map_err(|error| {
                    FileStoreError::Backend(BackendError::Indeterminate {
                        adapter: ADAPTER,
                        source: Some(Box::new(error)),
                    })
                })
        })
        .await
    }
}

/// Gives a file a name that nothing has yet.
fn move_to_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Network file systems know links, but not this.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        moved => moved.map_err(io::Error::from),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

struct FolderReader {
    file: File,
    size: u64,
}

#[async_trait]
impl FileReader for FolderReader {
    fn size(&self) -> u64 {
        self.size
    }

    async fn seek(&mut self, position: u64) -> Result<(), FileStoreError> {
        self.file
            .seek(SeekFrom::Start(position))
            .await
            .map(|_position| ())
            .map_err(failure)
    }

    async fn read(&mut self, most: usize) -> Result<Bytes, FileStoreError> {
        let mut part = BytesMut::with_capacity(most.clamp(1, MOST_READ));
        self.file.read_buf(&mut part).await.map_err(failure)?;
        Ok(part.freeze())
    }
}
