//! Jobs that a unit of work asks for: they are rows of the same transaction, and so is the message that wakes workers.

use async_trait::async_trait;
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::job_queue::PAYLOAD_MAX_BYTES;
use mppeep_core::ports::outbox::{Enqueued, JobOutbox, NewJob};

use crate::codec::stored;
use crate::error::ADAPTER;
use crate::job_queue::CHANNEL;
use crate::unit::Handle;

#[async_trait]
impl JobOutbox for Handle<'_> {
    async fn enqueue(&mut self, job: &NewJob) -> Result<Enqueued, StoreError> {
        let now = self.0.now();
        let link = self.0.batch().await?;
        if job.payload.len() > PAYLOAD_MAX_BYTES {
            return Err(BackendError::Invalid {
                adapter: ADAPTER,
                what: format!("a payload of {} bytes", job.payload.len()),
            }
            .into());
        }
        let enqueued = sqlx::query_scalar!(
            r#"
                WITH new AS (
                    INSERT INTO job (
                        job_id, queue, state, payload, priority, attempts, max_attempts, unique_key, run_at, created_at
                    )
                    SELECT $2, $3, 'ready', $4, $5, 0, $6, $7, coalesce($8, i.now), i.now
                    FROM (SELECT coalesce($1, clock_timestamp()) AS now OFFSET 0) AS i
                    ON CONFLICT DO NOTHING
                    RETURNING queue
                )
                SELECT pg_notify($9, queue)::text AS told FROM new
            "#,
            now as _,
            job.id.as_uuid(),
            job.queue.code(),
            job.payload,
            job.priority,
            i64::from(job.max_attempts.max(1)),
            job.unique_key,
            job.run_at.map(stored) as _,
            CHANNEL,
        )
        .fetch_optional(link)
        .await;
        let enqueued = self.0.settle("job", enqueued)?;
        Ok(if enqueued.is_some() {
            Enqueued::Done
        } else {
            Enqueued::Duplicate
        })
    }
}
