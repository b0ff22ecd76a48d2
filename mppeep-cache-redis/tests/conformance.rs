//! The conformance suite on Redis. Each harness has a prefix of its own; each instance has its own connection.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use mppeep_cache_redis::{RedisAdapter, RedisOptions};
use mppeep_conformance::{CacheHarness, PubSubHarness, RateLimiterHarness, TestClock, conformance_tests};
use mppeep_core::ports::cache::Cache;
use mppeep_core::ports::clock::{ManualClock, TimeSource};
use mppeep_core::ports::pubsub::PubSub;
use mppeep_core::ports::rate_limiter::RateLimiter;
use mppeep_testbed::{FaultProxy, Redis, RedisNode};

struct OnRedis {
    server: &'static RedisNode,
    options: RedisOptions,
    clock: TestClock,
    /// The instances whose links can be cut.
    behind_proxies: Mutex<HashMap<usize, (FaultProxy, RedisAdapter)>>,
}

static HARNESSES: AtomicU32 = AtomicU32::new(0);

impl OnRedis {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new("2026-11-22T12:00:00Z".parse().unwrap()));
        let number = HARNESSES.fetch_add(1, Ordering::Relaxed);
        // The server outlives this process, whose number another gets soon.
        let moment = UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let options = RedisOptions {
            prefix: format!("conformance:{}:{moment:x}:{number}:", std::process::id()),
            time: TimeSource::Clock(clock.clone()),
            // What is checked here is what answers say; how long they take is checked under faults.
            connect_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(20),
            value_limit_bytes: 2 << 20,
            ..RedisOptions::default()
        };
        Self {
            server: Redis::shared().await,
            options,
            clock,
            behind_proxies: Mutex::default(),
        }
    }

    fn instance(&self) -> RedisAdapter {
        RedisAdapter::open(&self.server.url(), self.options.clone()).unwrap()
    }
}

#[async_trait]
impl CacheHarness for OnRedis {
    async fn cache(&self, _: usize) -> Arc<dyn Cache> {
        Arc::new(self.instance().cache())
    }

    fn clock(&self) -> TestClock {
        self.clock.clone()
    }

    fn value_limit_bytes(&self) -> usize {
        self.options.value_limit_bytes
    }
}

#[async_trait]
impl RateLimiterHarness for OnRedis {
    async fn limiter(&self, _: usize) -> Arc<dyn RateLimiter> {
        Arc::new(self.instance().limiter())
    }

    fn clock(&self) -> TestClock {
        self.clock.clone()
    }
}

#[async_trait]
impl PubSubHarness for OnRedis {
    async fn pubsub_at(&self, instance: usize) -> Arc<dyn PubSub> {
        let mut instances = self.behind_proxies.lock().unwrap();
        let (_, adapter) = instances.entry(instance).or_insert_with(|| {
            let proxy = FaultProxy::start(&self.server.address());
            let url = self.server.url_through(&proxy.address());
            (proxy, RedisAdapter::open(&url, self.options.clone()).unwrap())
        });
        Arc::new(adapter.pubsub())
    }

    fn payload_limit_bytes(&self) -> usize {
        self.instance().pubsub().payload_limit_bytes()
    }

    fn backlog(&self) -> usize {
        self.instance().pubsub().backlog()
    }

    async fn cut(&self, instance: usize) -> bool {
        let instances = self.behind_proxies.lock().unwrap();
        let cut = instances
            .get(&instance)
            .map(|(proxy, _)| proxy.reset_connections());
        cut.is_some()
    }
}

conformance_tests!(cache, OnRedis::new().await);
conformance_tests!(rate_limiter, OnRedis::new().await);
conformance_tests!(pubsub, OnRedis::new().await);
