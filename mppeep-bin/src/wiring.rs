//! The adapters behind the services.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use mppeep_cache_memory::{MemoryCache, MemoryCacheSettings, MemoryRateLimiter};
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::ports::clock::{SystemClock, SystemEntropy, TimeSource};
use mppeep_core::ports::login_attempts::AttemptLimits;
use mppeep_core::ports::password::PasswordHasher;
use mppeep_core::services::{Adapters, Context};
use mppeep_http::{ServicePorts, Services};
use mppeep_password::Argon2Hasher;
use mppeep_spreadsheet::{Limits, SpreadsheetFiles};
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};

use crate::config::Config;

/// What the in-process cache may hold.
const CACHE_BYTES: u64 = 16 << 20;

/// The open database with the services on it.
pub(crate) struct Wired {
    pub(crate) store: SqliteStore,
    pub(crate) board: Arc<EpochBoard>,
    pub(crate) limiter: Arc<MemoryRateLimiter>,
    pub(crate) services: Arc<Services>,
    pub(crate) hasher: Arc<dyn PasswordHasher>,
    /// Shared by all who have the database open, so that nobody replaces it under them.
    _in_use: File,
}

/// The database file of a configuration.
pub(crate) fn database(config: &Config, demo: bool) -> PathBuf {
    let usual = if demo { "demo.db" } else { "mppeep.db" };
    config
        .database
        .clone()
        .unwrap_or_else(|| config.data_dir.join(usual))
}

/// Opens the database, making it if there is none.
pub(crate) async fn open(config: &Config, path: &Path) -> anyhow::Result<Wired> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_private(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let in_use = lock_file(path)?;
    if in_use.try_lock_shared().is_err() {
        bail!("{} is being replaced by a restore", path.display());
    }
    let store = SqliteStore::open(path, SqliteOptions::default()).await?;
    let shared = Arc::new(store.clone());
    let board = Arc::new(EpochBoard::new(Arc::clone(&shared) as _));
    let settings = MemoryCacheSettings {
        capacity_bytes: CACHE_BYTES,
        ..MemoryCacheSettings::default()
    };
    let cache = Arc::new(MemoryCache::new(TimeSource::Backend, settings));
    let context = Context::new(Adapters {
        store: Arc::clone(&shared) as _,
        epochs: Arc::clone(&board),
        cached: Arc::new(Cached::new(cache, Arc::clone(&board))),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    });
    let hasher: Arc<dyn PasswordHasher> = Arc::new(Argon2Hasher::default());
    let ports = ServicePorts {
        sessions: Arc::clone(&shared) as _,
        attempts: shared,
        hasher: Arc::clone(&hasher),
        attempt_limits: AttemptLimits {
            per_address: config.login_attempts,
            window: Duration::from_secs(u64::from(config.login_window_seconds)),
            ..AttemptLimits::default()
        },
        spreadsheets: Arc::new(SpreadsheetFiles::new(Limits::default())),
    };
    Ok(Wired {
        store,
        board,
        limiter: Arc::new(MemoryRateLimiter::new(TimeSource::Backend)),
        services: Arc::new(Services::new(&context, ports)),
        hasher,
        _in_use: in_use,
    })
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
