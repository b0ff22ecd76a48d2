//! The layers over ports that misbehave: away, slow, lost.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod buffered_counters;
mod epoch_relay;
mod fallback_limiter;
mod lock_guard;
mod near_cache;
mod session_cache;
mod worker;

use mppeep_core::ports::error::BackendError;

/// What a backend that cannot be reached answers.
fn away() -> BackendError {
    BackendError::Unavailable {
        adapter: "test",
        source: None,
    }
}
