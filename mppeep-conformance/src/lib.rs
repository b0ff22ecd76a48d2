//! The suite that every adapter of mppeep's ports passes.
//!
//! A check is a plain `pub async fn` over a harness, which gives a fresh, isolated backend, several instances on it, and
//! the clock that judges. It says what it found by panicking. [`conformance_tests!`] lists the checks of a port as
//! tests in the adapter's own `tests/conformance.rs`:
//!
//! ```ignore
//! mppeep_conformance::conformance_tests!(cache, MyHarness::new().await);
//! ```
//!
//! Adapters are given as `Arc<dyn Port>`, as the server holds them. The suite knows the core only, and no adapter. Its
//! own tests run each check of a race on a naive implementation, which must fail it: a check that nothing can fail
//! checks nothing.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a check says what it found by panicking"
)]

mod fixtures;
mod harness;
mod list;
mod ministry;
mod support;

pub mod absence_lists;
pub mod absences;
pub mod account_tokens;
pub mod activities;
pub mod cache;
pub mod counters;
pub mod document_lists;
pub mod documents;
pub mod epochs;
pub mod evaluations;
pub mod figures;
pub mod file_store;
pub mod idempotency;
pub mod imports;
pub mod job_ends;
pub mod jobs;
pub mod layers;
pub mod locks;
pub mod login_attempts;
pub mod notices;
pub mod organisation;
pub mod outbox;
pub mod payroll;
pub mod payroll_lists;
pub mod personnel;
pub mod personnel_lists;
pub mod photos;
pub mod pubsub;
pub mod rate_limiter;
pub mod sessions;
pub mod settings;
pub mod shared_files;
pub mod stored_files;
pub mod units;
pub mod users;

pub use harness::{
    CacheHarness, CountersHarness, FileStoreHarness, IdempotencyHarness, JobQueueHarness, LocksHarness,
    LoginAttemptsHarness, PubSubHarness, RateLimiterHarness, SessionHarness, StoreHarness, TestClock,
};
