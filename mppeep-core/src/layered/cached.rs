//! Loading through a cache.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::epoch_board::EpochBoard;
use super::flight::{Flight, Flights, Joined, Landing, landed};
use super::spent::{Part, measure};
use crate::ports::cache::{Cache, CacheKey, FillLease, Filled, Lookup, Ttl};
use crate::ports::epochs::Namespace;

/// Numbers that [`Cached`] works by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachedSettings {
    /// How long a fill lease lives: longer than a loader takes, and not longer than others can wait for a dead one.
    pub lease: Duration,
    /// Loaders that run at once without a lease, that is, while the cache or the epochs cannot be reached.
    pub loaders_without_lease: usize,
    /// First and longest pause between two looks at an entry that another process fills.
    pub pause: (Duration, Duration),
}

impl Default for CachedSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            loaders_without_lease: 8,
            pause: (Duration::from_millis(5), Duration::from_millis(100)),
        }
    }
}

/// What happened so far, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CachedCounts {
    /// Values served from the cache, fresh or stale.
    pub hits: u64,
    /// Of these, the ones past their soft time.
    pub stale: u64,
    /// Values that another caller of this process fetched.
    pub shared: u64,
    /// Loaders run.
    pub loads: u64,
    /// Entries that could not be decoded, and were loaded instead.
    pub undecodable: u64,
    /// Look-ups and fills that the cache failed, and look-ups for which the epochs could not be read.
    pub unavailable: u64,
    /// Fills that came too late or were too large.
    pub refused_fills: u64,
}

#[derive(Default)]
struct Counters {
    hits: AtomicU64,
    stale: AtomicU64,
    shared: AtomicU64,
    loads: AtomicU64,
    undecodable: AtomicU64,
    unavailable: AtomicU64,
    refused_fills: AtomicU64,
}

/// Loads values through a [`Cache`]: one caller loads, on whatever instance, and the others get what it loaded.
///
/// An entry's key holds the epochs of every namespace it is made of. A write bumps them in its own transaction, so
/// what was loaded before it cannot be reached by anybody who knows of the write; nothing is ever deleted. Values
/// travel as JSON. A value of another schema number, or one that cannot be decoded, is a miss. A cache that cannot
/// be reached is a miss as well: the loader runs once per process and key, only so many at a time.
///
/// A loader must not load through the same `Cached` itself: while the cache is away it could wait for its own turn.
pub struct Cached {
    cache: Arc<dyn Cache>,
    board: Arc<EpochBoard>,
    settings: CachedSettings,
    flights: Flights,
    turns: Semaphore,
    counters: Counters,
}

impl Cached {
    /// Loading through `cache`, under the epochs of `board`.
    pub fn new(cache: Arc<dyn Cache>, board: Arc<EpochBoard>) -> Self {
        Self::with_settings(cache, board, CachedSettings::default())
    }

