//! Cached loading of the core over the cache in memory, and over caches that fail (CAC-2, 5, 6, 7).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mppeep_cache_memory::{MemoryCache, MemoryCacheSettings, MemoryEpochs};
use mppeep_core::layered::cached::{Cached, CachedSettings};
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::ports::cache::{Cache, CacheKey, FillLease, Filled, Lookup, Ttl};
use mppeep_core::ports::clock::{ManualClock, TimeSource};
use mppeep_core::ports::epochs::{Epoch, Epochs, Namespace};
use mppeep_core::ports::error::BackendError;

const TTL: Ttl = Ttl {
    soft: Duration::from_secs(60),
    hard: Duration::from_secs(600),
};
const BOTH: [Namespace; 2] = [Namespace::PERSONNEL, Namespace::ABSENCES];

struct Scene {
    clock: Arc<ManualClock>,
    cache: Arc<MemoryCache>,
    epochs: Arc<MemoryEpochs>,
    board: Arc<EpochBoard>,
    cached: Arc<Cached>,
    loads: Arc<AtomicUsize>,
}

fn scene() -> Scene {
    let clock = Arc::new(ManualClock::new("2026-11-22T12:00:00Z".parse().unwrap()));
    let settings = MemoryCacheSettings {
        value_limit_bytes: 1_000,
        ..MemoryCacheSettings::default()
    };
    let cache = Arc::new(MemoryCache::new(TimeSource::Clock(clock.clone()), settings));
    let epochs = Arc::new(MemoryEpochs::new());
    let board = Arc::new(EpochBoard::new(epochs.clone()));
    let cached = Arc::new(Cached::new(cache.clone(), board.clone()));
    Scene {
        clock,
        cache,
        epochs,
        board,
        cached,
        loads: Arc::default(),
    }
}

impl Scene {
    /// Loads the number of loads so far.
    async fn load(&self, key: &str) -> usize {
        let loads = &self.loads;
        let loader = || async { Ok::<_, BackendError>(loads.fetch_add(1, Ordering::SeqCst) + 1) };
        self.cached.load(&BOTH, 1, key, TTL, loader).await.unwrap()
    }
}

#[tokio::test]
async fn a_write_to_any_namespace_of_a_value_makes_it_unreachable() {
    let scene = scene();
    assert_eq!(scene.load("k").await, 1);
    assert_eq!(scene.load("k").await, 1);
    for (namespace, expected) in [
        (Namespace::ABSENCES, 2),
        (Namespace::PERSONNEL, 3),
        (Namespace::USERS, 3),
    ] {
        let bumped = scene.epochs.bump(&[namespace]);
        scene.board.observe(&bumped);
        assert_eq!(scene.load("k").await, expected, "{namespace:?}");
        assert_eq!(scene.load("k").await, expected, "{namespace:?}");
    }
    // The order in which namespaces are named does not matter.
    let reversed = [BOTH[1], BOTH[0], BOTH[1]];
    let loader = || async { Ok::<_, BackendError>(99usize) };
    assert_eq!(
        scene.cached.load(&reversed, 1, "k", TTL, loader).await.unwrap(),
        3
    );
    let counts = scene.cached.counts();
    assert_eq!((counts.loads, counts.unavailable, counts.undecodable), (3, 0, 0));
}

#[tokio::test]
async fn another_shape_is_loaded_anew_and_a_damaged_value_too() {
    let scene = scene();
    assert_eq!(scene.load("k").await, 1);
    let text = || async { Ok::<_, BackendError>("two".to_owned()) };
    let new: String = scene.cached.load(&BOTH, 2, "k", TTL, text).await.unwrap();
    assert_eq!(new, "two");
    // The same schema number for another shape is a mistake, and still no error to anybody.
    let text = || async { Ok::<_, BackendError>("three".to_owned()) };
    let wrong: String = scene.cached.load(&BOTH, 1, "k", TTL, text).await.unwrap();
    assert_eq!(wrong, "three");
    assert_eq!(scene.cached.counts().undecodable, 1);
    assert_eq!(
        scene.load("k").await,
        1,
        "the value of the right shape is where it was"
    );
}

