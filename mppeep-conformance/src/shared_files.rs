//! Checks of the repository of files that the services hand in.

use std::sync::Arc;
use std::time::Duration;

use mppeep_core::domain::id::{SharedFileId, StoredFileId};
use mppeep_core::domain::permission::Scope;
use mppeep_core::domain::shared_file::{
    Reading, ReportingPeriod, RowFault, SharedFile, SharedFileFields, SharedFileKind, SharedFileStatus,
};
use mppeep_core::domain::stored_file::{FileName, FileType, StoredFile};
use mppeep_core::domain::text::fold;
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::page::{Cursor, PageRequest, PageStart};
use mppeep_core::ports::shared_file::SharedFileFilter;
use mppeep_core::ports::store::Store;

use crate::fixtures::{a_file, a_user, file_id, store_files, uuid};
use crate::harness::StoreHarness;
use crate::support::{at, at_once, start};

fn shared_file_id(number: u128) -> SharedFileId {
    SharedFileId::from_uuid(uuid(0x8_0000 + number))
}

/// A file that was handed in so many microseconds after the start.
pub(crate) fn a_shared_file(number: u128, content: &StoredFile, micros: u64) -> SharedFile {
    let received = start().checked_add(Duration::from_micros(micros)).unwrap();
    SharedFile {
        id: shared_file_id(number),
        fields: SharedFileFields {
            kind: SharedFileKind::BudgetData,
            period: None,
            note: None,
        },
        file: content.clone(),
        file_name: FileName::stored(format!("Budget {number}.pdf"), content.kind),
        status: SharedFileStatus::Uploaded,
        reading: None,
        uploaded_by: Some(a_user(1).id),
        uploaded_by_name: "Compte 1".to_owned(),
        archived_at: None,
        version: 1,
        created_at: received,
        updated_at: received,
    }
}

async fn insert(store: &Arc<dyn Store>, files: &[SharedFile]) {
    let mut unit = store.begin().await.unwrap();
    for file in files {
        unit.stored_files().insert(&file.file).await.unwrap();
        unit.shared_files().insert(file).await.unwrap();
    }
    unit.commit().await.unwrap();
}

async fn update(store: &Arc<dyn Store>, file: &SharedFile) -> Result<(), StoreError> {
    let mut unit = store.begin().await.unwrap();
    let outcome = unit.shared_files().update(file).await;
    tokio::task::yield_now().await;
    unit.commit().await.unwrap();
    outcome
}

async fn find(store: &Arc<dyn Store>, id: SharedFileId) -> Option<SharedFile> {
    let mut unit = store.begin_read().await.unwrap();
    unit.shared_files().find(id).await.unwrap()
}

/// Files of every kind and status come back as they were stored, on every instance; one of no content is refused;
/// removing one gives its content, whose row stays.
pub async fn a_shared_file_comes_back_as_it_was_stored(harness: &dyn StoreHarness) {
    let (store, other) = (harness.store(0).await, harness.store(1).await);
    let mut files: Vec<SharedFile> = SharedFileKind::ALL
        .iter()
        .zip(1u128..)
        .map(|(kind, number)| {
            let mut file = a_shared_file(number, &a_file(number), 0);
            file.fields.kind = *kind;
            file.status = SharedFileStatus::ALL[usize::try_from(number).unwrap() % 5];
            if file.status == SharedFileStatus::Archived {
                file.archived_at = Some(start());
            }
            file
        })
        .collect();
    let content = StoredFile {
        kind: FileType::Xlsx,
        ..a_file(20)
    };
    let fault = |row, column: Option<&str>| RowFault {
        row,
        column: column.map(str::to_owned),
        message: "« 𝒂 » : \"valeur\" absente".to_owned(),
    };
    files.push(SharedFile {
        fields: SharedFileFields {
            kind: SharedFileKind::SummarySheet,
            period: ReportingPeriod::parse("2026-T3").ok(),
            note: Some("L'« année »\n— % _ \\".to_owned()),
        },
        file_name: FileName::stored("Données d'« été ».xlsx".to_owned(), content.kind),
        status: SharedFileStatus::Failed,
        reading: Some(Reading {
            rows_ok: Some(u32::MAX),
            rows_wrong: Some(0),
            faults: vec![fault(1, None), fault(u32::MAX, Some("N° d'agent"))],
            refusal: Some("illisible".to_owned()),
        }),
        uploaded_by: None,
        uploaded_by_name: "N'GUESSAN Zoé".to_owned(),
        created_at: at("2026-01-02T03:04:05.678901Z"),
        updated_at: at("2026-11-22T23:59:59.999999Z"),
        ..a_shared_file(20, &content, 0)
    });
    insert(&store, &files).await;
    for file in &files {
        assert_eq!(find(&other, file.id).await.as_ref(), Some(file));
    }
    assert_eq!(find(&store, shared_file_id(99)).await, None);
    let mut unit = store.begin().await.unwrap();
    let refused = unit
        .shared_files()
        .insert(&a_shared_file(30, &a_file(99), 0))
        .await;
    assert!(
        matches!(refused, Err(StoreError::DanglingReference { .. })),
        "{refused:?}"
    );
    let gone: Option<StoredFileId> = unit.shared_files().delete(files[2].id).await.unwrap();
    assert_eq!(gone, Some(files[2].file.id));
    assert_eq!(unit.shared_files().delete(files[2].id).await.unwrap(), None);
    let left = unit.stored_files().find(file_id(3)).await.unwrap();
    assert_eq!(left.as_ref(), Some(&files[2].file));
    unit.commit().await.unwrap();
    assert_eq!(find(&other, files[2].id).await, None);
    let mut reading = store.begin_read().await.unwrap();
    let refused = reading.shared_files().delete(files[3].id).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
}

