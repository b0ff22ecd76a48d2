//! General rate limits.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use mppeep_core::ports::clock::TimeSource;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::rate_limiter::{Decision, Gcra, RateLimiter};
use sha2::{Digest, Sha256};

use crate::time::Timeline;

/// Locks that keys are spread over, so that requests on several threads seldom meet.
const SHARDS: usize = 16;

/// A key's state outlives its meaning by that much, so that a clock set back a little unlocks nobody.
const SLACK_MICROS: i64 = 60_000_000;

/// Rate limits in this process, by GCRA. Its memory is bounded: of too many keys, those nearest to their full burst
/// are forgotten, which gives them at most one burst more than they had.
///
/// Keys are held as SHA-256 digests of policy and key, so that a key's length costs nothing and no address stays in
/// memory.
pub struct MemoryRateLimiter {
    time: Timeline,
    keys_per_shard: usize,
    shards: [Mutex<HashMap<StateKey, i64>>; SHARDS],
}

type StateKey = [u8; 32];

impl MemoryRateLimiter {
    /// Keys that [`MemoryRateLimiter::new`] allows for: about 16 MB when all are in use.
    pub const DEFAULT_MAX_KEYS: usize = 1 << 18;

    /// A limiter whose time `time` tells, of [`MemoryRateLimiter::DEFAULT_MAX_KEYS`] keys at most.
    pub fn new(time: TimeSource) -> Self {
        Self::with_max_keys(time, Self::DEFAULT_MAX_KEYS)
    }

    /// A limiter of about `max_keys` keys at most, and never fewer than 128.
    pub fn with_max_keys(time: TimeSource, max_keys: usize) -> Self {
        Self {
            time: Timeline::new(time),
            keys_per_shard: (max_keys / SHARDS).max(8),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Keys that have a state now.
    pub fn key_count(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).len()).sum()
    }
}

#[async_trait]
impl RateLimiter for MemoryRateLimiter {
    async fn take(&self, policy: &Gcra, key: &str) -> Result<Decision, BackendError> {
        let state_key = digest(policy.name, key);
        let shard = state_key.first().map_or(0, |byte| usize::from(*byte) % SHARDS);
        let Some(shard) = self.shards.get(shard) else {
            unreachable!("a remainder is below its divisor")
        };
        let mut states = locked(shard);
        // Read under the lock: of two requests, the later one is judged at the later time.
        let (decision, next) = policy.judge(states.get(&state_key).copied(), self.time.micros());
        if let Some(next) = next {
            if states.len() >= self.keys_per_shard && !states.contains_key(&state_key) {
                forget_an_eighth(&mut states);
            }
            states.insert(state_key, next);
        }
        Ok(decision)
    }
}

#[async_trait]
impl Maintain for MemoryRateLimiter {
    async fn sweep(&self, limit: u32) -> Result<u64, BackendError> {
        let dead_before = self.time.micros().saturating_sub(SLACK_MICROS);
        let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut swept = 0u64;
        for shard in &self.shards {
            locked(shard).retain(|_, arrival| {
                let dead = *arrival <= dead_before && left > 0;
                left -= usize::from(dead);
                swept += u64::from(dead);
                !dead
            });
        }
        Ok(swept)
    }
}

/// Makes room by forgetting the keys nearest to their full burst. It costs a pass over the shard, once per an eighth
/// of its keys.
fn forget_an_eighth(states: &mut HashMap<StateKey, i64>) {
    let mut arrivals: Vec<i64> = states.values().copied().collect();
    let eighth = (arrivals.len() / 8).min(arrivals.len().saturating_sub(1));
    let (_, threshold, _) = arrivals.select_nth_unstable(eighth);
    let threshold = *threshold;
    let mut left = eighth + 1;
    states.retain(|_, arrival| {
        let goes = *arrival <= threshold && left > 0;
        left -= usize::from(goes);
        !goes
    });
}

fn digest(policy: &str, key: &str) -> StateKey {
    let mut hasher = Sha256::new();
    // The length of the name keeps `a` + `bc` and `ab` + `c` apart.
    hasher.update(u64::try_from(policy.len()).unwrap_or(u64::MAX).to_le_bytes());
    hasher.update(policy.as_bytes());
    hasher.update(key.as_bytes());
    hasher.finalize().into()
}

fn locked(shard: &Mutex<HashMap<StateKey, i64>>) -> MutexGuard<'_, HashMap<StateKey, i64>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
