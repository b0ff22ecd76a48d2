//! What must be asked of the database, asked beside the scrapes: a scrape is told the last answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mppeep_core::ports::job_queue::{JobQueue, QueueDepth};
use mppeep_store_pg::PgStore;
use mppeep_store_sqlite::SqliteStore;

use crate::wiring::database::Opened;

/// How often it is asked, and how long for an answer.
const PAUSE: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(5);

/// The connections of a pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pool {
    pub(super) name: &'static str,
    pub(super) open: u32,
    pub(super) idle: u32,
    pub(super) most: u32,
    pub(super) waiting: u32,
}

/// The database, for what is asked of it here.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite(SqliteStore),
    Postgres(PgStore),
}

impl Database {
    pub(crate) fn of(opened: &Opened) -> Self {
        match opened {
            Opened::Sqlite { store, .. } => Self::Sqlite(store.clone()),
            Opened::Postgres(store) => Self::Postgres(store.clone()),
        }
    }

    /// Its pools, without asking it.
    pub(super) fn pools(&self) -> Vec<Pool> {
        match self {
            Self::Sqlite(store) => {
                let pool = |pool: mppeep_store_sqlite::SqlitePoolStatus| Pool {
                    name: pool.name,
                    open: pool.open,
                    idle: pool.idle,
                    most: pool.most,
                    waiting: pool.waiting,
                };
                store.pool_status().map(pool).to_vec()
            }
            Self::Postgres(store) => {
                let pool = |name, pool: mppeep_store_pg::PgPoolStatus| Pool {
                    name,
                    open: pool.open,
                    idle: pool.idle,
                    most: pool.most,
                    waiting: pool.waiting,
                };
                let (units, quick) = store.pools();
                vec![pool("units", units), pool("quick", quick)]
            }
        }
    }

    async fn live_sessions(&self) -> Option<u64> {
        let counted = match self {
            Self::Sqlite(store) => store.live_sessions().await,
            Self::Postgres(store) => store.live_sessions().await,
        };
        counted
            .inspect_err(|error| tracing::debug!(%error, "the sessions could not be counted"))
            .ok()
    }
}

/// What the database told.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// When.
    pub(crate) at: Instant,
    /// How full the queues are.
    pub(crate) queues: Vec<QueueDepth>,
    /// Sessions that live.
    pub(crate) sessions: u64,
}

/// The last sample.
#[derive(Debug, Default)]
pub(crate) struct Samples(Mutex<Option<Arc<Sample>>>);

impl Samples {
    /// The last one; none before the first, or when the database was never reached.
    pub(crate) fn last(&self) -> Option<Arc<Sample>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes one from time to time.
    pub(crate) async fn take(self: Arc<Self>, queue: Arc<dyn JobQueue>, database: Database) {
        loop {
            let sampled = tokio::time::timeout(PATIENCE, ask(queue.as_ref(), &database)).await;
            if let Ok(Some(sample)) = sampled {
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(sample));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn ask(queue: &dyn JobQueue, database: &Database) -> Option<Sample> {
    let queues = queue.depths().await;
    let queues = queues.inspect_err(|error| tracing::debug!(%error, "the queues could not be looked at"));
    Some(Sample {
        queues: queues.ok()?,
        sessions: database.live_sessions().await?,
        at: Instant::now(),
    })
}
