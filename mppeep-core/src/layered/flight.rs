//! Single flight inside one process: of those who want one entry at the same time, one goes and the others wait.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use crate::ports::cache::CacheKey;

/// The entries that somebody is fetching just now.
#[derive(Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<CacheKey, watch::Receiver<Landing>>>>);

/// How a flight ended, for those who waited.
#[derive(Debug, Clone)]
pub(super) enum Landing {
    /// Not yet.
    Flying,
    /// With this value.
    Value(Bytes),
    /// The loader failed: the next try is each waiter's own, since its error cannot be shared.
    Failed,
}

/// What one does about an entry.
pub(super) enum Joined {
    /// Fetch it, and tell the others.
    Lead(Flight),
    /// Wait for the one who does.
    Follow(watch::Receiver<Landing>),
}

impl Flights {
    pub(super) fn join(&self, key: &CacheKey) -> Joined {
        let mut flying = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match flying.entry(key.clone()) {
            Entry::Occupied(entry) => Joined::Follow(entry.get().clone()),
            Entry::Vacant(entry) => {
                let (tell, told) = watch::channel(Landing::Flying);
                entry.insert(told);
                Joined::Lead(Flight {
                    flights: self.0.clone(),
                    key: key.clone(),
                    tell,
                })
            }
        }
    }
}

/// Leads a flight. Dropped without landing (cancelled, panicked), it leaves the lead to one of those who wait.
pub(super) struct Flight {
    flights: Arc<Mutex<HashMap<CacheKey, watch::Receiver<Landing>>>>,
    key: CacheKey,
    tell: watch::Sender<Landing>,
}

impl Flight {
    pub(super) fn land(self, landing: Landing) {
        self.tell.send_replace(landing);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

/// Waits for a flight to end; nothing when its leader was dropped.
pub(super) async fn landed(mut told: watch::Receiver<Landing>) -> Option<Landing> {
    loop {
        let now = told.borrow_and_update().clone();
        if !matches!(now, Landing::Flying) {
            return Some(now);
        }
        if told.changed().await.is_err() {
            // The leader may have spoken just before it left.
            let last = told.borrow().clone();
            return (!matches!(last, Landing::Flying)).then_some(last);
        }
    }
}
