//! A naive queue, and a store whose units enqueue into it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mppeep_conformance::{JobQueueHarness, TestClock};
use mppeep_core::domain::id::JobId;
use mppeep_core::ports::clock::{Clock, SystemClock, SystemEntropy, new_uuid};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::job_queue::{
    Held, JobFilter, JobLease, JobQueue, JobState, JobView, LeasedJob, Outcome, PAYLOAD_MAX_BYTES, Queue,
    QueueDepth,
};
use mppeep_core::ports::outbox::{Enqueued, NewJob};
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart, SortValue};
use mppeep_core::ports::store::Store;
use uuid::Uuid;

use crate::{clock, mutants, others_run};

#[path = "jobs_units.rs"]
mod units;

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// Looks for due jobs, then takes them.
    LooksThenTakes,
    /// Takes whatever is due, however few were asked for.
    TakesAll,
    /// Oldest first, whatever their priority.
    OldestFirst,
    /// Does not look at the time before which a job is not begun.
    BeginsEarly,
    /// Believes whoever names a job.
    NoToken,
    /// A lease that ended is never taken back.
    NeverTakesBack,
    /// Taking a job back forgets its attempts.
    TakingBackForgets,
    /// Jobs that were taken back are anybody's.
    AnybodysWhenTakenBack,
    /// A lease is not prolonged when it is extended.
    ExtendsNothing,
    /// A lease that ended may be extended.
    ExtendsTheDead,
    /// A job given back has used an attempt.
    ReleaseCounts,
    /// Tries again at once.
    NoDelay,
    /// The keys of jobs live apart from them, and only who says « done » gives them back.
    KeysApart,
    /// A revived job does not look whether its key is taken.
    RevivesAll,
    /// A revived job goes on counting.
    RevivesTired,
    /// Jobs exist as soon as they are asked for.
    EnqueuesAtOnce,
    /// Units do not exclude each other.
    NoLock,
    /// Payloads are read and written again on their way.
    ReadsPayloads,
    /// Refuses no payload.
    AnySize,
    /// A page begins where the last one ended, whatever its identifiers.
    PagesByTime,
    /// Counts jobs that cannot be begun among those that are late.
    CountsTheFuture,
    /// Waits until a job comes.
    WaitsForEver,
}

#[derive(Clone, PartialEq)]
struct Row {
    job: NewJob,
    state: JobState,
    attempts: u32,
    run_at: Timestamp,
    created_at: Timestamp,
    lease: Option<(Uuid, Timestamp)>,
    last_error: Option<String>,
    taken_back: bool,
}

#[derive(Default)]
struct State {
    rows: Vec<Row>,
    keys: HashSet<(Queue, String)>,
}

struct Naive {
    flaw: Flaw,
    clock: TestClock,
    state: Mutex<State>,
    writer: Arc<tokio::sync::Mutex<()>>,
    enqueued: tokio::sync::Notify,
}

impl State {
    fn find(&mut self, lease: &JobLease, flaw: Flaw) -> Option<&mut Row> {
        let ours = |row: &Row| row.lease.is_some_and(|(token, _)| token == lease.token);
        self.rows
            .iter_mut()
            .find(|row| row.job.id == lease.job && (ours(row) || flaw == Flaw::NoToken))
    }

    fn is_taken(&self, flaw: Flaw, queue: Queue, key: &str) -> bool {
        if flaw == Flaw::KeysApart {
            return self.keys.contains(&(queue, key.to_owned()));
        }
        self.rows.iter().any(|row| {
            row.state != JobState::Dead
                && row.job.queue == queue
                && row.job.unique_key.as_deref() == Some(key)
        })
    }
}

fn fail(row: &mut Row, error: &str) {
    let last = row.attempts >= row.job.max_attempts;
    row.state = if last { JobState::Dead } else { JobState::Ready };
    row.lease = None;
    row.last_error = Some(error.to_owned());
}

impl Naive {
    fn take_back(&self, now: Timestamp) {
        if self.flaw == Flaw::NeverTakesBack {
            return;
        }
        for row in &mut self.state.lock().unwrap().rows {
            if row.lease.is_some_and(|(_, until)| until <= now) {
                if self.flaw == Flaw::TakingBackForgets {
                    row.attempts = 0;
                }
                fail(row, "the lease ended");
                row.taken_back = true;
            }
        }
    }

