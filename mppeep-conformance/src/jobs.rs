//! Checks of handing out jobs (QUE-1 to QUE-3, QUE-8 to QUE-10 and COM-2, 3, 7, 13). What only sudden death shows is
//! checked by the adapters' own tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use mppeep_core::domain::id::JobId;
use mppeep_core::ports::clock::Clock;
use mppeep_core::ports::job_queue::{
    Held, JobFilter, JobLease, JobQueue, JobState, JobView, LeasedJob, Outcome, PAYLOAD_MAX_BYTES, Queue,
};
use mppeep_core::ports::outbox::{Enqueued, NewJob};
use mppeep_core::ports::page::{PageRequest, PageStart};
use mppeep_core::ports::store::Store;

use crate::fixtures::uuid;
use crate::harness::{JobQueueHarness, TestClock};
use crate::support::{Dice, at_once, in_time, poll_then_drop, start};

pub(crate) const MICROSECOND: Duration = Duration::from_micros(1);
pub(crate) const LEASE: Duration = Duration::from_secs(60);

pub(crate) fn job_id(number: u128) -> JobId {
    JobId::from_uuid(uuid(0x3_0000 + number))
}

pub(crate) fn a_job(number: u128) -> NewJob {
    NewJob {
        id: job_id(number),
        queue: Queue::Mail,
        payload: format!("{{\"job\":{number}}}"),
        priority: 0,
        run_at: None,
        max_attempts: 3,
        unique_key: None,
    }
}

/// Enqueues jobs in a unit of their own, none of which may be there yet.
pub(crate) async fn enqueue(store: &Arc<dyn Store>, jobs: &[NewJob]) {
    let mut unit = store.begin().await.unwrap();
    for job in jobs {
        assert_eq!(
            unit.jobs().enqueue(job).await.unwrap(),
            Enqueued::Done,
            "{:?}",
            job.id
        );
    }
    unit.commit().await.unwrap();
}

pub(crate) async fn claim(queue: &Arc<dyn JobQueue>, n: u32) -> Vec<LeasedJob> {
    in_time(queue.claim(Queue::ALL, n, LEASE)).await.unwrap()
}

/// The one job that is due.
pub(crate) async fn claim_one(queue: &Arc<dyn JobQueue>) -> LeasedJob {
    let mut claimed = claim(queue, 10).await;
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    claimed.remove(0)
}

pub(crate) fn ids(jobs: &[LeasedJob]) -> Vec<JobId> {
    jobs.iter().map(|job| job.lease.job).collect()
}

pub(crate) async fn views(queue: &Arc<dyn JobQueue>) -> Vec<JobView> {
    let page = queue
        .list(JobFilter::default(), &PageRequest::first(1_000))
        .await
        .unwrap();
    assert_eq!(page.total, u64::try_from(page.rows.len()).unwrap());
    page.rows
}

pub(crate) async fn view(queue: &Arc<dyn JobQueue>, number: u128) -> JobView {
    let all = views(queue).await;
    let found = all.into_iter().find(|job| job.id == job_id(number));
    found.expect("the job is there")
}

pub(crate) async fn settle(queue: &Arc<dyn JobQueue>, lease: &JobLease, outcome: Outcome) {
    assert_eq!(
        queue.settle(lease, &outcome).await.unwrap(),
        Held::Yes,
        "{outcome:?}"
    );
}

pub(crate) fn retry(after: Duration) -> Outcome {
    Outcome::Retry {
        after,
        error: "occupé".to_owned(),
    }
}

pub(crate) fn dead() -> Outcome {
    Outcome::Dead {
        error: "adresse inconnue".to_owned(),
    }
}

pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap()
}

pub(crate) async fn both(
    harness: &dyn JobQueueHarness,
) -> (Arc<dyn Store>, Arc<dyn JobQueue>, Arc<dyn JobQueue>, TestClock) {
    (
        harness.store_at(0).await,
        harness.queue_at(0).await,
        harness.queue_at(1).await,
        harness.clock(),
    )
}

