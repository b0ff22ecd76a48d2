//! General limits that hold while their backend is away.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::ports::error::BackendError;
use crate::ports::rate_limiter::{Decision, Gcra, RateLimiter};

/// How long the shared limiter may take for one decision.
const DEADLINE: Duration = Duration::from_millis(150);

/// After a failure the shared limiter is left alone for the first of these, doubling up to the second.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));

/// A shared limiter, and one in this process that takes over while the shared one fails or is slow. The local one applies
/// this instance's share of every policy, so that all instances together allow about what the policy says: limits are
/// never lifted.
pub struct FallbackLimiter {
    shared: Arc<dyn RateLimiter>,
    local: Arc<dyn RateLimiter>,
    instances: u32,
    rest: Mutex<Rest>,
    degraded: AtomicBool,
    local_decisions: AtomicU64,
}

#[derive(Default)]
struct Rest {
    until: Option<Instant>,
    length: Duration,
}

impl FallbackLimiter {
    /// `shared` decides while it can; else `local` does, for one of `instances` instances.
    pub fn new(shared: Arc<dyn RateLimiter>, local: Arc<dyn RateLimiter>, instances: u32) -> Self {
        Self {
            shared,
            local,
            instances: instances.max(1),
            rest: Mutex::default(),
            degraded: AtomicBool::new(false),
            local_decisions: AtomicU64::new(0),
        }
    }

    /// Whether the last decision was made here for want of the shared limiter.
    pub fn is_degraded(&self) -> bool {
        self.degraded.load(Ordering::Relaxed)
    }

    /// Decisions made here so far.
    pub fn local_decisions(&self) -> u64 {
        self.local_decisions.load(Ordering::Relaxed)
    }

    /// Whether the shared limiter may be asked. When its rest ends, one caller tries it while the others go on without.
    fn may_ask(&self) -> bool {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        match rest.until {
            None => true,
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                rest.until = Some(Instant::now() + DEADLINE.max(rest.length));
                true
            }
        }
    }

    fn note(&self, answered: bool) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            *rest = Rest::default();
        } else {
            rest.length = (rest.length * 2).clamp(PAUSE.0, PAUSE.1);
            rest.until = Some(Instant::now() + rest.length);
        }
    }

    /// This instance's share of a policy.
    fn share(&self, policy: &Gcra) -> Gcra {
        Gcra {
            name: policy.name,
            count: (policy.count / self.instances).max(1),
            period: policy.period,
            burst: (policy.burst / self.instances).max(1),
        }
    }
}

#[async_trait]
impl RateLimiter for FallbackLimiter {
    async fn take(&self, policy: &Gcra, key: &str) -> Result<Decision, BackendError> {
        if self.may_ask() {
            match tokio::time::timeout(DEADLINE, self.shared.take(policy, key)).await {
                Ok(Ok(decision)) => {
                    self.note(true);
                    if self.degraded.swap(false, Ordering::Relaxed) {
                        tracing::info!("general limits are shared again");
                    }
                    return Ok(decision);
                }
                Ok(Err(invalid @ BackendError::Invalid { .. })) => return Err(invalid),
                failed => {
                    self.note(false);
                    if !self.degraded.swap(true, Ordering::Relaxed) {
                        let why = failed.err().map_or("it failed", |_| "it is slow");
                        tracing::warn!(why, "the shared limiter is away: this instance applies its share");
                    }
                }
            }
        }
        self.local_decisions.fetch_add(1, Ordering::Relaxed);
        self.local.take(&self.share(policy), key).await
    }
}
