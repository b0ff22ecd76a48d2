//! What the operator relies on: the database's own clock, backups, the check for damage.

use std::time::Duration;

use crate::support::{a_personnel, a_session, a_user, token};
use mppeep_core::ports::clock::{Clock, SystemClock};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::login_attempts::{Attempt, AttemptLimits, Begun, LoginAttempts};
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::session::{Created, NewSession, SessionStore};
use mppeep_core::ports::store::Store;
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};

async fn with_a_user(path: &std::path::Path) -> SqliteStore {
    let store = SqliteStore::open(path, SqliteOptions::default()).await.unwrap();
    let mut unit = Store::begin(&store).await.unwrap();
    unit.users().insert(&a_user(1), None).await.unwrap();
    unit.personnel().insert(&a_personnel(1)).await.unwrap();
    unit.commit().await.unwrap();
    store
}

#[tokio::test]
async fn the_clock_of_the_database_judges_in_production() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_a_user(&folder.path().join("clock.db")).await;
    let before = SystemClock.now();
    assert_eq!(store.create(a_session(1, 1)).await.unwrap(), Created::Done);
    let spent = NewSession {
        lifetime: Duration::ZERO,
        ..a_session(2, 1)
    };
    assert_eq!(store.create(spent).await.unwrap(), Created::Done);
    assert!(
        store
            .load(&token(1).key(), Some(Duration::from_secs(60)))
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        store
            .load(&token(1).key(), Some(Duration::ZERO))
            .await
            .unwrap()
            .is_none()
    );
    assert!(store.load(&token(2).key(), None).await.unwrap().is_none());

    let listed = SessionStore::list(&store, a_user(1).id, None).await.unwrap();
    assert_eq!(listed.len(), 1);
    let drift = listed[0].created_at.duration_since(before).abs();
    assert!(drift < jiff::SignedDuration::from_secs(60), "{drift}");
    let life = listed[0].expires_at.duration_since(listed[0].created_at);
    assert_eq!(life, jiff::SignedDuration::from_hours(1));

    let who = Attempt {
        address: "192.0.2.1".to_owned(),
        account: "awa".to_owned(),
    };
    let limits = AttemptLimits {
        per_address: 1,
        ..AttemptLimits::default()
    };
    let Begun::Go { id, remaining: 0 } = LoginAttempts::begin(&store, &who, &limits).await.unwrap() else {
        panic!("a free slot is refused");
    };
    store.settle(id, &who, &limits, false).await.unwrap();
    let Begun::Blocked { retry_after } = LoginAttempts::begin(&store, &who, &limits).await.unwrap() else {
        panic!("a spent slot is given");
    };
    assert!(retry_after <= limits.window && retry_after > limits.window - Duration::from_secs(60));
    assert_eq!(
        store.sweep(10).await.unwrap(),
        1,
        "the session that had no time to live"
    );
}

#[tokio::test]
async fn a_backup_is_whole_and_takes_nothing_from_anyone() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_a_user(&folder.path().join("live.db")).await;
    let copy = folder.path().join("copy.db");
    let mut unit = Store::begin(&store).await.unwrap();
    unit.personnel().insert(&a_personnel(2)).await.unwrap();
    store.backup(&copy).await.unwrap();
    unit.commit().await.unwrap();

    let refused = store.backup(&copy).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Backend(BackendError::Invalid { .. })),
        "{refused:?}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o077, 0);
    }
    let restored = SqliteStore::open(&copy, SqliteOptions::default()).await.unwrap();
    assert_eq!(restored.check().await.unwrap(), Vec::<String>::new());
    let mut unit = restored.begin_read().await.unwrap();
    let known = unit.personnel().identities().await.unwrap();
    assert_eq!(
        known.len(),
        1,
        "the unit that had not been committed is not in the copy"
    );
    assert_eq!(unit.users().count().await.unwrap(), 1);
}

#[tokio::test]
async fn damage_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.db");
    with_a_user(&path).await.close().await;
    let page = 4096;
    let before = std::fs::read(&path).unwrap().len() / page;
    let store = SqliteStore::open(&path, SqliteOptions::default()).await.unwrap();
    let mut unit = Store::begin(&store).await.unwrap();
    let many: Vec<_> = (10..400).map(a_personnel).collect();
    unit.personnel().insert_many(&many).await.unwrap();
    unit.commit().await.unwrap();
    store.close().await;

    let mut bytes = std::fs::read(&path).unwrap();
    // Pages of the schema come before those of the agents: a database without its schema cannot even be opened.
    for hurt in bytes.chunks_mut(page).skip(before).step_by(9) {
        let middle = hurt.len() / 4..hurt.len() / 2;
        hurt[middle].fill(0xA5);
    }
    std::fs::write(&path, bytes).unwrap();
    let store = SqliteStore::open(&path, SqliteOptions::default()).await.unwrap();
    let found = store.check().await;
    assert!(
        !found.is_ok_and(|findings| findings.is_empty()),
        "the damage was not seen"
    );
}
