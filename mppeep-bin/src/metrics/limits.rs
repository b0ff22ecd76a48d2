//! The decisions of the general limits, counted.

use std::sync::Arc;

use async_trait::async_trait;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::rate_limiter::{Decision, Gcra, RateLimiter};

use super::requests::Requests;

/// A limiter whose decisions are counted.
pub(super) struct CountedLimiter {
    inner: Arc<dyn RateLimiter>,
    requests: Arc<Requests>,
}

impl CountedLimiter {
    pub(super) fn new(inner: Arc<dyn RateLimiter>, requests: Arc<Requests>) -> Self {
        Self { inner, requests }
    }
}

#[async_trait]
impl RateLimiter for CountedLimiter {
    async fn take(&self, policy: &Gcra, key: &str) -> Result<Decision, BackendError> {
        let decision = self.inner.take(policy, key).await;
        let outcome = match &decision {
            Ok(decision) if decision.allowed => "allowed",
            Ok(_) => "refused",
            Err(_) => "failed",
        };
        self.requests.decided(policy.name, outcome);
        decision
    }
}
