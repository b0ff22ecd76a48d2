//! The queue of jobs. Whoever asks in vain takes no lock; a claim is one unit that holds the write lock from its start.

use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::domain::id::JobId;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::job_queue::{
    Held, JobFilter, JobLease, JobQueue, JobState, JobView, LeasedJob, Outcome, Queue, QueueDepth,
};
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart, SortValue};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::SqliteStore;
use crate::codec::{
    code, id_array, instant, number, optional_instant, optional_number, span_micros, text_array,
};
use crate::error;
use crate::filter::{Builder, page_of, push_limit, push_sort_value};

/// Why a job failed whose worker never said so.
const LEASE_ENDED: &str = "the lease ended before the worker said what became of the job";

/// A row of `job` as people see it, in plain types.
#[derive(Debug, FromRow)]
struct JobRecord {
    id: Uuid,
    queue: String,
    state: String,
    payload: String,
    attempts: i64,
    max_attempts: i64,
    run_at: i64,
    leased_until: Option<i64>,
    last_error: Option<String>,
    created_at: i64,
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
            run_at: instant(row.run_at, "job.run_at")?,
            leased_until: optional_instant(row.leased_until, "job.leased_until")?,
            last_error: row.last_error,
            created_at: instant(row.created_at, "job.created_at")?,
        })
    }
}

fn build(filter: JobFilter, page: &PageRequest) -> Builder {
    let mut query = Builder::new(
        "WITH filtered AS NOT MATERIALIZED (SELECT j.job_id AS id, j.created_at AS sort_key FROM job AS j WHERE 1",
    );
    if let Some(queue) = filter.queue {
        query.push(" AND j.queue = ").push_bind(queue.code());
    }
    if let Some(state) = filter.state {
        query.push(" AND j.state = ").push_bind(state.code());
    }
    query.push("), page AS MATERIALIZED (SELECT f.id, f.sort_key FROM filtered AS f");
    if let PageStart::After(cursor) = &page.start {
        query.push(" WHERE (f.sort_key, f.id) < (");
        push_sort_value(&mut query, &cursor.value);
        query.push(", ").push_bind(cursor.id).push(")");
    }
    query.push(" ORDER BY f.sort_key DESC, f.id DESC");
    push_limit(&mut query, page);
    query.push(
        ") SELECT t.total, j.job_id AS id, j.queue, j.state, j.payload, j.attempts, j.max_attempts, j.run_at, \
         j.leased_until, j.last_error, j.created_at FROM (SELECT count(*) AS total FROM filtered) AS t \
         LEFT JOIN page ON 1 LEFT JOIN job AS j ON j.job_id = page.id ORDER BY page.sort_key DESC, page.id DESC",
    );
    query
}

fn decode(rows: &[SqliteRow], limit: u32) -> Result<Page<JobView>, BackendError> {
    let mut total = 0;
    let mut listed = Vec::new();
    for row in rows {
        total = row.try_get::<i64, _>("total").map_err(error::backend)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id").map_err(error::backend)? else {
            continue;
        };
        let record = JobRecord::from_row(row).map_err(error::backend)?;
        let value = SortValue::Integer(record.created_at);
        listed.push((Cursor { value, id }, record.try_into()?));
    }
    page_of(listed, limit, total)
}

const fn held(rows: u64) -> Held {
    if rows == 0 { Held::Lost } else { Held::Yes }
}

fn codes_of(queues: &[Queue]) -> String {
    text_array(queues.iter().map(|queue| queue.code()))
}

/// A job that was taken, with what it is sorted by.
struct Taken {
    place: (i64, i64, Uuid),
    queue: String,
    payload: String,
    token: Uuid,
    attempts: i64,
    max_attempts: i64,
    created_at: i64,
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
            created_at: instant(row.created_at, "job.created_at")?,
        })
    }
}

impl SqliteStore {
    /// Whether a claim would do anything: a job is due, or a lease has ended.
    async fn has_work(&self, queues: &str) -> Result<bool, sqlx::Error> {
        let now = self.now();
        sqlx::query_scalar!(
            r#"
                SELECT EXISTS (
                    SELECT 1 FROM job
                    WHERE state = 'leased' AND leased_until <= coalesce(?1, (SELECT now_us FROM clock))
                ) OR EXISTS (
                    SELECT 1 FROM job
                    WHERE state = 'ready' AND run_at <= coalesce(?1, (SELECT now_us FROM clock))
                      AND queue IN (SELECT value FROM json_each(?2))
                ) AS "found!: bool"
            "#,
            now,
            queues,
        )
        .fetch_one(self.quick())
        .await
    }

