//! The conformance suite on the adapters in memory. Instances on one backend are one and the same here.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use mppeep_cache_memory::{
    MemoryCache, MemoryCacheSettings, MemoryLoginAttempts, MemoryPubSub, MemoryRateLimiter, MemorySessions,
    MemoryUsers,
};
use mppeep_conformance::{
    CacheHarness, LoginAttemptsHarness, PubSubHarness, RateLimiterHarness, SessionHarness, TestClock,
    conformance_tests,
};
use mppeep_core::domain::id::UserId;
use mppeep_core::domain::user::User;
use mppeep_core::ports::cache::Cache;
use mppeep_core::ports::clock::{ManualClock, TimeSource};
use mppeep_core::ports::login_attempts::LoginAttempts;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::pubsub::PubSub;
use mppeep_core::ports::rate_limiter::RateLimiter;
use mppeep_core::ports::session::SessionStore;

struct Memory {
    clock: TestClock,
    cache: Arc<MemoryCache>,
    limiter: Arc<MemoryRateLimiter>,
    pubsub: Arc<MemoryPubSub>,
    attempts: Arc<MemoryLoginAttempts>,
    users: Arc<MemoryUsers>,
    sessions: Arc<MemorySessions>,
}

const CACHE: MemoryCacheSettings = MemoryCacheSettings {
    capacity_bytes: 64 << 20,
    value_limit_bytes: 2 << 20,
};

impl Memory {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new("2026-11-22T12:00:00Z".parse().unwrap()));
        let time = || TimeSource::Clock(clock.clone());
        let users = Arc::new(MemoryUsers::new());
        Self {
            cache: Arc::new(MemoryCache::new(time(), CACHE)),
            pubsub: Arc::new(MemoryPubSub::new()),
            limiter: Arc::new(MemoryRateLimiter::new(time())),
            attempts: Arc::new(MemoryLoginAttempts::new(time())),
            sessions: Arc::new(MemorySessions::new(users.clone(), time())),
            users,
            clock,
        }
    }
}

#[async_trait]
impl CacheHarness for Memory {
    async fn cache(&self, _: usize) -> Arc<dyn Cache> {
        self.cache.clone()
    }

    fn clock(&self) -> TestClock {
        self.clock.clone()
    }

    fn value_limit_bytes(&self) -> usize {
        CACHE.value_limit_bytes
    }
}

#[async_trait]
impl RateLimiterHarness for Memory {
    async fn limiter(&self, _: usize) -> Arc<dyn RateLimiter> {
        self.limiter.clone()
    }

    fn clock(&self) -> TestClock {
        self.clock.clone()
    }
}

#[async_trait]
impl PubSubHarness for Memory {
    async fn pubsub_at(&self, _: usize) -> Arc<dyn PubSub> {
        self.pubsub.clone()
    }

    fn payload_limit_bytes(&self) -> usize {
        MemoryPubSub::PAYLOAD_LIMIT_BYTES
    }

    fn backlog(&self) -> usize {
        MemoryPubSub::BACKLOG
    }

    async fn cut(&self, _: usize) -> bool {
        false
    }
}

#[async_trait]
impl LoginAttemptsHarness for Memory {
    async fn attempts(&self, _: usize) -> Arc<dyn LoginAttempts> {
        self.attempts.clone()
    }

    async fn attempts_maintenance(&self) -> Arc<dyn Maintain> {
        self.attempts.clone()
    }

    fn clock(&self) -> TestClock {
        self.clock.clone()
    }
}

#[async_trait]
impl SessionHarness for Memory {
    async fn sessions(&self, _: usize) -> Arc<dyn SessionStore> {
        self.sessions.clone()
    }

    async fn session_maintenance(&self) -> Arc<dyn Maintain> {
        self.sessions.clone()
    }

    fn clock(&self) -> TestClock {
        self.clock.clone()
    }

    async fn add_user(&self, user: &User) {
        self.users.put(user.clone());
    }

    async fn user(&self, id: UserId) -> User {
        self.users.find(id).unwrap()
    }

    async fn change_user(&self, user: &User, end_sessions: bool) {
        self.users.put(user.clone());
        if end_sessions {
            self.users.end_sessions(user.id);
        }
    }

    async fn dump(&self) -> Vec<u8> {
        Vec::new()
    }
}

conformance_tests!(cache, Memory::new());
conformance_tests!(rate_limiter, Memory::new());
conformance_tests!(login_attempts, Memory::new());
conformance_tests!(sessions, Memory::new());
conformance_tests!(pubsub, Memory::new());
