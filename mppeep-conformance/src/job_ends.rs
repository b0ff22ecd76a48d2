//! Checks of what becomes of jobs (QUE-4, QUE-5, QUE-11, QUE-12): settled, prolonged, lost, given back, dead, revived.

use std::time::Duration;

use mppeep_core::domain::id::JobId;
use mppeep_core::ports::clock::Clock;
use mppeep_core::ports::job_queue::{Held, JobLease, JobState, Outcome, Queue};
use mppeep_core::ports::outbox::NewJob;

use crate::harness::JobQueueHarness;
use crate::jobs::{
    LEASE, MICROSECOND, a_job, both, claim, claim_one, dead, enqueue, ids, job_id, later, retry, settle,
    view, views,
};
use crate::support::start;

/// QUE-4: whoever lost a job changes nothing by what he says of it, while another works on it and after.
pub async fn a_stale_token_does_nothing(harness: &dyn JobQueueHarness) {
    let (store, one, two, clock) = both(harness).await;
    enqueue(&store, &[a_job(1)]).await;
    let stale = claim_one(&one).await.lease;
    clock.advance(LEASE);
    let current = claim_one(&two).await.lease;
    let outcomes = [Outcome::Done, retry(Duration::ZERO), dead(), Outcome::Release];
    let before = view(&one, 1).await;
    for outcome in &outcomes {
        assert_eq!(
            one.settle(&stale, outcome).await.unwrap(),
            Held::Lost,
            "{outcome:?}"
        );
        assert_eq!(view(&one, 1).await, before, "{outcome:?}");
    }
    assert_eq!(one.extend(&stale, LEASE * 9).await.unwrap(), Held::Lost);
    assert_eq!(view(&one, 1).await, before);
    settle(&two, &current, retry(LEASE)).await;
    let before = view(&one, 1).await;
    let unknown = JobLease {
        job: job_id(2),
        ..current
    };
    for lease in [stale, current, unknown] {
        for outcome in &outcomes {
            assert_eq!(
                one.settle(&lease, outcome).await.unwrap(),
                Held::Lost,
                "{outcome:?}"
            );
        }
        assert_eq!(two.extend(&lease, LEASE).await.unwrap(), Held::Lost);
    }
    assert_eq!(views(&one).await, [before]);
}

/// QUE-5: a lease that is extended in time keeps the job with its worker for ten times as long; at its end it is lost.
pub async fn an_extended_lease_keeps_the_job_single(harness: &dyn JobQueueHarness) {
    let (store, one, two, clock) = both(harness).await;
    enqueue(&store, &[a_job(1)]).await;
    let job = claim_one(&one).await;
    for _ in 0..20 {
        clock.advance(LEASE / 2);
        assert_eq!(two.extend(&job.lease, LEASE).await.unwrap(), Held::Yes);
        assert!(claim(&two, 10).await.is_empty());
    }
    let seen = view(&two, 1).await;
    assert_eq!(
        seen.leased_until,
        Some(later(clock.now(), LEASE)),
        "counted from now"
    );
    assert_eq!(seen.attempts, 1);
    clock.advance(LEASE - MICROSECOND);
    assert!(claim(&two, 10).await.is_empty());
    assert_eq!(one.extend(&job.lease, LEASE).await.unwrap(), Held::Yes);
    clock.advance(LEASE);
    assert_eq!(
        one.extend(&job.lease, LEASE).await.unwrap(),
        Held::Lost,
        "over at the very instant"
    );
    assert_eq!(claim_one(&two).await.attempt, 2);
}

/// What a worker says after the end of his lease counts as long as nobody took the job back: it need not be done twice.
pub async fn a_late_settlement_counts_while_nobody_took_the_job(harness: &dyn JobQueueHarness) {
    let (store, one, two, clock) = both(harness).await;
    enqueue(&store, &[a_job(1)]).await;
    let job = claim_one(&one).await;
    clock.advance(LEASE * 2);
    settle(&one, &job.lease, Outcome::Done).await;
    assert!(claim(&two, 10).await.is_empty());
    assert!(views(&two).await.is_empty());
}

/// A job that failed waits as long as it was told, to the microsecond; after its last attempt it is dead. Its last error
/// is kept.
pub async fn retries_wait_and_the_last_attempt_is_dead(harness: &dyn JobQueueHarness) {
    let (store, one, two, clock) = both(harness).await;
    enqueue(&store, &[a_job(1)]).await;
    for attempt in 1..=2 {
        let job = claim_one(&one).await;
        assert_eq!(job.attempt, attempt);
        settle(&one, &job.lease, retry(LEASE * 5)).await;
        let seen = view(&two, 1).await;
        assert_eq!((seen.state, seen.attempts), (JobState::Ready, attempt));
        assert_eq!(
            (seen.leased_until, seen.last_error.as_deref()),
            (None, Some("occupé"))
        );
        assert_eq!(seen.run_at, later(clock.now(), LEASE * 5));
        clock.advance(LEASE * 5 - MICROSECOND);
        assert!(claim(&two, 10).await.is_empty());
        clock.advance(MICROSECOND);
    }
    let last = claim_one(&two).await;
    settle(&two, &last.lease, retry(LEASE)).await;
    let seen = view(&one, 1).await;
    assert_eq!(
        (seen.state, seen.last_error.as_deref()),
        (JobState::Dead, Some("occupé"))
    );
    enqueue(
        &store,
        &[NewJob {
            max_attempts: 0,
            ..a_job(2)
        }],
    )
    .await;
    let once = claim_one(&one).await;
    assert_eq!((once.attempt, once.max_attempts), (1, 1), "tried once at least");
    settle(&one, &once.lease, retry(Duration::ZERO)).await;
    clock.advance(LEASE * 100);
    assert!(claim(&one, 10).await.is_empty());
}

