//! What a file shared with other processes may meet: locks, sudden death, futures dropped half way.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{a_line, a_personnel, a_session, a_user, personnel_id, token};
use mppeep_core::ports::epochs::{Epochs, Namespace};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::session::{Created, Revoke, SessionStore};
use mppeep_core::ports::store::Store;
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

const FILE: &str = "MPPEEP_TEST_FILE";

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, SqliteOptions::default()).await.unwrap()
}

/// Takes the write lock of the file, as a backup tool would.
async fn hold_lock(path: &Path) -> SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut conn = options.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut conn).await.unwrap();
    conn
}

async fn give_lock_back(mut conn: SqliteConnection) {
    sqlx::query("ROLLBACK").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_wait_for_a_lock_and_readers_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("locked.db");
    let options = SqliteOptions {
        busy_timeout: Duration::from_secs(60),
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open(&path, options).await.unwrap();
    let mut unit = Store::begin(&store).await.unwrap();
    unit.users().insert(&a_user(1), None).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(store.create(a_session(1, 1)).await.unwrap(), Created::Done);

    let lock = hold_lock(&path).await;
    // A reader who waited would wait for the end of this test.
    assert!(store.load(&token(1).key(), None).await.unwrap().is_some());
    let mut reading = store.begin_read().await.unwrap();
    assert!(reading.personnel().find(personnel_id(1)).await.unwrap().is_none());

    let writers = (1..=8).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut unit = Store::begin(&store).await.unwrap();
            unit.personnel().insert(&a_personnel(number)).await.unwrap();
            unit.commit().await.unwrap();
        })
    });
    let writers: Vec<_> = writers.collect();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(
        !writers.iter().any(|writer| writer.is_finished()),
        "the lock was not waited for"
    );
    give_lock_back(lock).await;
    for writer in writers {
        writer.await.unwrap();
    }
    let mut unit = store.begin_read().await.unwrap();
    assert_eq!(unit.personnel().identities().await.unwrap().len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_held_too_long_is_contention_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stuck.db");
    let options = SqliteOptions {
        busy_timeout: Duration::from_secs(2),
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open(&path, options).await.unwrap();
    let lock = hold_lock(&path).await;
    let refused = Store::begin(&store).await.err().unwrap();
    let contention = matches!(refused, StoreError::Backend(BackendError::Contention { .. }));
    assert!(contention, "{refused:?}");
    let refused = store.revoke(Revoke::Key(&token(1).key())).await.unwrap_err();
    assert!(matches!(refused, BackendError::Contention { .. }), "{refused:?}");
    give_lock_back(lock).await;
    let mut unit = Store::begin(&store).await.unwrap();
    unit.personnel().insert(&a_personnel(1)).await.unwrap();
    unit.commit().await.unwrap();
}

/// Polls a future at most `polls` times, then drops it.
async fn poll_then_drop<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
            std::task::Poll::Pending if left == 0 => std::task::Poll::Ready(None),
            std::task::Poll::Pending => std::task::Poll::Pending,
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_whose_statement_was_dropped_half_way_cannot_be_committed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("dropped.db")).await;
    let mut interrupted = 0;
    for polls in 0..=20 {
        let number = u32::try_from(polls).unwrap() + 1;
        let mut unit = Store::begin(&store).await.unwrap();
        let files = [a_personnel(2 * number), a_personnel(2 * number + 1)];
        let ended = poll_then_drop(polls, unit.personnel().insert_many(&files)).await;
        let committed = unit.commit().await;
        let mut reading = store.begin_read().await.unwrap();
        let stored = reading
            .personnel()
            .find_many(&files.each_ref().map(|file| file.id))
            .await
            .unwrap();
        match ended {
            // Never polled: never begun.
            None if polls == 0 => assert!(committed.is_ok() && stored.is_empty()),
            None => {
                interrupted += 1;
                assert!(matches!(committed, Err(StoreError::Poisoned)), "{committed:?}");
                assert!(stored.is_empty());
            }
            Some(inserted) => {
                inserted.unwrap();
                committed.unwrap();
                assert_eq!(stored.len(), 2);
            }
        }
    }
    assert!(interrupted > 0, "no future was dropped while it waited");
}

#[tokio::test]
#[ignore = "a role that another test plays in a process of its own"]
async fn writes_until_killed() {
    let path = std::env::var_os(FILE).unwrap();
    let store = open(Path::new(&path)).await;
    let first = store
        .current()
        .await
        .unwrap()
        .iter()
        .map(|epoch| epoch.value)
        .max()
        .unwrap_or(0);
    for number in u32::try_from(first).unwrap() + 1.. {
        let mut unit = Store::begin(&store).await.unwrap();
        unit.personnel().insert(&a_personnel(number)).await.unwrap();
        unit.activities().append(&[a_line(number)]).await.unwrap();
        unit.bump(&[Namespace::PERSONNEL]).await.unwrap();
        unit.commit().await.unwrap();
        println!("committed {number}");
    }
}

#[tokio::test]
async fn a_killed_writer_leaves_whole_units_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("killed.db");
    for lines in [1, 7, 19, 33] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "faults::writes_until_killed",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env(FILE, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let numbers = said.filter_map(|line| line.unwrap().rsplit_once("committed ")?.1.parse::<u64>().ok());
        let last_said = numbers.take(lines).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let store = open(&path).await;
        let files = {
            let mut unit = store.begin_read().await.unwrap();
            unit.personnel().identities().await.unwrap().len()
        };
        let (journal, _) = crate::support::journal(&store).await;
        let epochs = store.current().await.unwrap();
        let epoch = epochs
            .iter()
            .find(|epoch| epoch.namespace == Namespace::PERSONNEL)
            .unwrap();
        assert!(
            u64::try_from(files).unwrap() >= last_said,
            "{files} files, {last_said} acknowledged"
        );
        assert_eq!(u64::try_from(files).unwrap(), journal);
        assert_eq!(i64::try_from(files).unwrap(), epoch.value);
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
        store.close().await;
    }
}