    fn due(&self, queues: &[Queue], n: u32, now: Timestamp) -> Vec<JobId> {
        let state = self.state.lock().unwrap();
        let theirs = |row: &Row| {
            queues.contains(&row.job.queue) || self.flaw == Flaw::AnybodysWhenTakenBack && row.taken_back
        };
        let mut due: Vec<&Row> = state
            .rows
            .iter()
            .filter(|row| row.state == JobState::Ready && theirs(row))
            .filter(|row| row.run_at <= now || self.flaw == Flaw::BeginsEarly)
            .collect();
        if self.flaw == Flaw::OldestFirst {
            due.sort_by_key(|row| (row.created_at, row.job.id));
        } else {
            due.sort_by_key(|row| (row.job.priority, row.run_at, row.job.id));
        }
        if self.flaw != Flaw::TakesAll {
            due.truncate(usize::try_from(n).unwrap());
        }
        due.into_iter().map(|row| row.job.id).collect()
    }

    fn payload(&self, row: &Row) -> String {
        if self.flaw == Flaw::ReadsPayloads {
            serde_json::from_str::<serde_json::Value>(&row.job.payload)
                .map_or_else(|_| row.job.payload.clone(), |value| value.to_string())
        } else {
            row.job.payload.clone()
        }
    }

    fn view(&self, row: &Row) -> JobView {
        JobView {
            id: row.job.id,
            queue: row.job.queue,
            state: row.state,
            payload: self.payload(row),
            attempts: row.attempts,
            max_attempts: row.job.max_attempts,
            run_at: row.run_at,
            leased_until: row.lease.map(|(_, until)| until),
            last_error: row.last_error.clone(),
            created_at: row.created_at,
        }
    }
}

#[async_trait]
impl JobQueue for Naive {
    async fn claim(&self, queues: &[Queue], n: u32, lease: Duration) -> Result<Vec<LeasedJob>, BackendError> {
        let now = self.clock.now();
        self.take_back(now);
        let due = self.due(queues, n, now);
        if self.flaw == Flaw::LooksThenTakes {
            others_run().await;
        }
        let mut state = self.state.lock().unwrap();
        let mut taken = Vec::new();
        for id in due {
            // Somebody may have finished it by now, or taken it.
            let Some(row) = state.rows.iter_mut().find(|row| row.job.id == id) else {
                continue;
            };
            if row.state != JobState::Ready && self.flaw != Flaw::LooksThenTakes {
                continue;
            }
            let token = new_uuid(&SystemClock, &SystemEntropy);
            row.state = JobState::Leased;
            row.attempts += 1;
            row.lease = Some((token, now.checked_add(lease).unwrap()));
            taken.push(LeasedJob {
                lease: JobLease { job: id, token },
                queue: row.job.queue,
                payload: self.payload(row),
                attempt: row.attempts,
                max_attempts: row.job.max_attempts,
                created_at: row.created_at,
            });
        }
        Ok(taken)
    }