/// COM-2: a job is handed out as it was enqueued, whatever its payload, and through another attempt as well.
pub async fn a_job_is_handed_out_as_it_was_enqueued(harness: &dyn JobQueueHarness) {
    let (store, one, two, clock) = both(harness).await;
    let payloads = [
        String::new(),
        "{\"a\":[],\"b\":{}}".to_owned(),
        "9007199254740993".to_owned(),
        "1.0e2 ".to_owned(),
        "é — « 𝒂 » \r\n\t'\"\\ %s ${x} \u{202e}".to_owned(),
        "x".repeat(PAYLOAD_MAX_BYTES),
    ];
    let jobs: Vec<NewJob> = payloads
        .iter()
        .zip(0u128..)
        .map(|(payload, number)| NewJob {
            payload: payload.clone(),
            queue: Queue::ALL[usize::try_from(number).unwrap() % Queue::ALL.len()],
            max_attempts: u32::try_from(number).unwrap() + 3,
            ..a_job(number)
        })
        .collect();
    enqueue(&store, &jobs).await;
    for attempt in 1..=2 {
        let claimed = claim(&two, 100).await;
        assert_eq!(claimed.len(), jobs.len());
        for (job, leased) in jobs.iter().zip(&claimed) {
            assert_eq!(leased.lease.job, job.id);
            assert_eq!(leased.queue, job.queue);
            assert!(leased.payload == job.payload, "{:?}", job.id);
            assert_eq!((leased.attempt, leased.max_attempts), (attempt, job.max_attempts));
            assert_eq!(leased.created_at, start());
            settle(&one, &leased.lease, retry(Duration::ZERO)).await;
        }
    }
    let tokens: BTreeSet<_> = claim(&one, 100).await.iter().map(|job| job.lease.token).collect();
    assert_eq!(tokens.len(), jobs.len(), "each lease has a token of its own");
    assert_eq!(clock.now(), start());
}

/// QUE-1, COM-13: eight workers on two instances complete each job once, and get no more than they asked for.
pub async fn eight_workers_complete_each_job_once(harness: &dyn JobQueueHarness) {
    const JOBS: u128 = 400;
    let (store, one, two, _) = both(harness).await;
    let jobs: Vec<NewJob> = (0..JOBS).map(a_job).collect();
    enqueue(&store, &jobs).await;
    let completed: Arc<Mutex<BTreeMap<JobId, u32>>> = Arc::default();
    at_once((0..8u32).map(|worker| {
        let queue = [&one, &two][usize::from(worker % 2 == 1)].clone();
        let completed = completed.clone();
        async move {
            loop {
                let n = 1 + worker;
                let claimed = claim(&queue, n).await;
                assert!(
                    u32::try_from(claimed.len()).unwrap() <= n,
                    "{} of {n}",
                    claimed.len()
                );
                if claimed.is_empty() {
                    return;
                }
                for job in claimed {
                    assert_eq!(job.attempt, 1);
                    *completed.lock().unwrap().entry(job.lease.job).or_default() += 1;
                    settle(&queue, &job.lease, Outcome::Done).await;
                }
            }
        }
    }))
    .await;
    let completed = completed.lock().unwrap().clone();
    assert_eq!(completed.len(), usize::try_from(JOBS).unwrap());
    assert!(completed.values().all(|times| *times == 1), "{completed:?}");
    assert!(views(&one).await.is_empty());
}

/// QUE-2: due jobs come by priority, then by their time, then by identifier.
pub async fn jobs_come_by_priority_time_and_identifier(harness: &dyn JobQueueHarness) {
    let (store, one, two, clock) = both(harness).await;
    let dice = Dice::new(11);
    let jobs: Vec<NewJob> = (0..60u128)
        // Enqueued in an order that is none of the three.
        .map(|n| (n * 37) % 60)
        .map(|number| NewJob {
            priority: [i16::MIN, -1, 0, 7, i16::MAX][usize::try_from(dice.below(5)).unwrap()],
            run_at: [None, Some(-30), Some(-20), Some(10)][usize::try_from(dice.below(4)).unwrap()].map(
                |seconds| {
                    start()
                        .checked_add(jiff::SignedDuration::from_secs(seconds))
                        .unwrap()
                },
            ),
            queue: Queue::ALL[usize::try_from(dice.below(2)).unwrap()],
            ..a_job(number)
        })
        .collect();
    enqueue(&store, &jobs).await;
    clock.advance(Duration::from_secs(10));
    let mut expected: Vec<(i16, Timestamp, JobId)> = jobs
        .iter()
        .map(|job| (job.priority, job.run_at.unwrap_or(start()), job.id))
        .collect();
    expected.sort_unstable();
    let expected: Vec<JobId> = expected.into_iter().map(|(_, _, id)| id).collect();
    let mut claimed = Vec::new();
    for n in [1, 2, 10, 0, 30, 100] {
        let queue = [&one, &two][usize::from(n % 4 == 2)];
        claimed.extend(ids(&claim(queue, n).await));
    }
    assert_eq!(claimed, expected);
}

