//! Cache entries and fill leases.

use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use moka::Expiry;
use moka::future::Cache as Moka;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use mppeep_core::ports::cache::{Cache, CacheKey, FillLease, Filled, Lookup, Ttl};
use mppeep_core::ports::clock::TimeSource;
use mppeep_core::ports::error::BackendError;

use crate::ADAPTER;
use crate::time::{Timeline, micros, until};

/// Bounds of a [`MemoryCache`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryCacheSettings {
    /// Weight of all entries, keys and values, in bytes.
    pub capacity_bytes: u64,
    /// Largest value, in bytes.
    pub value_limit_bytes: usize,
}

impl Default for MemoryCacheSettings {
    fn default() -> Self {
        Self {
            capacity_bytes: 64 << 20,
            value_limit_bytes: 4 << 20,
        }
    }
}

/// An entry is kept that long after its end before the memory is taken back; its end is compared, never inferred.
const SLACK: Duration = Duration::from_secs(60);

/// What an entry weighs besides its texts and its value: the structures that hold it.
const OVERHEAD_BYTES: usize = 256;

/// A cache in this process, bounded by weight; the least recently used entries give way.
///
/// Recency decides, not frequency: after a write nobody asks for the entries of the old epoch any more, however often
/// they were asked for before.
pub struct MemoryCache {
    slots: Moka<CacheKey, Slot>,
    time: Timeline,
    next_lease: AtomicU64,
    value_limit_bytes: usize,
}

/// An entry: a value, a lease to fill it, or both.
#[derive(Clone, Default)]
struct Slot {
    value: Option<Stored>,
    lease: Option<Held>,
    keep_for: Duration,
}

#[derive(Clone)]
struct Stored {
    bytes: Bytes,
    soft_until: i64,
    hard_until: i64,
}

#[derive(Clone)]
struct Held {
    lease: FillLease,
    until: i64,
}

impl MemoryCache {
    /// An empty cache, whose time `time` tells.
    pub fn new(time: TimeSource, settings: MemoryCacheSettings) -> Self {
        let slots = Moka::builder()
            .max_capacity(settings.capacity_bytes)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|key: &CacheKey, slot: &Slot| {
                let value = slot.value.as_ref().map_or(0, |stored| stored.bytes.len());
                u32::try_from(key.namespace.len() + key.key.len() + value + OVERHEAD_BYTES)
                    .unwrap_or(u32::MAX)
            })
            .expire_after(KeepFor)
            .build();
        Self {
            slots,
            time: Timeline::new(time),
            next_lease: AtomicU64::new(1),
            value_limit_bytes: settings.value_limit_bytes,
        }
    }

    /// Weight of the entries that are kept now, in bytes, once pending evictions are done.
    pub async fn weight_bytes(&self) -> u64 {
        self.slots.run_pending_tasks().await;
        self.slots.weighted_size()
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn lookup(&self, key: &CacheKey, lease_for: Duration) -> Result<Lookup, BackendError> {
        // Most look-ups find a fresh value, and need not line up for the entry.
        if let Some(Slot {
            value: Some(stored), ..
        }) = self.slots.get(key).await
            && self.time.micros() < stored.soft_until
        {
            return Ok(Lookup::Fresh(stored.bytes));
        }
        let mut found = Lookup::Busy;
        self.slots
            .entry_by_ref(key)
            .and_compute_with(|entry| {
                let now = self.time.micros();
                let slot = entry.map(moka::Entry::into_value).unwrap_or_default();
                let value = slot.value.filter(|stored| now < stored.hard_until);
                if let Some(stored) = &value
                    && now < stored.soft_until
                {
                    found = Lookup::Fresh(stored.bytes.clone());
                    return ready(Op::Nop);
                }
                if slot.lease.is_some_and(|held| now < held.until) {
                    if let Some(stored) = value {
                        found = Lookup::Stale(stored.bytes, None);
                    }
                    return ready(Op::Nop);
                }
                let lease = FillLease(u128::from(self.next_lease.fetch_add(1, Ordering::Relaxed)));
                found = match &value {
                    Some(stored) => Lookup::Stale(stored.bytes.clone(), Some(lease.clone())),
                    None => Lookup::Miss(lease.clone()),
                };
                let held = Held {
                    lease,
                    until: now.saturating_add(micros(lease_for)),
                };
                ready(Op::Put(Slot::new(value, Some(held), now)))
            })
            .await;
        Ok(found)
    }

    async fn fill(
        &self,
        key: &CacheKey,
        lease: FillLease,
        value: Option<Bytes>,
        ttl: Ttl,
    ) -> Result<Filled, BackendError> {
        if let Some(bytes) = &value
            && bytes.len() > self.value_limit_bytes
        {
            return Err(BackendError::Invalid {
                adapter: ADAPTER,
                what: format!(
                    "a value of {} bytes, over {}",
                    bytes.len(),
                    self.value_limit_bytes
                ),
            });
        }
        let mut filled = Filled::Refused;
        self.slots
            .entry_by_ref(key)
            .and_compute_with(|entry| {
                let now = self.time.micros();
                let slot = entry.map(moka::Entry::into_value).unwrap_or_default();
                if !slot
                    .lease
                    .is_some_and(|held| held.lease == lease && now < held.until)
                {
                    return ready(Op::Nop);
                }
                filled = Filled::Done;
                let value = match value {
                    Some(bytes) => Some(Stored {
                        bytes,
                        soft_until: now.saturating_add(micros(ttl.soft.min(ttl.hard))),
                        hard_until: now.saturating_add(micros(ttl.hard)),
                    }),
                    None => slot.value,
                };
                ready(if value.is_some() {
                    Op::Put(Slot::new(value, None, now))
                } else {
                    Op::Remove
                })
            })
            .await;
        Ok(filled)
    }
}

impl Slot {
    fn new(value: Option<Stored>, lease: Option<Held>, now: i64) -> Self {
        let value_end = value.as_ref().map_or(now, |stored| stored.hard_until);
        let lease_end = lease.as_ref().map_or(now, |held| held.until);
        let keep_for = until(value_end.max(lease_end), now).saturating_add(SLACK);
        Self {
            value,
            lease,
            keep_for,
        }
    }
}

/// Takes the memory of dead entries back.
struct KeepFor;

impl Expiry<CacheKey, Slot> for KeepFor {
    fn expire_after_create(&self, _: &CacheKey, slot: &Slot, _: Instant) -> Option<Duration> {
        Some(slot.keep_for)
    }

    fn expire_after_update(
        &self,
        _: &CacheKey,
        slot: &Slot,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(slot.keep_for)
    }
}
