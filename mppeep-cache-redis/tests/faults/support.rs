//! What the tests share.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use mppeep_cache_redis::{RedisAdapter, RedisCache, RedisOptions};
use mppeep_core::ports::cache::{Cache, CacheKey, FillLease, Filled, Lookup, Ttl};
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::rate_limiter::Gcra;
use mppeep_testbed::RedisNode;

pub(crate) const LEASE: Duration = Duration::from_secs(10);
pub(crate) const TTL: Ttl = Ttl {
    soft: Duration::from_secs(60),
    hard: Duration::from_secs(600),
};

/// After which time an adapter must have found a server that is back.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(30);

static PREFIXES: AtomicU32 = AtomicU32::new(0);

/// Options as in production, with keys apart from every other test.
pub(crate) fn options() -> RedisOptions {
    let number = PREFIXES.fetch_add(1, Ordering::Relaxed);
    // The server outlives this process, whose number another gets soon.
    let moment = UNIX_EPOCH.elapsed().unwrap().as_nanos();
    RedisOptions {
        prefix: format!("faults:{}:{moment:x}:{number}:", std::process::id()),
        ..RedisOptions::default()
    }
}

/// Options under which a slow machine is no fault.
pub(crate) fn patient() -> RedisOptions {
    RedisOptions {
        connect_timeout: Duration::from_secs(10),
        operation_timeout: Duration::from_secs(10),
        call_timeout: Duration::from_secs(20),
        ..options()
    }
}

/// Options under which an answer is late when it is meant to be, and not because the machine stood still for a moment.
pub(crate) fn unhurried() -> RedisOptions {
    RedisOptions {
        connect_timeout: Duration::from_secs(1),
        operation_timeout: Duration::from_secs(3),
        call_timeout: Duration::from_secs(4),
        ..options()
    }
}

pub(crate) fn open(url: &str, options: &RedisOptions) -> RedisAdapter {
    RedisAdapter::open(url, options.clone()).unwrap()
}

pub(crate) fn key(name: &str) -> CacheKey {
    CacheKey {
        namespace: "figures".to_owned(),
        schema: 1,
        epoch: 7,
        key: name.to_owned(),
    }
}

/// One in a minute, three at once.
pub(crate) fn policy() -> Gcra {
    Gcra {
        name: "api",
        count: 1,
        period: Duration::from_secs(60),
        burst: 3,
    }
}

pub(crate) async fn put(cache: &RedisCache, name: &str, value: &str) {
    match cache.lookup(&key(name), LEASE).await.unwrap() {
        Lookup::Miss(lease) => {
            let value = Some(Bytes::copy_from_slice(value.as_bytes()));
            let filled = cache.fill(&key(name), lease, value, TTL).await.unwrap();
            assert_eq!(filled, Filled::Done);
        }
        other => panic!("{name} is not free: {other:?}"),
    }
}

pub(crate) async fn is_there(cache: &RedisCache, name: &str, value: &str) -> bool {
    cache.lookup(&key(name), LEASE).await.unwrap() == Lookup::Fresh(Bytes::copy_from_slice(value.as_bytes()))
}

/// A fill under a lease that nobody gave.
pub(crate) async fn blind_fill(cache: &RedisCache, name: &str) -> Result<Filled, BackendError> {
    let value = Some(Bytes::from_static(b"value"));
    cache.fill(&key(name), FillLease(1), value, TTL).await
}

/// Waits until the server answers again, and tells how long that took.
pub(crate) async fn back(adapter: &RedisAdapter) -> Duration {
    let began = Instant::now();
    while let Err(error) = adapter.ping().await {
        assert!(
            began.elapsed() < BACK_WITHIN,
            "not back after {:?}: {error:?}, {:?}",
            began.elapsed(),
            adapter.health()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

/// Waits for a condition that must come true.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{what} does not come true"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Polls a future at most so many times, then drops it.
pub(crate) async fn poll_then_drop<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
            std::task::Poll::Pending if left == 0 => std::task::Poll::Ready(None),
            std::task::Poll::Pending => std::task::Poll::Pending,
        }
    })
    .await
}

/// The keys of a test, as the server has them.
pub(crate) async fn stored_keys(server: &RedisNode, options: &RedisOptions) -> Vec<String> {
    let pattern = format!("{}*", options.prefix);
    let found = server.cli(&["--scan", "--pattern", &pattern]).await;
    found.lines().map(str::to_owned).collect()
}

pub(crate) fn is_unavailable<T>(result: &Result<T, BackendError>) -> bool {
    matches!(result, Err(BackendError::Unavailable { .. }))
}