#[tokio::test]
async fn a_loaders_error_is_its_callers_and_is_not_kept() {
    let scene = scene();
    let fails = || async { Err::<usize, _>("broken") };
    assert_eq!(scene.cached.load(&BOTH, 1, "k", TTL, fails).await, Err("broken"));
    let soon = tokio::time::timeout(Duration::from_secs(5), scene.load("k")).await;
    assert_eq!(soon.unwrap(), 1, "the lease of the failed loader was given back");
}

#[tokio::test]
async fn a_cancelled_loader_leaves_its_turn_to_one_who_waits() {
    let scene = scene();
    let loading = tokio::spawn({
        let cached = scene.cached.clone();
        async move {
            let never = || std::future::pending::<Result<usize, BackendError>>();
            cached.load(&BOTH, 1, "k", TTL, never).await
        }
    });
    tokio::task::yield_now().await;
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let (cached, loads) = (scene.cached.clone(), scene.loads.clone());
            tokio::spawn(async move {
                let loader = || async { Ok::<_, BackendError>(loads.fetch_add(1, Ordering::SeqCst) + 1) };
                cached.load(&BOTH, 1, "k", TTL, loader).await.unwrap()
            })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(
        scene.loads.load(Ordering::SeqCst),
        0,
        "one loads, the others wait"
    );
    loading.abort();
    for waiter in waiting {
        assert_eq!(
            tokio::time::timeout(Duration::from_secs(5), waiter)
                .await
                .unwrap()
                .unwrap(),
            1
        );
    }
}

#[tokio::test]
async fn a_panicking_loader_leaves_its_turn_as_well() {
    let scene = scene();
    let cached = scene.cached.clone();
    let panicking = tokio::spawn(async move {
        let loader = || async { panic!("a bug of the loader") };
        let _: Result<usize, BackendError> = cached.load(&BOTH, 1, "k", TTL, loader).await;
    });
    assert!(panicking.await.unwrap_err().is_panic());
    let soon = tokio::time::timeout(Duration::from_secs(5), scene.load("k")).await;
    assert_eq!(soon.unwrap(), 1);
}

#[tokio::test]
async fn past_its_soft_time_one_caller_refreshes_and_the_others_are_served() {
    let scene = scene();
    assert_eq!(scene.load("k").await, 1);
    scene.clock.advance(TTL.soft);
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let refreshing = tokio::spawn({
        let cached = scene.cached.clone();
        async move {
            let slow = || async {
                told.await.unwrap();
                Ok::<_, BackendError>(2usize)
            };
            cached.load(&BOTH, 1, "k", TTL, slow).await.unwrap()
        }
    });
    tokio::task::yield_now().await;
    for _ in 0..5 {
        assert_eq!(scene.load("k").await, 1);
    }
    tell.send(()).unwrap();
    assert_eq!(refreshing.await.unwrap(), 2);
    let loader = || async { Ok::<_, BackendError>(99usize) };
    assert_eq!(scene.cached.load(&BOTH, 1, "k", TTL, loader).await.unwrap(), 2);
    scene.clock.advance(TTL.soft);
    let fails = || async { Err::<usize, _>("broken") };
    assert_eq!(
        scene.cached.load(&BOTH, 1, "k", TTL, fails).await,
        Ok(2),
        "a failed refresh serves what is not wrong"
    );
}

