//! Cache entries with fill leases.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::error::BackendError;

/// Names an entry. Fields never run into each other: `a:b` + `c` is another key than `a` + `b:c`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey {
    /// Which cache, and whose epoch makes entries old.
    pub namespace: String,
    /// Number of the payload's shape; another shape is another key.
    pub schema: u32,
    /// The namespace's epoch when the key was made.
    pub epoch: i64,
    /// The entry's own name.
    pub key: String,
}

/// How long an entry lives from its fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl {
    /// Until then it is fresh; after it one caller refreshes while the others are still served.
    pub soft: Duration,
    /// Until then it may be served at all.
    pub hard: Duration,
}

/// The right to fill one entry, for a bounded time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FillLease(pub u128);

/// What a look-up found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// A fresh value.
    Fresh(Bytes),
    /// A value past its soft time; with a lease, the caller is the one to refresh it.
    Stale(Bytes, Option<FillLease>),
    /// Nothing; the caller is the one to fill it.
    Miss(FillLease),
    /// Nothing, and somebody else is filling it.
    Busy,
}

/// Whether a fill was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// The value is stored, or the lease was given back.
    Done,
    /// The lease had lapsed or was another's: nothing was stored.
    Refused,
}

/// Holds what may vanish at any moment.
#[async_trait]
pub trait Cache: Send + Sync {
    /// Reads an entry, and takes the lease to fill it when it is absent or past its soft time.
    ///
    /// # Errors
    /// `BackendError` when the cache cannot be reached; the caller takes it for a miss.
    async fn lookup(&self, key: &CacheKey, lease_for: Duration) -> Result<Lookup, BackendError>;

    /// Stores a value under a live lease; `None` gives the lease back at once.
    ///
    /// # Errors
    /// `Invalid` for a value over the adapter's limit, otherwise as `lookup`.
    async fn fill(
        &self,
        key: &CacheKey,
        lease: FillLease,
        value: Option<Bytes>,
        ttl: Ttl,
    ) -> Result<Filled, BackendError>;
}
