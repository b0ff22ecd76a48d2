//! Opening a database, and units of work on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::layered::spent::{Part, measure};
use mppeep_core::ports::clock::TimeSource;
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::store::{Store, UnitOfWork};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use tokio::sync::Notify;

use crate::codec::present;
use crate::error::{self, OpenError};
use crate::link::Link;
use crate::status::Waiting;
use crate::unit::SqliteUnit;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// « mppe » in ASCII, in the header of the file: which application it belongs to.
const APPLICATION_ID: i32 = 0x6d70_7065;

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Whose clock judges expiry.
    pub time: TimeSource,
    /// Connections for units that only read.
    pub readers: u32,
    /// How long a statement or a unit waits for its turn to write.
    pub busy_timeout: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            time: TimeSource::Backend,
            readers: 4,
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// A database in a file. Copies of this value share its connections.
#[derive(Clone)]
pub struct SqliteStore {
    path: PathBuf,
    time: TimeSource,
    busy_timeout: Duration,
    writer: SqlitePool,
    readers: SqlitePool,
    /// Readers of sessions and epochs, so that no long list makes a request wait for its session.
    quick: SqlitePool,
    /// Told when a job was enqueued through this value or a copy of it.
    enqueued: Arc<Notify>,
    /// Units and statements that wait for the writer, and units that wait for a reader.
    pub(crate) waiting: Arc<Waiting>,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the database in `path`, making it if there is none and bringing its schema up to date. Several processes
    /// may do so at once.
    ///
    /// # Errors
    /// [`OpenError`]; the file is then as it was.
    pub async fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let failed = |err| OpenError::of(path, err);
        create_private(path).map_err(|err| failed(sqlx::Error::Io(err)))?;
        let connect = connect_options(path, options.busy_timeout);
        let mut conn = connect.connect().await.map_err(failed)?;
        migrate(path, &mut conn).await?;
        set_wal(&mut conn, options.busy_timeout).await.map_err(failed)?;
        conn.close().await.map_err(failed)?;
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(options.busy_timeout)
                .idle_timeout(None)
                .max_lifetime(None)
                .after_release(|conn, _| Box::pin(is_idle(conn)))
        };
        let only_reads = connect.clone().pragma("query_only", "ON");
        // Room for the index pages that a large import touches; readers leave caching to the system.
        let writes = connect.pragma("cache_size", "-4000").optimize_on_close(true, 400);
        let store = Self {
            path: path.to_owned(),
            time: options.time,
            busy_timeout: options.busy_timeout,
            writer: pool(1).connect_with(writes).await.map_err(failed)?,
            readers: pool(options.readers.max(1))
                .connect_with(only_reads.clone())
                .await
                .map_err(failed)?,
            quick: pool(2).connect_with(only_reads).await.map_err(failed)?,
            enqueued: Arc::default(),
            waiting: Arc::default(),
        };
        Ok(store)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the connections, the writer's last, which empties the write-ahead log into the file.
    pub async fn close(&self) {
        self.quick.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }

    /// The present instant as a parameter of statements: none when the database's own clock judges.
    pub(crate) fn now(&self) -> Option<i64> {
        present(&self.time)
    }

    pub(crate) fn enqueued(&self) -> &Notify {
        &self.enqueued
    }

    pub(crate) fn busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    /// The writer, for one statement that is a transaction of its own.
    pub(crate) fn writer(&self) -> Link<'_> {
        Link(&self.writer)
    }

    /// A reader, for one statement.
    pub(crate) fn quick(&self) -> Link<'_> {
        Link(&self.quick)
    }

    /// The pools, with their names: of the writer, of units that read, of single statements that read.
    pub(crate) fn pools(&self) -> [(&'static str, &SqlitePool); 3] {
        [
            ("writer", &self.writer),
            ("readers", &self.readers),
            ("quick", &self.quick),
        ]
    }

    fn unit(&self, tx: sqlx::Transaction<'static, sqlx::Sqlite>, writable: bool) -> SqliteUnit {
        SqliteUnit::new(tx, writable, self.time.clone(), self.enqueued.clone())
    }

    /// Opens a transaction that may write: it has the write lock from its first statement on.
    pub(crate) async fn immediate(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, sqlx::Error> {
        let _waiting = self.waiting.writer.enter();
        measure(Part::Database, self.writer.begin_with("BEGIN IMMEDIATE")).await
    }
}

/// Options common to all connections. Journal mode is not among them: it is a property of the file.
pub(crate) fn connect_options(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(busy_timeout)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-2000")
        .pragma("journal_size_limit", "33554432")
        .pragma("temp_store", "MEMORY")
        .pragma("trusted_schema", "OFF")
        .statement_cache_capacity(48)
}

/// Makes the file, readable by its owner only: it will hold people's data.
pub(crate) fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    match options.open(path) {
        Err(err) if err.kind() != std::io::ErrorKind::AlreadyExists => Err(err),
        _ => Ok(()),
    }
}