    async fn take(&self, queues: &str, n: u32, lease: Duration) -> Result<Vec<Taken>, sqlx::Error> {
        let (now, lease) = (self.now(), span_micros(lease));
        let mut tx = self.immediate().await?;
        sqlx::query!(
            r#"
                UPDATE job SET state = CASE WHEN attempts >= max_attempts THEN 'dead' ELSE 'ready' END,
                    lease_token = NULL, leased_until = NULL, last_error = ?2
                WHERE state = 'leased' AND leased_until <= coalesce(?1, (SELECT now_us FROM clock))
            "#,
            now,
            LEASE_ENDED,
        )
        .execute(&mut *tx)
        .await?;
        let taken = sqlx::query!(
            r#"
                WITH instant AS MATERIALIZED (SELECT coalesce(?1, (SELECT now_us FROM clock)) AS now)
                UPDATE job SET state = 'leased', attempts = attempts + 1, lease_token = randomblob(16),
                    leased_until = (SELECT now FROM instant) + ?4
                WHERE job_id IN (
                    SELECT j.job_id FROM job AS j
                    WHERE j.state = 'ready' AND j.run_at <= (SELECT now FROM instant)
                      AND j.queue IN (SELECT value FROM json_each(?2))
                    ORDER BY j.priority, j.run_at, j.job_id LIMIT ?3
                )
                RETURNING job_id AS "id!: Uuid", queue AS "queue!", payload AS "payload!", priority AS "priority!: i64",
                    run_at AS "run_at!: i64", lease_token AS "token!: Uuid", attempts AS "attempts!: i64",
                    max_attempts AS "max_attempts!: i64", created_at AS "created_at!: i64"
            "#,
            now,
            queues,
            n,
            lease,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        // The rows of an update come in no order.
        let mut taken: Vec<Taken> = taken
            .into_iter()
            .map(|row| Taken {
                place: (row.priority, row.run_at, row.id),
                queue: row.queue,
                payload: row.payload,
                token: row.token,
                attempts: row.attempts,
                max_attempts: row.max_attempts,
                created_at: row.created_at,
            })
            .collect();
        taken.sort_by_key(|job| job.place);
        Ok(taken)
    }

    async fn put_back(&self, lease: &JobLease, after: Duration, error: &str) -> Result<u64, sqlx::Error> {
        let (now, after) = (self.now(), span_micros(after));
        let done = sqlx::query!(
            r#"
                UPDATE job SET state = CASE WHEN attempts >= max_attempts THEN 'dead' ELSE 'ready' END,
                    lease_token = NULL, leased_until = NULL, last_error = ?4,
                    run_at = coalesce(?1, (SELECT now_us FROM clock)) + ?5
                WHERE job_id = ?2 AND lease_token = ?3
            "#,
            now,
            lease.job.as_uuid(),
            lease.token,
            error,
            after,
        )
        .execute(self.writer())
        .await?;
        Ok(done.rows_affected())
    }

    async fn end(&self, lease: &JobLease, outcome: &Outcome) -> Result<u64, sqlx::Error> {
        let (job, token) = (lease.job.as_uuid(), lease.token);
        let done = match outcome {
            Outcome::Done => {
                sqlx::query!("DELETE FROM job WHERE job_id = ?1 AND lease_token = ?2", job, token)
                    .execute(self.writer())
                    .await?
            }
            Outcome::Retry { after, error } => return self.put_back(lease, *after, error).await,
            Outcome::Dead { error } => {
                sqlx::query!(
                    r#"
                        UPDATE job SET state = 'dead', lease_token = NULL, leased_until = NULL, last_error = ?3
                        WHERE job_id = ?1 AND lease_token = ?2
                    "#,
                    job,
                    token,
                    error,
                )
                .execute(self.writer())
                .await?
            }
            Outcome::Release => {
                sqlx::query!(
                    r#"
                        UPDATE job SET state = 'ready', lease_token = NULL, leased_until = NULL, attempts = attempts - 1
                        WHERE job_id = ?1 AND lease_token = ?2
                    "#,
                    job,
                    token,
                )
                .execute(self.writer())
                .await?
            }
        };
        Ok(done.rows_affected())
    }
}

#[async_trait]
impl JobQueue for SqliteStore {
    async fn claim(&self, queues: &[Queue], n: u32, lease: Duration) -> Result<Vec<LeasedJob>, BackendError> {
        let queues = codes_of(queues);
        if !self.has_work(&queues).await.map_err(error::backend)? {
            return Ok(Vec::new());
        }
        let taken = self.take(&queues, n, lease).await.map_err(error::commit)?;
        taken.into_iter().map(LeasedJob::try_from).collect()
    }

