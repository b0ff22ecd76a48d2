//! Limits are never lifted, whatever becomes of their backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mppeep_cache_memory::MemoryRateLimiter;
use mppeep_core::layered::fallback_limiter::FallbackLimiter;
use mppeep_core::ports::clock::{ManualClock, TimeSource};
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::rate_limiter::{Decision, Gcra, RateLimiter};

use crate::away;

const POLICY: Gcra = Gcra {
    name: "test",
    count: 9,
    period: Duration::from_secs(9),
    burst: 9,
};

const FINE: u8 = 0;
const REFUSED: u8 = 1;
const HANGS: u8 = 2;

struct Shared {
    inner: MemoryRateLimiter,
    mood: AtomicU8,
    calls: AtomicUsize,
}

#[async_trait]
impl RateLimiter for Shared {
    async fn take(&self, policy: &Gcra, key: &str) -> Result<Decision, BackendError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match self.mood.load(Ordering::SeqCst) {
            REFUSED => Err(away()),
            HANGS => std::future::pending().await,
            _ => self.inner.take(policy, key).await,
        }
    }
}

fn limiters(instances: u32) -> (Arc<Shared>, Arc<FallbackLimiter>) {
    let clock = Arc::new(ManualClock::new("2026-11-22T12:00:00Z".parse().unwrap()));
    let memory = || MemoryRateLimiter::new(TimeSource::Clock(clock.clone()));
    let shared = Arc::new(Shared {
        inner: memory(),
        mood: AtomicU8::new(FINE),
        calls: AtomicUsize::new(0),
    });
    let limiter = FallbackLimiter::new(shared.clone(), Arc::new(memory()), instances);
    (shared, Arc::new(limiter))
}

/// Requests that pass at one instant.
async fn allowed(limiter: &FallbackLimiter, key: &str) -> usize {
    let mut allowed = 0;
    for _ in 0..30 {
        allowed += usize::from(limiter.take(&POLICY, key).await.unwrap().allowed);
    }
    allowed
}

#[tokio::test(start_paused = true)]
async fn the_local_share_holds_while_the_shared_limiter_is_away() {
    let (shared, limiter) = limiters(3);
    assert_eq!(allowed(&limiter, "a").await, 9);
    assert!(!limiter.is_degraded());
    for mood in [REFUSED, HANGS] {
        shared.mood.store(mood, Ordering::SeqCst);
        assert_eq!(allowed(&limiter, &format!("b{mood}")).await, 3, "a third of nine");
        assert!(limiter.is_degraded());
    }
    assert_eq!(limiter.local_decisions(), 60);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_tried_seldom_and_its_end_is_noticed() {
    let (shared, limiter) = limiters(1);
    shared.mood.store(HANGS, Ordering::SeqCst);
    let started = tokio::time::Instant::now();
    for _ in 0..100 {
        limiter.take(&POLICY, "a").await.unwrap();
    }
    assert_eq!(shared.calls.load(Ordering::SeqCst), 1, "one call found out");
    assert!(
        started.elapsed() < Duration::from_millis(200),
        "and only it waited: {:?}",
        started.elapsed()
    );
    shared.mood.store(FINE, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(3)).await;
    limiter.take(&POLICY, "a").await.unwrap();
    assert!(!limiter.is_degraded(), "back within three seconds");
}

#[tokio::test(start_paused = true)]
async fn of_many_callers_one_tries_whether_the_outage_is_over() {
    let (shared, limiter) = limiters(1);
    shared.mood.store(HANGS, Ordering::SeqCst);
    limiter.take(&POLICY, "a").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    shared.calls.store(0, Ordering::SeqCst);
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.take(&POLICY, "a").await.map(|_| ()) })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(shared.calls.load(Ordering::SeqCst), 1);
}
