//! The adapter, from which the ports are taken.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mppeep_core::ports::error::BackendError;

use crate::address::{OpenError, client};
use crate::cache::RedisCache;
use crate::health::RedisHealth;
use crate::link::Link;
use crate::options::RedisOptions;
use crate::pubsub::RedisPubSub;
use crate::rate_limiter::RedisRateLimiter;
use crate::script;
use crate::server::{self, RedisServer};

/// Redis as mppeep uses it. Clones, and the ports taken from them, share one link.
#[derive(Clone)]
pub struct RedisAdapter {
    link: Arc<Link>,
}

impl RedisAdapter {
    /// Prepares the use of the server at `url`, and connects to nothing yet: a server that is absent is used when it
    /// appears.
    ///
    /// The URL is `redis://[[user]:password@]host[:port][/database]`, the same with `rediss` for TLS, or
    /// `unix:///path[?db=…&user=…&pass=…]`.
    ///
    /// # Errors
    /// Only an address that cannot be used.
    pub fn open(url: &str, options: RedisOptions) -> Result<Self, OpenError> {
        let client = client(url, options.root_certificates.as_deref())?;
        Ok(Self {
            link: Link::new(client, options),
        })
    }

    /// The cache.
    pub fn cache(&self) -> RedisCache {
        RedisCache::new(self.link.clone())
    }

    /// The rate limiter.
    pub fn limiter(&self) -> RedisRateLimiter {
        RedisRateLimiter::new(self.link.clone())
    }

    /// Messages.
    pub fn pubsub(&self) -> RedisPubSub {
        RedisPubSub::new(self.link.clone())
    }

    /// The link as it is now. Asks nobody, and costs nothing.
    pub fn health(&self) -> RedisHealth {
        self.link.health()
    }

    /// Asks the server for an answer, as any call would, and tells how long that took.
    ///
    /// # Errors
    /// `BackendError` as any call.
    pub async fn ping(&self) -> Result<Duration, BackendError> {
        let began = Instant::now();
        let key = format!("{}ping", self.link.options.prefix);
        self.link
            .run(
                &script::PING,
                key.as_bytes(),
                &[],
                self.link.deadline(),
                |values| values.is_empty().then(|| began.elapsed()),
            )
            .await
    }

    /// Asks the server for its version and how its memory is set up.
    ///
    /// # Errors
    /// `BackendError` as any call.
    pub async fn server(&self) -> Result<RedisServer, BackendError> {
        let key = format!("{}server", self.link.options.prefix);
        let deadline = self.link.deadline();
        self.link
            .run(&script::SERVER, key.as_bytes(), &[], deadline, server::read)
            .await
    }

    /// Ends the link and all subscriptions, for all clones. Later calls are `Unavailable`.
    pub fn close(&self) {
        self.link.close();
    }
}

impl fmt::Debug for RedisAdapter {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAdapter")
            .field("prefix", &self.link.options.prefix)
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}
