//! Copies in the process, and what takes their place in an outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mppeep_cache_memory::{MemoryCache, MemoryCacheSettings, MemoryEpochs};
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::layered::near_cache::NearCache;
use mppeep_core::ports::cache::{Cache, CacheKey, FillLease, Filled, Lookup, Ttl};
use mppeep_core::ports::clock::{ManualClock, TimeSource};
use mppeep_core::ports::epochs::Namespace;
use mppeep_core::ports::error::BackendError;

use crate::away;

const TTL: Ttl = Ttl {
    soft: Duration::from_secs(60),
    hard: Duration::from_secs(600),
};
const LEASE: Duration = Duration::from_secs(5);

/// A shared cache that counts its calls and can go away.
struct Far {
    inner: MemoryCache,
    calls: AtomicUsize,
    down: AtomicBool,
}

#[async_trait]
impl Cache for Far {
    async fn lookup(&self, key: &CacheKey, lease_for: Duration) -> Result<Lookup, BackendError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(away());
        }
        self.inner.lookup(key, lease_for).await
    }

    async fn fill(
        &self,
        key: &CacheKey,
        lease: FillLease,
        value: Option<Bytes>,
        ttl: Ttl,
    ) -> Result<Filled, BackendError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(away());
        }
        self.inner.fill(key, lease, value, ttl).await
    }
}

struct Scene {
    clock: Arc<ManualClock>,
    far: Arc<Far>,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new("2026-11-22T12:00:00Z".parse().unwrap()));
        let far = Far {
            inner: memory(&clock),
            calls: AtomicUsize::new(0),
            down: AtomicBool::new(false),
        };
        Self {
            clock,
            far: Arc::new(far),
        }
    }

    /// Another process on the same shared cache.
    fn near(&self) -> NearCache {
        NearCache::new(Arc::new(memory(&self.clock)), self.far.clone())
    }

    fn calls(&self) -> usize {
        self.far.calls.swap(0, Ordering::SeqCst)
    }
}

fn memory(clock: &Arc<ManualClock>) -> MemoryCache {
    MemoryCache::new(TimeSource::Clock(clock.clone()), MemoryCacheSettings::default())
}

fn key(name: &str) -> CacheKey {
    CacheKey {
        namespace: "test".to_owned(),
        schema: 1,
        epoch: 1,
        key: name.to_owned(),
    }
}

async fn fill(cache: &NearCache, name: &str, value: &'static str) {
    let Lookup::Miss(lease) = cache.lookup(&key(name), LEASE).await.unwrap() else {
        panic!("{name} is not absent");
    };
    let bytes = Some(Bytes::from_static(value.as_bytes()));
    let filled = cache.fill(&key(name), lease, bytes, TTL).await.unwrap();
    assert_eq!(filled, Filled::Done);
}

#[tokio::test]
async fn a_hot_entry_costs_no_round_trip_and_a_hot_miss_one() {
    let scene = Scene::new();
    let (one, other) = (scene.near(), scene.near());
    fill(&one, "k", "value").await;
    scene.calls();
    for _ in 0..5 {
        let found = one.lookup(&key("k"), LEASE).await.unwrap();
        assert_eq!(found, Lookup::Fresh(Bytes::from_static(b"value")));
    }
    assert_eq!(scene.calls(), 0, "the process that filled it has a copy");
    for _ in 0..5 {
        let found = other.lookup(&key("k"), LEASE).await.unwrap();
        assert_eq!(found, Lookup::Fresh(Bytes::from_static(b"value")));
    }
    assert_eq!(scene.calls(), 1, "another one asks once");
}

#[tokio::test]
async fn a_copy_is_not_kept_for_long() {
    let scene = Scene::new();
    let near = scene.near();
    fill(&near, "k", "value").await;
    scene.calls();
    scene.clock.advance(Duration::from_secs(11));
    near.lookup(&key("k"), LEASE).await.unwrap();
    assert_eq!(scene.calls(), 1);
    // Past the soft time of the shared entry one caller refreshes: the copy must not hide that.
    scene.clock.advance(Duration::from_secs(60));
    let stale = near.lookup(&key("k"), LEASE).await.unwrap();
    assert!(matches!(stale, Lookup::Stale(_, Some(_))), "{stale:?}");
    let served = scene.near().lookup(&key("k"), LEASE).await.unwrap();
    assert!(matches!(served, Lookup::Stale(_, None)), "{served:?}");
}

#[tokio::test]
async fn in_an_outage_each_process_keeps_its_own_entries() {
    let scene = Scene::new();
    let near = scene.near();
    scene.far.down.store(true, Ordering::SeqCst);
    fill(&near, "k", "mine").await;
    let found = near.lookup(&key("k"), LEASE).await.unwrap();
    assert_eq!(found, Lookup::Fresh(Bytes::from_static(b"mine")));
    let other = scene.near().lookup(&key("k"), LEASE).await.unwrap();
    assert!(
        matches!(other, Lookup::Miss(_)),
        "what one process keeps is its own"
    );
    scene.far.down.store(false, Ordering::SeqCst);
    scene.clock.advance(TTL.hard);
    fill(&near, "k", "shared").await;
    let other = scene.near().lookup(&key("k"), LEASE).await.unwrap();
    assert_eq!(
        other,
        Lookup::Fresh(Bytes::from_static(b"shared")),
        "shared again"
    );
}

#[tokio::test]
async fn an_outage_costs_one_load_per_process_and_not_one_per_request() {
    let scene = Scene::new();
    scene.far.down.store(true, Ordering::SeqCst);
    let board = Arc::new(EpochBoard::new(Arc::new(MemoryEpochs::new())));
    let cached = Arc::new(Cached::new(Arc::new(scene.near()), board));
    let loads = Arc::new(AtomicUsize::new(0));
    for _ in 0..20 {
        let loader = || async { Ok::<_, BackendError>(loads.fetch_add(1, Ordering::SeqCst)) };
        let value: usize = cached
            .load(&[Namespace::PERSONNEL], 1, "k", TTL, loader)
            .await
            .unwrap();
        assert_eq!(value, 0);
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_lease_of_the_outage_fills_nothing_that_others_see() {
    let scene = Scene::new();
    let near = scene.near();
    scene.far.down.store(true, Ordering::SeqCst);
    let Lookup::Miss(own) = near.lookup(&key("k"), LEASE).await.unwrap() else {
        panic!("absent")
    };
    scene.far.down.store(false, Ordering::SeqCst);
    let bytes = Some(Bytes::from_static(b"late"));
    near.fill(&key("k"), own, bytes, TTL).await.unwrap();
    let other = scene.near().lookup(&key("k"), LEASE).await.unwrap();
    assert!(matches!(other, Lookup::Miss(_)), "{other:?}");
}