    async fn extend(&self, lease: &JobLease, by: Duration) -> Result<Held, BackendError> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        let row = state.find(lease, self.flaw);
        let Some((token, until)) = row.as_ref().and_then(|row| row.lease) else {
            return Ok(Held::Lost);
        };
        if until <= now && self.flaw != Flaw::ExtendsTheDead {
            return Ok(Held::Lost);
        }
        if let Some(row) = row.filter(|_| self.flaw != Flaw::ExtendsNothing) {
            row.lease = Some((token, now.checked_add(by).unwrap()));
        }
        Ok(Held::Yes)
    }

    async fn settle(&self, lease: &JobLease, outcome: &Outcome) -> Result<Held, BackendError> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        let Some(row) = state.find(lease, self.flaw) else {
            return Ok(Held::Lost);
        };
        match outcome {
            Outcome::Done => {
                let job = row.job.clone();
                if let Some(key) = job.unique_key {
                    state.keys.remove(&(job.queue, key));
                }
                state.rows.retain(|row| row.job.id != job.id);
            }
            Outcome::Retry { after, error } => {
                fail(row, error);
                row.run_at = if self.flaw == Flaw::NoDelay {
                    now
                } else {
                    now.checked_add(*after).unwrap()
                };
            }
            Outcome::Dead { error } => {
                fail(row, error);
                row.state = JobState::Dead;
            }
            Outcome::Release => {
                row.state = JobState::Ready;
                row.lease = None;
                row.attempts -= u32::from(self.flaw != Flaw::ReleaseCounts);
            }
        }
        Ok(Held::Yes)
    }

    async fn list(&self, filter: JobFilter, page: &PageRequest) -> Result<Page<JobView>, BackendError> {
        let state = self.state.lock().unwrap();
        let mut rows: Vec<JobView> = state
            .rows
            .iter()
            .filter(|row| filter.queue.is_none_or(|queue| row.job.queue == queue))
            .filter(|row| filter.state.is_none_or(|state| row.state == state))
            .map(|row| self.view(row))
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.created_at, row.id)));
        let total = rows.len() as u64;
        let place = |row: &JobView| (row.created_at.as_microsecond(), row.id.as_uuid());
        match &page.start {
            PageStart::First => {}
            PageStart::Offset(offset) => {
                drop(rows.drain(..usize::try_from(*offset).unwrap().min(rows.len())))
            }
            PageStart::After(cursor) => {
                let SortValue::Integer(at) = cursor.value else {
                    panic!("not a cursor of jobs");
                };
                rows.retain(|row| {
                    if self.flaw == Flaw::PagesByTime {
                        place(row).0 < at
                    } else {
                        place(row) < (at, cursor.id)
                    }
                });
            }
        }
        let limit = usize::try_from(page.limit).unwrap();
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| Cursor {
            value: SortValue::Integer(place(row).0),
            id: place(row).1,
        });
        Ok(Page { rows, total, next })
    }

    async fn depths(&self) -> Result<Vec<QueueDepth>, BackendError> {
        let (now, state) = (self.clock.now(), self.state.lock().unwrap());
        let depth = |queue: &Queue| {
            let of = |wanted| {
                let rows = state.rows.iter().filter(move |row| row.job.queue == *queue);
                rows.filter(move |row| row.state == wanted)
            };
            let due = of(JobState::Ready).map(|row| row.run_at);
            QueueDepth {
                queue: *queue,
                ready: of(JobState::Ready).count() as u64,
                leased: of(JobState::Leased).count() as u64,
                dead: of(JobState::Dead).count() as u64,
                oldest_due: due
                    .filter(|at| *at <= now || self.flaw == Flaw::CountsTheFuture)
                    .min(),
            }
        };
        Ok(Queue::ALL.iter().map(depth).collect())
    }

    async fn revive(&self, jobs: &[JobId]) -> Result<u64, BackendError> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        let mut revived = 0;
        for index in 0..state.rows.len() {
            let row = state.rows[index].clone();
            let key = row.job.unique_key.as_deref();
            let taken = key.is_some_and(|key| state.is_taken(self.flaw, row.job.queue, key));
            let dead = row.state == JobState::Dead && jobs.contains(&row.job.id);
            if dead && (!taken || self.flaw == Flaw::RevivesAll) {
                let attempts = if self.flaw == Flaw::RevivesTired {
                    row.attempts
                } else {
                    0
                };
                state.rows[index] = Row {
                    state: JobState::Ready,
                    attempts,
                    run_at: now,
                    ..row
                };
                revived += 1;
            }
        }
        Ok(revived)
    }

    async fn discard(&self, jobs: &[JobId]) -> Result<u64, BackendError> {
        let mut state = self.state.lock().unwrap();
        let before = state.rows.len();
        state
            .rows
            .retain(|row| row.state != JobState::Dead || !jobs.contains(&row.job.id));
        Ok((before - state.rows.len()) as u64)
    }

    async fn wait(&self, _: &[Queue], patience: Duration) {
        if self.flaw == Flaw::WaitsForEver {
            self.enqueued.notified().await;
        } else {
            let _ended = tokio::time::timeout(patience, self.enqueued.notified()).await;
        }
    }
}

struct Harness(Arc<Naive>);

fn flawed(flaw: Flaw) -> Harness {
    Harness(Arc::new(Naive {
        flaw,
        clock: clock(),
        state: Mutex::default(),
        writer: Arc::default(),
        enqueued: tokio::sync::Notify::new(),
    }))
}

#[async_trait]
impl JobQueueHarness for Harness {
    async fn queue_at(&self, _: usize) -> Arc<dyn JobQueue> {
        self.0.clone()
    }

    async fn store_at(&self, _: usize) -> Arc<dyn Store> {
        Arc::new(units::Units(self.0.clone()))
    }

    fn clock(&self) -> TestClock {
        self.0.clock.clone()
    }
}

fn invalid() -> StoreError {
    StoreError::Backend(BackendError::Invalid {
        adapter: "naive",
        what: "a payload".to_owned(),
    })
}

