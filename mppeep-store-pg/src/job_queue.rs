//! The queue of jobs. A claim takes rows that nobody else has in hand, in one statement that locks before it changes.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::Timestamp as StoredInstant;
use mppeep_core::domain::id::JobId;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::job_queue::{
    Held, JobFilter, JobLease, JobQueue, JobState, JobView, LeasedJob, Outcome, Queue, QueueDepth,
};
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart, SortValue};
use mppeep_core::ports::pubsub::Event;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::PgStore;
use crate::codec::{code, micros, number, optional_number, span_micros, stored};
use crate::ear::Inbox;
use crate::error;
use crate::filter::{Builder, page_of, push_limit};
use crate::message::JOBS;
use crate::store::read_twice;

/// The channel on which a commit says in which queue there is a new job.
pub(crate) const CHANNEL: &str = "mppeep_jobs";
/// Why a job failed whose worker never said so.
const LEASE_ENDED: &str = "the lease ended before the worker said what became of the job";
/// Leases that one statement takes back at most.
const TAKEN_BACK_AT_ONCE: u16 = 500;

/// A row of `job` as people see it, in plain types.
#[derive(Debug, FromRow)]
struct JobRecord {
    id: Uuid,
    queue: String,
    state: String,
    payload: String,
    attempts: i64,
    max_attempts: i64,
    run_at: StoredInstant,
    leased_until: Option<StoredInstant>,
    last_error: Option<String>,
    created_at: StoredInstant,
}

impl TryFrom<JobRecord> for JobView {
    type Error = BackendError;

    fn try_from(row: JobRecord) -> Result<Self, BackendError> {
        Ok(Self {
            id: JobId::from_uuid(row.id),
            queue: code(&row.queue, Queue::by_code, "job.queue")?,
            state: code(&row.state, JobState::by_code, "job.state")?,
            payload: row.payload,
            attempts: number(row.attempts, "job.attempts")?,
            max_attempts: number(row.max_attempts, "job.max_attempts")?,
            run_at: row.run_at.to_jiff(),
            leased_until: row.leased_until.map(StoredInstant::to_jiff),
            last_error: row.last_error,
            created_at: row.created_at.to_jiff(),
        })
    }
}

/// What a cursor of this list says; another list's starts from the beginning.
fn position(cursor: &Cursor) -> Option<Timestamp> {
    match cursor.value {
        SortValue::Integer(micros) => Timestamp::from_microsecond(micros).ok(),
        SortValue::Text(_) => None,
    }
}

fn build(filter: JobFilter, page: &PageRequest) -> Builder {
    let mut query = Builder::new(
        "WITH filtered AS NOT MATERIALIZED (SELECT j.job_id AS id, j.created_at AS sort_key FROM job AS j WHERE TRUE",
    );
    if let Some(queue) = filter.queue {
        query.push(" AND j.queue = ").push_bind(queue.code());
    }
    if let Some(state) = filter.state {
        query.push(" AND j.state = ").push_bind(state.code());
    }
    query.push("), page AS MATERIALIZED (SELECT f.id, f.sort_key FROM filtered AS f");
    if let PageStart::After(cursor) = &page.start
        && let Some(at) = position(cursor)
    {
        query
            .push(" WHERE (f.sort_key, f.id) < (")
            .push_bind(stored(at))
            .push(", ")
            .push_bind(cursor.id)
            .push(")");
    }
    query.push(" ORDER BY f.sort_key DESC, f.id DESC");
    push_limit(&mut query, page);
    query.push(
        ") SELECT t.total, j.job_id AS id, j.queue, j.state, j.payload, j.attempts, j.max_attempts, j.run_at, \
         j.leased_until, j.last_error, j.created_at FROM (SELECT count(*) AS total FROM filtered) AS t \
         LEFT JOIN page ON TRUE LEFT JOIN job AS j ON j.job_id = page.id ORDER BY page.sort_key DESC, page.id DESC",
    );
    query
}

fn decode(rows: &[PgRow], limit: u32) -> Result<Page<JobView>, BackendError> {
    let mut total = 0;
    let mut listed = Vec::new();
    for row in rows {
        total = row.try_get::<i64, _>("total").map_err(error::backend)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id").map_err(error::backend)? else {
            continue;
        };
        let record = JobRecord::from_row(row).map_err(error::backend)?;
        let value = SortValue::Integer(micros(record.created_at.to_jiff()));
        listed.push((Cursor { value, id }, record.try_into()?));
    }
    page_of(listed, limit, total)
}

