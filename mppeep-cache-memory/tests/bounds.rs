//! What is particular to memory: its bounds, and a second opinion on the limiter.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use governor::clock::FakeRelativeClock;
use governor::{Quota, RateLimiter as Governor};
use mppeep_cache_memory::{MemoryCache, MemoryCacheSettings, MemoryRateLimiter, MemoryUsers};
use mppeep_core::ports::cache::{Cache, CacheKey, Lookup, Ttl};
use mppeep_core::ports::clock::{ManualClock, TimeSource};
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::rate_limiter::{Gcra, RateLimiter};
use proptest::prelude::*;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-11-22T12:00:00Z".parse().unwrap()))
}

const TTL: Ttl = Ttl {
    soft: Duration::from_secs(60),
    hard: Duration::from_secs(600),
};

fn key(number: usize, epoch: i64) -> CacheKey {
    CacheKey {
        namespace: "n".to_owned(),
        schema: 1,
        epoch,
        key: number.to_string(),
    }
}

async fn put(cache: &MemoryCache, key: &CacheKey, bytes: usize) {
    let Lookup::Miss(lease) = cache.lookup(key, TTL.soft).await.unwrap() else {
        panic!("{key:?}")
    };
    cache
        .fill(key, lease, Some(Bytes::from(vec![0; bytes])), TTL)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_cache_stays_within_its_weight_and_keeps_what_is_used() {
    let settings = MemoryCacheSettings {
        capacity_bytes: 1 << 20,
        value_limit_bytes: 1 << 19,
    };
    let cache = MemoryCache::new(TimeSource::Clock(clock()), settings);
    let hot = key(0, 2);
    put(&cache, &hot, 1_000).await;
    for number in 1..3_000 {
        put(&cache, &key(number, 1), 1_000).await;
        assert!(
            matches!(cache.lookup(&hot, TTL.soft).await.unwrap(), Lookup::Fresh(_)),
            "after {number} others"
        );
    }
    let weight = cache.weight_bytes().await;
    assert!((1 << 19..=1 << 20).contains(&weight), "{weight}");
    assert!(matches!(
        cache.lookup(&key(1, 1), TTL.soft).await.unwrap(),
        Lookup::Miss(_)
    ));
}

/// A thousand an hour: nothing is whole again while the test runs.
fn slow() -> Gcra {
    Gcra {
        name: "slow",
        count: 1_000,
        period: Duration::from_secs(3_600),
        burst: 2,
    }
}

#[tokio::test]
async fn a_limiter_of_many_keys_stays_within_its_bound_and_remembers_the_worst() {
    let limiter = MemoryRateLimiter::with_max_keys(TimeSource::Clock(clock()), 1_024);
    for _ in 0..2 {
        assert!(limiter.take(&slow(), "the worst").await.unwrap().allowed);
    }
    for number in 0..100_000 {
        limiter.take(&slow(), &format!("key {number}")).await.unwrap();
        assert!(limiter.key_count() <= 1_024);
    }
    assert!(
        !limiter.take(&slow(), "the worst").await.unwrap().allowed,
        "a flood of keys lifts nobody's limit"
    );
}

#[tokio::test]
async fn keys_whose_burst_is_whole_again_are_swept() {
    let clock = clock();
    let limiter = MemoryRateLimiter::new(TimeSource::Clock(clock.clone()));
    for number in 0..100 {
        limiter.take(&slow(), &format!("key {number}")).await.unwrap();
    }
    assert_eq!(limiter.sweep(1_000).await.unwrap(), 0);
    clock.advance(Duration::from_secs(3_600));
    limiter.take(&slow(), "alive").await.unwrap();
    assert_eq!(limiter.sweep(30).await.unwrap(), 30);
    assert_eq!(limiter.sweep(1_000).await.unwrap(), 70);
    assert_eq!(limiter.key_count(), 1);
}

#[tokio::test]
async fn the_process_clock_judges_without_an_injected_one() {
    let limiter = MemoryRateLimiter::new(TimeSource::Backend);
    let policy = Gcra {
        name: "quick",
        count: 1_000,
        period: Duration::from_secs(1),
        burst: 1,
    };
    assert!(limiter.take(&policy, "k").await.unwrap().allowed);
    let refused = limiter.take(&policy, "k").await.unwrap();
    assert!(refused.retry_after <= Duration::from_millis(1));
    let cache = MemoryCache::new(TimeSource::Backend, MemoryCacheSettings::default());
    put(&cache, &key(1, 1), 10).await;
    assert!(matches!(
        cache.lookup(&key(1, 1), TTL.soft).await.unwrap(),
        Lookup::Fresh(_)
    ));
}

#[test]
fn an_accounts_epoch_never_goes_back() {
    use mppeep_core::domain::email::Email;
    use mppeep_core::domain::id::UserId;
    use mppeep_core::domain::user::{Role, User, UserFields, UserStatus};
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let user = User {
        id: "01949000-0000-7000-8000-000000000001".parse::<UserId>().unwrap(),
        fields: UserFields {
            email: Email::parse("awa@exemple.ci").unwrap(),
            display_name: "Awa".to_owned(),
            roles: [Role::Agent].into(),
            status: UserStatus::Active,
            personnel: None,
            perimeter: None,
        },
        must_change_password: false,
        charter_version: 0,
        session_epoch: 5,
        last_login_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let users = MemoryUsers::new();
    assert_eq!(users.put(user.clone()).session_epoch, 5);
    assert!(users.end_sessions(user.id));
    assert_eq!(
        users.put(user.clone()).session_epoch,
        6,
        "an old copy does not bring sessions back"
    );
    let mut closed = user.clone();
    closed.fields.status = UserStatus::Inactive;
    assert_eq!(users.put(closed).session_epoch, 7);
    assert_eq!(users.put(user).session_epoch, 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// RAT-1: governor, which others wrote, lets the same requests pass.
    #[test]
    fn governor_lets_the_same_requests_pass(
        interval_millis in 1u64..500,
        burst in 1u32..20,
        waits in proptest::collection::vec(0u64..1_000, 1..200),
    ) {
        let theirs = FakeRelativeClock::default();
        let quota = Quota::with_period(Duration::from_millis(interval_millis))
            .unwrap()
            .allow_burst(NonZeroU32::new(burst).unwrap());
        let governor = Governor::direct_with_clock(quota, theirs.clone());
        let ours = clock();
        let limiter = MemoryRateLimiter::new(TimeSource::Clock(ours.clone()));
        let policy = Gcra { name: "p", count: 1, period: Duration::from_millis(interval_millis), burst };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (step, wait) in waits.into_iter().enumerate() {
            let wait = Duration::from_millis(if wait < 700 { wait % 20 } else { wait });
            theirs.advance(wait);
            ours.advance(wait);
            let decision = runtime.block_on(limiter.take(&policy, "k")).unwrap();
            prop_assert_eq!(decision.allowed, governor.check().is_ok(), "step {}", step);
        }
    }
}
