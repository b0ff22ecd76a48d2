//! General rate limits.

use std::sync::Arc;

use async_trait::async_trait;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::rate_limiter::{Decision, Gcra, RateLimiter};
use redis::Value;

use crate::ADAPTER;
use crate::key::limit_name;
use crate::link::Link;
use crate::script;
use crate::time::{LONGEST_MICROS, SLACK_MILLIS, now};

/// Rate limits in Redis, by GCRA: all servers that share the prefix count together.
///
/// The script keeps one arrival time per policy and key, and gives back what it found; the decision is made of that by
/// [`Gcra::judge`], the same arithmetic as everywhere.
#[derive(Clone)]
pub struct RedisRateLimiter {
    link: Arc<Link>,
}

impl RedisRateLimiter {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }
}

/// The arrival time that was stored, and the instant of the decision.
type Seen = (Option<i64>, i64);

#[async_trait]
impl RateLimiter for RedisRateLimiter {
    async fn take(&self, policy: &Gcra, key: &str) -> Result<Decision, BackendError> {
        let (interval, tolerance) = (policy.interval_micros(), policy.tolerance_micros());
        if interval > LONGEST_MICROS || tolerance > LONGEST_MICROS {
            return Err(BackendError::Invalid {
                adapter: ADAPTER,
                what: "a limit over more than a hundred years".to_owned(),
            });
        }
        let now = now(&self.link.options.time);
        let seen = self
            .link
            .run(
                &script::TAKE,
                &limit_name(&self.link.options.prefix, policy.name, key),
                &[
                    now.as_bytes(),
                    interval.to_string().as_bytes(),
                    tolerance.to_string().as_bytes(),
                    SLACK_MILLIS.as_bytes(),
                ],
                self.link.deadline(),
                seen,
            )
            .await?;
        match seen {
            Some((stored, now)) => Ok(policy.judge(stored, now).0),
            None => {
                self.link.counters.repairs.add();
                tracing::warn!(
                    adapter = ADAPTER,
                    "the state of a limit cannot be read, and is removed"
                );
                Err(BackendError::corrupt(ADAPTER, "the state of a limit"))
            }
        }
    }
}

/// What the script tells; the inner none stands for garbage in the key.
fn seen(values: Vec<Value>) -> Option<Option<Seen>> {
    match values.as_slice() {
        [Value::BulkString(garbage)] if garbage == b"X" => Some(None),
        [Value::BulkString(stored), Value::BulkString(now)] => {
            let stored = match stored.as_slice() {
                b"" => None,
                digits => Some(number(digits)?),
            };
            Some(Some((stored, number(now)?)))
        }
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
