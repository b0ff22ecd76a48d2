//! An adapter of somebody else, with the checks that tell him whether it fits: a limiter of requests that keeps its state
//! in a « server » (here a map that several instances share).
//!
//! `cargo test -p mppeep-conformance --example own_adapter` runs the checks on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::ports::clock::{Clock, SystemClock, TimeSource};
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::rate_limiter::{Decision, Gcra, RateLimiter};

/// What the instances share.
#[derive(Default)]
struct Server(Mutex<HashMap<(String, String), i64>>);

/// One instance, as each process opens it.
struct MyLimiter {
    server: Arc<Server>,
    time: TimeSource,
}

impl MyLimiter {
    fn connect(server: Arc<Server>, time: TimeSource) -> Self {
        Self { server, time }
    }

    fn now(&self) -> i64 {
        let now = match &self.time {
            TimeSource::Backend => SystemClock.now(),
            TimeSource::Clock(clock) => clock.now(),
        };
        now.as_microsecond()
    }
}

#[async_trait]
impl RateLimiter for MyLimiter {
    async fn take(&self, policy: &Gcra, key: &str) -> Result<Decision, BackendError> {
        // Read, judge and write in one step: between a read and a write another instance would read the same.
        let mut stored = self.server.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (policy.name.to_owned(), key.to_owned());
        let (decision, next) = policy.judge(stored.get(&key).copied(), self.now());
        if let Some(next) = next {
            stored.insert(key, next);
        }
        Ok(decision)
    }
}

#[tokio::main]
async fn main() -> Result<(), BackendError> {
    let limiter = MyLimiter::connect(Arc::default(), TimeSource::Backend);
    let policy = Gcra {
        name: "example",
        count: 1,
        period: Duration::from_secs(60),
        burst: 1,
    };
    let (first, second) = (
        limiter.take(&policy, "a").await?,
        limiter.take(&policy, "a").await?,
    );
    assert!(first.allowed && !second.allowed);
    Ok(())
}

#[cfg(test)]
mod conformance {
    use mppeep_conformance::{RateLimiterHarness, TestClock, conformance_tests};
    use mppeep_core::ports::clock::ManualClock;

    use super::*;

    /// A server that no other check sees, and the clock that all its instances judge by.
    struct Mine {
        server: Arc<Server>,
        clock: TestClock,
    }

    impl Mine {
        fn new() -> Self {
            let noon = "2026-11-22T12:00:00Z".parse().expect("an instant");
            Self {
                server: Arc::default(),
                clock: Arc::new(ManualClock::new(noon)),
            }
        }
    }

    #[async_trait]
    impl RateLimiterHarness for Mine {
        async fn limiter(&self, _instance: usize) -> Arc<dyn RateLimiter> {
            // Another instance is another connection to the same server.
            let time = TimeSource::Clock(self.clock.clone());
            Arc::new(MyLimiter::connect(self.server.clone(), time))
        }

        fn clock(&self) -> TestClock {
            self.clock.clone()
        }
    }

    conformance_tests!(rate_limiter, Mine::new());
}
