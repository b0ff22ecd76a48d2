//! Locks with a lease and a fence.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use uuid::Uuid;

use super::error::BackendError;
pub use super::job_queue::Held;

/// Who holds a lock: one value per attempt to take it, never shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnerId(pub Uuid);

/// A lock that is held until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockLease {
    /// The lock.
    pub name: String,
    /// Its holder.
    pub owner: OwnerId,
    /// Greater than that of every earlier holder. The protected write compares it, so that a holder who slept through
    /// the end of his lease writes nothing.
    pub fence: i64,
    /// Until when the holder may believe he holds it, by this process's own clock: counted from before the request, so
    /// that it ends no later than the backend thinks.
    pub valid_until: Instant,
}

impl LockLease {
    /// How long the holder may still believe he holds it.
    pub fn remaining(&self) -> Duration {
        self.valid_until.saturating_duration_since(Instant::now())
    }
}

/// Length of the longest name of a lock.
pub const NAME_MAX_BYTES: usize = 200;

/// Hands out locks. They are not re-entrant, whoever asks.
#[async_trait]
pub trait Locks: Send + Sync {
    /// Takes a lock for `ttl` unless somebody holds it. An answer that takes longer than `ttl` is no lock: it is none.
    ///
    /// # Errors
    /// `Invalid` for a name that is too long; otherwise `BackendError` when the store cannot be reached. After
    /// `Indeterminate` the lock may be held until `ttl` ends.
    async fn acquire(
        &self,
        name: &str,
        owner: OwnerId,
        ttl: Duration,
    ) -> Result<Option<LockLease>, BackendError>;

    /// Prolongs a lease by `ttl` from now.
    ///
    /// # Errors
    /// As `acquire`.
    async fn renew(&self, lease: &mut LockLease, ttl: Duration) -> Result<Held, BackendError>;

    /// Gives a lock back.
    ///
    /// # Errors
    /// As `acquire`; the lock is then free when its lease ends.
    async fn release(&self, lease: &LockLease) -> Result<Held, BackendError>;
}