    /// As [`Cached::new`], with other numbers.
    pub fn with_settings(cache: Arc<dyn Cache>, board: Arc<EpochBoard>, settings: CachedSettings) -> Self {
        let turns = Semaphore::new(settings.loaders_without_lease.clamp(1, Semaphore::MAX_PERMITS));
        Self {
            cache,
            board,
            settings,
            flights: Flights::default(),
            turns,
            counters: Counters::default(),
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> CachedCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CachedCounts {
            hits: of(&self.counters.hits),
            stale: of(&self.counters.stale),
            shared: of(&self.counters.shared),
            loads: of(&self.counters.loads),
            undecodable: of(&self.counters.undecodable),
            unavailable: of(&self.counters.unavailable),
            refused_fills: of(&self.counters.refused_fills),
        }
    }

    /// The value of `key`, made wrong by a write to any of `namespaces`: from the cache, from another caller who is
    /// loading it, or by running `loader` (at most once in one call). `schema` numbers the shape of `T`.
    ///
    /// Past its soft time a value is still served to all but one caller, who refreshes it; if his loader fails, he
    /// is served the old value as well, since no write has made it wrong.
    ///
    /// # Errors
    /// The loader's own. The cache's failures are never the caller's.
    pub async fn load<T, E, F, Fut>(
        &self,
        namespaces: &[Namespace],
        schema: u32,
        key: &str,
        ttl: Ttl,
        loader: F,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let key = match self.key(namespaces, schema, key).await {
            Some(key) => key,
            None => return self.load_in_turn(loader).await,
        };
        loop {
            match self.flights.join(&key) {
                Joined::Lead(flight) => return self.lead(flight, &key, ttl, loader).await,
                Joined::Follow(told) => match landed(told).await {
                    Some(Landing::Value(bytes)) => match self.decode(&bytes) {
                        Some(value) => {
                            count(&self.counters.shared);
                            return Ok(value);
                        }
                        None => return self.load_in_turn(loader).await,
                    },
                    Some(_) => return self.load_in_turn(loader).await,
                    // The leader was cancelled: somebody else leads, perhaps this caller.
                    None => {}
                },
            }
        }
    }

    /// The key under the present epochs; nothing when they cannot be read, for then no entry can be trusted.
    async fn key(&self, namespaces: &[Namespace], schema: u32, key: &str) -> Option<CacheKey> {
        let mut sorted = namespaces.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        match self.board.values(&sorted).await {
            Ok(epochs) => Some(compose_key(&sorted, &epochs, schema, key)),
            Err(error) => {
                count(&self.counters.unavailable);
                tracing::debug!(%error, "the epochs cannot be read: loading past the cache");
                None
            }
        }
    }

    async fn lead<T, E, F, Fut>(&self, flight: Flight, key: &CacheKey, ttl: Ttl, loader: F) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        match self.found(key).await {
            Found::Value(bytes, None) => match self.decode(&bytes) {
                Some(value) => {
                    count(&self.counters.hits);
                    flight.land(Landing::Value(bytes));
                    Ok(value)
                }
                None => self.load_and_land(flight, loader).await,
            },
            Found::Value(bytes, Some(lease)) => {
                let lease = HeldLease::new(&self.cache, key, lease);
                let old = self.decode(&bytes);
                if old.is_some() {
                    // Nobody else waits for the refresh.
                    flight.land(Landing::Value(bytes));
                    match (self.load_under(lease, ttl, loader).await, old) {
                        (Err(_), Some(old)) => {
                            tracing::warn!(
                                namespace = key.namespace,
                                "a refresh failed: the old value is served"
                            );
                            count(&self.counters.hits);
                            count(&self.counters.stale);
                            Ok(old)
                        }
                        (loaded, _) => loaded.map(|(value, _)| value),
                    }
                } else {
                    self.load_under_and_land(flight, lease, ttl, loader).await
                }
            }
            Found::Nothing(Some(lease)) => {
                let lease = HeldLease::new(&self.cache, key, lease);
                self.load_under_and_land(flight, lease, ttl, loader).await
            }
            Found::Nothing(None) => self.load_and_land(flight, loader).await,
        }
    }

    /// Looks the entry up, waiting for another process that fills it, but not longer than its lease can live.
    async fn found(&self, key: &CacheKey) -> Found {
        let deadline = Instant::now() + self.settings.lease + self.settings.pause.1;
        let (mut pause, longest) = self.settings.pause;
        loop {
            match measure(Part::Cache, self.cache.lookup(key, self.settings.lease)).await {
                Ok(Lookup::Fresh(bytes)) => return Found::Value(bytes, None),
                Ok(Lookup::Stale(bytes, lease)) => {
                    if lease.is_none() {
                        count(&self.counters.stale);
                    }
                    return Found::Value(bytes, lease);
                }
                Ok(Lookup::Miss(lease)) => return Found::Nothing(Some(lease)),
                Ok(Lookup::Busy) if Instant::now() < deadline => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
                Ok(Lookup::Busy) => return Found::Nothing(None),
                Err(error) => {
                    count(&self.counters.unavailable);
                    tracing::debug!(%error, "the cache cannot be reached: loading past it");
                    return Found::Nothing(None);
                }
            }
        }
    }

