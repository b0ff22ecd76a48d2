//! Checks of the repository of documents.

use std::sync::Arc;

use jiff::civil::date;
use mppeep_core::domain::document::{Document, DocumentFields, DocumentKind, DocumentState, DocumentVersion};
use mppeep_core::domain::id::{DocumentId, StoredFileId};
use mppeep_core::domain::stored_file::{FileName, FileType, StoredFile};
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::store::Store;

use crate::fixtures::{
    a_document, a_file, a_personnel, a_user, a_version, document_id, file_id, personnel_id, store_files,
    store_personnel,
};
use crate::harness::StoreHarness;
use crate::support::{at, at_once};

/// A store with two agents and the contents of numbers 1 to 20.
async fn with_agents(harness: &dyn StoreHarness) -> (Arc<dyn Store>, Arc<dyn Store>) {
    let (store, other) = (harness.store(0).await, harness.store(1).await);
    store_personnel(
        store.as_ref(),
        &[a_personnel(1, "AA001"), a_personnel(2, "AA002")],
    )
    .await;
    let files: Vec<StoredFile> = (1..=20).map(a_file).collect();
    store_files(store.as_ref(), &files).await;
    (store, other)
}

pub(crate) async fn insert(store: &Arc<dyn Store>, document: &Document, first: &DocumentVersion) {
    let mut unit = store.begin().await.unwrap();
    unit.documents().insert(document, first).await.unwrap();
    unit.commit().await.unwrap();
}

async fn update(
    store: &Arc<dyn Store>,
    document: &Document,
    added: Option<&DocumentVersion>,
) -> Result<(), StoreError> {
    let mut unit = store.begin().await.unwrap();
    let outcome = unit.documents().update(document, added).await;
    if outcome.is_ok() {
        tokio::task::yield_now().await;
        unit.commit().await.unwrap();
    }
    outcome
}

async fn find(store: &Arc<dyn Store>, id: DocumentId) -> Option<Document> {
    let mut unit = store.begin_read().await.unwrap();
    unit.documents().find(id).await.unwrap()
}

async fn versions(store: &Arc<dyn Store>, id: DocumentId) -> Vec<DocumentVersion> {
    let mut unit = store.begin_read().await.unwrap();
    unit.documents().versions(id).await.unwrap()
}

/// Documents of every kind and state come back as they were stored, with their contents, on every instance.
pub async fn a_document_comes_back_as_it_was_stored(harness: &dyn StoreHarness) {
    let (store, other) = with_agents(harness).await;
    for (kind, number) in DocumentKind::ALL.iter().zip(1u128..) {
        let mut document = a_document(number, personnel_id(1));
        document.fields.kind = *kind;
        document.state = DocumentState::ALL[usize::try_from(number).unwrap() % DocumentState::ALL.len()];
        let version = a_version(&document, 1, &a_file(number));
        insert(&store, &document, &version).await;
        assert_eq!(find(&other, document.id).await, Some(document.clone()));
        assert_eq!(versions(&other, document.id).await, [version]);
    }
    let content = StoredFile {
        kind: FileType::Docx,
        size: u64::from(u32::MAX) + 1,
        ..a_file(30)
    };
    store_files(store.as_ref(), std::slice::from_ref(&content)).await;
    let full = Document {
        fields: DocumentFields {
            kind: DocumentKind::Passport,
            title: "L'« œuvre » — \"𝒂\" % _ \\".to_owned(),
            reference: Some("n° 12/'34'".to_owned()),
            issued_on: Some(date(1900, 1, 1)),
            expires_on: Some(date(2199, 12, 31)),
            confidential: true,
        },
        state: DocumentState::Rejected,
        state_reason: Some("illisible\nà refaire".to_owned()),
        checked_by: Some(a_user(1).id),
        current: 1,
        version: 1,
        created_at: at("2026-01-02T03:04:05.678901Z"),
        updated_at: at("2026-11-22T23:59:59.999999Z"),
        ..a_document(50, personnel_id(2))
    };
    let version = DocumentVersion {
        file_name: FileName::stored("Pièce d'« état ».docx".to_owned(), content.kind),
        note: Some("renouvellement".to_owned()),
        uploaded_by: Some(a_user(2).id),
        uploaded_by_name: "N'GUESSAN Zoé".to_owned(),
        uploaded_at: at("2026-11-22T12:00:00.000001Z"),
        ..a_version(&full, 1, &content)
    };
    insert(&store, &full, &version).await;
    assert_eq!(find(&other, full.id).await, Some(full.clone()));
    assert_eq!(versions(&other, full.id).await, [version]);
    assert_eq!(find(&store, document_id(99)).await, None);
    assert_eq!(versions(&store, document_id(99)).await, []);
    let mut reading = store.begin_read().await.unwrap();
    let another = a_document(60, personnel_id(1));
    let refused = reading
        .documents()
        .insert(&another, &a_version(&another, 1, &a_file(1)))
        .await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
    let refused = reading.documents().delete(full.id).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
}