const fn held(rows: u64) -> Held {
    if rows == 0 { Held::Lost } else { Held::Yes }
}

fn codes_of(queues: &[Queue]) -> Vec<String> {
    queues.iter().map(|queue| queue.code().to_owned()).collect()
}

/// Waits until a job may have come into one of the queues.
async fn hear_of(heard: &Inbox, queues: &[String]) {
    loop {
        match heard.next().await {
            Some(Event::Message { payload, .. }) => {
                if queues.iter().any(|queue| queue.as_bytes() == payload) {
                    return;
                }
            }
            Some(Event::Gap) => return,
            // Nothing will be heard any more: only patience ends the wait.
            None => std::future::pending().await,
        }
    }
}

/// What went wrong, without what a text cannot hold.
fn as_text(error: &str) -> String {
    error.replace('\0', "")
}

/// A job that was taken, with what it is sorted by.
struct Taken {
    place: (i16, Timestamp, Uuid),
    queue: String,
    payload: String,
    token: Uuid,
    attempts: i64,
    max_attempts: i64,
    created_at: Timestamp,
}

impl TryFrom<Taken> for LeasedJob {
    type Error = BackendError;

    fn try_from(row: Taken) -> Result<Self, BackendError> {
        Ok(Self {
            lease: JobLease {
                job: JobId::from_uuid(row.place.2),
                token: row.token,
            },
            queue: code(&row.queue, Queue::by_code, "job.queue")?,
            payload: row.payload,
            attempt: number(row.attempts, "job.attempts")?,
            max_attempts: number(row.max_attempts, "job.max_attempts")?,
            created_at: row.created_at,
        })
    }
}