    async fn load_under_and_land<T, E, F, Fut>(
        &self,
        flight: Flight,
        lease: HeldLease<'_>,
        ttl: Ttl,
        loader: F,
    ) -> Result<T, E>
    where
        T: Serialize,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        match self.load_under(lease, ttl, loader).await {
            Ok((value, Some(bytes))) => {
                flight.land(Landing::Value(bytes));
                Ok(value)
            }
            Ok((value, None)) => {
                flight.land(Landing::Failed);
                Ok(value)
            }
            Err(error) => {
                flight.land(Landing::Failed);
                Err(error)
            }
        }
    }

    /// Loads under a lease and fills; the bytes are what was filled, unless the value could not be encoded.
    async fn load_under<T, E, F, Fut>(
        &self,
        lease: HeldLease<'_>,
        ttl: Ttl,
        loader: F,
    ) -> Result<(T, Option<Bytes>), E>
    where
        T: Serialize,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        count(&self.counters.loads);
        let loaded = loader().await;
        let bytes = loaded.as_ref().ok().and_then(encode);
        if let Some(bytes) = &bytes {
            match lease.fill(bytes.clone(), ttl).await {
                Ok(Filled::Done) => {}
                Ok(Filled::Refused) => count(&self.counters.refused_fills),
                Err(error) => {
                    count(&self.counters.refused_fills);
                    tracing::debug!(%error, "a value could not be cached");
                }
            }
        } else {
            lease.give_back().await;
        }
        loaded.map(|value| (value, bytes))
    }

    /// Loads past the cache, for this process's other callers as well.
    async fn load_and_land<T, E, F, Fut>(&self, flight: Flight, loader: F) -> Result<T, E>
    where
        T: Serialize,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let loaded = self.load_in_turn(loader).await;
        let landing = loaded
            .as_ref()
            .ok()
            .and_then(encode)
            .map_or(Landing::Failed, Landing::Value);
        flight.land(landing);
        loaded
    }

    /// Loads past the cache, with only so many others.
    async fn load_in_turn<T, E, F, Fut>(&self, loader: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        // The semaphore is never closed; without a permit the load would only be less polite.
        let _turn = self.turns.acquire().await.ok();
        count(&self.counters.loads);
        loader().await
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &Bytes) -> Option<T> {
        serde_json::from_slice(bytes)
            .inspect_err(|error| {
                count(&self.counters.undecodable);
                tracing::warn!(%error, "a cached value cannot be decoded: loading it instead");
            })
            .ok()
    }
}

enum Found {
    Value(Bytes, Option<FillLease>),
    Nothing(Option<FillLease>),
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn encode<T: Serialize>(value: &T) -> Option<Bytes> {
    serde_json::to_vec(value)
        .inspect_err(|error| tracing::warn!(%error, "a value cannot be encoded: it is not cached"))
        .ok()
        .map(Bytes::from)
}

/// The key of an entry made of several namespaces. Names are written with their lengths, and the epochs stand in the
/// order of the names, so that no two sets of namespaces and epochs give one key.
fn compose_key(namespaces: &[Namespace], epochs: &[i64], schema: u32, key: &str) -> CacheKey {
    let name = namespaces
        .iter()
        .map(|namespace| format!("{}:{}", namespace.0.len(), namespace.0))
        .collect();
    let (first, others) = epochs
        .split_first()
        .map_or((0, &[][..]), |(first, others)| (*first, others));
    let mut text: String = others.iter().map(|epoch| format!("{epoch},")).collect();
    text.push('|');
    text.push_str(key);
    CacheKey {
        namespace: name,
        schema,
        epoch: first,
        key: text,
    }
}

/// A lease that is given back when its holder fails, panics or is cancelled.
struct HeldLease<'a> {
    cache: &'a Arc<dyn Cache>,
    key: &'a CacheKey,
    lease: Option<FillLease>,
}

const NO_TTL: Ttl = Ttl {
    soft: Duration::ZERO,
    hard: Duration::ZERO,
};

impl<'a> HeldLease<'a> {
    fn new(cache: &'a Arc<dyn Cache>, key: &'a CacheKey, lease: FillLease) -> Self {
        Self {
            cache,
            key,
            lease: Some(lease),
        }
    }

    async fn fill(mut self, bytes: Bytes, ttl: Ttl) -> Result<Filled, crate::ports::error::BackendError> {
        let Some(lease) = self.lease.clone() else {
            return Ok(Filled::Refused);
        };
        let filling = self.cache.fill(self.key, lease, Some(bytes), ttl);
        let filled = measure(Part::Cache, filling).await?;
        self.lease = None;
        Ok(filled)
    }

    async fn give_back(mut self) {
        if let Some(lease) = self.lease.clone() {
            // A lease that cannot be given back lapses.
            let _lapses = self.cache.fill(self.key, lease, None, NO_TTL).await;
            self.lease = None;
        }
    }
}

impl Drop for HeldLease<'_> {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (cache, key) = (self.cache.clone(), self.key.clone());
        runtime.spawn(async move {
            let _lapses = cache.fill(&key, lease, None, NO_TTL).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_several_namespaces_never_meet() {
        let of = |names: &[&'static str], epochs: &[i64], key: &str| {
            let names: Vec<Namespace> = names.iter().copied().map(Namespace).collect();
            compose_key(&names, epochs, 1, key)
        };
        let keys = [
            of(&["a", "b"], &[1, 2], "k"),
            of(&["a", "b"], &[2, 1], "k"),
            of(&["ab"], &[1], "2,|k"),
            of(&["a"], &[1], "k"),
            of(&["a"], &[1], "|k"),
            of(&["a", "b"], &[1, 12], "k"),
            of(&["a", "b", "c"], &[1, 1, 2], "k"),
            of(&["1:a1:b"], &[1], "2,|k"),
            of(&[], &[], "k"),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{key:?}");
        }
    }
}
