//! General rate limits, by the generic cell rate algorithm (GCRA, ITU-T I.371).

use std::time::Duration;

use async_trait::async_trait;

use super::error::BackendError;

/// A limit: `count` requests per `period`, and `burst` at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gcra {
    /// Name of the policy; two policies never share state, whatever their keys.
    pub name: &'static str,
    /// Requests allowed per period, at least 1.
    pub count: u32,
    /// The period.
    pub period: Duration,
    /// Requests allowed at one instant, at least 1.
    pub burst: u32,
}

impl Gcra {
    /// Time between two requests at the steady rate, in microseconds, at least 1.
    pub fn interval_micros(&self) -> i64 {
        let micros = i64::try_from(self.period.as_micros()).unwrap_or(i64::MAX);
        (micros / i64::from(self.count.max(1))).max(1)
    }

    /// How far ahead of now the theoretical arrival time may stand, in microseconds.
    pub fn tolerance_micros(&self) -> i64 {
        self.interval_micros()
            .saturating_mul(i64::from(self.burst.max(1)))
    }

    /// Judges one request at `now_micros` against the stored theoretical arrival time.
    /// Gives the decision, and the time to store if the request is allowed.
    pub fn judge(&self, stored: Option<i64>, now_micros: i64) -> (Decision, Option<i64>) {
        let interval = self.interval_micros();
        let tolerance = self.tolerance_micros();
        let arrival = stored.unwrap_or(now_micros).max(now_micros);
        let next = arrival.saturating_add(interval);
        let ahead = next.saturating_sub(now_micros);
        if ahead > tolerance {
            let decision = Decision {
                allowed: false,
                remaining: 0,
                retry_after: micros(ahead - tolerance),
                reset_after: micros(arrival - now_micros),
            };
            return (decision, None);
        }
        let remaining = u32::try_from((tolerance - ahead) / interval).unwrap_or(u32::MAX);
        let decision = Decision {
            allowed: true,
            remaining,
            retry_after: Duration::ZERO,
            reset_after: micros(ahead),
        };
        (decision, Some(next))
    }
}

fn micros(value: i64) -> Duration {
    Duration::from_micros(u64::try_from(value).unwrap_or(0))
}

/// What a limiter answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may pass. A refusal takes nothing.
    pub allowed: bool,
    /// Requests that may follow at this instant.
    pub remaining: u32,
    /// Time after which the same request passes; zero when it passed.
    pub retry_after: Duration,
    /// Time after which the full burst is available again.
    pub reset_after: Duration,
}

/// Takes requests from limits.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes one request of `key` from `policy`, in one step.
    ///
    /// # Errors
    /// `BackendError` when the state cannot be reached; the caller then limits by its own share.
    async fn take(&self, policy: &Gcra, key: &str) -> Result<Decision, BackendError>;
}
