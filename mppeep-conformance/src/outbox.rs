//! Checks of the outbox (QUE-6, QUE-7): jobs that exist exactly when their unit commits, and once.

use std::sync::Arc;

use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::job_queue::{JobQueue, JobState, Outcome, PAYLOAD_MAX_BYTES, Queue};
use mppeep_core::ports::outbox::{Enqueued, NewJob};
use mppeep_core::ports::store::Store;

use crate::harness::JobQueueHarness;
use crate::jobs::{LEASE, a_job, claim, claim_one, dead, enqueue, job_id, settle, view, views};
use crate::support::at_once;

fn keyed(number: u128, key: &str) -> NewJob {
    NewJob {
        unique_key: Some(key.to_owned()),
        ..a_job(number)
    }
}

/// Enqueues one job in a unit of its own.
async fn try_enqueue(store: &Arc<dyn Store>, job: &NewJob) -> Enqueued {
    let mut unit = store.begin().await.unwrap();
    let outcome = unit.jobs().enqueue(job).await.unwrap();
    unit.commit().await.unwrap();
    outcome
}

/// QUE-7: a job is there for every instance once its unit is committed, not before, and never when it is not.
pub async fn a_job_exists_when_its_unit_commits(harness: &dyn JobQueueHarness) {
    let (store, one, two) = (
        harness.store_at(0).await,
        harness.queue_at(0).await,
        harness.queue_at(1).await,
    );
    let mut unit = store.begin().await.unwrap();
    unit.jobs().enqueue(&a_job(1)).await.unwrap();
    drop(unit);
    drop(store.begin().await.unwrap());
    assert!(views(&two).await.is_empty());
    assert!(claim(&one, 10).await.is_empty());
    let mut unit = store.begin().await.unwrap();
    assert_eq!(unit.jobs().enqueue(&a_job(1)).await.unwrap(), Enqueued::Done);
    unit.jobs().enqueue(&a_job(2)).await.unwrap();
    assert!(views(&one).await.is_empty(), "nothing is seen before the commit");
    assert!(views(&two).await.is_empty());
    unit.commit().await.unwrap();
    assert_eq!(claim(&two, 10).await.len(), 2);
    let mut reading = store.begin_read().await.unwrap();
    let refused = reading.jobs().enqueue(&a_job(3)).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
}

/// QUE-6, QUE-7: one identifier is one job, in one unit, in another, and while a worker has it.
pub async fn one_identifier_is_one_job(harness: &dyn JobQueueHarness) {
    let (store, other, queue) = (
        harness.store_at(0).await,
        harness.store_at(1).await,
        harness.queue_at(0).await,
    );
    let mut unit = store.begin().await.unwrap();
    assert_eq!(unit.jobs().enqueue(&a_job(1)).await.unwrap(), Enqueued::Done);
    assert_eq!(unit.jobs().enqueue(&a_job(1)).await.unwrap(), Enqueued::Duplicate);
    assert_eq!(
        unit.jobs().enqueue(&a_job(2)).await.unwrap(),
        Enqueued::Done,
        "the unit goes on"
    );
    unit.commit().await.unwrap();
    let changed = NewJob {
        payload: "other".to_owned(),
        queue: Queue::Payroll,
        ..a_job(1)
    };
    assert_eq!(try_enqueue(&other, &changed).await, Enqueued::Duplicate);
    let claimed = claim(&queue, 10).await;
    assert_eq!(claimed.len(), 2);
    assert_eq!(claimed[0].payload, a_job(1).payload, "the first one stays");
    assert_eq!(try_enqueue(&other, &a_job(1)).await, Enqueued::Duplicate);
    settle(&queue, &claimed[0].lease, dead()).await;
    assert_eq!(
        try_enqueue(&store, &a_job(1)).await,
        Enqueued::Duplicate,
        "also when it is dead"
    );
    assert_eq!(views(&queue).await.len(), 2);
}

/// QUE-6: a key is taken while its job waits or runs, within its queue, and free again when the job is done, dead (by
/// its worker or by the end of its last lease), or removed.
pub async fn a_unique_key_is_taken_while_its_job_lives(harness: &dyn JobQueueHarness) {
    let (store, queue, clock) = (
        harness.store_at(0).await,
        harness.queue_at(0).await,
        harness.clock(),
    );
    enqueue(&store, &[keyed(1, "2026-11")]).await;
    assert_eq!(
        try_enqueue(&store, &keyed(2, "2026-11")).await,
        Enqueued::Duplicate
    );
    let elsewhere = NewJob {
        queue: Queue::Payroll,
        ..keyed(3, "2026-11")
    };
    assert_eq!(
        try_enqueue(&store, &elsewhere).await,
        Enqueued::Done,
        "another queue"
    );
    assert_eq!(
        try_enqueue(&store, &keyed(4, "2026-12")).await,
        Enqueued::Done,
        "another key"
    );
    assert_eq!(try_enqueue(&store, &a_job(5)).await, Enqueued::Done, "no key");
    assert_eq!(
        try_enqueue(&store, &a_job(6)).await,
        Enqueued::Done,
        "no key is not a key"
    );
    let claimed = claim(&queue, 10).await;
    assert_eq!(
        try_enqueue(&store, &keyed(2, "2026-11")).await,
        Enqueued::Duplicate,
        "it runs"
    );
    for job in &claimed {
        settle(&queue, &job.lease, Outcome::Done).await;
    }
    assert_eq!(
        try_enqueue(&store, &keyed(7, "2026-11")).await,
        Enqueued::Done,
        "it is done"
    );
    let job = claim_one(&queue).await;
    settle(&queue, &job.lease, Outcome::Release).await;
    assert_eq!(
        try_enqueue(&store, &keyed(8, "2026-11")).await,
        Enqueued::Duplicate,
        "it waits again"
    );
    let job = claim_one(&queue).await;
    settle(&queue, &job.lease, dead()).await;
    let once = NewJob {
        max_attempts: 1,
        ..keyed(9, "2026-11")
    };
    assert_eq!(try_enqueue(&store, &once).await, Enqueued::Done, "it is dead");
    claim_one(&queue).await;
    clock.advance(LEASE);
    // Whoever looks at the queue next finds the last lease over.
    assert!(claim(&queue, 10).await.is_empty());
    assert_eq!(
        try_enqueue(&store, &once).await,
        Enqueued::Duplicate,
        "its identifier is still there"
    );
    assert_eq!(
        try_enqueue(&store, &keyed(10, "2026-11")).await,
        Enqueued::Done,
        "its lease is over"
    );
    let job = claim_one(&queue).await;
    settle(&queue, &job.lease, dead()).await;
    assert_eq!(queue.discard(&[7, 9, 10].map(job_id)).await.unwrap(), 3);
    assert_eq!(try_enqueue(&store, &keyed(11, "2026-11")).await, Enqueued::Done);
    assert_eq!(
        try_enqueue(&store, &keyed(9, "2026-11")).await,
        Enqueued::Duplicate
    );
}

