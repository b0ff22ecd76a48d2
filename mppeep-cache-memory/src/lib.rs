//! mppeep's ephemeral ports in process memory: cache entries with fill leases, general rate limits, messages,
//! and, for programs that embed the core without its stores, sessions, login attempts and epochs.
//!
//! Everything here is bounded, is lost with the process, and is shared by cloning an `Arc`. It knows the core's ports
//! only: no database, no protocol. A server of several processes needs adapters that the processes share.

mod cache;
mod epochs;
mod login_attempts;
mod pubsub;
mod rate_limiter;
mod sessions;
mod time;
mod users;

pub use cache::{MemoryCache, MemoryCacheSettings};
pub use epochs::MemoryEpochs;
pub use login_attempts::MemoryLoginAttempts;
pub use pubsub::MemoryPubSub;
pub use rate_limiter::MemoryRateLimiter;
pub use sessions::MemorySessions;
pub use users::MemoryUsers;

/// The name under which this adapter's failures are reported.
const ADAPTER: &str = "memory";
