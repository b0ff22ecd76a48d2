//! The suite checks itself: each naive implementation must be caught by the check that is meant for it.
//!
//! They are what people write first: read, then write; one counter for everything; keys glued together. Between the
//! two steps each of them lets others run, as a network would.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "naive/cache.rs"]
mod cache;
#[path = "naive/counters.rs"]
mod counters;
#[path = "naive/file_store.rs"]
mod file_store;
#[path = "naive/idempotency.rs"]
mod idempotency;
#[path = "naive/jobs.rs"]
mod jobs;
#[path = "naive/limits.rs"]
mod limits;
#[path = "naive/locks.rs"]
mod locks;
#[path = "naive/pubsub.rs"]
mod pubsub;
#[path = "naive/sessions.rs"]
mod sessions;
#[path = "naive/store.rs"]
mod store;

use std::future::Future;
use std::sync::Arc;

use mppeep_conformance::TestClock;
use mppeep_core::ports::clock::ManualClock;

fn clock() -> TestClock {
    Arc::new(ManualClock::new("2026-11-22T12:00:00Z".parse().unwrap()))
}

/// Lets other tasks run, on whatever thread.
async fn others_run() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

/// Runs of a check at most. A race shows itself only when two steps meet, which one run cannot promise on every machine.
const RUNS: u32 = 50;

/// Whether the check finds the flaw, and says so.
async fn notices(check: impl Future<Output = ()> + Send + 'static) -> bool {
    tokio::spawn(check).await.is_err_and(|err| err.is_panic())
}

/// One test a mutant: a name, a harness, and the check that must catch it.
macro_rules! mutants {
    ($($name:ident: $harness:expr => $group:ident :: $check:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            for _ in 0..crate::RUNS {
                let harness = $harness;
                let check = async move { mppeep_conformance::$group::$check(&harness).await };
                if crate::notices(check).await {
                    return;
                }
            }
            panic!("the check did not notice");
        }
    )*};
}
pub(crate) use mutants;