impl Naive {
    /// Adds a job to a state that a unit saw or that is everybody's.
    fn enqueue(&self, state: &mut State, job: &NewJob) -> Result<Enqueued, StoreError> {
        if job.payload.len() > PAYLOAD_MAX_BYTES && self.flaw != Flaw::AnySize {
            return Err(invalid());
        }
        let key = job.unique_key.clone();
        let taken = key
            .as_deref()
            .is_some_and(|key| state.is_taken(self.flaw, job.queue, key));
        if taken || state.rows.iter().any(|row| row.job.id == job.id) {
            return Ok(Enqueued::Duplicate);
        }
        state.keys.extend(key.map(|key| (job.queue, key)));
        let now = self.clock.now();
        state.rows.push(Row {
            state: JobState::Ready,
            attempts: 0,
            run_at: job.run_at.unwrap_or(now),
            created_at: now,
            lease: None,
            last_error: None,
            taken_back: false,
            job: NewJob {
                max_attempts: job.max_attempts.max(1),
                ..job.clone()
            },
        });
        Ok(Enqueued::Done)
    }
}

mutants! {
    a_job_is_done_twice: flawed(Flaw::LooksThenTakes) => jobs::eight_workers_complete_each_job_once;
    a_worker_gets_too_much: flawed(Flaw::TakesAll) => jobs::eight_workers_complete_each_job_once;
    urgent_jobs_wait: flawed(Flaw::OldestFirst) => jobs::jobs_come_by_priority_time_and_identifier;
    jobs_are_begun_early: flawed(Flaw::BeginsEarly) => jobs::a_job_is_not_begun_before_its_time;
    thousands_are_begun_early: flawed(Flaw::BeginsEarly) => jobs::thousands_of_due_jobs_are_handed_out;
    lost_jobs_stay_lost: flawed(Flaw::NeverTakesBack) => jobs::a_lapsed_lease_is_handed_out_again_until_it_is_dead;
    lost_jobs_never_die: flawed(Flaw::TakingBackForgets) => jobs::a_lapsed_lease_is_handed_out_again_until_it_is_dead;
    poison_never_dies: flawed(Flaw::TakingBackForgets) => jobs::a_poison_job_ends_dead_and_blocks_nobody;
    a_claim_without_a_token: flawed(Flaw::NoToken) => job_ends::a_stale_token_does_nothing;
    heartbeats_do_nothing: flawed(Flaw::ExtendsNothing) => job_ends::an_extended_lease_keeps_the_job_single;
    heartbeats_revive: flawed(Flaw::ExtendsTheDead) => job_ends::an_extended_lease_keeps_the_job_single;
    retries_do_not_wait: flawed(Flaw::NoDelay) => job_ends::retries_wait_and_the_last_attempt_is_dead;
    giving_back_costs_an_attempt: flawed(Flaw::ReleaseCounts) => job_ends::a_released_job_counts_no_attempt;
    lost_jobs_go_to_anybody: flawed(Flaw::AnybodysWhenTakenBack) => job_ends::a_queue_is_never_handed_the_jobs_of_another;
    revived_jobs_are_tired: flawed(Flaw::RevivesTired) => job_ends::dead_jobs_are_revived_or_discarded;
    pages_skip_jobs: flawed(Flaw::PagesByTime) => jobs::jobs_are_listed_the_latest_first;
    the_future_is_late: flawed(Flaw::CountsTheFuture) => jobs::queues_say_how_full_they_are;
    payloads_are_rewritten: flawed(Flaw::ReadsPayloads) => jobs::a_job_is_handed_out_as_it_was_enqueued;
    a_cut_claim_loses_jobs: flawed(Flaw::NeverTakesBack) => jobs::a_cancelled_claim_loses_no_job;
    jobs_come_before_their_commit: flawed(Flaw::EnqueuesAtOnce) => outbox::a_job_exists_when_its_unit_commits;
    keys_leak: flawed(Flaw::KeysApart) => outbox::a_unique_key_is_taken_while_its_job_lives;
    the_dead_take_keys_back: flawed(Flaw::RevivesAll) => outbox::a_unique_key_is_not_taken_back_by_the_dead;
    an_identifier_is_enqueued_twice: flawed(Flaw::NoLock) => outbox::racing_enqueues_of_one_job_are_one;
    a_key_is_enqueued_twice: flawed(Flaw::NoLock) => outbox::racing_enqueues_of_one_key_are_one;
    any_payload_is_taken: flawed(Flaw::AnySize) => outbox::a_payload_over_the_limit_is_refused;
}

/// A wait without an end shows itself by the end of the patience of the suite, which is long: once is enough.
#[tokio::test(start_paused = true)]
async fn a_wait_has_no_end() {
    let check = async {
        mppeep_conformance::jobs::waiting_ends_and_no_job_is_forgotten(&flawed(Flaw::WaitsForEver)).await;
    };
    assert!(crate::notices(check).await, "the check did not notice");
}

// Without a flaw the same code passes: what is caught above is the flaw.
mod without_a_flaw {
    use super::*;
    mppeep_conformance::conformance_tests!(job_queue, flawed(Flaw::None));
}
