//! What the metrics are told.

use std::sync::atomic::{AtomicU32, Ordering};

use mppeep_core::ports::error::BackendError;

use crate::error;
use crate::store::SqliteStore;

/// How many wait.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU32);

impl Count {
    /// One more, until what is given is dropped.
    pub(crate) fn enter(&self) -> Waits<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Waits(&self.0)
    }

    fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) struct Waits<'a>(&'a AtomicU32);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who waits for a connection.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) writer: Count,
    pub(crate) readers: Count,
}

/// The connections of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlitePoolStatus {
    /// What they are for: `writer`, `readers` (units), `quick` (single statements that read).
    pub name: &'static str,
    /// Open connections.
    pub open: u32,
    /// Those that nobody uses at the moment.
    pub idle: u32,
    /// How many there may be.
    pub most: u32,
    /// Units that are being begun, which is waiting for a connection or a lock. Not counted of single statements.
    pub waiting: u32,
}

impl SqliteStore {
    /// The connections as they are now; the database is not asked.
    pub fn pool_status(&self) -> [SqlitePoolStatus; 3] {
        self.pools().map(|(name, pool)| SqlitePoolStatus {
            name,
            open: pool.size(),
            idle: u32::try_from(pool.num_idle()).unwrap_or(u32::MAX),
            most: pool.options().get_max_connections(),
            waiting: match name {
                "writer" => self.waiting.writer.now(),
                "readers" => self.waiting.readers.now(),
                _ => 0,
            },
        })
    }

    /// Sessions that have neither ended nor been ended, by the clock of the database.
    ///
    /// # Errors
    /// `BackendError` when the database cannot be asked.
    pub async fn live_sessions(&self) -> Result<u64, BackendError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM session WHERE revoked_at IS NULL AND expires_at > (SELECT now_us FROM clock)",
        )
        .fetch_one(self.quick())
        .await
        .map_err(error::backend)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}
