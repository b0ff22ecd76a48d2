//! Counters by day. A batch is one unit that holds the write lock from its start.
//!
//! Sums over days and members are added up in two halves of 32 bits, so that no sum on the way overflows, and stop at the
//! ends of the range like the counters themselves.

use async_trait::async_trait;
use jiff::civil::Date;
use mppeep_core::ports::counters::{BatchId, CounterSet, Counters, DayRange, Delta, MEMBER_MAX_BYTES};
use mppeep_core::ports::error::BackendError;

use crate::SqliteStore;
use crate::codec::date;
use crate::error::{self, ADAPTER};

/// Each counter once, with the sum of what is added to it, in the order of the table.
fn merged(deltas: &[Delta]) -> Vec<Delta> {
    let mut sorted = deltas.to_vec();
    sorted.sort();
    let mut merged: Vec<Delta> = Vec::with_capacity(sorted.len());
    for delta in sorted {
        match merged.last_mut() {
            Some(last) if (last.set, last.day, &last.member) == (delta.set, delta.day, &delta.member) => {
                last.by = last.by.saturating_add(delta.by);
            }
            _ => merged.push(delta),
        }
    }
    merged
}

impl SqliteStore {
    async fn add_batch(&self, batch: BatchId, deltas: &[Delta]) -> Result<(), sqlx::Error> {
        let now = self.now();
        let mut tx = self.immediate().await?;
        let new = sqlx::query!(
            r#"
                INSERT INTO counter_batch (batch_id, added_at)
                VALUES (?2, coalesce(?1, (SELECT now_us FROM clock)))
                ON CONFLICT DO NOTHING
            "#,
            now,
            batch.0,
        )
        .execute(&mut *tx)
        .await?;
        if new.rows_affected() == 0 {
            return Ok(());
        }
        for delta in merged(deltas) {
            // The counter is moved away from the end that it would pass, then added to.
            let lowest = i64::MIN - delta.by.min(0);
            let highest = i64::MAX - delta.by.max(0);
            sqlx::query!(
                r#"
                    INSERT INTO counter_day (counter_set, day, member, count) VALUES (?1, ?2, ?3, ?4)
                    ON CONFLICT DO UPDATE SET count = min(max(count, ?5), ?6) + ?4
                "#,
                delta.set.code(),
                delta.day.to_string(),
                delta.member,
                delta.by,
                lowest,
                highest,
            )
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await
    }
}

#[async_trait]
impl Counters for SqliteStore {
    async fn add(&self, batch: BatchId, deltas: &[Delta]) -> Result<(), BackendError> {
        if let Some(long) = deltas.iter().find(|delta| delta.member.len() > MEMBER_MAX_BYTES) {
            return Err(BackendError::Invalid {
                adapter: ADAPTER,
                what: format!("a member of {} bytes", long.member.len()),
            });
        }
        self.add_batch(batch, deltas).await.map_err(error::commit)
    }

    async fn series(
        &self,
        set: CounterSet,
        member: Option<&str>,
        days: DayRange,
    ) -> Result<Vec<(Date, i64)>, BackendError> {
        let rows = sqlx::query!(
            r#"
                WITH halves AS (
                    SELECT day, sum(count >> 32) AS high, sum(count & 4294967295) AS low
                    FROM counter_day
                    WHERE counter_set = ?1 AND day BETWEEN ?2 AND ?3 AND (?4 IS NULL OR member = ?4)
                    GROUP BY day
                ), sums AS (SELECT day, high + (low >> 32) AS high, low & 4294967295 AS low FROM halves)
                SELECT day AS "day!: String", CASE
                    WHEN high > 2147483647 THEN 9223372036854775807
                    WHEN high < -2147483648 THEN ~9223372036854775807
                    ELSE (high << 32) | low
                END AS "sum!: i64"
                FROM sums ORDER BY day
            "#,
            set.code(),
            days.first.to_string(),
            days.last.to_string(),
            member,
        )
        .fetch_all(self.quick())
        .await
        .map_err(error::backend)?;
        rows.into_iter()
            .map(|row| Ok((date(&row.day, "counter_day.day")?, row.sum)))
            .collect()
    }

    async fn top(&self, set: CounterSet, days: DayRange, n: u32) -> Result<Vec<(String, i64)>, BackendError> {
        let rows = sqlx::query!(
            r#"
                WITH halves AS (
                    SELECT member, sum(count >> 32) AS high, sum(count & 4294967295) AS low
                    FROM counter_day
                    WHERE counter_set = ?1 AND day BETWEEN ?2 AND ?3
                    GROUP BY member
                ), sums AS (SELECT member, high + (low >> 32) AS high, low & 4294967295 AS low FROM halves),
                counted AS (
                    SELECT member, CASE
                        WHEN high > 2147483647 THEN 9223372036854775807
                        WHEN high < -2147483648 THEN ~9223372036854775807
                        ELSE (high << 32) | low
                    END AS total
                    FROM sums
                )
                SELECT member AS "member!: String", total AS "total!: i64"
                FROM counted ORDER BY total DESC, member LIMIT ?4
            "#,
            set.code(),
            days.first.to_string(),
            days.last.to_string(),
            n,
        )
        .fetch_all(self.quick())
        .await
        .map_err(error::backend)?;
        Ok(rows.into_iter().map(|row| (row.member, row.total)).collect())
    }
}
