//! A lock that is prolonged while it is held, and given back when it is dropped.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::ports::clock::{Clock, Entropy, new_uuid};
use crate::ports::error::BackendError;
use crate::ports::locks::{Held, LockLease, Locks, OwnerId};

/// A held lock. It is prolonged in the background at a third of its time. What it protects compares its fence: the guard
/// tells what this process believes, the fence decides.
pub struct LockGuard {
    locks: Arc<dyn Locks>,
    lease: Arc<Mutex<LockLease>>,
    renewal: JoinHandle<()>,
    released: bool,
}

impl LockGuard {
    /// Takes a lock for `ttl`, prolonged while the guard lives; none when somebody holds it.
    ///
    /// # Errors
    /// As [`Locks::acquire`].
    pub async fn acquire(
        locks: &Arc<dyn Locks>,
        name: &str,
        ttl: Duration,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Option<Self>, BackendError> {
        let owner = OwnerId(new_uuid(clock, entropy));
        let Some(lease) = locks.acquire(name, owner, ttl).await? else {
            return Ok(None);
        };
        let lease = Arc::new(Mutex::new(lease));
        let renewal = tokio::spawn(renew(Arc::clone(locks), Arc::clone(&lease), ttl));
        Ok(Some(Self {
            locks: Arc::clone(locks),
            lease,
            renewal,
            released: false,
        }))
    }

    /// What the protected write compares.
    pub fn fence(&self) -> i64 {
        self.lease().fence
    }

    /// Whether this process may still believe it holds the lock.
    pub fn is_held(&self) -> bool {
        self.lease().valid_until > Instant::now()
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// As [`Locks::release`]; it is then free when its lease ends.
    pub async fn release(mut self) -> Result<Held, BackendError> {
        self.renewal.abort();
        self.released = true;
        let lease = self.lease();
        self.locks.release(&lease).await
    }

    fn lease(&self) -> LockLease {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.renewal.abort();
        if self.released {
            return;
        }
        // Best effort: without it the lock is free when its lease ends.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (locks, lease) = (Arc::clone(&self.locks), self.lease());
            runtime.spawn(async move {
                if let Err(error) = locks.release(&lease).await {
                    tracing::debug!(%error, "a lock could not be given back: its lease will end");
                }
            });
        }
    }
}

/// Prolongs a lease until it is lost.
async fn renew(locks: Arc<dyn Locks>, shared: Arc<Mutex<LockLease>>, ttl: Duration) {
    loop {
        tokio::time::sleep(ttl / 3).await;
        let mut lease = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match locks.renew(&mut lease, ttl).await {
            Ok(Held::Yes) => *shared.lock().unwrap_or_else(PoisonError::into_inner) = lease,
            Ok(Held::Lost) => {
                tracing::warn!(lock = lease.name, "a lock was lost");
                lease.valid_until = Instant::now();
                *shared.lock().unwrap_or_else(PoisonError::into_inner) = lease;
                return;
            }
            Err(error) => tracing::debug!(%error, "a lock could not be prolonged"),
        }
    }
}