impl PgStore {
    /// Whether there is a lease to take back, and whether a job of these queues is due.
    async fn look_for_work(&self, queues: &[String]) -> Result<(bool, bool), sqlx::Error> {
        let now = self.now();
        let found = read_twice(|| {
            sqlx::query!(
                r#"
                    WITH i AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now)
                    SELECT EXISTS (
                        SELECT 1 FROM job WHERE state = 'leased' AND leased_until <= (SELECT now FROM i)
                    ) AS "lapsed!", EXISTS (
                        SELECT 1 FROM job
                        WHERE state = 'ready' AND run_at <= (SELECT now FROM i) AND queue = ANY ($2)
                    ) AS "due!"
                "#,
                now as _,
                queues,
            )
            .fetch_one(self.quick())
        })
        .await?;
        Ok((found.lapsed, found.due))
    }

    /// Takes back leases that ended: their jobs wait again, or are dead after their last attempt.
    async fn take_back(&self) -> Result<(), sqlx::Error> {
        while self.take_some_back().await? == u64::from(TAKEN_BACK_AT_ONCE) {}
        Ok(())
    }

    async fn take_some_back(&self) -> Result<u64, sqlx::Error> {
        let done = sqlx::query!(
            r#"
                WITH lapsed AS MATERIALIZED (
                    SELECT job_id FROM job
                    WHERE state = 'leased' AND leased_until <= (SELECT coalesce($1, clock_timestamp()))
                    ORDER BY leased_until LIMIT $3 FOR UPDATE SKIP LOCKED
                )
                UPDATE job AS j SET state = CASE WHEN j.attempts >= j.max_attempts THEN 'dead' ELSE 'ready' END,
                    lease_token = NULL, leased_until = NULL, last_error = $2
                FROM lapsed WHERE j.job_id = lapsed.job_id
            "#,
            self.now() as _,
            LEASE_ENDED,
            i64::from(TAKEN_BACK_AT_ONCE),
        )
        .execute(self.quick())
        .await?;
        Ok(done.rows_affected())
    }

    async fn take(&self, queues: &[String], n: u32, lease: Duration) -> Result<Vec<Taken>, sqlx::Error> {
        let taken = sqlx::query!(
            r#"
                WITH i AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now),
                due AS MATERIALIZED (
                    SELECT job_id FROM job
                    WHERE state = 'ready' AND run_at <= (SELECT now FROM i) AND queue = ANY ($2)
                    ORDER BY priority, run_at, job_id LIMIT $3 FOR UPDATE SKIP LOCKED
                )
                UPDATE job AS j SET state = 'leased', attempts = j.attempts + 1, lease_token = gen_random_uuid(),
                    leased_until = i.now + $4::bigint * interval '1 microsecond'
                FROM due CROSS JOIN i WHERE j.job_id = due.job_id
                RETURNING j.job_id, j.queue, j.payload, j.priority, j.run_at, j.lease_token AS "token!", j.attempts,
                    j.max_attempts, j.created_at
            "#,
            self.now() as _,
            queues,
            i64::from(n),
            span_micros(lease),
        )
        .fetch_all(self.quick())
        .await?;
        // The rows of an update come in no order.
        let mut taken: Vec<Taken> = taken
            .into_iter()
            .map(|row| Taken {
                place: (row.priority, row.run_at.to_jiff(), row.job_id),
                queue: row.queue,
                payload: row.payload,
                token: row.token,
                attempts: row.attempts,
                max_attempts: row.max_attempts,
                created_at: row.created_at.to_jiff(),
            })
            .collect();
        taken.sort_by_key(|job| job.place);
        Ok(taken)
    }

    async fn put_back(&self, lease: &JobLease, after: Duration, error: &str) -> Result<u64, sqlx::Error> {
        let done = sqlx::query!(
            r#"
                UPDATE job SET state = CASE WHEN attempts >= max_attempts THEN 'dead' ELSE 'ready' END,
                    lease_token = NULL, leased_until = NULL, last_error = $4,
                    run_at = coalesce($1, clock_timestamp()) + $5::bigint * interval '1 microsecond'
                WHERE job_id = $2 AND lease_token = $3
            "#,
            self.now() as _,
            lease.job.as_uuid(),
            lease.token,
            as_text(error),
            span_micros(after),
        )
        .execute(self.quick())
        .await?;
        Ok(done.rows_affected())
    }

    async fn end(&self, lease: &JobLease, outcome: &Outcome) -> Result<u64, sqlx::Error> {
        let (job, token) = (lease.job.as_uuid(), lease.token);
        match outcome {
            Outcome::Done => {
                let done = sqlx::query!(
                    "DELETE FROM job WHERE job_id = $1 AND lease_token = $2",
                    job,
                    token
                )
                .execute(self.quick())
                .await?;
                Ok(done.rows_affected())
            }
            Outcome::Retry { after, error } => self.put_back(lease, *after, error).await,
            Outcome::Dead { error } => {
                let done = sqlx::query!(
                    r#"
                        UPDATE job SET state = 'dead', lease_token = NULL, leased_until = NULL, last_error = $3
                        WHERE job_id = $1 AND lease_token = $2
                    "#,
                    job,
                    token,
                    as_text(error),
                )
                .execute(self.quick())
                .await?;
                Ok(done.rows_affected())
            }
            Outcome::Release => {
                let told = sqlx::query_scalar!(
                    r#"
                        WITH released AS (
                            UPDATE job
                            SET state = 'ready', lease_token = NULL, leased_until = NULL, attempts = attempts - 1
                            WHERE job_id = $1 AND lease_token = $2
                            RETURNING queue
                        )
                        SELECT pg_notify($3, queue)::text AS told FROM released
                    "#,
                    job,
                    token,
                    CHANNEL,
                )
                .fetch_all(self.quick())
                .await?;
                Ok(u64::try_from(told.len()).unwrap_or(0))
            }
        }
    }

    /// Makes one dead job ready, unless another has taken its unique key.
    async fn revive_one(&self, job: Uuid) -> Result<bool, sqlx::Error> {
        let revived = sqlx::query_scalar!(
            r#"
                WITH revived AS (
                    UPDATE job AS j SET state = 'ready', attempts = 0, run_at = coalesce($1, clock_timestamp())
                    WHERE j.state = 'dead' AND j.job_id = $2 AND NOT EXISTS (
                        SELECT 1 FROM job AS o
                        WHERE o.queue = j.queue AND o.unique_key = j.unique_key AND o.state IN ('ready', 'leased')
                    )
                    RETURNING j.queue
                )
                SELECT pg_notify($3, queue)::text AS told FROM revived
            "#,
            self.now() as _,
            job,
            CHANNEL,
        )
        .fetch_optional(self.quick())
        .await;
        match revived {
            Ok(revived) => Ok(revived.is_some()),
            // Somebody took the key at this very moment.
            Err(err)
                if err
                    .as_database_error()
                    .is_some_and(sqlx::error::DatabaseError::is_unique_violation) =>
            {
                Ok(false)
            }
            Err(err) => Err(err),
        }
    }
}

