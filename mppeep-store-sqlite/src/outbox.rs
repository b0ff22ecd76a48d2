//! Jobs that a unit of work asks for: they are rows of the same transaction.

use async_trait::async_trait;
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::job_queue::PAYLOAD_MAX_BYTES;
use mppeep_core::ports::outbox::{Enqueued, JobOutbox, NewJob};

use crate::codec::micros;
use crate::error::ADAPTER;
use crate::unit::Handle;

#[async_trait]
impl JobOutbox for Handle<'_> {
    async fn enqueue(&mut self, job: &NewJob) -> Result<Enqueued, StoreError> {
        let now = self.0.now();
        let conn = self.0.writing()?;
        if job.payload.len() > PAYLOAD_MAX_BYTES {
            return Err(BackendError::Invalid {
                adapter: ADAPTER,
                what: format!("a payload of {} bytes", job.payload.len()),
            }
            .into());
        }
        let done = sqlx::query!(
            r#"
                INSERT INTO job (
                    job_id, queue, state, payload, priority, attempts, max_attempts, unique_key, run_at, created_at
                )
                SELECT ?2, ?3, 'ready', ?4, ?5, 0, ?6, ?7, coalesce(?8, i.now), i.now
                FROM (SELECT coalesce(?1, (SELECT now_us FROM clock)) AS now) AS i
                WHERE true
                ON CONFLICT DO NOTHING
            "#,
            now,
            job.id.as_uuid(),
            job.queue.code(),
            job.payload,
            job.priority,
            job.max_attempts.max(1),
            job.unique_key,
            job.run_at.map(micros),
        )
        .execute(conn)
        .await;
        if self.0.settle("job", done)?.rows_affected() == 0 {
            return Ok(Enqueued::Duplicate);
        }
        self.0.note_enqueued();
        Ok(Enqueued::Done)
    }
}