    async fn extend(&self, lease: &JobLease, by: Duration) -> Result<Held, BackendError> {
        let (now, by) = (self.now(), span_micros(by));
        let done = sqlx::query!(
            r#"
                WITH instant AS (SELECT coalesce(?1, (SELECT now_us FROM clock)) AS now)
                UPDATE job SET leased_until = (SELECT now FROM instant) + ?4
                WHERE job_id = ?2 AND lease_token = ?3 AND leased_until > (SELECT now FROM instant)
            "#,
            now,
            lease.job.as_uuid(),
            lease.token,
            by,
        )
        .execute(self.writer())
        .await
        .map_err(error::commit)?;
        Ok(held(done.rows_affected()))
    }

    async fn settle(&self, lease: &JobLease, outcome: &Outcome) -> Result<Held, BackendError> {
        let settled = self.end(lease, outcome).await.map_err(error::commit)?;
        if settled > 0 && *outcome == Outcome::Release {
            self.enqueued().notify_waiters();
        }
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
        let rows = sqlx::query!(
            r#"
                SELECT queue, count(*) FILTER (WHERE state = 'ready') AS "ready!: i64",
                       count(*) FILTER (WHERE state = 'leased') AS "leased!: i64",
                       count(*) FILTER (WHERE state = 'dead') AS "dead!: i64",
                       min(run_at) FILTER (
                           WHERE state = 'ready' AND run_at <= coalesce(?1, (SELECT now_us FROM clock))
                       ) AS "oldest_due: i64"
                FROM job GROUP BY queue
            "#,
            now,
        )
        .fetch_all(self.quick())
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
                    oldest_due: optional_instant(row.and_then(|row| row.oldest_due), "job.run_at")?,
                })
            })
            .collect()
    }

    async fn revive(&self, jobs: &[JobId]) -> Result<u64, BackendError> {
        let (now, ids) = (self.now(), id_array(jobs.iter().map(|job| job.as_uuid())));
        // What breaks the uniqueness of live keys is passed over.
        let done = sqlx::query!(
            r#"
                UPDATE OR IGNORE job SET state = 'ready', attempts = 0, run_at = coalesce(?1, (SELECT now_us FROM clock))
                WHERE state = 'dead' AND job_id IN (SELECT unhex(value) FROM json_each(?2))
            "#,
            now,
            ids,
        )
        .execute(self.writer())
        .await
        .map_err(error::commit)?;
        if done.rows_affected() > 0 {
            self.enqueued().notify_waiters();
        }
        Ok(done.rows_affected())
    }

    async fn discard(&self, jobs: &[JobId]) -> Result<u64, BackendError> {
        let ids = id_array(jobs.iter().map(|job| job.as_uuid()));
        let done = sqlx::query!(
            "DELETE FROM job WHERE state = 'dead' AND job_id IN (SELECT unhex(value) FROM json_each(?1))",
            ids,
        )
        .execute(self.writer())
        .await
        .map_err(error::commit)?;
        Ok(done.rows_affected())
    }

    async fn wait(&self, queues: &[Queue], patience: Duration) {
        let enqueued = self.enqueued().notified();
        tokio::pin!(enqueued);
        // Heard from here on: what is committed after the look into the queue wakes this up.
        enqueued.as_mut().enable();
        let waited = async {
            match self.has_work(&codes_of(queues)).await {
                Ok(true) => {}
                Ok(false) | Err(_) => enqueued.await,
            }
        };
        // The end of patience is as good a reason to look again as a job.
        let _ended = tokio::time::timeout(patience, waited).await;
    }
}
