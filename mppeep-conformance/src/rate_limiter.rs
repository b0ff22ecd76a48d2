//! Checks of the rate limiter port (RAT-1 to RAT-5 and COM-1, 7, 13).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mppeep_core::ports::clock::Clock;
use mppeep_core::ports::rate_limiter::{Decision, Gcra, RateLimiter};

use crate::harness::RateLimiterHarness;
use crate::support::{Dice, at_once, awkward_texts, in_time, poll_then_drop, start};

const MICROSECOND: Duration = Duration::from_micros(1);

/// 20 in 2 seconds, 5 at once: one every 100 ms.
fn policy() -> Gcra {
    Gcra {
        name: "api",
        count: 20,
        period: Duration::from_secs(2),
        burst: 5,
    }
}

async fn take(limiter: &Arc<dyn RateLimiter>, policy: &Gcra, key: &str) -> Decision {
    limiter.take(policy, key).await.unwrap()
}

async fn use_up(limiter: &Arc<dyn RateLimiter>, policy: &Gcra, key: &str) {
    for _ in 0..policy.burst {
        assert!(take(limiter, policy, key).await.allowed);
    }
    assert!(!take(limiter, policy, key).await.allowed);
}

/// A bucket that leaks a microsecond a microsecond: each request pours one interval in, if it still fits.
struct Bucket {
    level: i128,
    at: i128,
}

impl Bucket {
    fn pour(&mut self, policy: &Gcra, now: i128) -> Decision {
        let portion = (policy.period.as_micros() as i128 / i128::from(policy.count)).max(1);
        let size = portion * i128::from(policy.burst);
        self.level = (self.level - (now - self.at)).max(0);
        self.at = now;
        let micros = |value: i128| Duration::from_micros(value as u64);
        let missing = self.level + portion - size;
        if missing > 0 {
            let (retry_after, reset_after) = (micros(missing), micros(self.level));
            return Decision {
                allowed: false,
                remaining: 0,
                retry_after,
                reset_after,
            };
        }
        self.level += portion;
        let remaining = ((size - self.level) / portion) as u32;
        Decision {
            allowed: true,
            remaining,
            retry_after: Duration::ZERO,
            reset_after: micros(self.level),
        }
    }
}

/// RAT-1: over random traces of several keys and policies, every answer is the model's.
pub async fn every_answer_agrees_with_the_model(harness: &dyn RateLimiterHarness) {
    let (limiter, clock) = (harness.limiter(0).await, harness.clock());
    for seed in 0..24u64 {
        let dice = Dice::new(seed);
        let names = ["p0", "p1", "p2"];
        let policies: Vec<Gcra> = names
            .iter()
            .map(|name| Gcra {
                name,
                count: 1 + dice.below(50) as u32,
                period: Duration::from_micros(1 + dice.below(3_000_000)),
                burst: 1 + dice.below(12) as u32,
            })
            .collect();
        let mut buckets: BTreeMap<(usize, u64), Bucket> = BTreeMap::new();
        let mut wait = Duration::ZERO;
        for step in 0..200 {
            let by = match dice.below(5) {
                0 | 1 => Duration::ZERO,
                2 => wait,
                3 => Duration::from_micros(dice.below(200_000)),
                _ => Duration::from_micros(dice.below(5)),
            };
            clock.advance(by);
            let (index, key) = (dice.below(3) as usize, dice.below(2));
            let now = i128::from(clock.now().as_microsecond());
            let bucket = buckets
                .entry((index, key))
                .or_insert(Bucket { level: 0, at: now });
            let expected = bucket.pour(&policies[index], now);
            let given = take(&limiter, &policies[index], &format!("{seed} {key}")).await;
            assert_eq!(given, expected, "seed {seed}, step {step}, {:?}", policies[index]);
            wait = given.retry_after;
        }
    }
}

/// RAT-2, COM-13: of 640 calls at one instant over two instances, exactly the burst passes.
pub async fn a_burst_over_two_instances_is_exact(harness: &dyn RateLimiterHarness) {
    let instances = [harness.limiter(0).await, harness.limiter(1).await];
    let policy = Gcra {
        burst: 21,
        ..policy()
    };
    let taken = at_once((0..640).map(|n| {
        let (limiter, policy) = (instances[n % 2].clone(), policy.clone());
        async move { take(&limiter, &policy, "burst").await }
    }))
    .await;
    assert_eq!(taken.iter().filter(|decision| decision.allowed).count(), 21);
    let mut remaining: Vec<u32> = taken.iter().filter(|d| d.allowed).map(|d| d.remaining).collect();
    remaining.sort_unstable();
    assert_eq!(
        remaining,
        (0..21).collect::<Vec<u32>>(),
        "each request that passed had its own place"
    );
}

