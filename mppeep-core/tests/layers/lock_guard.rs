//! A held lock is prolonged, and what is lost is known to be lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::layered::lock_guard::LockGuard;
use mppeep_core::ports::clock::{SeededEntropy, SystemClock};
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::locks::{Held, LockLease, Locks, OwnerId};
use tokio::time::Instant;

use crate::away;

const TTL: Duration = Duration::from_secs(30);

#[derive(Default)]
struct OneLock {
    renewed: AtomicUsize,
    released: AtomicUsize,
    taken_over: AtomicBool,
    down: AtomicBool,
}

#[async_trait]
impl Locks for OneLock {
    async fn acquire(
        &self,
        name: &str,
        owner: OwnerId,
        ttl: Duration,
    ) -> Result<Option<LockLease>, BackendError> {
        Ok(Some(LockLease {
            name: name.to_owned(),
            owner,
            fence: 7,
            valid_until: Instant::now() + ttl,
        }))
    }

    async fn renew(&self, lease: &mut LockLease, ttl: Duration) -> Result<Held, BackendError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(away());
        }
        if self.taken_over.load(Ordering::SeqCst) {
            return Ok(Held::Lost);
        }
        self.renewed.fetch_add(1, Ordering::SeqCst);
        lease.valid_until = Instant::now() + ttl;
        Ok(Held::Yes)
    }

    async fn release(&self, _: &LockLease) -> Result<Held, BackendError> {
        self.released.fetch_add(1, Ordering::SeqCst);
        Ok(Held::Yes)
    }
}

async fn guard(lock: &Arc<OneLock>) -> LockGuard {
    let locks: Arc<dyn Locks> = lock.clone();
    let entropy = SeededEntropy::new(1);
    let acquired = LockGuard::acquire(&locks, "test", TTL, &SystemClock, &entropy).await;
    acquired.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_lock_outlives_its_time_while_it_is_held() {
    let lock = Arc::new(OneLock::default());
    let guard = guard(&lock).await;
    tokio::time::sleep(TTL * 4).await;
    assert!(guard.is_held());
    assert!(lock.renewed.load(Ordering::SeqCst) >= 10);
    assert_eq!(guard.fence(), 7);
    guard.release().await.unwrap();
    tokio::time::sleep(TTL).await;
    assert_eq!(lock.released.load(Ordering::SeqCst), 1, "given back once");
}

#[tokio::test(start_paused = true)]
async fn a_holder_knows_when_he_was_overtaken_or_cannot_tell() {
    let lock = Arc::new(OneLock::default());
    let overtaken = guard(&lock).await;
    lock.taken_over.store(true, Ordering::SeqCst);
    tokio::time::sleep(TTL / 2).await;
    assert!(!overtaken.is_held());
    let lock = Arc::new(OneLock::default());
    let cut_off = guard(&lock).await;
    lock.down.store(true, Ordering::SeqCst);
    tokio::time::sleep(TTL - Duration::from_secs(1)).await;
    assert!(cut_off.is_held());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!cut_off.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_guard_gives_the_lock_back() {
    let lock = Arc::new(OneLock::default());
    drop(guard(&lock).await);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(lock.released.load(Ordering::SeqCst), 1);
}
