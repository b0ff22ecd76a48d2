//! Workers, holders of locks, counting processes and carriers of requests that are killed: what they had comes back,
//! whole and in time, and what they did is known (QUE-3, LCK-6, CNT-4, IDE-5). The clock is handed to each process, so that nothing here waits for a lease to end.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::date;
use mppeep_core::domain::id::{JobId, UserId};
use mppeep_core::ports::clock::{ManualClock, TimeSource};
use mppeep_core::ports::counters::{BatchId, CounterSet, Counters, DayRange, Delta};
use mppeep_core::ports::idempotency::{IdempotencyKeys, IdempotentRequest, Reserved};
use mppeep_core::ports::job_queue::{Held, JobFilter, JobQueue, JobState, JobView, Outcome, Queue};
use mppeep_core::ports::locks::{Locks, OwnerId};
use mppeep_core::ports::outbox::NewJob;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::store::Store;
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};
use uuid::Uuid;

use crate::support::a_personnel;

const FILE: &str = "MPPEEP_TEST_FILE";
const CLOCK: &str = "MPPEEP_TEST_CLOCK";
const STAGE: &str = "MPPEEP_TEST_STAGE";
const LEASE: Duration = Duration::from_secs(60);
const MICROSECOND: Duration = Duration::from_micros(1);

fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

async fn open_at(path: &Path, at: Timestamp) -> (SqliteStore, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at));
    let options = SqliteOptions {
        time: TimeSource::Clock(clock.clone()),
        ..SqliteOptions::default()
    };
    (SqliteStore::open(path, options).await.unwrap(), clock)
}

/// The store of a process that plays a role, at the instant that it was told.
async fn role() -> SqliteStore {
    let path = std::env::var_os(FILE).unwrap();
    let at: i64 = std::env::var(CLOCK).unwrap().parse().unwrap();
    let at = Timestamp::from_microsecond(at).unwrap();
    open_at(Path::new(&path), at).await.0
}

/// Starts a role in a process of its own and kills it when it has said that line so many times; gives the last words.
fn killed_after(role: &str, path: &Path, at: Timestamp, stage: &str, line: &str, times: usize) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            &format!("killed_work::{role}"),
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(FILE, path)
        .env(CLOCK, at.as_microsecond().to_string())
        .env(STAGE, stage)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines.filter_map(|said| {
        said.unwrap()
            .split_once(line)
            .map(|(_, rest)| rest.trim().to_owned())
    });
    let last = said.take(times).last();
    child.kill().unwrap();
    child.wait().unwrap();
    last.unwrap()
}

fn job() -> NewJob {
    NewJob {
        id: JobId::from_uuid(Uuid::from_u128(7)),
        queue: Queue::Mail,
        payload: "{}".to_owned(),
        priority: 0,
        run_at: None,
        max_attempts: 3,
        unique_key: Some("key".to_owned()),
    }
}

async fn seen(store: &SqliteStore) -> JobView {
    let page = store
        .list(JobFilter::default(), &PageRequest::first(10))
        .await
        .unwrap();
    page.rows.into_iter().next().unwrap()
}

#[tokio::test]
#[ignore = "a role that another test plays in a process of its own"]
async fn takes_a_job() {
    let store = role().await;
    let job = store.claim(&[Queue::Mail], 1, LEASE).await.unwrap().remove(0);
    let stage = std::env::var(STAGE).unwrap();
    if stage != "claimed" {
        // Half of the work.
        let mut unit = Store::begin(&store).await.unwrap();
        unit.personnel().insert(&a_personnel(job.attempt)).await.unwrap();
        if stage == "working" {
            println!("reached {}", job.attempt);
            std::future::pending::<()>().await;
        }
        unit.commit().await.unwrap();
    }
    println!("reached {}", job.attempt);
    std::future::pending::<()>().await;
    store.settle(&job.lease, &Outcome::Done).await.unwrap();
}

#[tokio::test]
async fn a_job_of_a_killed_worker_comes_back_until_it_is_dead() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("killed_worker.db");
    let (store, clock) = open_at(&path, noon()).await;
    let mut unit = Store::begin(&store).await.unwrap();
    unit.jobs().enqueue(&job()).await.unwrap();
    unit.commit().await.unwrap();
    let mut at = noon();
    for (attempt, stage) in [(1, "claimed"), (2, "working"), (3, "before the acknowledgement")] {
        let said = killed_after("takes_a_job", &path, at, stage, "reached ", 1);
        assert_eq!(said, attempt.to_string());
        let left = seen(&store).await;
        assert_eq!((left.state, left.attempts), (JobState::Leased, attempt));
        let until = left.leased_until.unwrap();
        assert_eq!(until, at.checked_add(LEASE).unwrap());
        clock.set(until.checked_sub(MICROSECOND).unwrap());
        assert!(store.claim(Queue::ALL, 10, LEASE).await.unwrap().is_empty());
        at = until;
    }
    clock.set(at);
    assert!(
        store.claim(Queue::ALL, 10, LEASE).await.unwrap().is_empty(),
        "three attempts were made"
    );
    let dead = seen(&store).await;
    assert_eq!((dead.state, dead.attempts), (JobState::Dead, 3));
    assert!(dead.last_error.is_some());
    // The unit that was open when its process was killed left nothing, and the one that was committed all.
    let mut unit = store.begin_read().await.unwrap();
    assert_eq!(unit.personnel().identities().await.unwrap().len(), 1);
    drop(unit);
    assert_eq!(store.revive(&[job().id]).await.unwrap(), 1);
    assert_eq!(store.claim(Queue::ALL, 10, LEASE).await.unwrap().len(), 1);
}

