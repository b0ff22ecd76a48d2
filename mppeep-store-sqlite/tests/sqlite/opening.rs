//! Opening a file: which ones are taken, which are refused, and that several processes may start at once.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::store::Store;
use mppeep_store_sqlite::{OpenError, SqliteOptions, SqliteStore};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

const FILE: &str = "MPPEEP_TEST_FILE";

async fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(path, SqliteOptions::default()).await
}

/// A connection that knows nothing of the store.
async fn raw(path: &Path) -> SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    options.connect().await.unwrap()
}

async fn run(conn: &mut SqliteConnection, statement: &'static str) {
    sqlx::query(statement).execute(conn).await.unwrap();
}

#[tokio::test]
async fn a_new_file_is_made_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    let store = open(&path).await.unwrap();
    store.ping().await.unwrap();
    #[cfg(unix)]
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
    }
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_second_start_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("twice.db");
    open(&path).await.unwrap().close().await;
    let before = std::fs::read(&path).unwrap();
    open(&path).await.unwrap().close().await;
    assert!(before == std::fs::read(&path).unwrap());
}

#[tokio::test]
async fn a_start_does_not_wait_for_a_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("busy.db");
    let first = open(&path).await.unwrap();
    let unit = first.begin().await.unwrap();
    // Whoever waited for the writer, who is not done before the end, would give up.
    let second = open(&path).await.unwrap();
    second.ping().await.unwrap();
    drop(unit);
}

#[tokio::test]
async fn files_of_others_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let tables = folder.path().join("tables.db");
    let mut conn = raw(&tables).await;
    run(&mut conn, "CREATE TABLE theirs (id INTEGER)").await;
    conn.close().await.unwrap();
    let stamped = folder.path().join("stamped.db");
    let mut conn = raw(&stamped).await;
    run(&mut conn, "PRAGMA application_id = 42").await;
    conn.close().await.unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(
        &text,
        "not a database, and longer than the header of one is".repeat(9),
    )
    .unwrap();
    for path in [&tables, &stamped, &text] {
        let before = std::fs::read(path).unwrap();
        let refused = open(path).await.unwrap_err();
        let expected = if *path == text {
            matches!(refused, OpenError::NotADatabase { .. })
        } else {
            matches!(refused, OpenError::Foreign { .. })
        };
        assert!(expected, "{refused:?}");
        assert!(before == std::fs::read(path).unwrap(), "{}", path.display());
    }
}

#[tokio::test]
async fn the_schema_of_a_newer_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("newer.db");
    open(&path).await.unwrap().close().await;
    let mut conn = raw(&path).await;
    run(
        &mut conn,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (99990101000000, 'from the future', 1, x'00', 0)",
    )
    .await;
    conn.close().await.unwrap();
    let refused = open(&path).await.unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::NewerSchema {
                version: 99_990_101_000_000,
                ..
            }
        ),
        "{refused:?}"
    );
    let mut conn = raw(&path).await;
    run(
        &mut conn,
        "DELETE FROM _sqlx_migrations WHERE version = 99990101000000",
    )
    .await;
    run(&mut conn, "UPDATE _sqlx_migrations SET checksum = x'00'").await;
    conn.close().await.unwrap();
    let refused = open(&path).await.unwrap_err();
    assert!(
        matches!(refused, OpenError::ChangedMigration { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_folder_that_does_not_exist_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let refused = open(&folder.path().join("nowhere/a.db")).await.unwrap_err();
    let unavailable = matches!(
        refused,
        OpenError::Backend {
            source: BackendError::Unavailable { .. },
            ..
        }
    );
    assert!(unavailable, "{refused:?}");
}

/// This test program again, as another process that plays one role.
fn child(role: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([role, "--exact", "--ignored", "--nocapture"])
        .env(FILE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
#[ignore = "a role that another test plays in a process of its own"]
async fn opens_and_answers() {
    let path = std::env::var_os(FILE).unwrap();
    // The others may hold the lock for long on a busy machine.
    let options = SqliteOptions {
        busy_timeout: std::time::Duration::from_secs(60),
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open(Path::new(&path), options).await.unwrap();
    store.ping().await.unwrap();
}

#[test]
fn several_processes_may_start_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let path = folder.path().join(format!("shared{round}.db"));
        let children: Vec<Child> = (0..5)
            .map(|_| child("opening::opens_and_answers", &path))
            .collect();
        for child in children {
            let ended = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&ended.stdout);
            assert!(ended.status.success(), "{said}");
            assert!(said.contains("1 passed"), "{said}");
        }
    }
}
