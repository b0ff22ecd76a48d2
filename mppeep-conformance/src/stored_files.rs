//! Checks of the repository of contents.

use std::sync::Arc;

use mppeep_core::domain::id::StoredFileId;
use mppeep_core::domain::photo::{Photo, PhotoOwner};
use mppeep_core::domain::stored_file::{FileType, StoredFile};
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::store::Store;

use crate::fixtures::{
    a_document, a_file, a_personnel, a_version, file_id, personnel_id, store_files, store_personnel,
};
use crate::harness::StoreHarness;
use crate::shared_files::a_shared_file;
use crate::support::{at, at_once, start};

async fn find(store: &Arc<dyn Store>, id: StoredFileId) -> Option<StoredFile> {
    let mut unit = store.begin_read().await.unwrap();
    unit.stored_files().find(id).await.unwrap()
}

async fn delete(store: &Arc<dyn Store>, ids: &[StoredFileId]) -> Result<u64, StoreError> {
    let mut unit = store.begin().await.unwrap();
    let deleted = unit.stored_files().delete(ids).await;
    unit.commit().await.unwrap();
    deleted
}

async fn total(store: &Arc<dyn Store>) -> u64 {
    let mut unit = store.begin_read().await.unwrap();
    unit.stored_files().total_bytes().await.unwrap()
}

/// Contents of every type and size are known as they were stored, on every instance; their sizes add up; what has no
/// row is told in the order in which it was asked, and rows are paged through in their own.
pub async fn contents_are_known_as_they_were_stored(harness: &dyn StoreHarness) {
    let (store, other) = (harness.store(0).await, harness.store(1).await);
    assert_eq!(total(&store).await, 0);
    let mut files: Vec<StoredFile> = FileType::ALL
        .iter()
        .zip(1u128..)
        .map(|(kind, number)| StoredFile {
            kind: *kind,
            ..a_file(number)
        })
        .collect();
    files[0].size = 0;
    files[1].size = 7 << 40;
    files[2].sha256 = std::array::from_fn(|n| u8::try_from(n * 8).unwrap());
    files[3].created_at = at("2199-12-31T23:59:59.999999Z");
    store_files(store.as_ref(), &files).await;
    for file in &files {
        assert_eq!(find(&other, file.id).await.as_ref(), Some(file));
    }
    assert_eq!(find(&store, file_id(99)).await, None);
    assert_eq!(
        total(&other).await,
        files.iter().map(|file| file.size).sum::<u64>()
    );
    let mut listed = Vec::new();
    loop {
        let after = listed.last().map(|file: &StoredFile| file.id);
        let mut unit = other.begin_read().await.unwrap();
        let page = unit.stored_files().page(after, 3).await.unwrap();
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    let mut expected = files.clone();
    expected.sort_unstable_by_key(|file| file.id);
    assert_eq!(listed, expected, "every row once, in the order of identifiers");
    let asked: Vec<StoredFileId> = [99, 3, 50, 1, 70, 60].map(file_id).into();
    let mut unit = store.begin().await.unwrap();
    let unknown = unit.stored_files().unknown(&asked).await.unwrap();
    assert_eq!(unknown, [99, 50, 70, 60].map(file_id));
    assert_eq!(unit.stored_files().unknown(&[]).await.unwrap(), []);
    let again = unit.stored_files().insert(&files[4]).await;
    assert!(
        matches!(again, Err(StoreError::Conflict { field: "id", .. })),
        "{again:?}"
    );
    unit.stored_files().insert(&a_file(20)).await.unwrap();
    unit.commit().await.unwrap();
    assert!(find(&other, file_id(20)).await.is_some(), "the unit went on");
    assert_eq!(delete(&store, &[]).await.unwrap(), 0);
    let some = [1, 20, 99].map(file_id);
    assert_eq!(delete(&store, &some).await.unwrap(), 2);
    assert_eq!(find(&other, file_id(20)).await, None);
    let mut reading = store.begin_read().await.unwrap();
    let refused = reading.stored_files().insert(&a_file(30)).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
    let refused = reading.stored_files().delete(&[file_id(2)]).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
}

/// A content to which a document, a file or a photograph refers keeps its row, and those named with it keep theirs.
pub async fn a_content_that_is_referred_to_stays(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let agent = personnel_id(1);
    store_personnel(store.as_ref(), &[a_personnel(1, "AA001")]).await;
    let files: Vec<StoredFile> = (1..=6).map(a_file).collect();
    store_files(store.as_ref(), &files).await;
    let document = a_document(1, agent);
    let shared = a_shared_file(1, &files[2], 0);
    let mut unit = store.begin().await.unwrap();
    unit.documents()
        .insert(&document, &a_version(&document, 1, &files[0]))
        .await
        .unwrap();
    let mut newer = document.clone();
    newer.version = 2;
    newer.current = 2;
    unit.documents()
        .update(&newer, Some(&a_version(&document, 2, &files[1])))
        .await
        .unwrap();
    unit.shared_files().insert(&shared).await.unwrap();
    let photo = Photo {
        owner: PhotoOwner::Personnel(agent),
        large: file_id(4),
        small: file_id(5),
        updated_at: start(),
    };
    unit.photos().put(&photo).await.unwrap();
    unit.commit().await.unwrap();
    for number in 1..=5 {
        let mut unit = store.begin().await.unwrap();
        let refused = unit.stored_files().delete(&[file_id(6), file_id(number)]).await;
        assert!(
            matches!(refused, Err(StoreError::DanglingReference { .. })),
            "{number}: {refused:?}"
        );
        unit.commit().await.unwrap();
        assert!(find(&store, file_id(number)).await.is_some(), "{number}");
        assert!(find(&store, file_id(6)).await.is_some(), "all or nothing");
    }
    let mut unit = store.begin().await.unwrap();
    unit.documents().delete(document.id).await.unwrap();
    unit.shared_files().delete(shared.id).await.unwrap();
    unit.photos().delete(photo.owner).await.unwrap();
    let all: Vec<StoredFileId> = (1..=6).map(file_id).collect();
    assert_eq!(unit.stored_files().delete(&all).await.unwrap(), 6);
    unit.commit().await.unwrap();
    assert_eq!(total(&store).await, 0);
}

/// Of two units, one of which refers to a content while the other removes its row, one is refused.
pub async fn a_content_is_referred_to_or_removed(harness: &dyn StoreHarness) {
    let stores = [harness.store(0).await, harness.store(1).await];
    store_personnel(stores[0].as_ref(), &[a_personnel(1, "AA001")]).await;
    for number in 1..=8u128 {
        let file = a_file(number);
        store_files(stores[0].as_ref(), std::slice::from_ref(&file)).await;
        let outcomes = at_once([false, true].map(|removes| {
            let store = stores[usize::from(removes)].clone();
            let document = a_document(number, personnel_id(1));
            let version = a_version(&document, 1, &file);
            async move {
                let mut unit = store.begin().await.unwrap();
                let done = if removes {
                    let ids = [version.file.id];
                    unit.stored_files().delete(&ids).await.map(|_| ())
                } else {
                    unit.documents().insert(&document, &version).await
                };
                match done {
                    Ok(()) => {
                        tokio::task::yield_now().await;
                        unit.commit().await.unwrap();
                        true
                    }
                    Err(StoreError::DanglingReference { .. }) => false,
                    Err(err) => panic!("{err:?}"),
                }
            }
        }))
        .await;
        assert_eq!(outcomes.iter().filter(|done| **done).count(), 1, "{outcomes:?}");
        assert_eq!(find(&stores[0], file.id).await.is_none(), outcomes[1]);
    }
}
