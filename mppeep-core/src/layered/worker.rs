//! Works on the jobs of the queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::ports::clock::Entropy;
use crate::ports::job_queue::{Held, JobQueue, LeasedJob, Outcome, Queue};

/// Pauses before the second and later attempts; the last one repeats.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(12 * 3600),
];

/// Attempts that the pauses are made for.
pub const MAX_ATTEMPTS: u32 = 7;

/// The pause after an attempt that failed, from half of the whole to the whole, so that what failed together does not come
/// back together.
pub fn pause_after(attempt: u32, entropy: &dyn Entropy) -> Duration {
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let whole = PAUSES.get(index).or(PAUSES.last()).copied().unwrap_or_default();
    let mut byte = [0u8; 1];
    entropy.fill(&mut byte);
    whole / 2 + whole / 2 * u32::from(byte[0]) / 255
}

/// Does the jobs of one queue. A job may be done twice: a worker can die between the work and the word that it is done.
#[async_trait]
pub trait JobHandler: Send + Sync {
    /// The queue.
    fn queue(&self) -> Queue;

    /// Does one job. The future is dropped when the worker loses the job's lease, or must end.
    async fn run(&self, job: &LeasedJob) -> Outcome;

    /// A job is dead: its last attempt failed, or the handler gave it up.
    async fn died(&self, job: &LeasedJob, error: &str);
}

/// Numbers that a worker works by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerSettings {
    /// Jobs in hand at once.
    pub concurrency: usize,
    /// How long a job is leased; it is prolonged at a third of that.
    pub lease: Duration,
    /// How long the queue is left alone when it is empty.
    pub poll: Duration,
    /// How long jobs in hand may go on when the worker is asked to end; what is left is given back.
    pub patience: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            concurrency: 4,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            patience: Duration::from_secs(5),
        }
    }
}

/// What became of the jobs of one queue in this worker's hands, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerCounts {
    /// Done.
    pub done: u64,
    /// Failed, to be tried again.
    pub retried: u64,
    /// Failed for good.
    pub dead: u64,
    /// Given back unbegun.
    pub released: u64,
    /// Left to others, because the lease was lost.
    pub lost: u64,
}

#[derive(Debug, Default)]
struct Counters {
    done: AtomicU64,
    retried: AtomicU64,
    dead: AtomicU64,
    released: AtomicU64,
    lost: AtomicU64,
}

impl Counters {
    fn note(&self, job: &LeasedJob, outcome: Option<&Outcome>) {
        let counter = match outcome {
            None => &self.lost,
            Some(Outcome::Done) => &self.done,
            Some(Outcome::Release) => &self.released,
            Some(outcome) if death(job, outcome).is_some() => &self.dead,
            Some(_) => &self.retried,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Takes jobs and has them done.
pub struct Worker {
    queue: Arc<dyn JobQueue>,
    handlers: BTreeMap<Queue, Arc<dyn JobHandler>>,
    entropy: Arc<dyn Entropy>,
    settings: WorkerSettings,
    counters: BTreeMap<Queue, Counters>,
}

impl Worker {
    /// A worker for the queues of these handlers.
    pub fn new(
        queue: Arc<dyn JobQueue>,
        handlers: Vec<Arc<dyn JobHandler>>,
        entropy: Arc<dyn Entropy>,
        settings: WorkerSettings,
    ) -> Self {
        Self {
            queue,
            counters: handlers
                .iter()
                .map(|handler| (handler.queue(), Counters::default()))
                .collect(),
            handlers: handlers
                .into_iter()
                .map(|handler| (handler.queue(), handler))
                .collect(),
            entropy,
            settings,
        }
    }

    /// What became of jobs so far, by queue.
    pub fn counts(&self) -> Vec<(Queue, WorkerCounts)> {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = |counters: &Counters| WorkerCounts {
            done: of(&counters.done),
            retried: of(&counters.retried),
            dead: of(&counters.dead),
            released: of(&counters.released),
            lost: of(&counters.lost),
        };
        self.counters
            .iter()
            .map(|(queue, counters)| (*queue, counts(counters)))
            .collect()
    }

    /// Works until `stop` turns true (or its sender is gone). Then it takes nothing more, lets what is in hand end within
    /// its patience, and gives the rest back.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let queues: Vec<Queue> = self.handlers.keys().copied().collect();
        if queues.is_empty() {
            return;
        }
        let (give_back, told) = watch::channel(false);
        let mut in_hand = JoinSet::new();
        let mut failing = false;
        while !stopped(&stop) {
            while in_hand.try_join_next().is_some() {}
            let free = self.settings.concurrency.saturating_sub(in_hand.len());
            if free == 0 {
                tokio::select! {
                    _ = in_hand.join_next() => {}
                    () = until_stopped(&mut stop) => {}
                }
                continue;
            }
            let wanted = u32::try_from(free).unwrap_or(u32::MAX);
            let claimed_at = Instant::now();
            // Not raced against `stop`: a claim that is dropped half way leaves jobs leased.
            let claimed = self.queue.claim(&queues, wanted, self.settings.lease).await;
            let jobs = match claimed {
                Ok(jobs) => {
                    failing = false;
                    jobs
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "no jobs can be taken: the worker tries again");
                    }
                    failing = true;
                    Vec::new()
                }
            };
            if jobs.is_empty() {
                let wait = async {
                    if failing {
                        tokio::time::sleep(self.settings.poll).await;
                    } else {
                        self.queue.wait(&queues, self.settings.poll).await;
                    }
                };
                tokio::select! {
                    () = wait => {}
                    () = until_stopped(&mut stop) => {}
                }
            }
            for job in jobs {
                let worker = Arc::clone(&self);
                let told = told.clone();
                in_hand.spawn(async move { worker.handle(job, claimed_at, told).await });
            }
        }
        let all = async { while in_hand.join_next().await.is_some() {} };
        if tokio::time::timeout(self.settings.patience, all).await.is_err() {
            give_back.send_replace(true);
            let rest = async { while in_hand.join_next().await.is_some() {} };
            if tokio::time::timeout(self.settings.patience, rest).await.is_err() {
                tracing::warn!("jobs in hand could not be given back: their leases will end");
            }
        }
    }