/// A newer content stands beside the earlier ones, the latest first; the document tells which is the present one.
pub async fn versions_stand_beside_each_other(harness: &dyn StoreHarness) {
    let (store, other) = with_agents(harness).await;
    let mut document = a_document(1, personnel_id(1));
    let mut expected = vec![a_version(&document, 1, &a_file(1))];
    insert(&store, &document, &expected[0]).await;
    for number in 2..=12u32 {
        document.version += 1;
        document.current = number;
        let added = DocumentVersion {
            note: Some(format!("la {number}e")),
            ..a_version(&document, number, &a_file(u128::from(number)))
        };
        update(&store, &document, Some(&added)).await.unwrap();
        expected.insert(0, added);
    }
    assert_eq!(versions(&other, document.id).await, expected);
    document.version += 1;
    document.current = 3;
    document.personnel = personnel_id(2);
    document.fields.title = "Autre titre".to_owned();
    document.fields.confidential = true;
    document.fields.issued_on = Some(date(2026, 1, 1));
    document.state = DocumentState::Validated;
    document.checked_by = Some(a_user(1).id);
    document.updated_at = at("2026-11-23T00:00:00Z");
    update(&store, &document, None).await.unwrap();
    assert_eq!(find(&other, document.id).await, Some(document.clone()));
    assert_eq!(versions(&other, document.id).await, expected);
}

/// An update needs the version after the stored one; one that is refused adds nothing and leaves the unit usable.
pub async fn a_document_update_needs_the_next_version(harness: &dyn StoreHarness) {
    let (store, other) = with_agents(harness).await;
    let document = a_document(1, personnel_id(1));
    let first = a_version(&document, 1, &a_file(1));
    insert(&store, &document, &first).await;
    let mut unit = store.begin().await.unwrap();
    for (id, version) in [(1, 1), (1, 3), (1, 0), (77, 2)] {
        let stale = Document {
            id: document_id(id),
            version,
            current: 2,
            ..document.clone()
        };
        let added = a_version(&stale, 2, &a_file(2));
        for added in [Some(&added), None] {
            let refused = unit.documents().update(&stale, added).await;
            assert!(matches!(refused, Err(StoreError::StaleVersion)), "{refused:?}");
        }
    }
    unit.commit().await.unwrap();
    assert_eq!(find(&other, document.id).await, Some(document.clone()));
    assert_eq!(versions(&other, document.id).await, [first]);
}