/// QUE-2, COM-3: a job is not begun before its time, and is at that very instant.
pub async fn a_job_is_not_begun_before_its_time(harness: &dyn JobQueueHarness) {
    let (store, one, two, clock) = both(harness).await;
    let job = NewJob {
        run_at: Some(later(start(), LEASE)),
        ..a_job(1)
    };
    enqueue(&store, &[job]).await;
    assert!(claim(&one, 10).await.is_empty());
    clock.advance(LEASE - MICROSECOND);
    assert!(claim(&two, 10).await.is_empty());
    clock.advance(MICROSECOND);
    assert_eq!(claim_one(&two).await.lease.job, job_id(1));
}

/// QUE-2: thousands of jobs that are due at once, and thousands of leases that end at once, are handed out.
pub async fn thousands_of_due_jobs_are_handed_out(harness: &dyn JobQueueHarness) {
    const JOBS: u128 = 9_000;
    let (store, one, two, clock) = both(harness).await;
    let due = later(start(), LEASE);
    for first in (0..JOBS).step_by(1_000) {
        let jobs: Vec<NewJob> = (first..first + 1_000)
            .map(|number| NewJob {
                run_at: Some(due),
                ..a_job(number)
            })
            .collect();
        enqueue(&store, &jobs).await;
    }
    assert!(claim(&one, 10).await.is_empty());
    clock.advance(LEASE);
    assert_eq!(claim(&one, 10).await.len(), 10);
    assert_eq!(claim(&two, 20_000).await.len(), 8_990);
    clock.advance(LEASE);
    let again = claim(&one, 20_000).await;
    assert_eq!(again.len(), 9_000);
    assert!(again.iter().all(|job| job.attempt == 2));
}

/// QUE-3: a job whose worker says nothing more is handed out again when the lease has ended, not before, as the next
/// attempt; after the last one it is dead, and says why.
pub async fn a_lapsed_lease_is_handed_out_again_until_it_is_dead(harness: &dyn JobQueueHarness) {
    let (store, one, two, clock) = both(harness).await;
    enqueue(&store, &[a_job(1)]).await;
    let mut tokens = BTreeSet::new();
    for attempt in 1..=3 {
        let job = claim_one([&one, &two][usize::from(attempt == 2)]).await;
        assert_eq!((job.attempt, job.max_attempts), (attempt, 3));
        assert!(tokens.insert(job.lease.token));
        let seen = view(&one, 1).await;
        assert_eq!((seen.state, seen.attempts), (JobState::Leased, attempt));
        assert_eq!(seen.leased_until, Some(later(clock.now(), LEASE)));
        clock.advance(LEASE - MICROSECOND);
        assert!(claim(&one, 10).await.is_empty());
        assert!(claim(&two, 10).await.is_empty());
        clock.advance(MICROSECOND);
    }
    assert!(claim(&two, 10).await.is_empty(), "the last attempt was the last");
    let seen = view(&one, 1).await;
    assert_eq!(
        (seen.state, seen.attempts, seen.leased_until),
        (JobState::Dead, 3, None)
    );
    assert!(seen.last_error.is_some_and(|error| !error.is_empty()));
    clock.advance(LEASE * 1_000);
    assert!(claim(&one, 10).await.is_empty(), "the dead stay dead");
}

