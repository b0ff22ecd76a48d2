//! Counters by day. A batch is one statement: its mark and what it adds are there together or not at all.
//!
//! Sums are taken in numbers without an end, and stop at the ends of the range like the counters themselves.

use async_trait::async_trait;
use jiff::civil::Date;
use mppeep_core::ports::counters::{BatchId, CounterSet, Counters, DayRange, Delta, MEMBER_MAX_BYTES};
use mppeep_core::ports::error::BackendError;

use crate::PgStore;
use crate::codec::stored_date;
use crate::error::{self, ADAPTER};
use crate::store::read_twice;

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

/// Deltas as columns.
#[derive(Default)]
struct Columns {
    sets: Vec<String>,
    days: Vec<jiff_sqlx::Date>,
    members: Vec<Vec<u8>>,
    by: Vec<i64>,
}

impl Columns {
    fn of(deltas: &[Delta]) -> Self {
        let mut columns = Self::default();
        for delta in merged(deltas) {
            columns.sets.push(delta.set.code().to_owned());
            columns.days.push(stored_date(delta.day));
            columns.members.push(delta.member.into_bytes());
            columns.by.push(delta.by);
        }
        columns
    }
}

/// A day that a column can hold: none that is stored is outside.
fn bounded(day: Date) -> jiff_sqlx::Date {
    stored_date(day.max(jiff::civil::date(1, 1, 1)))
}

#[async_trait]
impl Counters for PgStore {
    async fn add(&self, batch: BatchId, deltas: &[Delta]) -> Result<(), BackendError> {
        if let Some(long) = deltas.iter().find(|delta| delta.member.len() > MEMBER_MAX_BYTES) {
            return Err(BackendError::Invalid {
                adapter: ADAPTER,
                what: format!("a member of {} bytes", long.member.len()),
            });
        }
        let columns = Columns::of(deltas);
        // Rows are locked in the order of the table, by every batch: none waits for one that waits for it.
        sqlx::query!(
            r#"
                WITH new AS MATERIALIZED (
                    INSERT INTO counter_batch (batch_id, added_at) VALUES ($2, coalesce($1, clock_timestamp()))
                    ON CONFLICT DO NOTHING
                    RETURNING batch_id
                )
                INSERT INTO counter_day AS c (counter_set, day, member, count)
                SELECT d.counter_set, d.day, d.member, d.by
                FROM new CROSS JOIN unnest($3::text[], $4::date[], $5::bytea[], $6::bigint[])
                    AS d (counter_set, day, member, by)
                ORDER BY d.counter_set COLLATE "C", d.day, d.member
                ON CONFLICT (counter_set, day, member) DO UPDATE SET count = least(
                    greatest(c.count::numeric + excluded.count, -9223372036854775808), 9223372036854775807
                )::bigint
            "#,
            self.now() as _,
            batch.0,
            &columns.sets,
            &columns.days as _,
            &columns.members,
            &columns.by,
        )
        .execute(self.quick())
        .await
        .map_err(error::write)?;
        Ok(())
    }

    async fn series(
        &self,
        set: CounterSet,
        member: Option<&str>,
        days: DayRange,
    ) -> Result<Vec<(Date, i64)>, BackendError> {
        let (first, last) = (bounded(days.first), bounded(days.last));
        let rows = read_twice(|| {
            sqlx::query!(
                r#"
                    SELECT day,
                           least(greatest(sum(count), -9223372036854775808), 9223372036854775807)::bigint AS "sum!"
                    FROM counter_day
                    WHERE counter_set = $1 AND day BETWEEN $2 AND $3 AND ($4::bytea IS NULL OR member = $4)
                    GROUP BY day ORDER BY day
                "#,
                set.code(),
                first as _,
                last as _,
                member.map(str::as_bytes) as _,
            )
            .fetch_all(self.quick())
        })
        .await
        .map_err(error::backend)?;
        Ok(rows.into_iter().map(|row| (row.day.to_jiff(), row.sum)).collect())
    }

    async fn top(&self, set: CounterSet, days: DayRange, n: u32) -> Result<Vec<(String, i64)>, BackendError> {
        let (first, last) = (bounded(days.first), bounded(days.last));
        let rows = read_twice(|| {
            sqlx::query!(
                r#"
                    SELECT member,
                           least(greatest(sum(count), -9223372036854775808), 9223372036854775807)::bigint AS "total!"
                    FROM counter_day
                    WHERE counter_set = $1 AND day BETWEEN $2 AND $3
                    GROUP BY member ORDER BY 2 DESC, 1 LIMIT $4
                "#,
                set.code(),
                first as _,
                last as _,
                i64::from(n),
            )
            .fetch_all(self.quick())
        })
        .await
        .map_err(error::backend)?;
        rows.into_iter()
            .map(|row| {
                let member = String::from_utf8(row.member)
                    .map_err(|_| BackendError::corrupt(ADAPTER, "counter_day.member"))?;
                Ok((member, row.total))
            })
            .collect()
    }
}
