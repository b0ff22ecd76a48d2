//! The conformance suite through the core's layers over the adapters in memory: a cache before a shared one, and a limiter
//! with a fallback.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use mppeep_cache_memory::{MemoryCache, MemoryCacheSettings, MemoryRateLimiter};
use mppeep_conformance::{CacheHarness, RateLimiterHarness, TestClock, conformance_tests};
use mppeep_core::layered::fallback_limiter::FallbackLimiter;
use mppeep_core::layered::near_cache::NearCache;
use mppeep_core::ports::cache::Cache;
use mppeep_core::ports::clock::{ManualClock, TimeSource};
use mppeep_core::ports::rate_limiter::RateLimiter;

const CACHE: MemoryCacheSettings = MemoryCacheSettings {
    capacity_bytes: 64 << 20,
    value_limit_bytes: 2 << 20,
};

fn clock() -> TestClock {
    Arc::new(ManualClock::new("2026-11-22T12:00:00Z".parse().unwrap()))
}

/// Each instance has a cache of its own before the one they share.
struct Near {
    clock: TestClock,
    far: Arc<MemoryCache>,
    instances: tokio::sync::Mutex<HashMap<usize, Arc<NearCache>>>,
}

impl Near {
    fn new() -> Self {
        let clock = clock();
        Self {
            far: Arc::new(MemoryCache::new(TimeSource::Clock(clock.clone()), CACHE)),
            instances: tokio::sync::Mutex::default(),
            clock,
        }
    }
}

#[async_trait]
impl CacheHarness for Near {
    async fn cache(&self, instance: usize) -> Arc<dyn Cache> {
        let mut instances = self.instances.lock().await;
        let cache = instances.entry(instance).or_insert_with(|| {
            let near = MemoryCache::new(TimeSource::Clock(self.clock.clone()), CACHE);
            Arc::new(NearCache::new(Arc::new(near), self.far.clone()))
        });
        cache.clone()
    }

    fn clock(&self) -> TestClock {
        self.clock.clone()
    }

    fn value_limit_bytes(&self) -> usize {
        CACHE.value_limit_bytes
    }
}

mod near {
    use super::*;

    // All checks of a cache but the four that count an entry's times to the microsecond: a copy may be served for up to ten
    // seconds after the shared entry's times. mppeep-core/tests/layers holds that bound, and shows the refresh behind it.
    mppeep_conformance::__conformance_group! { cache, Near::new(), [
        keys_never_alias
        payloads_come_back_byte_for_byte
        a_value_over_the_limit_is_refused_and_leaves_nothing
        one_caller_gets_the_lease
        a_lapsed_lease_passes_on_and_fills_nothing
        a_lease_given_back_is_free_at_once
        a_fill_without_the_lease_is_refused
        another_schema_or_epoch_is_another_entry
        cold_readers_on_three_instances_load_once
        a_reader_who_knows_of_a_write_never_sees_what_was_before
        a_cancelled_call_leaves_the_entry_usable
    ] }
}

/// A limiter that could fall back, and need not.
struct Fallback {
    clock: TestClock,
    shared: Arc<MemoryRateLimiter>,
}

impl Fallback {
    fn new() -> Self {
        let clock = clock();
        Self {
            shared: Arc::new(MemoryRateLimiter::new(TimeSource::Clock(clock.clone()))),
            clock,
        }
    }
}

#[async_trait]
impl RateLimiterHarness for Fallback {
    async fn limiter(&self, _: usize) -> Arc<dyn RateLimiter> {
        let local = MemoryRateLimiter::new(TimeSource::Clock(self.clock.clone()));
        Arc::new(FallbackLimiter::new(self.shared.clone(), Arc::new(local), 2))
    }

    fn clock(&self) -> TestClock {
        self.clock.clone()
    }
}

mod fallback {
    use super::*;

    conformance_tests!(rate_limiter, Fallback::new());
}