#[tokio::test]
async fn a_value_that_is_too_large_is_returned_and_not_kept() {
    let scene = scene();
    for _ in 0..2 {
        let loader = || async { Ok::<_, BackendError>("x".repeat(2_000)) };
        let value: String = scene.cached.load(&BOTH, 1, "k", TTL, loader).await.unwrap();
        assert_eq!(value.len(), 2_000);
        // The lease was given back by the task that the holder left behind.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(scene.cached.counts().loads, 2);
    assert_eq!(scene.cached.counts().refused_fills, 2);
    assert!(scene.cache.weight_bytes().await < 1_000);
}

/// A cache that is down when it is told to be.
struct Fragile {
    cache: Arc<MemoryCache>,
    down: AtomicBool,
}

#[async_trait]
impl Cache for Fragile {
    async fn lookup(&self, key: &CacheKey, lease_for: Duration) -> Result<Lookup, BackendError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(BackendError::Unavailable {
                adapter: "fragile",
                source: None,
            });
        }
        self.cache.lookup(key, lease_for).await
    }

    async fn fill(
        &self,
        key: &CacheKey,
        lease: FillLease,
        value: Option<Bytes>,
        ttl: Ttl,
    ) -> Result<Filled, BackendError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(BackendError::Unavailable {
                adapter: "fragile",
                source: None,
            });
        }
        self.cache.fill(key, lease, value, ttl).await
    }
}

/// Loads that wait for a gate, and count how many of them run at once.
struct Crowd {
    gate: tokio::sync::Semaphore,
    callers: AtomicUsize,
    loads: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Crowd {
    async fn load(&self) -> Result<usize, BackendError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        // The gate opens by being closed as a semaphore: nobody gets a permit, everybody passes.
        let _open = self.gate.acquire().await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(self.loads.fetch_add(1, Ordering::SeqCst))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_cache_each_key_is_loaded_once_at_a_time_by_few() {
    let scene = scene();
    let fragile = Arc::new(Fragile {
        cache: scene.cache,
        down: AtomicBool::new(true),
    });
    let settings = CachedSettings {
        loaders_without_lease: 3,
        ..CachedSettings::default()
    };
    let cached = Arc::new(Cached::with_settings(fragile.clone(), scene.board, settings));
    let crowd = Arc::new(Crowd {
        gate: tokio::sync::Semaphore::new(0),
        callers: AtomicUsize::new(0),
        loads: AtomicUsize::new(0),
        now: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
    });
    let callers: Vec<_> = (0..200)
        .map(|n| {
            let (cached, crowd) = (cached.clone(), crowd.clone());
            let key = format!("key {}", n % 10);
            tokio::spawn(async move {
                crowd.callers.fetch_add(1, Ordering::SeqCst);
                cached.load(&BOTH, 1, &key, TTL, || crowd.load()).await.unwrap()
            })
        })
        .collect();
    while crowd.callers.load(Ordering::SeqCst) < 200 {
        tokio::task::yield_now().await;
    }
    // Each caller asks in the step in which it counts itself; the last one may be in the middle of it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    crowd.gate.close();
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(
        crowd.most.load(Ordering::SeqCst) <= 3,
        "at most three loaders at once"
    );
    assert_eq!(crowd.loads.load(Ordering::SeqCst), 10, "once a key");
    assert!(cached.counts().unavailable >= 10);
    fragile.down.store(false, Ordering::SeqCst);
    let value = cached
        .load(&BOTH, 1, "key 0", TTL, || crowd.load())
        .await
        .unwrap();
    let again = cached
        .load(&BOTH, 1, "key 0", TTL, || crowd.load())
        .await
        .unwrap();
    assert_eq!(value, again, "the cache is used again at once");
}

/// Epochs that cannot be read.
struct NoEpochs;

#[async_trait]
impl Epochs for NoEpochs {
    async fn current(&self) -> Result<Vec<Epoch>, BackendError> {
        Err(BackendError::Unavailable {
            adapter: "test",
            source: None,
        })
    }
}

#[tokio::test]
async fn without_epochs_no_entry_is_trusted() {
    let scene = scene();
    let cached = Cached::new(scene.cache.clone(), Arc::new(EpochBoard::new(Arc::new(NoEpochs))));
    for expected in 0..3 {
        let loader = || async { Ok::<_, BackendError>(expected) };
        assert_eq!(cached.load(&BOTH, 1, "k", TTL, loader).await.unwrap(), expected);
    }
    assert_eq!(scene.cache.weight_bytes().await, 0, "nor is one made");
    assert_eq!(cached.counts().unavailable, 3);
}