/// QUE-10: a job that kills whoever takes it ends dead, and blocks no other.
pub async fn a_poison_job_ends_dead_and_blocks_nobody(harness: &dyn JobQueueHarness) {
    let (store, queue, _, clock) = both(harness).await;
    let poison = NewJob {
        priority: -1,
        payload: "\u{fffd}{".to_owned(),
        ..a_job(0)
    };
    enqueue(&store, &[poison]).await;
    let mut completed = 0;
    for round in 1..=5u128 {
        enqueue(&store, &[a_job(round)]).await;
        // A worker that takes one job at a time dies of the poison; the next one goes on.
        for _ in 0..2 {
            for job in claim(&queue, 1).await {
                if job.lease.job != job_id(0) {
                    settle(&queue, &job.lease, Outcome::Done).await;
                    completed += 1;
                }
            }
        }
        clock.advance(LEASE);
    }
    assert_eq!(completed, 5);
    assert!(claim(&queue, 10).await.is_empty());
    assert_eq!(view(&queue, 0).await.state, JobState::Dead);
}

/// Jobs are listed the latest first, by queue and state, in pages that give each once.
pub async fn jobs_are_listed_the_latest_first(harness: &dyn JobQueueHarness) {
    let (store, one, two, clock) = both(harness).await;
    for round in 0..6u128 {
        let jobs: Vec<NewJob> = (0..4)
            .map(|n| NewJob {
                queue: Queue::ALL[usize::from(n % 3 == 0)],
                ..a_job(round * 4 + n)
            })
            .collect();
        enqueue(&store, &jobs).await;
        clock.advance(Duration::from_secs(1));
    }
    let taken = claim(&one, 9).await;
    for job in &taken[..5] {
        settle(&one, &job.lease, dead()).await;
    }
    let all = views(&two).await;
    let mut expected: Vec<(Timestamp, JobId)> = all.iter().map(|job| (job.created_at, job.id)).collect();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(expected.len(), 24);
    assert_eq!(
        all.iter().map(|job| (job.created_at, job.id)).collect::<Vec<_>>(),
        expected
    );
    let queues = std::iter::once(None).chain(Queue::ALL.iter().copied().map(Some));
    for queue in queues {
        for state in std::iter::once(None).chain(JobState::ALL.iter().copied().map(Some)) {
            let filter = JobFilter { queue, state };
            let matching: Vec<&JobView> = all
                .iter()
                .filter(|job| queue.is_none_or(|queue| job.queue == queue))
                .filter(|job| state.is_none_or(|state| job.state == state))
                .collect();
            for limit in [1, 3, 24] {
                let (mut seen, mut start) = (Vec::new(), PageStart::First);
                loop {
                    let page = one.list(filter, &PageRequest { limit, start }).await.unwrap();
                    assert_eq!(page.total, u64::try_from(matching.len()).unwrap(), "{filter:?}");
                    assert!(page.rows.len() <= usize::try_from(limit).unwrap());
                    seen.extend(page.rows);
                    match page.next {
                        Some(next) => start = PageStart::After(next),
                        None => break,
                    }
                }
                assert!(seen.iter().eq(matching.iter().copied()), "{filter:?} by {limit}");
            }
            let total = two.list(filter, &PageRequest::total_only()).await.unwrap();
            assert_eq!(
                (total.total, total.rows.len()),
                (u64::try_from(matching.len()).unwrap(), 0)
            );
        }
    }
    let offset = PageRequest {
        limit: 5,
        start: PageStart::Offset(7),
    };
    let page = one.list(JobFilter::default(), &offset).await.unwrap();
    assert_eq!(page.rows, all[7..12]);
}

/// Queues say how many jobs wait, run and are dead, and since when the oldest waits that could be begun.
pub async fn queues_say_how_full_they_are(harness: &dyn JobQueueHarness) {
    let (store, one, two, clock) = both(harness).await;
    let empty = one.depths().await.unwrap();
    assert_eq!(
        empty.iter().map(|depth| depth.queue).collect::<Vec<_>>(),
        Queue::ALL
    );
    assert!(
        empty
            .iter()
            .all(|depth| (depth.ready, depth.leased, depth.dead) == (0, 0, 0))
    );
    assert!(empty.iter().all(|depth| depth.oldest_due.is_none()));
    enqueue(&store, &(0..3).map(a_job).collect::<Vec<_>>()).await;
    clock.advance(Duration::from_secs(5));
    let soon = NewJob {
        run_at: Some(later(clock.now(), LEASE)),
        queue: Queue::Payroll,
        ..a_job(10)
    };
    enqueue(&store, &[a_job(4), soon]).await;
    let taken = claim(&one, 3).await;
    settle(&one, &taken[0].lease, dead()).await;
    let depths = two.depths().await.unwrap();
    let mail = depths.iter().find(|depth| depth.queue == Queue::Mail).unwrap();
    assert_eq!((mail.ready, mail.leased, mail.dead), (1, 2, 1));
    assert_eq!(mail.oldest_due, Some(clock.now()));
    let payroll = depths.iter().find(|depth| depth.queue == Queue::Payroll).unwrap();
    assert_eq!((payroll.ready, payroll.leased, payroll.dead), (1, 0, 0));
    assert_eq!(payroll.oldest_due, None, "it could not be begun yet");
    clock.advance(LEASE);
    let depths = two.depths().await.unwrap();
    let payroll = depths.iter().find(|depth| depth.queue == Queue::Payroll).unwrap();
    assert_eq!(payroll.oldest_due, Some(clock.now()));
}