/// COM-13: of eight who replace the content of one document at the same time, one does.
pub async fn racing_updates_of_one_document_are_one(harness: &dyn StoreHarness) {
    let (store, other) = with_agents(harness).await;
    let stores = [store, other];
    for number in 1..=5u128 {
        let document = a_document(number, personnel_id(1));
        insert(&stores[0], &document, &a_version(&document, 1, &a_file(number))).await;
        let outcomes = at_once((0..8u128).map(|n| {
            let store = stores[usize::from(n % 2 == 1)].clone();
            let next = Document {
                version: 2,
                current: 2,
                ..document.clone()
            };
            let added = a_version(&next, 2, &a_file(10 + n));
            async move { update(&store, &next, Some(&added)).await }
        }))
        .await;
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(done, 1, "{outcomes:?}");
        for outcome in outcomes {
            assert!(
                matches!(outcome, Ok(()) | Err(StoreError::StaleVersion)),
                "{outcome:?}"
            );
        }
        assert_eq!(versions(&stores[1], document.id).await.len(), 2);
    }
}

/// A document of nobody or of no content is refused, and nothing of it can be committed.
pub async fn unknown_agents_and_contents_are_refused(harness: &dyn StoreHarness) {
    let (store, _) = with_agents(harness).await;
    let dangling = |outcome: Result<(), StoreError>| {
        assert!(
            matches!(outcome, Err(StoreError::DanglingReference { .. })),
            "{outcome:?}"
        );
    };
    let stranger = a_document(1, personnel_id(77));
    let mut unit = store.begin().await.unwrap();
    dangling(
        unit.documents()
            .insert(&stranger, &a_version(&stranger, 1, &a_file(1)))
            .await,
    );
    drop(unit);
    let document = a_document(2, personnel_id(1));
    let mut unit = store.begin().await.unwrap();
    dangling(
        unit.documents()
            .insert(&document, &a_version(&document, 1, &a_file(99)))
            .await,
    );
    // Whether the unit goes on or not, half of it is not committed.
    let _committed = unit.commit().await;
    assert_eq!(find(&store, document.id).await, None);
    let first = a_version(&document, 1, &a_file(1));
    insert(&store, &document, &first).await;
    let mut next = document.clone();
    next.version = 2;
    next.current = 2;
    let mut unit = store.begin().await.unwrap();
    dangling(
        unit.documents()
            .update(&next, Some(&a_version(&next, 2, &a_file(99))))
            .await,
    );
    let _committed = unit.commit().await;
    assert_eq!(find(&store, document.id).await, Some(document.clone()));
    assert_eq!(versions(&store, document.id).await, [first]);
    let moved = Document {
        version: 2,
        personnel: personnel_id(77),
        ..document
    };
    let mut unit = store.begin().await.unwrap();
    dangling(unit.documents().update(&moved, None).await);
}

/// Removing a document gives the contents of all its versions; their rows stay, and another document keeps its own.
pub async fn a_removed_document_gives_its_contents(harness: &dyn StoreHarness) {
    let (store, other) = with_agents(harness).await;
    let document = a_document(1, personnel_id(1));
    insert(&store, &document, &a_version(&document, 1, &a_file(4))).await;
    let kept = a_document(2, personnel_id(1));
    insert(&store, &kept, &a_version(&kept, 1, &a_file(3))).await;
    let mut next = document.clone();
    for number in 2..=3u32 {
        next.version += 1;
        next.current = number;
        let added = a_version(&next, number, &a_file(u128::from(10 - number)));
        update(&store, &next, Some(&added)).await.unwrap();
    }
    let mut dropped = store.begin().await.unwrap();
    assert_eq!(dropped.documents().delete(document.id).await.unwrap().len(), 3);
    drop(dropped);
    assert_eq!(versions(&other, document.id).await.len(), 3);
    let mut unit = store.begin().await.unwrap();
    let mut contents: Vec<StoredFileId> = unit.documents().delete(document.id).await.unwrap();
    contents.sort_unstable();
    assert_eq!(contents, [4, 7, 8].map(file_id));
    assert_eq!(unit.stored_files().unknown(&contents).await.unwrap(), []);
    assert_eq!(unit.documents().delete(document.id).await.unwrap(), []);
    unit.commit().await.unwrap();
    assert_eq!(find(&other, document.id).await, None);
    assert_eq!(versions(&other, document.id).await, []);
    assert_eq!(versions(&other, kept.id).await.len(), 1);
}
