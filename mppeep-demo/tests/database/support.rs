//! A database with demonstration data, and the services over it.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::sync::Arc;

use jiff::civil::{Date, date};
use mppeep_cache_memory::{MemoryCache, MemoryCacheSettings};
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::ports::clock::{ManualClock, SeededEntropy, TimeSource};
use mppeep_core::ports::epochs::Epochs;
use mppeep_core::ports::store::Store;
use mppeep_core::services::{Adapters, Context};
use mppeep_demo::{DEFAULT_SEED, DemoData, generate, load};
use mppeep_password::Argon2Hasher;
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};

/// The day on which the tests stand.
pub(crate) const TODAY: Date = date(2026, 11, 22);

/// A database in a folder of its own.
pub(crate) struct Database {
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) context: Arc<Context>,
    _folder: tempfile::TempDir,
}

impl Database {
    /// An empty one.
    pub(crate) async fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new("2026-11-22T09:00:00Z".parse().unwrap()));
        let time = TimeSource::Clock(clock.clone());
        let options = SqliteOptions {
            time: time.clone(),
            ..SqliteOptions::default()
        };
        let store = Arc::new(
            SqliteStore::open(folder.path().join("test.db"), options)
                .await
                .unwrap(),
        );
        let epochs = Arc::new(EpochBoard::new(store.clone() as Arc<dyn Epochs>));
        let cache = Arc::new(MemoryCache::new(time, MemoryCacheSettings::default()));
        let context = Context::new(Adapters {
            store: store.clone() as Arc<dyn Store>,
            epochs: Arc::clone(&epochs),
            cached: Arc::new(Cached::new(cache, epochs)),
            clock,
            entropy: Arc::new(SeededEntropy::new(1)),
        });
        Self {
            store,
            context,
            _folder: folder,
        }
    }

    /// One with that many agents.
    pub(crate) async fn with_agents(agents: u32) -> (Self, DemoData) {
        let database = Self::empty().await;
        let data = generate(agents, TODAY, DEFAULT_SEED).unwrap();
        load(database.store.as_ref(), &Argon2Hasher::new(1), &data, &|_| {})
            .await
            .unwrap();
        (database, data)
    }
}
