//! Login attempts. Each operation is one transaction that first locks the address and the account, and is judged by one
//! instant; whoever asks about either waits for it, on whatever instance.

use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::login_attempts::{Attempt, AttemptId, AttemptLimits, Begun, LoginAttempts};

use crate::PgStore;
use crate::codec::span_micros;
use crate::error;
use crate::store::QuickTransaction;

/// Failures of an account in a row are forgotten a day after the last one.
const ACCOUNT_MEMORY: Duration = Duration::from_secs(24 * 3600);

fn span(from: jiff_sqlx::Timestamp, until: jiff_sqlx::Timestamp) -> Duration {
    let micros = until.to_jiff().as_microsecond() - from.to_jiff().as_microsecond();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

impl PgStore {
    /// Begins a transaction that has the address and the account to itself. All of them lock in the order of the
    /// numbers, so that none waits for another that waits for it.
    async fn alone_with(&self, who: &Attempt) -> Result<QuickTransaction, sqlx::Error> {
        let mut tx = self.quick_transaction().await?;
        sqlx::query!(
            r#"
                SELECT pg_advisory_xact_lock(numbers.number) AS "locked: String" FROM (
                    SELECT number FROM (VALUES
                        (hashtextextended(encode($1::bytea, 'hex'), 1)), (hashtextextended(encode($2::bytea, 'hex'), 2))
                    ) AS v (number)
                    ORDER BY number OFFSET 0
                ) AS numbers
            "#,
            who.address.as_bytes(),
            who.account.as_bytes(),
        )
        .execute(tx.link())
        .await?;
        Ok(tx)
    }

    async fn begin_attempt(&self, who: &Attempt, limits: &AttemptLimits) -> Result<Begun, sqlx::Error> {
        let (address, account) = (who.address.as_bytes(), who.account.as_bytes());
        let limit = i64::from(limits.per_address);
        let mut tx = self.alone_with(who).await?;
        let held = sqlx::query!(
            r#"
                WITH i AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now),
                own AS MATERIALIZED (
                    SELECT a.failed, a.expires_at FROM login_attempt AS a CROSS JOIN i
                    WHERE a.address = $2 AND a.expires_at > i.now
                )
                SELECT i.now AS "now!",
                       (SELECT count(*) FROM own WHERE own.failed) AS "failures!",
                       (SELECT count(*) FROM own WHERE NOT own.failed) AS "in_flight!",
                       (SELECT own.expires_at FROM own WHERE own.failed ORDER BY own.expires_at DESC
                        LIMIT 1 OFFSET greatest($4::bigint - 1, 0)) AS free_at,
                       (SELECT a.last_attempt_at + $6::bigint * interval '1 microsecond' FROM login_account AS a
                        WHERE a.account = $3 AND a.failures >= $5 AND a.expires_at > i.now AND NOT EXISTS (
                            SELECT 1 FROM login_known_address AS k
                            WHERE k.account = $3 AND k.address = $2 AND k.expires_at > i.now
                        )) AS spaced_until
                FROM i
            "#,
            self.now() as _,
            address,
            account,
            limit,
            i64::from(limits.account_threshold),
            span_micros(limits.account_delay),
        )
        .fetch_one(tx.link())
        .await?;
        if held.failures >= limit {
            // With a limit of nought there is no failure to wait for: the window is as good an answer as any.
            let retry_after = match held.free_at {
                Some(free_at) if limit > 0 => span(held.now, free_at),
                _ => limits.window,
            };
            return Ok(Begun::Blocked { retry_after });
        }
        if held.failures + held.in_flight >= limit {
            return Ok(Begun::Wait);
        }
        if let Some(until) = held.spaced_until {
            let retry_after = span(held.now, until);
            if !retry_after.is_zero() {
                return Ok(Begun::Blocked { retry_after });
            }
        }
        let id = sqlx::query_scalar!(
            r#"
                WITH spaced AS (
                    UPDATE login_account SET last_attempt_at = $3 WHERE account = $2 AND $5
                )
                INSERT INTO login_attempt (attempt_id, address, account, failed, expires_at)
                VALUES (gen_random_uuid(), $1, $2, FALSE, $3::timestamptz + $4::bigint * interval '1 microsecond')
                RETURNING attempt_id
            "#,
            address,
            account,
            held.now as _,
            span_micros(limits.in_flight),
            held.spaced_until.is_some(),
        )
        .fetch_one(tx.link())
        .await?;
        tx.commit().await?;
        let remaining = limit - held.failures - held.in_flight - 1;
        Ok(Begun::Go {
            id: AttemptId(id),
            remaining: u32::try_from(remaining).unwrap_or(0),
        })
    }

    async fn settle_failed(
        &self,
        id: AttemptId,
        who: &Attempt,
        limits: &AttemptLimits,
    ) -> Result<(), sqlx::Error> {
        let mut tx = self.alone_with(who).await?;
        // An attempt settled twice counts once.
        sqlx::query!(
            r#"
                WITH i AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now),
                counted AS (
                    INSERT INTO login_attempt AS a (attempt_id, address, account, failed, expires_at)
                    SELECT $2, $3, $4, TRUE, i.now + $5::bigint * interval '1 microsecond' FROM i
                    ON CONFLICT (attempt_id) DO UPDATE SET failed = TRUE, expires_at = excluded.expires_at
                    WHERE NOT a.failed
                    RETURNING a.attempt_id
                )
                INSERT INTO login_account AS c (account, failures, last_attempt_at, expires_at)
                SELECT $4, 1, i.now, i.now + $6::bigint * interval '1 microsecond' FROM counted CROSS JOIN i
                ON CONFLICT (account) DO UPDATE SET
                    failures = CASE WHEN c.expires_at > excluded.last_attempt_at THEN c.failures + 1 ELSE 1 END,
                    last_attempt_at = greatest(c.last_attempt_at, excluded.last_attempt_at),
                    expires_at = excluded.expires_at
            "#,
            self.now() as _,
            id.0,
            who.address.as_bytes(),
            who.account.as_bytes(),
            span_micros(limits.window),
            span_micros(ACCOUNT_MEMORY),
        )
        .execute(tx.link())
        .await?;
        tx.commit().await
    }

    async fn settle_passed(
        &self,
        id: AttemptId,
        who: &Attempt,
        limits: &AttemptLimits,
    ) -> Result<(), sqlx::Error> {
        let mut tx = self.alone_with(who).await?;
        sqlx::query!(
            r#"
                WITH i AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now),
                given_back AS (
                    DELETE FROM login_attempt
                    WHERE attempt_id = $2 OR (address = $3 AND account = $4 AND failed)
                ), forgotten AS (DELETE FROM login_account WHERE account = $4)
                INSERT INTO login_known_address (account, address, expires_at)
                SELECT $4, $3, i.now + $5::bigint * interval '1 microsecond' FROM i
                ON CONFLICT (account, address) DO UPDATE SET expires_at = excluded.expires_at
            "#,
            self.now() as _,
            id.0,
            who.address.as_bytes(),
            who.account.as_bytes(),
            span_micros(limits.known_for),
        )
        .execute(tx.link())
        .await?;
        tx.commit().await
    }
}

#[async_trait]
impl LoginAttempts for PgStore {
    async fn begin(&self, who: &Attempt, limits: &AttemptLimits) -> Result<Begun, BackendError> {
        self.begin_attempt(who, limits).await.map_err(error::commit)
    }

    async fn settle(
        &self,
        id: AttemptId,
        who: &Attempt,
        limits: &AttemptLimits,
        success: bool,
    ) -> Result<(), BackendError> {
        let settled = if success {
            self.settle_passed(id, who, limits).await
        } else {
            self.settle_failed(id, who, limits).await
        };
        settled.map_err(error::commit)
    }
}