/// Whose file this is: the application that its header names, and how many tables and other objects it has.
async fn identity(conn: &mut SqliteConnection) -> Result<(i32, i64), sqlx::Error> {
    let application = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *conn)
        .await?;
    let objects = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut *conn)
        .await?;
    Ok((application, objects))
}

/// Whether the schema is exactly the one this program carries.
async fn is_up_to_date(conn: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if identity(conn).await?.0 != APPLICATION_ID {
        return Ok(false);
    }
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(conn)
            .await?;
    let carried = MIGRATIONS
        .iter()
        .map(|migration| (migration.version, migration.checksum.to_vec()));
    Ok(carried.eq(applied))
}

/// Brings the schema up to date in one transaction that holds the write lock, so that of several processes one does it
/// and the others find it done. A foreign file is refused before anything is written; a start that changes nothing takes
/// no lock, and so does not wait for a writer.
async fn migrate(path: &Path, conn: &mut SqliteConnection) -> Result<(), OpenError> {
    let failed = |err| OpenError::of(path, err);
    if is_up_to_date(conn).await.map_err(failed)? {
        return Ok(());
    }
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    match identity(&mut tx).await.map_err(failed)? {
        (APPLICATION_ID, _) => {}
        (0, 0) => {
            sqlx::query("PRAGMA application_id = 0x6d707065")
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
        }
        _ => {
            return Err(OpenError::Foreign {
                path: path.to_owned(),
            });
        }
    }
    MIGRATIONS
        .run_direct(None, &mut *tx, false)
        .await
        .map_err(|err| OpenError::of_migration(path, err))?;
    tx.commit().await.map_err(failed)
}

/// Puts the file into write-ahead logging. SQLite does not wait for the lock this needs, so this does.
async fn set_wal(conn: &mut SqliteConnection, patience: Duration) -> Result<(), sqlx::Error> {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let mode: Result<String, _> = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(&mut *conn)
            .await;
        if mode.is_ok_and(|mode| mode == "wal") {
            return Ok(());
        }
        let set: Result<String, _> = sqlx::query_scalar("PRAGMA journal_mode = WAL")
            .fetch_one(&mut *conn)
            .await;
        match set {
            Ok(_) => {}
            Err(err) if error::is_contention(&err) && tokio::time::Instant::now() < deadline => {}
            Err(err) => return Err(err),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a connection that comes back to its pool may be lent again: not when a transaction is still open on it.
async fn is_idle(conn: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if conn.is_in_transaction() {
        // A rollback may be queued: the answer comes after it.
        conn.ping().await?;
    }
    Ok(!conn.is_in_transaction())
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let tx = self.immediate().await.map_err(error::backend)?;
        Ok(Box::new(self.unit(tx, true)))
    }

    async fn begin_read(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let _waiting = self.waiting.readers.enter();
        let begun = measure(Part::Database, self.readers.begin()).await;
        let tx = begun.map_err(error::backend)?;
        Ok(Box::new(self.unit(tx, false)))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query_scalar!(r#"SELECT count(*) AS "count: i64" FROM fact"#)
            .fetch_one(self.quick())
            .await
            .map_err(error::backend)?;
        Ok(())
    }
}