/// An update needs the version after the stored one, and changes neither the content nor who handed it in.
pub async fn a_shared_file_update_needs_the_next_version(harness: &dyn StoreHarness) {
    let (store, other) = (harness.store(0).await, harness.store(1).await);
    let file = a_shared_file(1, &a_file(1), 0);
    insert(&store, std::slice::from_ref(&file)).await;
    store_files(store.as_ref(), &[a_file(2)]).await;
    for (id, version) in [(1, 1), (1, 3), (1, 0), (77, 2)] {
        let stale = SharedFile {
            id: shared_file_id(id),
            version,
            status: SharedFileStatus::Processing,
            ..file.clone()
        };
        let refused = update(&store, &stale).await;
        assert!(matches!(refused, Err(StoreError::StaleVersion)), "{refused:?}");
    }
    assert_eq!(find(&other, file.id).await, Some(file.clone()));
    let changed = SharedFile {
        fields: SharedFileFields {
            kind: SharedFileKind::Other,
            period: ReportingPeriod::parse("2025-11").ok(),
            note: Some("remarque".to_owned()),
        },
        status: SharedFileStatus::Archived,
        reading: Some(Reading::default()),
        archived_at: Some(at("2026-11-23T00:00:00.000001Z")),
        version: 2,
        updated_at: at("2026-11-23T00:00:00.000001Z"),
        ..file.clone()
    };
    let wanting_more = SharedFile {
        file: a_file(2),
        uploaded_by: Some(a_user(2).id),
        uploaded_by_name: "Un autre".to_owned(),
        created_at: at("2020-01-01T00:00:00Z"),
        ..changed.clone()
    };
    update(&store, &wanting_more).await.unwrap();
    assert_eq!(find(&other, file.id).await, Some(changed));
}

/// COM-13: of eight who begin to read one file at the same time, one does.
pub async fn racing_readers_of_one_file_are_one(harness: &dyn StoreHarness) {
    let stores = [harness.store(0).await, harness.store(1).await];
    for number in 1..=5u128 {
        let file = a_shared_file(number, &a_file(number), 0);
        insert(&stores[0], std::slice::from_ref(&file)).await;
        let outcomes = at_once((0..8usize).map(|n| {
            let store = stores[n % 2].clone();
            let next = SharedFile {
                version: 2,
                status: SharedFileStatus::Processing,
                ..file.clone()
            };
            async move { update(&store, &next).await }
        }))
        .await;
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
            1,
            "{outcomes:?}"
        );
    }
}

/// Sixty files of two accounts and of nobody, five at each instant.
fn many() -> Vec<SharedFile> {
    (0..60u64)
        .map(|index| {
            let number = u128::from(index);
            let mut file = a_shared_file(number, &a_file(number), index / 5);
            let place = usize::try_from(index).unwrap();
            file.fields.kind = SharedFileKind::ALL[place % 7];
            file.fields.period = [None, Some("2026"), Some("2026-T1"), Some("2025-11")][place % 4]
                .and_then(|period| ReportingPeriod::parse(period).ok());
            file.status = SharedFileStatus::ALL[place % 5];
            file.archived_at = (file.status == SharedFileStatus::Archived).then(start);
            let maker = [Some(1), Some(2), None][place % 3];
            file.uploaded_by = maker.map(|number| a_user(number).id);
            file.uploaded_by_name = ["Koné Aïcha", "N’Guessan Œil", "Système"][place % 3].to_owned();
            file.file_name = FileName::stored(format!("Été_{index} 100%.pdf"), FileType::Pdf);
            file
        })
        .collect()
}

fn everything() -> SharedFileFilter {
    SharedFileFilter {
        scope: Scope::everything(),
        ..SharedFileFilter::default()
    }
}

fn matches(filter: &SharedFileFilter, file: &SharedFile) -> bool {
    let period = file.fields.period.as_ref().map_or("", ReportingPeriod::as_str);
    let texts = [file.file_name.as_str(), period, &file.uploaded_by_name].map(fold);
    filter.scope.reaches_made(file.uploaded_by)
        && filter.kind.is_none_or(|kind| kind == file.fields.kind)
        && match filter.status {
            Some(status) => status == file.status,
            None => file.status != SharedFileStatus::Archived,
        }
        && filter
            .words
            .iter()
            .all(|word| texts.iter().any(|text| text.contains(word.as_str())))
}

