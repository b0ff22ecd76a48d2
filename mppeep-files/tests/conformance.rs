//! The conformance suite on the folder of contents, and what only a folder can show.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use mppeep_conformance::{FileStoreHarness, conformance_tests};
use mppeep_core::domain::id::StoredFileId;
use mppeep_core::ports::file_store::FileStore;
use mppeep_files::FolderStore;
use tempfile::TempDir;
use uuid::Uuid;

struct Folder {
    folder: TempDir,
    left: AtomicU64,
}

impl Folder {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            left: AtomicU64::new(0),
        }
    }

    fn store(&self) -> FolderStore {
        FolderStore::open(self.folder.path().join("files")).unwrap()
    }
}

/// Every file below a folder.
fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: std::path::PathBuf| {
        if path.is_dir() {
            files_below(&path)
        } else {
            vec![path]
        }
    };
    entries.flat_map(below).collect()
}

#[async_trait]
impl FileStoreHarness for Folder {
    async fn files(&self, _: usize) -> Arc<dyn FileStore> {
        Arc::new(self.store())
    }

    async fn unfinished(&self) -> usize {
        files_below(&self.store().root().join("incoming")).len()
    }

    async fn leave_unfinished(&self) {
        let number = self.left.fetch_add(1, Ordering::Relaxed);
        let name = Uuid::from_u64_pair(0xdead, number).to_string();
        fs::write(self.store().root().join("incoming").join(name), b"half").unwrap();
    }

    async fn grow_older(&self, by: Duration) {
        for path in files_below(self.store().root()) {
            let file = File::options().write(true).open(&path).unwrap();
            let before = file.metadata().unwrap().modified().unwrap();
            file.set_modified(before - by).unwrap();
        }
    }
}

conformance_tests!(file_store, Folder::new());

fn an_id(number: u128) -> StoredFileId {
    StoredFileId::from_uuid(Uuid::from_u128(number))
}

/// Contents are personal: nobody but the owner reads the folder, and no name tells anything.
#[tokio::test]
async fn folders_and_files_are_their_owners() {
    let folder = Folder::new();
    let store = folder.store();
    let mut writer = store.create(an_id(0x1234)).await.unwrap();
    writer.write(Bytes::from_static(b"secret")).await.unwrap();
    writer.finish().await.unwrap();
    let files = files_below(store.root());
    assert_eq!(files.len(), 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&files[0]), 0o600);
    assert_eq!(mode(store.root()), 0o700);
    assert_eq!(mode(files[0].parent().unwrap()), 0o700);
}

/// What is not ours in the folder stays.
#[tokio::test]
async fn foreign_names_are_left_alone() {
    let folder = Folder::new();
    let store = folder.store();
    for name in ["belongs-to", "00/notes.txt", "incoming/readme"] {
        let path = store.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"x").unwrap();
        let old = SystemTime::now() - Duration::from_secs(1_000_000);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(old)
            .unwrap();
    }
    assert_eq!(store.sweep_unfinished(Duration::ZERO).await.unwrap(), 0);
    assert!(store.list(Duration::ZERO, None, 10).await.unwrap().is_empty());
    assert_eq!(files_below(store.root()).len(), 3);
}

#[tokio::test]
async fn the_room_of_the_disk_is_told() {
    let space = Folder::new().store().space().await.unwrap().unwrap();
    assert!(space.free <= space.total && space.total > 0, "{space:?}");
}
