//! Login attempts: how often an address may fail.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::error::BackendError;

/// Limits on login attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptLimits {
    /// Failures an address may have in the window.
    pub per_address: u32,
    /// The window, from each failure.
    pub window: Duration,
    /// Time after which an attempt that never settled frees its slot.
    pub in_flight: Duration,
    /// Consecutive failures of one account, across addresses, from which on attempts are spaced out.
    pub account_threshold: u32,
    /// The space between two attempts on such an account.
    pub account_delay: Duration,
    /// For how long an address that logged in to the account is exempt from that delay.
    pub known_for: Duration,
}

impl Default for AttemptLimits {
    fn default() -> Self {
        Self {
            per_address: 5,
            window: Duration::from_secs(15 * 60),
            in_flight: Duration::from_secs(30),
            account_threshold: 20,
            account_delay: Duration::from_secs(10),
            known_for: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// Who tries to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The client's canonical address, an IPv6 one cut to its /64.
    pub address: String,
    /// The account as typed, folded; it need not exist.
    pub account: String,
}

/// Names an attempt in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptId(pub Uuid);

/// What `begin` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The attempt holds a slot: verify the password, then settle.
    Go {
        /// Names the attempt.
        id: AttemptId,
        /// Slots left to this address after this one, if it fails.
        remaining: u32,
    },
    /// Every free slot is held by an attempt in flight: ask again soon.
    Wait,
    /// The address, or the account, may not try now.
    Blocked {
        /// Time after which an attempt is possible again.
        retry_after: Duration,
    },
}

/// Counts login failures, exactly, whatever happens to caches.
#[async_trait]
pub trait LoginAttempts: Send + Sync {
    /// Takes one of the address's free slots: the limit, less the failures in the window, less the attempts in flight.
    ///
    /// # Errors
    /// `BackendError` when the store cannot be reached: nobody is let in then.
    async fn begin(&self, who: &Attempt, limits: &AttemptLimits) -> Result<Begun, BackendError>;

    /// Ends an attempt. A success gives back the failures of this account from this address; a failure keeps its slot
    /// until the window ends. Settling an unknown or lapsed attempt as failed counts the failure all the same.
    ///
    /// # Errors
    /// As `begin`.
    async fn settle(
        &self,
        id: AttemptId,
        who: &Attempt,
        limits: &AttemptLimits,
        success: bool,
    ) -> Result<(), BackendError>;
}
