//! The worker against jobs that panic, hang and are lost.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mppeep_core::domain::id::JobId;
use mppeep_core::layered::worker::{JobHandler, Worker, WorkerSettings, pause_after};
use mppeep_core::ports::clock::SeededEntropy;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::job_queue::{
    Held, JobFilter, JobLease, JobQueue, JobView, LeasedJob, Outcome, Queue, QueueDepth,
};
use mppeep_core::ports::page::{Page, PageRequest};
use tokio::sync::watch;
use uuid::Uuid;

use crate::away;

const LEASE: Duration = Duration::from_secs(30);

/// Hands out the jobs it was given, once each.
#[derive(Default)]
struct Jobs {
    ready: Mutex<VecDeque<LeasedJob>>,
    settled: Mutex<Vec<(String, Outcome)>>,
    extended: AtomicUsize,
    lost: AtomicBool,
    down: AtomicBool,
}

impl Jobs {
    fn with(payloads: &[&str], attempt: u32) -> Arc<Self> {
        let jobs = payloads.iter().enumerate().map(|(index, payload)| LeasedJob {
            lease: JobLease {
                job: JobId::from_uuid(Uuid::from_u128(index as u128 + 1)),
                token: Uuid::from_u128(99),
            },
            queue: Queue::Mail,
            payload: (*payload).to_owned(),
            attempt,
            max_attempts: 3,
            created_at: Timestamp::UNIX_EPOCH,
        });
        Arc::new(Self {
            ready: Mutex::new(jobs.collect()),
            ..Self::default()
        })
    }

    fn settled(&self) -> Vec<(String, Outcome)> {
        self.settled.lock().unwrap().clone()
    }
}

#[async_trait]
impl JobQueue for Jobs {
    async fn claim(&self, _: &[Queue], n: u32, _: Duration) -> Result<Vec<LeasedJob>, BackendError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(away());
        }
        let mut ready = self.ready.lock().unwrap();
        let n = ready.len().min(n as usize);
        Ok(ready.drain(..n).collect())
    }

    async fn extend(&self, _: &JobLease, _: Duration) -> Result<Held, BackendError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(away());
        }
        self.extended.fetch_add(1, Ordering::SeqCst);
        Ok(if self.lost.load(Ordering::SeqCst) {
            Held::Lost
        } else {
            Held::Yes
        })
    }

    async fn settle(&self, lease: &JobLease, outcome: &Outcome) -> Result<Held, BackendError> {
        let job = lease.job.as_uuid().as_u128().to_string();
        self.settled.lock().unwrap().push((job, outcome.clone()));
        Ok(Held::Yes)
    }

    async fn list(&self, _: JobFilter, _: &PageRequest) -> Result<Page<JobView>, BackendError> {
        Err(away())
    }

    async fn depths(&self) -> Result<Vec<QueueDepth>, BackendError> {
        Err(away())
    }

    async fn revive(&self, _: &[JobId]) -> Result<u64, BackendError> {
        Err(away())
    }

    async fn discard(&self, _: &[JobId]) -> Result<u64, BackendError> {
        Err(away())
    }

    async fn wait(&self, _: &[Queue], patience: Duration) {
        tokio::time::sleep(patience).await;
    }
}

/// Does what a job's payload says.
#[derive(Default)]
struct Handler {
    running: AtomicUsize,
    most: AtomicUsize,
    dropped: AtomicUsize,
    died: Mutex<Vec<String>>,
}

/// Notices that a job's future ended, however that came about.
struct Running<'a>(&'a Handler);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl JobHandler for Handler {
    fn queue(&self) -> Queue {
        Queue::Mail
    }

