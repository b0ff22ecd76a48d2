//! The outbox: jobs that a unit of work asks for.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::StoreError;
use super::job_queue::Queue;
use crate::domain::id::JobId;

/// A job to enqueue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Its identifier; one identifier is one job, however often it is enqueued.
    pub id: JobId,
    /// Its queue.
    pub queue: Queue,
    /// What is to be done.
    pub payload: String,
    /// Jobs of a smaller number come first.
    pub priority: i16,
    /// Before which instant it is not begun; none is at once.
    pub run_at: Option<Timestamp>,
    /// How often it may be tried, at least once.
    pub max_attempts: u32,
    /// Of the jobs of a queue that wait or run, only one has this key.
    pub unique_key: Option<String>,
}

/// Whether a job was enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It will be there with the commit.
    Done,
    /// Its identifier, or its unique key, is in the queue already.
    Duplicate,
}

/// Enqueues jobs within a unit of work: they exist when it commits, and not before.
#[async_trait]
pub trait JobOutbox: Send {
    /// Enqueues one job.
    ///
    /// # Errors
    /// `Invalid` (as `Backend`) for a payload over [`super::job_queue::PAYLOAD_MAX_BYTES`].
    async fn enqueue(&mut self, job: &NewJob) -> Result<Enqueued, StoreError>;
}