/// QUE-12: a job that was not begun is given back at once, and the attempt is not counted.
pub async fn a_released_job_counts_no_attempt(harness: &dyn JobQueueHarness) {
    let (store, one, two, clock) = both(harness).await;
    enqueue(&store, &[a_job(1)]).await;
    for _ in 0..10 {
        let job = claim_one(&one).await;
        assert_eq!(job.attempt, 1);
        settle(&one, &job.lease, Outcome::Release).await;
        let seen = view(&two, 1).await;
        assert_eq!(
            (seen.state, seen.attempts, seen.leased_until),
            (JobState::Ready, 0, None)
        );
    }
    let job = claim_one(&two).await;
    settle(&two, &job.lease, retry(Duration::ZERO)).await;
    let job = claim_one(&two).await;
    settle(&two, &job.lease, Outcome::Release).await;
    assert_eq!(
        claim_one(&one).await.attempt,
        2,
        "attempts before it stay counted"
    );
    assert_eq!(clock.now(), start());
}

/// QUE-11: a worker is handed jobs of its queues only, in whatever state they come back.
pub async fn a_queue_is_never_handed_the_jobs_of_another(harness: &dyn JobQueueHarness) {
    let (store, one, _, clock) = both(harness).await;
    let payroll = |number| NewJob {
        queue: Queue::Payroll,
        priority: -1,
        max_attempts: 2,
        ..a_job(number)
    };
    let jobs: Vec<NewJob> = (0..5).map(payroll).collect();
    enqueue(&store, &jobs).await;
    let mail_gets_nothing = async || {
        assert!(one.claim(&[Queue::Mail], 100, LEASE).await.unwrap().is_empty());
        assert!(one.claim(&[], 100, LEASE).await.unwrap().is_empty());
    };
    mail_gets_nothing().await;
    let taken = one.claim(&[Queue::Payroll], 100, LEASE).await.unwrap();
    assert_eq!(taken.len(), 5);
    mail_gets_nothing().await;
    settle(&one, &taken[0].lease, retry(Duration::ZERO)).await;
    settle(&one, &taken[1].lease, Outcome::Release).await;
    settle(&one, &taken[2].lease, dead()).await;
    mail_gets_nothing().await;
    assert_eq!(one.revive(&[job_id(2)]).await.unwrap(), 1);
    mail_gets_nothing().await;
    // The last two leases end: whoever takes them back, they come back to their own queue.
    clock.advance(LEASE);
    mail_gets_nothing().await;
    enqueue(&store, &[a_job(9)]).await;
    let mail = one.claim(&[Queue::Mail], 100, LEASE).await.unwrap();
    assert_eq!(ids(&mail), [job_id(9)]);
    let again = one.claim(&[Queue::Payroll], 100, LEASE).await.unwrap();
    assert_eq!(again.len(), 5);
    assert!(again.iter().all(|job| job.queue == Queue::Payroll));
}

/// Dead jobs are revived from their first attempt, or discarded; jobs that are not dead are left alone.
pub async fn dead_jobs_are_revived_or_discarded(harness: &dyn JobQueueHarness) {
    let (store, one, two, clock) = both(harness).await;
    enqueue(&store, &(0..6).map(a_job).collect::<Vec<_>>()).await;
    let claimed = claim(&one, 4).await;
    for job in &claimed[..3] {
        settle(&one, &job.lease, dead()).await;
    }
    let seen = view(&two, 0).await;
    assert_eq!((seen.state, seen.attempts), (JobState::Dead, 1));
    assert_eq!(seen.last_error.as_deref(), Some("adresse inconnue"));
    clock.advance(LEASE / 2);
    // Dead, dead, leased, ready, unknown.
    let asked = [0, 1, 3, 4, 77].map(job_id);
    assert_eq!(two.revive(&asked).await.unwrap(), 2);
    assert_eq!(two.revive(&asked).await.unwrap(), 0);
    assert_eq!(two.revive(&[]).await.unwrap(), 0);
    let revived = view(&one, 1).await;
    assert_eq!((revived.state, revived.attempts), (JobState::Ready, 0));
    assert_eq!(revived.run_at, clock.now(), "due at once");
    assert_eq!(
        one.discard(&[0, 1, 2, 3, 4, 77].map(job_id)).await.unwrap(),
        1,
        "only one is dead now"
    );
    assert_eq!(one.discard(&[job_id(2)]).await.unwrap(), 0);
    let mut left: Vec<JobId> = views(&one).await.into_iter().map(|job| job.id).collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 3, 4, 5].map(job_id));
    let again = claim(&two, 10).await;
    assert_eq!(again.len(), 4);
    assert!(again.iter().all(|job| job.attempt == 1));
}
