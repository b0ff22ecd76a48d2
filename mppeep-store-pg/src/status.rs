//! What the metrics are told.

use std::sync::atomic::{AtomicU32, Ordering};

use mppeep_core::ports::error::BackendError;

use crate::error;
use crate::store::{PgStore, read_twice};

/// How many wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting(AtomicU32);

impl Waiting {
    /// One more, until what is given is dropped.
    pub(crate) fn enter(&self) -> Waits<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Waits(&self.0)
    }

    pub(crate) fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) struct Waits<'a>(&'a AtomicU32);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl PgStore {
    /// Sessions that have neither ended nor been ended, by the clock of the server.
    ///
    /// # Errors
    /// `BackendError` when the database cannot be asked.
    pub async fn live_sessions(&self) -> Result<u64, BackendError> {
        let count: i64 = read_twice(|| {
            sqlx::query_scalar(
                "SELECT count(*) FROM session WHERE revoked_at IS NULL AND expires_at > clock_timestamp()",
            )
            .fetch_one(self.quick())
        })
        .await
        .map_err(error::backend)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}
