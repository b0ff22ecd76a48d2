//! mppeep's ephemeral ports on Redis: cache entries with fill leases, general rate limits, and messages.
//!
//! Redis holds only what may vanish. It may be absent at the start, refuse, hang, restart, run out of memory, evict or
//! forget everything: a call then fails within its deadline, and within microseconds while an outage lasts, and the
//! adapter finds the server again by itself.
//!
//! - One connection is shared by all calls. It is opened when first needed, and given up at the first answer that is
//!   late, out of step or unreadable.
//! - Each operation is one script, judged by the server's clock. Each answer repeats a number that its question
//!   carried, and each value carries a tag over its key and its content: nobody is handed what belongs to another.
//! - A circuit breaker holds calls back while the server does not answer.
//!
//! ```no_run
//! # fn main() -> Result<(), mppeep_cache_redis::OpenError> {
//! use mppeep_cache_redis::{RedisAdapter, RedisOptions};
//!
//! let redis = RedisAdapter::open("redis://:secret@127.0.0.1:6379/0", RedisOptions::default())?;
//! let (cache, limiter, messages) = (redis.cache(), redis.limiter(), redis.pubsub());
//! # let _ = (cache, limiter, messages);
//! # Ok(())
//! # }
//! ```

mod adapter;
mod address;
mod breaker;
mod buffer;
mod cache;
mod call;
mod doubt;
mod error;
mod health;
mod key;
mod link;
mod options;
mod pubsub;
mod rate_limiter;
mod script;
mod server;
mod time;

pub use adapter::RedisAdapter;
pub use address::OpenError;
pub use breaker::{BreakerSettings, BreakerState};
pub use cache::RedisCache;
pub use health::{LinkState, RedisCounts, RedisHealth};
pub use options::RedisOptions;
pub use pubsub::RedisPubSub;
pub use rate_limiter::RedisRateLimiter;
pub use server::RedisServer;

/// The name under which this adapter's failures are reported.
const ADAPTER: &str = "redis";
