//! The database: a file or a server, as one set of ports.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use mppeep_core::ports::counters::Counters;
use mppeep_core::ports::epochs::Epochs;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::idempotency::IdempotencyKeys;
use mppeep_core::ports::job_queue::JobQueue;
use mppeep_core::ports::locks::Locks;
use mppeep_core::ports::login_attempts::LoginAttempts;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::session::SessionStore;
use mppeep_core::ports::store::Store;
use mppeep_store_pg::{OpenError, PgOptions, PgStore};
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};
use tokio::time::Instant;

use crate::config::{Config, Database, PostgresSettings};

/// Pause between two attempts to reach a server that is not there yet.
const PAUSE: Duration = Duration::from_secs(1);

/// The ports that every database stands behind.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) attempts: Arc<dyn LoginAttempts>,
    pub(crate) epochs: Arc<dyn Epochs>,
    pub(crate) counters: Arc<dyn Counters>,
    pub(crate) queue: Arc<dyn JobQueue>,
    pub(crate) locks: Arc<dyn Locks>,
    pub(crate) maintain: Arc<dyn Maintain>,
    pub(crate) idempotency: Arc<dyn IdempotencyKeys>,
}

impl Ports {
    fn of<T>(adapter: Arc<T>) -> Self
    where
        T: Store
            + SessionStore
            + LoginAttempts
            + Epochs
            + Counters
            + JobQueue
            + Locks
            + Maintain
            + IdempotencyKeys
            + 'static,
    {
        Self {
            store: Arc::clone(&adapter) as _,
            sessions: Arc::clone(&adapter) as _,
            attempts: Arc::clone(&adapter) as _,
            epochs: Arc::clone(&adapter) as _,
            counters: Arc::clone(&adapter) as _,
            queue: Arc::clone(&adapter) as _,
            locks: Arc::clone(&adapter) as _,
            maintain: Arc::clone(&adapter) as _,
            idempotency: adapter,
        }
    }
}

/// An open database, for what only its kind can do.
pub(crate) enum Opened {
    /// A file. Its lock is shared by all who have it open, so that nobody replaces it under them.
    Sqlite { store: SqliteStore, _in_use: File },
    /// A server.
    Postgres(PgStore),
}

impl Opened {
    /// Where it is, for people.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Sqlite { store, .. } => store.path().display().to_string(),
            Self::Postgres(store) => store.place().to_owned(),
        }
    }

    pub(crate) fn ports(&self) -> Ports {
        match self {
            Self::Sqlite { store, .. } => Ports::of(Arc::new(store.clone())),
            Self::Postgres(store) => Ports::of(Arc::new(store.clone())),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { store, .. } => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}

/// How long opening may wait for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as the settings say.
    Configured,
    /// Not at all.
    None,
}

/// Opens the configured database, making its tables if there are none.
pub(crate) async fn open(config: &Config, demo: bool, patience: Patience) -> anyhow::Result<Opened> {
    match &config.database {
        Database::Sqlite(_) => open_file(&sqlite_file(config, demo)).await,
        Database::Postgres(settings) => {
            let wait = match patience {
                Patience::Configured => settings.wait,
                Patience::None => Duration::ZERO,
            };
            Ok(Opened::Postgres(open_server(settings, wait).await?))
        }
    }
}

/// The database file of a configuration without a server.
pub(crate) fn sqlite_file(config: &Config, demo: bool) -> PathBuf {
    let usual = if demo { "demo.db" } else { "mppeep.db" };
    match &config.database {
        Database::Sqlite(Some(path)) => path.clone(),
        _ => config.data_dir.join(usual),
    }
}

async fn open_file(path: &Path) -> anyhow::Result<Opened> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_private(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let in_use = lock_file(path)?;
    if in_use.try_lock_shared().is_err() {
        bail!("{} is being replaced by a restore", path.display());
    }
    let store = SqliteStore::open(path, SqliteOptions::default()).await?;
    Ok(Opened::Sqlite {
        store,
        _in_use: in_use,
    })
}

async fn open_server(settings: &PostgresSettings, wait: Duration) -> anyhow::Result<PgStore> {
    let until = Instant::now() + wait;
    loop {
        let options = PgOptions {
            connections: settings.connections,
            pooler: settings.pooler,
            listen_url: settings.listen_url.as_ref().map(|url| url.expose().to_owned()),
            ..PgOptions::default()
        };
        match PgStore::open(settings.url.expose(), options).await {
            Ok(store) => return Ok(store),
            Err(error) if is_passing(&error) && Instant::now() + PAUSE < until => {
                let left = until.saturating_duration_since(Instant::now()).as_secs();
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(error, seconds_left = left, "the database cannot be opened yet");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(anyhow::Error::from(error).context("the database cannot be opened")),
        }
    }
}

/// Whether waiting may help: not when the database is another application's or of a newer release.
fn is_passing(error: &OpenError) -> bool {
    matches!(
        error,
        OpenError::Backend {
            source: BackendError::Unavailable { .. }
                | BackendError::Indeterminate { .. }
                | BackendError::Contention { .. },
            ..
        }
    )
}

/// The file whose lock says that the database is open somewhere.
pub(crate) fn lock_file(database: &Path) -> anyhow::Result<File> {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(&name)
        .with_context(|| format!("cannot open {}", Path::new(&name).display()))
}

/// Makes a folder that its owner only can enter; one that exists stays as it is.
pub(crate) fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
