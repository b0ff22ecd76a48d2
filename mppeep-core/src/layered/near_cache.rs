//! Copies in this process of what a shared cache holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

use crate::ports::cache::{Cache, CacheKey, FillLease, Filled, Lookup, Ttl};
use crate::ports::error::BackendError;

/// How long a copy of a shared entry is served here before the shared cache is asked again. A copy is never older in
/// meaning than the shared entry: a write changes the key of both.
const KEEP: Duration = Duration::from_secs(10);

/// For how long a copy is being made, at most.
const COPYING: Duration = Duration::from_secs(1);

/// A shared cache behind one in this process. A hot entry costs no round trip, a hot miss one.
///
/// While the shared cache cannot be reached, the one in the process takes its place: entries are leased, filled and served
/// here, so that an outage costs each process one load per entry and not one per request.
pub struct NearCache {
    near: Arc<dyn Cache>,
    far: Arc<dyn Cache>,
    /// Leases that `near` gave while `far` was away, and when they end.
    own: Mutex<HashMap<FillLease, Instant>>,
}

impl NearCache {
    /// `near` holds copies of `far`.
    pub fn new(near: Arc<dyn Cache>, far: Arc<dyn Cache>) -> Self {
        Self {
            near,
            far,
            own: Mutex::default(),
        }
    }

    fn own(&self) -> MutexGuard<'_, HashMap<FillLease, Instant>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that a lease is the near cache's own; those that ended are forgotten.
    fn remember(&self, lease: &FillLease, lease_for: Duration) {
        let now = Instant::now();
        let mut own = self.own();
        own.retain(|_, until| *until > now);
        own.insert(lease.clone(), now + lease_for);
    }

    /// What the near cache alone answers.
    async fn alone(&self, key: &CacheKey, lease_for: Duration) -> Result<Lookup, BackendError> {
        let found = self.near.lookup(key, lease_for).await?;
        if let Lookup::Miss(lease) | Lookup::Stale(_, Some(lease)) = &found {
            self.remember(lease, lease_for);
        }
        Ok(found)
    }

    /// Keeps a copy of a shared entry.
    async fn copy(&self, key: &CacheKey, lease: FillLease, bytes: Option<Bytes>) {
        let ttl = Ttl {
            soft: KEEP,
            hard: KEEP,
        };
        // Without the copy the next look-up asks the shared cache: nothing is wrong with that.
        let _not_kept = self.near.fill(key, lease, bytes, ttl).await;
    }
}

#[async_trait]
impl Cache for NearCache {
    async fn lookup(&self, key: &CacheKey, lease_for: Duration) -> Result<Lookup, BackendError> {
        let lease = match self.near.lookup(key, COPYING).await? {
            Lookup::Fresh(bytes) => return Ok(Lookup::Fresh(bytes)),
            Lookup::Miss(lease) | Lookup::Stale(_, Some(lease)) => Some(lease),
            Lookup::Stale(_, None) | Lookup::Busy => None,
        };
        let found = self.far.lookup(key, lease_for).await;
        if let Some(lease) = lease {
            let bytes = match &found {
                Ok(Lookup::Fresh(bytes)) => Some(bytes.clone()),
                _ => None,
            };
            self.copy(key, lease, bytes).await;
        }
        match found {
            Ok(found) => Ok(found),
            Err(error) => {
                tracing::debug!(%error, "the shared cache is away: this process keeps its own entries");
                self.alone(key, lease_for).await
            }
        }
    }

    async fn fill(
        &self,
        key: &CacheKey,
        lease: FillLease,
        value: Option<Bytes>,
        ttl: Ttl,
    ) -> Result<Filled, BackendError> {
        if self.own().remove(&lease).is_some() {
            return self.near.fill(key, lease, value, ttl).await;
        }
        let filled = self.far.fill(key, lease, value.clone(), ttl).await?;
        if filled == Filled::Done
            && let Some(bytes) = value
            && let Lookup::Miss(lease) = self.near.lookup(key, COPYING).await?
        {
            let brief = Ttl {
                soft: KEEP.min(ttl.soft),
                hard: KEEP.min(ttl.hard),
            };
            let _not_kept = self.near.fill(key, lease, Some(bytes), brief).await;
        }
        Ok(filled)
    }
}
