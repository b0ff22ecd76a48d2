//! The queue of jobs. Jobs are enqueued by units of work ([`super::outbox::JobOutbox`]), so that they exist exactly when the
//! change that asks for them is committed.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::error::BackendError;
use super::page::{Page, PageRequest};
use crate::domain::codes::codes;
use crate::domain::id::JobId;

codes! {
    /// A queue. A worker is never handed jobs of a queue it did not ask for.
    Queue {
        /// Mail to send.
        Mail = "mail",
        /// Salaries to compute.
        Payroll = "payroll",
        /// Files to read.
        Files = "files",
    }
}

codes! {
    /// Where a job stands.
    JobState {
        /// Waits for its time, or for a worker.
        Ready = "ready",
        /// A worker has it, until its lease ends.
        Leased = "leased",
        /// Failed for good; a person may revive it.
        Dead = "dead",
    }
}

/// Size of the largest payload, in bytes.
pub const PAYLOAD_MAX_BYTES: usize = 256 * 1024;

/// The right to work on one job, for a bounded time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobLease {
    /// The job.
    pub job: JobId,
    /// Drawn anew at each claim: a worker whose lease ended has another.
    pub token: Uuid,
}

/// A job in a worker's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedJob {
    /// The right to work on it.
    pub lease: JobLease,
    /// Its queue.
    pub queue: Queue,
    /// What is to be done, as the one who enqueued it wrote it; adapters do not look into it.
    pub payload: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many there may be.
    pub max_attempts: u32,
    /// When it was enqueued.
    pub created_at: Timestamp,
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, and leaves the queue.
    Done,
    /// It failed, and is tried again after a while; at the last attempt it is dead.
    Retry {
        /// How long to wait.
        after: Duration,
        /// Why, for people, without personal data.
        error: String,
    },
    /// It failed for good.
    Dead {
        /// Why.
        error: String,
    },
    /// It was not begun: it is given back, and the attempt is not counted.
    Release,
}

/// Whether something that is held was still held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It was, and what was asked is done.
    Yes,
    /// It was not: nothing was done.
    Lost,
}

/// Conditions on jobs; all of them hold together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Of this queue.
    pub queue: Option<Queue>,
    /// In this state.
    pub state: Option<JobState>,
}

/// A job as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// Its identifier.
    pub id: JobId,
    /// Its queue.
    pub queue: Queue,
    /// Where it stands.
    pub state: JobState,
    /// What is to be done.
    pub payload: String,
    /// Attempts begun.
    pub attempts: u32,
    /// How many there may be.
    pub max_attempts: u32,
    /// Before which instant it is not begun.
    pub run_at: Timestamp,
    /// When its lease ends, if a worker has it.
    pub leased_until: Option<Timestamp>,
    /// Why it failed last.
    pub last_error: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueDepth {
    /// The queue.
    pub queue: Queue,
    /// Jobs that wait.
    pub ready: u64,
    /// Jobs that a worker has.
    pub leased: u64,
    /// Jobs that failed for good.
    pub dead: u64,
    /// Since when the oldest job that could be begun waits.
    pub oldest_due: Option<Timestamp>,
}

/// Hands jobs to workers, each to one worker at a time and at least once.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Takes at most `n` due jobs, by priority (the smaller number first), time and identifier, for as long as `lease`.
    /// Leases that ended come back first: such a job is taken again, or is dead after its last attempt.
    ///
    /// # Errors
    /// `BackendError` when the store cannot be reached.
    async fn claim(&self, queues: &[Queue], n: u32, lease: Duration) -> Result<Vec<LeasedJob>, BackendError>;

    /// Prolongs a lease, counted from now.
    ///
    /// # Errors
    /// As `claim`.
    async fn extend(&self, lease: &JobLease, by: Duration) -> Result<Held, BackendError>;

    /// Says what became of a job.
    ///
    /// # Errors
    /// As `claim`; the job is then taken again when its lease ends.
    async fn settle(&self, lease: &JobLease, outcome: &Outcome) -> Result<Held, BackendError>;

    /// A page of jobs, the latest first.
    ///
    /// # Errors
    /// As `claim`.
    async fn list(&self, filter: JobFilter, page: &PageRequest) -> Result<Page<JobView>, BackendError>;

    /// How full the queues are, in the order of [`Queue::ALL`].
    ///
    /// # Errors
    /// As `claim`.
    async fn depths(&self) -> Result<Vec<QueueDepth>, BackendError>;

    /// Makes dead jobs ready again, from their first attempt; says how many were dead. A dead job whose unique key another
    /// job took since stays dead.
    ///
    /// # Errors
    /// As `claim`.
    async fn revive(&self, jobs: &[JobId]) -> Result<u64, BackendError>;

    /// Removes dead jobs; says how many were dead.
    ///
    /// # Errors
    /// As `claim`.
    async fn discard(&self, jobs: &[JobId]) -> Result<u64, BackendError>;

    /// Returns when a job may have been enqueued on these queues by this or another process, or after `patience`. It may
    /// return early, and a wake-up may be missed: callers poll all the same.
    async fn wait(&self, queues: &[Queue], patience: Duration);
}