/// RAT-2: a refusal takes nothing, however many there are.
pub async fn refusals_take_nothing(harness: &dyn RateLimiterHarness) {
    let (limiter, clock, policy) = (harness.limiter(0).await, harness.clock(), policy());
    use_up(&limiter, &policy, "k").await;
    let first = take(&limiter, &policy, "k").await;
    for _ in 0..50 {
        assert_eq!(take(&limiter, &policy, "k").await, first);
    }
    clock.advance(first.retry_after);
    assert!(take(&limiter, &policy, "k").await.allowed);
}

/// RAT-3: waiting `retry_after` passes, one microsecond less does not; after `reset_after` the burst is whole.
pub async fn waiting_exactly_retry_after_passes(harness: &dyn RateLimiterHarness) {
    let (limiter, clock, policy) = (harness.limiter(0).await, harness.clock(), policy());
    use_up(&limiter, &policy, "k").await;
    let refused = take(&limiter, &policy, "k").await;
    assert_eq!(
        (refused.retry_after, refused.remaining),
        (Duration::from_millis(100), 0)
    );
    assert_eq!(refused.reset_after, Duration::from_millis(500));
    clock.advance(refused.retry_after - MICROSECOND);
    assert_eq!(take(&limiter, &policy, "k").await.retry_after, MICROSECOND);
    clock.advance(MICROSECOND);
    let passed = take(&limiter, &policy, "k").await;
    assert!(passed.allowed && passed.retry_after.is_zero());
    clock.advance(passed.reset_after);
    let whole = take(&limiter, &policy, "k").await;
    assert_eq!((whole.allowed, whole.remaining), (true, policy.burst - 1));
}

/// RAT-4: with the clock set back by 10 s nobody passes early, and nobody waits longer than those 10 s more.
pub async fn a_clock_set_back_unlocks_nobody_and_locks_nobody_out(harness: &dyn RateLimiterHarness) {
    let (limiter, clock, policy) = (harness.limiter(0).await, harness.clock(), policy());
    clock.set(start());
    use_up(&limiter, &policy, "k").await;
    let back = Duration::from_secs(10);
    clock.set(start().checked_sub(back).unwrap());
    let refused = take(&limiter, &policy, "k").await;
    assert!(!refused.allowed, "a clock set back unlocks nobody");
    assert!(refused.retry_after <= back + Duration::from_millis(100));
    assert!(refused.reset_after <= back + Duration::from_millis(500));
    clock.advance(refused.reset_after);
    let whole = take(&limiter, &policy, "k").await;
    assert_eq!((whole.allowed, whole.remaining), (true, policy.burst - 1));
}

/// RAT-5: a policy's new numbers hold from the next call on, for keys that have a state already.
pub async fn new_numbers_hold_from_the_next_call_on(harness: &dyn RateLimiterHarness) {
    let (limiter, old) = (harness.limiter(0).await, policy());
    use_up(&limiter, &old, "k").await;
    let wider = Gcra {
        burst: 8,
        ..old.clone()
    };
    for remaining in (0..3).rev() {
        let decision = take(&limiter, &wider, "k").await;
        assert_eq!((decision.allowed, decision.remaining), (true, remaining));
    }
    assert!(!take(&limiter, &wider, "k").await.allowed);
    assert!(!take(&limiter, &old, "k").await.allowed);
}

/// RAT-5, COM-1: no two policies, and no two keys, share a state.
pub async fn policies_and_keys_never_share_a_state(harness: &dyn RateLimiterHarness) {
    let limiter = harness.limiter(0).await;
    let one = |name| Gcra {
        name,
        count: 1,
        period: Duration::from_secs(60),
        burst: 1,
    };
    let mut names: Vec<(&'static str, String)> =
        awkward_texts().into_iter().map(|key| ("api", key)).collect();
    names.extend([
        ("a", "b:c".to_owned()),
        ("a:b", "c".to_owned()),
        ("a", "bc".to_owned()),
        ("ab", "c".to_owned()),
    ]);
    names.extend([("", "apia".to_owned()), ("api:", "a".to_owned())]);
    for (name, key) in &names {
        let begins: String = key.chars().take(20).collect();
        assert!(
            take(&limiter, &one(name), key).await.allowed,
            "{name}/{begins} met another state"
        );
    }
    for (name, key) in &names {
        assert!(!take(&limiter, &one(name), key).await.allowed);
    }
}

/// COM-7: a call dropped at any await took one request or none.
pub async fn a_cancelled_call_takes_one_request_or_none(harness: &dyn RateLimiterHarness) {
    let (limiter, policy) = (harness.limiter(0).await, policy());
    for polls in 0..=20 {
        let key = format!("cancelled {polls}");
        let dropped = poll_then_drop(polls, limiter.take(&policy, &key)).await.is_none();
        let left = in_time(take(&limiter, &policy, &key)).await.remaining;
        let whole = policy.burst - 1;
        assert!(
            left + 1 == whole || dropped && left == whole,
            "{polls} polls: {left} of {whole}"
        );
    }
}