    async fn handle(&self, job: LeasedJob, claimed_at: Instant, mut give_back: watch::Receiver<bool>) {
        let Some(handler) = self.handlers.get(&job.queue) else {
            return self.settle(&job, &Outcome::Release).await;
        };
        // In a task of its own, so that a panic is the job's and not the worker's.
        let mut work = tokio::spawn({
            let (handler, job) = (Arc::clone(handler), job.clone());
            async move { handler.run(&job).await }
        });
        let outcome = tokio::select! {
            done = &mut work => Some(self.outcome(&job, done)),
            () = self.keep(&job, claimed_at) => None,
            () = until_stopped(&mut give_back) => Some(Outcome::Release),
        };
        work.abort();
        if let Some(counters) = self.counters.get(&job.queue) {
            counters.note(&job, outcome.as_ref());
        }
        match outcome {
            Some(outcome) => {
                self.settle(&job, &outcome).await;
                if let Some(error) = death(&job, &outcome) {
                    handler.died(&job, error).await;
                }
            }
            None => {
                tracing::warn!(job = %job.lease.job, queue = job.queue.code(), "the lease of a job was lost: it is left to others")
            }
        }
    }

    fn outcome(&self, job: &LeasedJob, done: Result<Outcome, JoinError>) -> Outcome {
        done.unwrap_or_else(|_| {
            tracing::error!(job = %job.lease.job, queue = job.queue.code(), "a job panicked");
            Outcome::Retry {
                after: pause_after(job.attempt, self.entropy.as_ref()),
                error: "the job panicked".to_owned(),
            }
        })
    }

    /// Prolongs the lease for as long as it can, and returns when it is lost: told so, or not heard of for a whole lease.
    async fn keep(&self, job: &LeasedJob, claimed_at: Instant) {
        let mut held_until = claimed_at + self.settings.lease;
        loop {
            tokio::time::sleep(self.settings.lease / 3).await;
            let asked_at = Instant::now();
            let extend = self.queue.extend(&job.lease, self.settings.lease);
            match tokio::time::timeout_at(held_until, extend).await {
                Ok(Ok(Held::Yes)) => held_until = asked_at + self.settings.lease,
                Ok(Ok(Held::Lost)) | Err(_) => return,
                Ok(Err(error)) => tracing::debug!(%error, "a lease could not be prolonged"),
            }
            if Instant::now() >= held_until {
                return;
            }
        }
    }

    /// Says what became of a job; when that fails, its lease ends and it is taken again.
    async fn settle(&self, job: &LeasedJob, outcome: &Outcome) {
        match self.queue.settle(&job.lease, outcome).await {
            Ok(Held::Yes) => {}
            Ok(Held::Lost) => {
                tracing::warn!(job = %job.lease.job, queue = job.queue.code(), "a job was taken by another before it was settled");
            }
            Err(error) => {
                tracing::warn!(job = %job.lease.job, queue = job.queue.code(), %error, "a job could not be settled: it will be taken again");
            }
        }
    }
}

/// Why a job is dead, if that is what an outcome means.
fn death<'a>(job: &LeasedJob, outcome: &'a Outcome) -> Option<&'a str> {
    match outcome {
        Outcome::Dead { error } => Some(error),
        Outcome::Retry { error, .. } if job.attempt >= job.max_attempts => Some(error),
        _ => None,
    }
}

fn stopped(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

async fn until_stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that the sender is gone, which means the same.
    let _gone = stop.wait_for(|stop| *stop).await;
}
