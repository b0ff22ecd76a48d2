//! Locks that stop where a test wants, and locks whose fence says nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::locks::{Held, LockLease, Locks, OwnerId};
use tokio::sync::mpsc::UnboundedReceiver;

/// Says on standard output that it took a lock, and goes on when it is told to.
pub(crate) struct Pausing {
    pub(crate) inner: Arc<dyn Locks>,
    /// Which locks it stops at, counted from 1.
    pub(crate) at: BTreeSet<usize>,
    pub(crate) taken: AtomicUsize,
    pub(crate) go: tokio::sync::Mutex<UnboundedReceiver<()>>,
}

#[async_trait]
impl Locks for Pausing {
    async fn acquire(
        &self,
        name: &str,
        owner: OwnerId,
        ttl: Duration,
    ) -> Result<Option<LockLease>, BackendError> {
        let lease = self.inner.acquire(name, owner, ttl).await?;
        if let Some(lease) = &lease {
            let number = self.taken.fetch_add(1, Ordering::SeqCst) + 1;
            if self.at.contains(&number) {
                let agent = name.rsplit(':').next().unwrap_or_default();
                println!("» holds {agent} {}", lease.fence);
                self.go.lock().await.recv().await.expect("told to go on");
            }
        }
        Ok(lease)
    }

    async fn renew(&self, lease: &mut LockLease, ttl: Duration) -> Result<Held, BackendError> {
        self.inner.renew(lease, ttl).await
    }

    async fn release(&self, lease: &LockLease) -> Result<Held, BackendError> {
        self.inner.release(lease).await
    }
}

/// Real locks, but each holder is given the same fence: comparing it tells nobody apart, as if it were not compared.
pub(crate) struct Fenceless {
    pub(crate) inner: Arc<dyn Locks>,
    pub(crate) fences: Mutex<HashMap<OwnerId, i64>>,
}

impl Fenceless {
    fn real(&self, lease: &LockLease) -> LockLease {
        let fences = self.fences.lock().expect("fences");
        LockLease {
            fence: fences.get(&lease.owner).copied().unwrap_or_default(),
            ..lease.clone()
        }
    }
}

#[async_trait]
impl Locks for Fenceless {
    async fn acquire(
        &self,
        name: &str,
        owner: OwnerId,
        ttl: Duration,
    ) -> Result<Option<LockLease>, BackendError> {
        let lease = self.inner.acquire(name, owner, ttl).await?;
        Ok(lease.map(|lease| {
            self.fences.lock().expect("fences").insert(owner, lease.fence);
            LockLease { fence: 1, ..lease }
        }))
    }

    async fn renew(&self, lease: &mut LockLease, ttl: Duration) -> Result<Held, BackendError> {
        let mut real = self.real(lease);
        let held = self.inner.renew(&mut real, ttl).await?;
        lease.valid_until = real.valid_until;
        Ok(held)
    }

    async fn release(&self, lease: &LockLease) -> Result<Held, BackendError> {
        let real = self.real(lease);
        self.fences.lock().expect("fences").remove(&lease.owner);
        self.inner.release(&real).await
    }
}