/// QUE-6: a dead job whose key another took stays dead; of two dead jobs of one key, one is revived.
pub async fn a_unique_key_is_not_taken_back_by_the_dead(harness: &dyn JobQueueHarness) {
    let (store, queue) = (harness.store_at(0).await, harness.queue_at(0).await);
    for number in [1, 2] {
        enqueue(&store, &[keyed(number, "key")]).await;
        let job = claim_one(&queue).await;
        settle(&queue, &job.lease, dead()).await;
    }
    enqueue(&store, &[keyed(3, "key")]).await;
    let job = claim_one(&queue).await;
    assert_eq!(queue.revive(&[1, 2].map(job_id)).await.unwrap(), 0);
    assert_eq!(view(&queue, 1).await.state, JobState::Dead);
    settle(&queue, &job.lease, Outcome::Done).await;
    enqueue(&store, &[a_job(4)]).await;
    let other = claim_one(&queue).await;
    settle(&queue, &other.lease, dead()).await;
    assert_eq!(queue.revive(&[1, 2, 4].map(job_id)).await.unwrap(), 2);
    assert_eq!(claim(&queue, 10).await.len(), 2);
    let mut states: Vec<JobState> = Vec::new();
    for number in [1, 2] {
        states.push(view(&queue, number).await.state);
    }
    states.sort_unstable();
    assert_eq!(states, [JobState::Leased, JobState::Dead]);
}

/// How many of eight units at once, over two instances, find that they enqueue their job first.
async fn winners(harness: &dyn JobQueueHarness, job: impl Fn(u128) -> NewJob) -> usize {
    let stores = [harness.store_at(0).await, harness.store_at(1).await];
    let outcomes = at_once((0..8u128).map(|n| {
        let (store, job) = (stores[usize::from(n % 2 == 1)].clone(), job(n));
        async move {
            let mut unit = store.begin().await.unwrap();
            let outcome = unit.jobs().enqueue(&job).await.unwrap();
            tokio::task::yield_now().await;
            unit.commit().await.unwrap();
            outcome
        }
    }))
    .await;
    outcomes
        .iter()
        .filter(|outcome| **outcome == Enqueued::Done)
        .count()
}

async fn live(queue: &Arc<dyn JobQueue>) -> usize {
    let all = views(queue).await;
    all.iter().filter(|job| job.state != JobState::Dead).count()
}

/// QUE-6: units that enqueue one identifier at the same time make one job, and none of them fails.
pub async fn racing_enqueues_of_one_job_are_one(harness: &dyn JobQueueHarness) {
    let queue = harness.queue_at(0).await;
    for round in 1..=5u128 {
        assert_eq!(winners(harness, |_| a_job(round)).await, 1);
        assert_eq!(live(&queue).await, usize::try_from(round).unwrap());
    }
}

/// QUE-6: units that enqueue jobs of one key at the same time make one job, and none of them fails.
pub async fn racing_enqueues_of_one_key_are_one(harness: &dyn JobQueueHarness) {
    let queue = harness.queue_at(0).await;
    for round in 1..=5u128 {
        let key = format!("key {round}");
        assert_eq!(winners(harness, |n| keyed(100 * round + n, &key)).await, 1);
        assert_eq!(live(&queue).await, usize::try_from(round).unwrap());
    }
}

/// COM-2: a payload of the greatest size is taken; one byte more is refused, and nothing is enqueued.
pub async fn a_payload_over_the_limit_is_refused(harness: &dyn JobQueueHarness) {
    let (store, queue) = (harness.store_at(0).await, harness.queue_at(0).await);
    let sized = |number, payload| NewJob {
        payload,
        ..a_job(number)
    };
    let mut unit = store.begin().await.unwrap();
    let refused = unit
        .jobs()
        .enqueue(&sized(1, "x".repeat(PAYLOAD_MAX_BYTES + 1)))
        .await;
    let invalid = matches!(refused, Err(StoreError::Backend(BackendError::Invalid { .. })));
    assert!(invalid, "{refused:?}");
    drop(unit);
    // Counted in bytes.
    enqueue(&store, &[sized(2, "é".repeat(PAYLOAD_MAX_BYTES / 2))]).await;
    assert_eq!(claim_one(&queue).await.lease.job, job_id(2));
}