/// QUE-9: a wait ends when its patience does; whoever waits and polls misses no job, enqueued through whichever instance,
/// however many waits were dropped before.
pub async fn waiting_ends_and_no_job_is_forgotten(harness: &dyn JobQueueHarness) {
    const PATIENCE: Duration = Duration::from_millis(100);
    let (store, one, two, _) = both(harness).await;
    in_time(one.wait(Queue::ALL, PATIENCE)).await;
    in_time(one.wait(&[], Duration::ZERO)).await;
    for polls in 0..200usize {
        let _dropped = poll_then_drop(polls % 5, one.wait(Queue::ALL, PATIENCE / 50)).await;
    }
    let worker = tokio::spawn(async move {
        let mut taken = Vec::new();
        while taken.len() < 20 {
            two.wait(&[Queue::Mail], PATIENCE).await;
            for job in two.claim(&[Queue::Mail], 3, LEASE).await.unwrap() {
                settle(&two, &job.lease, Outcome::Done).await;
                taken.push(job.lease.job);
            }
        }
        taken
    });
    for number in 0..20 {
        enqueue(&store, &[a_job(number)]).await;
        tokio::task::yield_now().await;
    }
    let mut taken = in_time(worker).await.unwrap();
    taken.sort_unstable();
    assert_eq!(taken, (0..20).map(job_id).collect::<Vec<_>>());
    assert!(views(&one).await.is_empty());
}

/// Claims all of `count` jobs once their leases have ended. A claim that was dropped half way may still be running on a
/// server, and what it holds just then is handed to nobody.
async fn claim_when_free(queue: &Arc<dyn JobQueue>, clock: &TestClock, count: usize) -> Vec<LeasedJob> {
    for _ in 0..200 {
        clock.advance(LEASE);
        let all = claim(queue, 10).await;
        if all.len() == count {
            return all;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the jobs were not handed out again");
}

/// COM-7, QUE-8: a claim that was dropped at any await, or whose answer was lost, loses no job: it comes back when the
/// lease ends.
pub async fn a_cancelled_claim_loses_no_job(harness: &dyn JobQueueHarness) {
    let (store, one, two, clock) = both(harness).await;
    let jobs: Vec<NewJob> = (0..3)
        .map(|number| NewJob {
            max_attempts: 1_000,
            ..a_job(number)
        })
        .collect();
    enqueue(&store, &jobs).await;
    for polls in 0..=20 {
        let claimed = poll_then_drop(polls, one.claim(Queue::ALL, 2, LEASE)).await;
        if let Some(claimed) = claimed {
            assert_eq!(claimed.unwrap().len(), 2);
        }
        let all = claim_when_free(&two, &clock, 3).await;
        assert_eq!(ids(&all), [0, 1, 2].map(job_id), "{polls} polls");
        let settled = poll_then_drop(polls, one.settle(&all[0].lease, &Outcome::Release)).await;
        assert!(settled.is_none_or(|settled| settled.unwrap() == Held::Yes));
        clock.advance(LEASE);
    }
    for job in claim_when_free(&one, &clock, 3).await {
        settle(&two, &job.lease, Outcome::Release).await;
    }
    for _ in 0..100 {
        let all = claim(&one, 10).await;
        assert_eq!(all.len(), 3);
        for job in all {
            settle(&two, &job.lease, Outcome::Release).await;
        }
    }
}