async fn list(store: &Arc<dyn Store>, filter: &SharedFileFilter) -> Vec<SharedFile> {
    let mut unit = store.begin_read().await.unwrap();
    let page = unit
        .shared_files()
        .list(filter, &PageRequest::first(1_000))
        .await
        .unwrap();
    assert_eq!(page.total, u64::try_from(page.rows.len()).unwrap(), "{filter:?}");
    assert_eq!(page.next, None);
    page.rows
}

/// Every filter lets through what it says, the latest first; a scope reaches everything or what its holder made.
pub async fn shared_file_filters_give_what_they_say(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    assert!(list(&store, &everything()).await.is_empty());
    let files = many();
    insert(&store, &files).await;
    let made_by = |number| Scope {
        made_by: Some(a_user(number).id),
        ..Scope::default()
    };
    let mut filters = vec![everything(), SharedFileFilter::default()];
    for number in [1, 2, 3] {
        filters.push(SharedFileFilter {
            scope: made_by(number),
            ..SharedFileFilter::default()
        });
    }
    for status in SharedFileStatus::ALL {
        filters.push(SharedFileFilter {
            status: Some(*status),
            ..everything()
        });
        filters.push(SharedFileFilter {
            status: Some(*status),
            scope: made_by(2),
            kind: Some(SharedFileKind::Indicators),
            ..SharedFileFilter::default()
        });
    }
    for kind in SharedFileKind::ALL {
        filters.push(SharedFileFilter {
            kind: Some(*kind),
            ..everything()
        });
    }
    for words in [
        &["ete_1"][..],
        &["kone", "2026"],
        &["oeil"],
        &["n'guessan", "2025-11"],
        &["2026-t1"],
        &["100%"],
        &["%", "_"],
        &["absent"],
    ] {
        filters.push(SharedFileFilter {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            ..everything()
        });
    }
    for filter in filters {
        let mut expected: Vec<SharedFile> = files
            .iter()
            .filter(|file| matches(&filter, file))
            .cloned()
            .collect();
        expected.sort_by_key(|file| std::cmp::Reverse((file.created_at, file.id)));
        assert_eq!(list(&store, &filter).await, expected, "{filter:?}");
    }
}

/// Pages of every size give each file once, in one order, also those handed in at one instant; a file that comes in
/// meanwhile disturbs none of them.
pub async fn shared_files_page_completely(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    insert(&store, &many()).await;
    let all = list(&store, &everything()).await;
    for (limit, newer) in [(1, 100u128), (7, 101), (20, 102), (48, 103)] {
        let (mut seen, mut start) = (Vec::new(), PageStart::First);
        loop {
            let mut unit = store.begin_read().await.unwrap();
            let page = PageRequest { limit, start };
            let page = unit.shared_files().list(&everything(), &page).await.unwrap();
            drop(unit);
            if seen.is_empty() {
                let micros = u64::try_from(newer).unwrap();
                insert(&store, &[a_shared_file(newer, &a_file(newer), micros)]).await;
            }
            seen.extend(page.rows);
            assert!(seen.len() <= all.len() + 4);
            let Some(next) = page.next else { break };
            start = PageStart::After(Cursor::decode(&next.encode()).unwrap());
        }
        let newer = usize::try_from(newer - 100).unwrap();
        assert_eq!(seen[newer..], all, "{limit} a page");
    }
    let mut unit = store.begin_read().await.unwrap();
    let page = PageRequest {
        limit: 5,
        start: PageStart::Offset(15),
    };
    let page = unit.shared_files().list(&everything(), &page).await.unwrap();
    assert_eq!(page.rows, all[11..16]);
}

/// Archived files are found when they were archived before an instant, the oldest first, so many at most.
pub async fn archived_files_are_found_by_age(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut files = Vec::new();
    for (number, seconds) in [(1u128, 30u64), (2, 10), (3, 20), (4, 10), (5, 40)] {
        let mut file = a_shared_file(number, &a_file(number), 100 - seconds);
        file.status = SharedFileStatus::Archived;
        file.archived_at = start().checked_add(Duration::from_secs(seconds)).ok();
        files.push(file);
    }
    files.push(a_shared_file(6, &a_file(6), 0));
    insert(&store, &files).await;
    let mut unit = store.begin_read().await.unwrap();
    for (micros, limit, expected) in [
        (10_000_000u64, 10, vec![]),
        (10_000_001, 10, vec![2, 4]),
        (30_000_000, 10, vec![2, 4, 3]),
        (3_600_000_000, 10, vec![2, 4, 3, 1, 5]),
        (3_600_000_000, 3, vec![2, 4, 3]),
        (3_600_000_000, 0, vec![]),
    ] {
        let instant = start().checked_add(Duration::from_micros(micros)).unwrap();
        let found = unit.shared_files().archived_before(instant, limit).await.unwrap();
        let ids: Vec<SharedFileId> = found.iter().map(|file| file.id).collect();
        assert_eq!(ids, expected.into_iter().map(shared_file_id).collect::<Vec<_>>());
        for file in &found {
            assert!(files.contains(file));
        }
    }
}