    async fn run(&self, job: &LeasedJob) -> Outcome {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let _running = Running(self);
        match job.payload.as_str() {
            "panic" => panic!("as the job says"),
            "hang" => std::future::pending().await,
            "slow" => tokio::time::sleep(LEASE * 10).await,
            "fail" => {
                return Outcome::Retry {
                    after: Duration::from_secs(1),
                    error: "as the job says".to_owned(),
                };
            }
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
        Outcome::Done
    }

    async fn died(&self, _: &LeasedJob, error: &str) {
        self.died.lock().unwrap().push(error.to_owned());
    }
}

struct Scene {
    jobs: Arc<Jobs>,
    handler: Arc<Handler>,
    stop: watch::Sender<bool>,
    running: tokio::task::JoinHandle<()>,
}

fn start(jobs: Arc<Jobs>) -> Scene {
    let handler = Arc::new(Handler::default());
    let settings = WorkerSettings {
        concurrency: 3,
        lease: LEASE,
        ..WorkerSettings::default()
    };
    let entropy = Arc::new(SeededEntropy::new(1));
    let worker = Worker::new(jobs.clone(), vec![handler.clone()], entropy, settings);
    let (stop, told) = watch::channel(false);
    Scene {
        jobs,
        handler,
        stop,
        running: tokio::spawn(Arc::new(worker).run(told)),
    }
}

impl Scene {
    async fn end(self) {
        self.stop.send_replace(true);
        self.running.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_are_done_a_few_at_a_time() {
    let scene = start(Jobs::with(&["a"; 20], 1));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(scene.jobs.settled().len(), 20);
    assert!(
        scene
            .jobs
            .settled()
            .iter()
            .all(|(_, outcome)| *outcome == Outcome::Done)
    );
    assert_eq!(scene.handler.most.load(Ordering::SeqCst), 3);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_panics_is_tried_again_and_stops_nobody() {
    let scene = start(Jobs::with(&["panic", "a"], 1));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let settled = scene.jobs.settled();
    assert!(
        matches!(&settled[0], (job, Outcome::Retry { .. }) if job == "1"),
        "{settled:?}"
    );
    assert_eq!(settled[1], ("2".to_owned(), Outcome::Done));
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_is_told() {
    for (attempt, told) in [(2, 0), (3, 1)] {
        let scene = start(Jobs::with(&["fail"], attempt));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(scene.handler.died.lock().unwrap().len(), told);
        scene.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_job_keeps_its_lease() {
    let scene = start(Jobs::with(&["slow"], 1));
    tokio::time::sleep(LEASE * 10 + Duration::from_secs(1)).await;
    assert_eq!(scene.jobs.settled(), [("1".to_owned(), Outcome::Done)]);
    assert!(scene.jobs.extended.load(Ordering::SeqCst) >= 25);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_ends_the_work_and_settles_nothing() {
    for lost in [true, false] {
        let scene = start(Jobs::with(&["hang"], 1));
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Told so, or unable to ask for a whole lease: either way somebody else may have it.
        let flag = if lost { &scene.jobs.lost } else { &scene.jobs.down };
        flag.store(true, Ordering::SeqCst);
        tokio::time::sleep(LEASE + LEASE / 2).await;
        assert_eq!(scene.handler.dropped.load(Ordering::SeqCst), 1);
        assert!(scene.jobs.settled().is_empty());
        scene.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_orderly_end_lets_jobs_finish_and_gives_the_rest_back() {
    let scene = start(Jobs::with(&["a", "hang"], 1));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let jobs = scene.jobs.clone();
    scene.end().await;
    let mut settled = jobs.settled();
    settled.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        settled,
        [
            ("1".to_owned(), Outcome::Done),
            ("2".to_owned(), Outcome::Release)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_was_away_is_worked_on_again() {
    let scene = start(Jobs::with(&[], 1));
    scene.jobs.down.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let later = Jobs::with(&["a"], 1);
    std::mem::swap(
        &mut *scene.jobs.ready.lock().unwrap(),
        &mut *later.ready.lock().unwrap(),
    );
    scene.jobs.down.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.jobs.settled().len(), 1);
    scene.end().await;
}

#[test]
fn pauses_grow_and_differ() {
    let entropy = SeededEntropy::new(3);
    let minutes = |attempt: u32| pause_after(attempt, &entropy).as_secs_f64() / 60.0;
    for (attempt, least, most) in [
        (1, 0.08, 0.17),
        (2, 0.5, 1.0),
        (6, 360.0, 720.0),
        (60, 360.0, 720.0),
    ] {
        let pauses: Vec<f64> = (0..20).map(|_| minutes(attempt)).collect();
        assert!(
            pauses.iter().all(|pause| (least..=most).contains(pause)),
            "{pauses:?}"
        );
        assert!(pauses.windows(2).any(|two| two[0] != two[1]));
    }
}
