//! What can be seen of the link: for health checks and metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::breaker::BreakerState;

/// Whether there is a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Nobody has needed one yet.
    Idle,
    /// There is one.
    Connected,
    /// There is none; the adapter keeps trying.
    Disconnected,
}

/// The link as it is now, and what it went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisHealth {
    /// Whether there is a connection.
    pub link: LinkState,
    /// How long it has been so.
    pub since: Duration,
    /// Whether calls are held back.
    pub breaker: BreakerState,
    /// The last failure, without addresses, keys or values; none since the last call that succeeded.
    pub last_error: Option<String>,
    /// What was counted since the adapter was opened.
    pub counts: RedisCounts,
}

impl RedisHealth {
    /// Whether calls are expected to be answered.
    pub fn is_well(&self) -> bool {
        self.breaker == BreakerState::Closed && self.link != LinkState::Disconnected
    }
}

/// Counts since the adapter was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisCounts {
    /// Calls of all ports.
    pub calls: u64,
    /// Of these, the ones that failed, for whatever reason.
    pub failures: u64,
    /// Of these, the ones that were held back by the breaker.
    pub held_back: u64,
    /// Of these, the ones that were not answered in time.
    pub timeouts: u64,
    /// Of these, the ones whose answer was out of step or could not be read.
    pub distrusted: u64,
    /// Connections that were opened for calls.
    pub connects: u64,
    /// Connections that were lost or given up.
    pub losses: u64,
    /// Times that the breaker opened.
    pub openings: u64,
    /// Stored values that could not be read and were removed.
    pub repairs: u64,
    /// Subscriptions that were made anew after a loss.
    pub resubscriptions: u64,
}

macro_rules! counters {
    ($($name:ident),*) => {
        /// The counters behind [`RedisCounts`].
        #[derive(Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Counter),* }

        impl Counters {
            pub(crate) fn read(&self) -> RedisCounts {
                RedisCounts { $($name: self.$name.0.load(Ordering::Relaxed)),* }
            }
        }
    };
}

counters!(
    calls,
    failures,
    held_back,
    timeouts,
    distrusted,
    connects,
    losses,
    openings,
    repairs,
    resubscriptions
);

/// One counter.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
