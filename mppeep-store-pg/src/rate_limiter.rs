//! General rate limits. Taking a request is one statement; a refusal writes nothing.

use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::rate_limiter::{Decision, Gcra, RateLimiter};

use crate::PgStore;
use crate::error;

/// How often a request is put that was refused for what it did not see.
const ATTEMPTS: u32 = 3;
/// No interval and no tolerance is longer, so that sums with an instant stay in range.
const LONGEST: i64 = i64::MAX / 8;

/// Policy and key as bytes. The length of the name keeps `a` + `bc` and `ab` + `c` apart.
fn name_of(policy: &Gcra, key: &str) -> Vec<u8> {
    let length = u64::try_from(policy.name.len()).unwrap_or(u64::MAX);
    let mut name = length.to_le_bytes().to_vec();
    name.extend_from_slice(policy.name.as_bytes());
    name.extend_from_slice(key.as_bytes());
    name
}

fn span(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// What a statement found.
struct Answer {
    now: i64,
    /// The arrival time that was stored, if the request passed.
    taken: Option<i64>,
    /// The arrival time before.
    seen: Option<i64>,
}

impl PgStore {
    async fn try_take(&self, name: &[u8], interval: i64, tolerance: i64) -> Result<Answer, BackendError> {
        sqlx::query_as!(
            Answer,
            r#"
                WITH i AS MATERIALIZED (
                    SELECT sha256($1) AS key,
                           (extract(epoch FROM coalesce($2::timestamptz, clock_timestamp())) * 1000000)::bigint AS now
                ), taken AS (
                    INSERT INTO rate_limit AS r (key, arrival_us)
                    SELECT i.key, i.now + $3::bigint FROM i
                    ON CONFLICT (key) DO UPDATE
                    SET arrival_us = greatest(r.arrival_us, excluded.arrival_us - $3::bigint) + $3::bigint
                    WHERE greatest(r.arrival_us, excluded.arrival_us - $3::bigint) + $3::bigint - $4::bigint
                          <= excluded.arrival_us - $3::bigint
                    RETURNING r.arrival_us
                )
                SELECT i.now AS "now!", (SELECT t.arrival_us FROM taken AS t) AS taken,
                       (SELECT r.arrival_us FROM rate_limit AS r WHERE r.key = i.key) AS seen
                FROM i
            "#,
            name,
            self.now() as _,
            interval,
            tolerance,
        )
        .fetch_one(self.quick())
        .await
        .map_err(error::write)
    }
}

#[async_trait]
impl RateLimiter for PgStore {
    async fn take(&self, policy: &Gcra, key: &str) -> Result<Decision, BackendError> {
        let interval = policy.interval_micros().min(LONGEST);
        let tolerance = policy.tolerance_micros().min(LONGEST);
        let name = name_of(policy, key);
        let mut decision = None;
        // The row that refused may be newer than what this statement saw: it is then asked again.
        for _ in 0..ATTEMPTS {
            let answer = self.try_take(&name, interval, tolerance).await?;
            let now = answer.now;
            if let Some(next) = answer.taken {
                let ahead = next.saturating_sub(now);
                let remaining = u32::try_from((tolerance - ahead) / interval).unwrap_or(u32::MAX);
                return Ok(Decision {
                    allowed: true,
                    remaining,
                    retry_after: Duration::ZERO,
                    reset_after: span(ahead),
                });
            }
            let (judged, next) = policy.judge(answer.seen, now);
            if next.is_none() {
                return Ok(judged);
            }
            decision = Some(judged);
        }
        let reset_after = decision.map_or(Duration::ZERO, |judged| judged.reset_after);
        Ok(Decision {
            allowed: false,
            remaining: 0,
            retry_after: span(interval),
            reset_after,
        })
    }
}
