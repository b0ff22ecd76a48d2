//! Login attempts. Each operation is one unit that holds the write lock from its start, judged by one instant.

use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::layered::spent::{Part, measure};
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::login_attempts::{Attempt, AttemptId, AttemptLimits, Begun, LoginAttempts};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::SqliteStore;
use crate::codec::span_micros;
use crate::error;

/// Failures of an account in a row are forgotten a day after the last one.
const ACCOUNT_MEMORY_MICROS: i64 = 24 * 3600 * 1_000_000;

/// The one instant that judges a unit.
async fn judge(conn: &mut SqliteConnection, now: Option<i64>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT coalesce(?1, (SELECT now_us FROM clock)) AS "now!: i64""#,
        now
    )
    .fetch_one(conn)
    .await
}

fn micros_from(now: i64, until: i64) -> Duration {
    Duration::from_micros(u64::try_from(until.saturating_sub(now)).unwrap_or(0))
}

/// Until when attempts on an account are spaced out for this address, if they are.
async fn delayed_until(
    conn: &mut SqliteConnection,
    who: &Attempt,
    limits: &AttemptLimits,
    now: i64,
) -> Result<Option<i64>, sqlx::Error> {
    let threshold = i64::from(limits.account_threshold);
    let last = sqlx::query_scalar!(
        r#"
            SELECT a.last_attempt_at FROM login_account AS a
            WHERE a.account = ?1 AND a.failures >= ?2 AND a.expires_at > ?3 AND NOT EXISTS (
                SELECT 1 FROM login_known_address AS k
                WHERE k.account = ?1 AND k.address = ?4 AND k.expires_at > ?3
            )
        "#,
        who.account,
        threshold,
        now,
        who.address,
    )
    .fetch_optional(&mut *conn)
    .await?;
    Ok(last.map(|last| last.saturating_add(span_micros(limits.account_delay))))
}

impl SqliteStore {
    async fn begin_attempt(&self, who: &Attempt, limits: &AttemptLimits) -> Result<Begun, sqlx::Error> {
        let mut tx = self.immediate().await?;
        let now = judge(&mut tx, self.now()).await?;
        let limit = i64::from(limits.per_address);
        let held = sqlx::query!(
            r#"
                SELECT count(*) FILTER (WHERE failed = 1) AS "failures!: i64",
                       count(*) FILTER (WHERE failed = 0) AS "in_flight!: i64"
                FROM login_attempt WHERE address = ?1 AND expires_at > ?2
            "#,
            who.address,
            now,
        )
        .fetch_one(&mut *tx)
        .await?;
        if held.failures >= limit {
            let surplus = held.failures - limit;
            let free_at = sqlx::query_scalar!(
                r#"
                    SELECT expires_at FROM login_attempt WHERE address = ?1 AND failed = 1 AND expires_at > ?2
                    ORDER BY expires_at LIMIT 1 OFFSET ?3
                "#,
                who.address,
                now,
                surplus,
            )
            .fetch_optional(&mut *tx)
            .await?;
            // With a limit of nought there is no failure to wait for: the window is as good an answer as any.
            let free_at = free_at.unwrap_or_else(|| now.saturating_add(span_micros(limits.window)));
            return Ok(Begun::Blocked {
                retry_after: micros_from(now, free_at),
            });
        }
        if held.failures + held.in_flight >= limit {
            return Ok(Begun::Wait);
        }
        if let Some(until) = delayed_until(&mut tx, who, limits, now).await? {
            if until > now {
                return Ok(Begun::Blocked {
                    retry_after: micros_from(now, until),
                });
            }
            sqlx::query!(
                "UPDATE login_account SET last_attempt_at = ?2 WHERE account = ?1",
                who.account,
                now
            )
            .execute(&mut *tx)
            .await?;
        }
        let lapses_at = now.saturating_add(span_micros(limits.in_flight));
        let id = sqlx::query_scalar!(
            r#"
                INSERT INTO login_attempt (attempt_id, address, account, failed, expires_at)
                VALUES (randomblob(16), ?1, ?2, 0, ?3)
                RETURNING attempt_id AS "attempt_id!: Uuid"
            "#,
            who.address,
            who.account,
            lapses_at,
        )
        .fetch_one(&mut *tx)
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
        let mut tx = self.immediate().await?;
        let now = judge(&mut tx, self.now()).await?;
        let until = now.saturating_add(span_micros(limits.window));
        let counted = sqlx::query!(
            r#"
                INSERT INTO login_attempt (attempt_id, address, account, failed, expires_at) VALUES (?1, ?2, ?3, 1, ?4)
                ON CONFLICT (attempt_id) DO UPDATE SET failed = 1, expires_at = excluded.expires_at WHERE failed = 0
            "#,
            id.0,
            who.address,
            who.account,
            until,
        )
        .execute(&mut *tx)
        .await?;
        // An attempt settled twice counts once.
        if counted.rows_affected() == 1 {
            let forgotten_at = now.saturating_add(ACCOUNT_MEMORY_MICROS);
            sqlx::query!(
                r#"
                    INSERT INTO login_account (account, failures, last_attempt_at, expires_at) VALUES (?1, 1, ?2, ?3)
                    ON CONFLICT (account) DO UPDATE SET
                        failures = CASE WHEN expires_at > ?2 THEN failures + 1 ELSE 1 END,
                        last_attempt_at = max(last_attempt_at, ?2),
                        expires_at = ?3
                "#,
                who.account,
                now,
                forgotten_at,
            )
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await
    }

    async fn settle_passed(
        &self,
        id: AttemptId,
        who: &Attempt,
        limits: &AttemptLimits,
    ) -> Result<(), sqlx::Error> {
        let mut tx = self.immediate().await?;
        let now = judge(&mut tx, self.now()).await?;
        sqlx::query!(
            "DELETE FROM login_attempt WHERE attempt_id = ?1 OR (address = ?2 AND account = ?3 AND failed = 1)",
            id.0,
            who.address,
            who.account,
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!("DELETE FROM login_account WHERE account = ?1", who.account)
            .execute(&mut *tx)
            .await?;
        let until = now.saturating_add(span_micros(limits.known_for));
        sqlx::query!(
            r#"
                INSERT INTO login_known_address (account, address, expires_at) VALUES (?1, ?2, ?3)
                ON CONFLICT (account, address) DO UPDATE SET expires_at = excluded.expires_at
            "#,
            who.account,
            who.address,
            until,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }
}

#[async_trait]
impl LoginAttempts for SqliteStore {
    async fn begin(&self, who: &Attempt, limits: &AttemptLimits) -> Result<Begun, BackendError> {
        let begun = measure(Part::Database, self.begin_attempt(who, limits)).await;
        begun.map_err(error::commit)
    }

    async fn settle(
        &self,
        id: AttemptId,
        who: &Attempt,
        limits: &AttemptLimits,
        success: bool,
    ) -> Result<(), BackendError> {
        let settled = async {
            if success {
                self.settle_passed(id, who, limits).await
            } else {
                self.settle_failed(id, who, limits).await
            }
        };
        measure(Part::Database, settled).await.map_err(error::commit)
    }
}
