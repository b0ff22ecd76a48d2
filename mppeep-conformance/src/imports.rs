//! Checks of the repository of uploaded imports.

use std::time::Duration;

use mppeep_core::domain::id::ImportId;
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::import::{ImportFile, ImportStatus};
use mppeep_core::ports::store::Store;

use crate::fixtures::{a_user, uuid};
use crate::harness::StoreHarness;
use crate::support::{at_once, start};

fn an_import(number: u128) -> ImportFile {
    ImportFile {
        id: ImportId::from_uuid(uuid(0x9000 + number)),
        user: a_user(1).id,
        file_name: "Agents d'été 2026.xlsx".to_owned(),
        status: ImportStatus::Uploaded,
        mapping: None,
        report: None,
        created_at: start(),
    }
}

async fn insert(store: &dyn Store, imports: &[ImportFile], bytes: &[u8]) {
    let mut unit = store.begin().await.unwrap();
    for number in 1..=2 {
        let user = a_user(number);
        if unit.users().find(user.id).await.unwrap().is_none() {
            unit.users().insert(&user, None).await.unwrap();
        }
    }
    for import in imports {
        unit.imports().insert(import, bytes).await.unwrap();
    }
    unit.commit().await.unwrap();
}

/// File and bytes come back as they were given, to the account that uploaded them and to no other.
pub async fn an_upload_comes_back_to_its_owner_only(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut import = an_import(1);
    import.mapping = Some("{\"A\":\"matricule\"}".to_owned());
    let bytes: Vec<u8> = (0..3u32 << 20).map(|n| (n % 253) as u8).collect();
    insert(store.as_ref(), std::slice::from_ref(&import), &bytes).await;
    insert(store.as_ref(), &[an_import(2)], b"").await;
    let mut unit = store.begin_read().await.unwrap();
    assert_eq!(
        unit.imports().find(import.id, a_user(1).id).await.unwrap(),
        Some(import.clone())
    );
    assert_eq!(unit.imports().find(import.id, a_user(2).id).await.unwrap(), None);
    assert!(unit.imports().bytes(import.id).await.unwrap() == Some(bytes));
    assert_eq!(
        unit.imports().bytes(an_import(2).id).await.unwrap(),
        Some(Vec::new())
    );
    assert_eq!(unit.imports().bytes(an_import(3).id).await.unwrap(), None);
    assert_eq!(unit.imports().list(a_user(2).id).await.unwrap(), Vec::new());
}

/// An import moves on from the status that the caller saw, and from no other.
pub async fn an_import_moves_from_the_expected_status_only(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let import = an_import(1);
    insert(store.as_ref(), std::slice::from_ref(&import), b"a;b").await;
    let running = ImportFile {
        status: ImportStatus::Running,
        mapping: Some("{}".to_owned()),
        ..import.clone()
    };
    let done = ImportFile {
        status: ImportStatus::Done,
        report: Some("{\"rows\":3}".to_owned()),
        ..running.clone()
    };
    let mut unit = store.begin().await.unwrap();
    let outcome = unit.imports().update(&done, ImportStatus::Running).await;
    assert!(matches!(outcome, Err(StoreError::StaleVersion)), "{outcome:?}");
    unit.imports()
        .update(&running, ImportStatus::Uploaded)
        .await
        .unwrap();
    assert_eq!(
        unit.imports().find(import.id, import.user).await.unwrap(),
        Some(running.clone())
    );
    let outcome = unit.imports().update(&running, ImportStatus::Uploaded).await;
    assert!(matches!(outcome, Err(StoreError::StaleVersion)), "{outcome:?}");
    unit.imports().update(&done, ImportStatus::Running).await.unwrap();
    let outcome = unit.imports().update(&an_import(9), ImportStatus::Uploaded).await;
    assert!(matches!(outcome, Err(StoreError::StaleVersion)), "{outcome:?}");
    unit.commit().await.unwrap();
    let mut unit = store.begin_read().await.unwrap();
    assert_eq!(
        unit.imports().find(import.id, import.user).await.unwrap(),
        Some(done)
    );
}

/// Of runs of one import at once over two instances, one starts.
pub async fn racing_runs_of_one_import_are_one(harness: &dyn StoreHarness) {
    let instances = [harness.store(0).await, harness.store(1).await];
    insert(instances[0].as_ref(), &[an_import(1)], b"a;b").await;
    let running = ImportFile {
        status: ImportStatus::Running,
        ..an_import(1)
    };
    let started = at_once((0..10usize).map(|n| {
        let (store, running) = (instances[n % 2].clone(), running.clone());
        async move {
            let mut unit = store.begin().await.unwrap();
            let started = unit
                .imports()
                .update(&running, ImportStatus::Uploaded)
                .await
                .is_ok();
            unit.commit().await.unwrap();
            started
        }
    }))
    .await;
    assert_eq!(started.iter().filter(|started| **started).count(), 1);
}

/// A user's latest fifty imports are listed, the latest first; old ones are removed with their bytes.
pub async fn imports_are_listed_the_latest_first_and_removed_by_age(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let imports: Vec<ImportFile> = (0..55u8)
        .map(|n| ImportFile {
            created_at: start()
                .checked_add(Duration::from_secs(u64::from(n) * 60))
                .unwrap(),
            ..an_import(u128::from(n))
        })
        .collect();
    let foreign = ImportFile {
        user: a_user(2).id,
        created_at: imports[54].created_at,
        ..an_import(99)
    };
    insert(store.as_ref(), &imports, b"a;b").await;
    insert(store.as_ref(), std::slice::from_ref(&foreign), b"a;b").await;
    let mut unit = store.begin().await.unwrap();
    let expected: Vec<ImportFile> = imports.iter().rev().take(50).cloned().collect();
    assert_eq!(unit.imports().list(a_user(1).id).await.unwrap(), expected);
    assert_eq!(
        unit.imports()
            .delete_before(imports[53].created_at)
            .await
            .unwrap(),
        53
    );
    assert_eq!(
        unit.imports()
            .delete_before(imports[53].created_at)
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        unit.imports().list(a_user(1).id).await.unwrap(),
        [imports[54].clone(), imports[53].clone()]
    );
    assert_eq!(unit.imports().bytes(imports[0].id).await.unwrap(), None);
    assert!(
        unit.imports()
            .find(foreign.id, foreign.user)
            .await
            .unwrap()
            .is_some()
    );
    unit.commit().await.unwrap();
}