#[tokio::test]
#[ignore = "a role that another test plays in a process of its own"]
async fn takes_a_lock() {
    let store = role().await;
    let lease = store
        .acquire("payroll", OwnerId(Uuid::from_u128(1)), LEASE)
        .await
        .unwrap();
    println!("fence {}", lease.unwrap().fence);
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_lock_of_a_killed_holder_is_free_when_its_lease_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("killed_holder.db");
    let (store, clock) = open_at(&path, noon()).await;
    let said = killed_after("takes_a_lock", &path, noon(), "", "fence ", 1);
    let fence: i64 = said.parse().unwrap();
    let owner = OwnerId(Uuid::from_u128(2));
    assert!(store.acquire("payroll", owner, LEASE).await.unwrap().is_none());
    clock.advance(LEASE - MICROSECOND);
    assert!(store.acquire("payroll", owner, LEASE).await.unwrap().is_none());
    clock.advance(MICROSECOND);
    let lease = store.acquire("payroll", owner, LEASE).await.unwrap().unwrap();
    assert!(lease.fence > fence);
}

fn batch(number: u128) -> (BatchId, [Delta; 2]) {
    let delta = |member: &str| Delta {
        set: CounterSet::PageViews,
        day: date(2026, 11, 22),
        member: member.to_owned(),
        by: 1,
    };
    (BatchId(Uuid::from_u128(number)), [delta("a"), delta("b")])
}

async fn counted(store: &SqliteStore) -> u128 {
    let days = DayRange {
        first: date(2026, 11, 22),
        last: date(2026, 11, 22),
    };
    let top = store.top(CounterSet::PageViews, days, 2).await.unwrap();
    let count = |member: &str| {
        top.iter()
            .find(|(of, _)| of == member)
            .map_or(0, |(_, count)| *count)
    };
    assert_eq!(count("a"), count("b"), "a batch is whole");
    u128::try_from(count("a")).unwrap()
}

#[tokio::test]
#[ignore = "a role that another test plays in a process of its own"]
async fn counts_until_killed() {
    let store = role().await;
    for number in counted(&store).await + 1.. {
        let (id, deltas) = batch(number);
        store.add(id, &deltas).await.unwrap();
        println!("counted {number}");
    }
}

#[tokio::test]
async fn what_a_killed_process_counted_is_there_and_counts_once_when_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("killed_counter.db");
    let (store, _) = open_at(&path, noon()).await;
    for lines in [1, 5, 17] {
        let said = killed_after("counts_until_killed", &path, noon(), "", "counted ", lines);
        let acknowledged: u128 = said.parse().unwrap();
        let before = counted(&store).await;
        assert!(
            before >= acknowledged,
            "{before} counted, {acknowledged} acknowledged"
        );
        // The process that starts again does not know which batch was the last, and sends what it may have sent.
        for number in acknowledged..=before + 1 {
            let (id, deltas) = batch(number);
            store.add(id, &deltas).await.unwrap();
        }
        assert_eq!(counted(&store).await, before + 1);
    }
}

/// A request to make an agent, under the token of that number.
fn request(number: u128) -> IdempotentRequest {
    IdempotentRequest {
        user: UserId::from_uuid(Uuid::from_u128(9)),
        operation: "POST /personnel".to_owned(),
        key: "key".to_owned(),
        digest: [7; 32],
        token: Uuid::from_u128(number),
    }
}

async fn reserve(store: &SqliteStore, number: u128) -> Reserved {
    let lifetime = LEASE * 1_000;
    store.reserve(&request(number), LEASE, lifetime).await.unwrap()
}

#[tokio::test]
#[ignore = "a role that another test plays in a process of its own"]
async fn carries_out_a_request() {
    let store = role().await;
    let stage = std::env::var(STAGE).unwrap();
    let number = u128::try_from(stage.len()).unwrap();
    assert_eq!(reserve(&store, number).await, Reserved::Granted);
    if stage != "reserved" {
        let mut unit = Store::begin(&store).await.unwrap();
        unit.personnel().insert(&a_personnel(1)).await.unwrap();
        let held = unit.mark_carried_out(Uuid::from_u128(number)).await.unwrap();
        assert_eq!(held, Held::Yes);
        if stage == "working" {
            println!("reached the work");
            std::future::pending::<()>().await;
        }
        unit.commit().await.unwrap();
    }
    println!("reached the end");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_request_of_a_killed_process_has_its_effect_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("killed_request.db");
    let (store, clock) = open_at(&path, noon()).await;
    let mut at = noon();
    for (stage, agents) in [("reserved", 0), ("working", 0), ("carried out", 1)] {
        killed_after("carries_out_a_request", &path, at, stage, "reached ", 1);
        let mut unit = store.begin_read().await.unwrap();
        assert_eq!(
            unit.personnel().identities().await.unwrap().len(),
            agents,
            "{stage}"
        );
        drop(unit);
        at = at.checked_add(LEASE).unwrap();
        clock.set(at.checked_sub(MICROSECOND).unwrap());
        assert_eq!(
            reserve(&store, 100).await,
            Reserved::UnderWay(MICROSECOND),
            "{stage}"
        );
    }
    clock.set(at);
    assert_eq!(reserve(&store, 101).await, Reserved::AnswerLost);
}