#[async_trait]
impl JobQueue for PgStore {
    async fn claim(&self, queues: &[Queue], n: u32, lease: Duration) -> Result<Vec<LeasedJob>, BackendError> {
        let queues = codes_of(queues);
        let (lapsed, due) = self.look_for_work(&queues).await.map_err(error::backend)?;
        if lapsed {
            self.take_back().await.map_err(error::write)?;
        }
        if !(lapsed || due) {
            return Ok(Vec::new());
        }
        let taken = self.take(&queues, n, lease).await.map_err(error::write)?;
        taken.into_iter().map(LeasedJob::try_from).collect()
    }

    async fn extend(&self, lease: &JobLease, by: Duration) -> Result<Held, BackendError> {
        let done = sqlx::query!(
            r#"
                WITH i AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now)
                UPDATE job AS j SET leased_until = i.now + $4::bigint * interval '1 microsecond'
                FROM i WHERE j.job_id = $2 AND j.lease_token = $3 AND j.leased_until > i.now
            "#,
            self.now() as _,
            lease.job.as_uuid(),
            lease.token,
            span_micros(by),
        )
        .execute(self.quick())
        .await
        .map_err(error::write)?;
        Ok(held(done.rows_affected()))
    }

    async fn settle(&self, lease: &JobLease, outcome: &Outcome) -> Result<Held, BackendError> {
        let settled = self.end(lease, outcome).await.map_err(error::write)?;
        Ok(held(settled))
    }

    async fn list(&self, filter: JobFilter, page: &PageRequest) -> Result<Page<JobView>, BackendError> {
        let rows = build(filter, page)
            .build()
            .fetch_all(self.quick())
            .await
            .map_err(error::backend)?;
        decode(&rows, page.limit)
    }

    async fn depths(&self) -> Result<Vec<QueueDepth>, BackendError> {
        let now = self.now();
        let rows = read_twice(|| {
            sqlx::query!(
                r#"
                    SELECT j.queue, count(*) FILTER (WHERE j.state = 'ready') AS "ready!",
                           count(*) FILTER (WHERE j.state = 'leased') AS "leased!",
                           count(*) FILTER (WHERE j.state = 'dead') AS "dead!",
                           min(j.run_at) FILTER (WHERE j.state = 'ready' AND j.run_at <= i.now) AS oldest_due
                    FROM job AS j CROSS JOIN (SELECT coalesce($1, clock_timestamp()) AS now OFFSET 0) AS i
                    GROUP BY j.queue
                "#,
                now as _,
            )
            .fetch_all(self.quick())
        })
        .await
        .map_err(error::backend)?;
        Queue::ALL
            .iter()
            .map(|queue| {
                let row = rows.iter().find(|row| row.queue == queue.code());
                let count = |count: Option<i64>| {
                    optional_number::<u64>(count, "a count").map(Option::unwrap_or_default)
                };
                Ok(QueueDepth {
                    queue: *queue,
                    ready: count(row.map(|row| row.ready))?,
                    leased: count(row.map(|row| row.leased))?,
                    dead: count(row.map(|row| row.dead))?,
                    oldest_due: row.and_then(|row| row.oldest_due).map(StoredInstant::to_jiff),
                })
            })
            .collect()
    }

    async fn revive(&self, jobs: &[JobId]) -> Result<u64, BackendError> {
        let mut revived = 0;
        for job in jobs {
            let done = self.revive_one(job.as_uuid()).await.map_err(error::write)?;
            revived += u64::from(done);
        }
        Ok(revived)
    }

    async fn discard(&self, jobs: &[JobId]) -> Result<u64, BackendError> {
        let ids: Vec<Uuid> = jobs.iter().map(|job| job.as_uuid()).collect();
        let done = sqlx::query!("DELETE FROM job WHERE state = 'dead' AND job_id = ANY ($1)", &ids)
            .execute(self.quick())
            .await
            .map_err(error::write)?;
        Ok(done.rows_affected())
    }

    async fn wait(&self, queues: &[Queue], patience: Duration) {
        let codes = codes_of(queues);
        let waited = async {
            // Heard from here on: what is committed after the look into the queue wakes this up.
            let heard = self.ear().listen(vec![JOBS.to_owned()], None);
            match self.look_for_work(&codes).await {
                Ok((lapsed, due)) if lapsed || due => {}
                Ok(_) | Err(_) => hear_of(&heard, &codes).await,
            }
        };
        // The end of patience is as good a reason to look again as a job.
        let _ended = tokio::time::timeout(patience, waited).await;
    }
}
