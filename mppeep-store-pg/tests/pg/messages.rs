//! Notifications: what is committed is heard, what is not is not, and a lost connection is a gap (PUB-2, PUB-4, QUE-9).

use std::time::Duration;

use bytes::Bytes;
use mppeep_core::domain::id::JobId;
use mppeep_core::ports::epochs::Namespace;
use mppeep_core::ports::job_queue::{JobQueue, Queue};
use mppeep_core::ports::outbox::NewJob;
use mppeep_core::ports::pubsub::{Event, PubSub, Subscription};
use mppeep_core::ports::session::{Created, Revoke, SessionStore};
use mppeep_core::ports::store::Store;
use mppeep_store_pg::{PgOptions, PgStore};
use mppeep_testbed::{Cluster, Fault, FaultProxy, database_of};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::support::{a_session, a_user, fresh, token, unhurried};

/// Longest time that a message may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn heard(subscription: &mut Box<dyn Subscription>) -> Event {
    let event = timeout(PATIENCE, subscription.next()).await;
    event.unwrap().unwrap()
}

fn a_message(channel: &str, payload: &str) -> Event {
    Event::Message {
        channel: channel.to_owned(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    }
}

async fn publish(store: &PgStore, payload: &str) {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    store.publish("live", payload).await.unwrap();
}

async fn two_instances() -> (&'static Cluster, String, PgStore, PgStore) {
    let (cluster, url) = fresh().await;
    let one = PgStore::open(&url, unhurried()).await.unwrap();
    let two = PgStore::open(&url, unhurried()).await.unwrap();
    (cluster, url, one, two)
}

fn a_job(number: u128, queue: Queue) -> NewJob {
    NewJob {
        id: JobId::from_uuid(Uuid::from_u128(number)),
        queue,
        payload: "{}".to_owned(),
        priority: 0,
        run_at: None,
        max_attempts: 3,
        unique_key: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_revocation_moves_the_epoch_of_the_copies_and_says_so() {
    let (_, _, one, two) = two_instances().await;
    let user = a_user(1);
    let mut unit = one.begin().await.unwrap();
    unit.users().insert(&user, None).await.unwrap();
    unit.commit().await.unwrap();
    for number in 1..=3 {
        assert_eq!(one.create(a_session(number, 1)).await.unwrap(), Created::Done);
    }
    let mut epochs = two.subscribe(&["epochs"]).await.unwrap();
    let told = |value: i64| a_message("epochs", &format!("{}:{value}", Namespace::session_of(user.id).0));

    let key = token(1).key();
    assert_eq!(one.revoke(Revoke::Key(&key)).await.unwrap(), 1);
    assert_eq!(heard(&mut epochs).await, told(1));
    assert_eq!(
        one.revoke(Revoke::Key(&key)).await.unwrap(),
        0,
        "nothing was ended: nothing is told"
    );
    let by_handle = Revoke::Handle {
        user: user.id,
        handle: a_session(2, 1).handle,
    };
    assert_eq!(one.revoke(by_handle).await.unwrap(), 1);
    assert_eq!(heard(&mut epochs).await, told(2));
    let all = Revoke::User {
        user: user.id,
        except: None,
    };
    assert_eq!(one.revoke(all).await.unwrap(), 1);
    assert_eq!(heard(&mut epochs).await, told(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_that_is_dropped_publishes_nothing() {
    let (_, _, one, two) = two_instances().await;
    let mut epochs = two.subscribe(&["epochs"]).await.unwrap();
    let mut dropped = one.begin().await.unwrap();
    dropped.bump(&[Namespace::PERSONNEL]).await.unwrap();
    drop(dropped);
    let mut unit = one.begin().await.unwrap();
    unit.bump(&[Namespace::USERS, Namespace::ABSENCES]).await.unwrap();
    unit.commit().await.unwrap();
    let Event::Message { payload, .. } = heard(&mut epochs).await else {
        panic!("a gap where nothing was lost")
    };
    let mut told: Vec<&str> = std::str::from_utf8(&payload).unwrap().split(',').collect();
    told.sort_unstable();
    assert_eq!(told, ["absences:1", "users:1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_committed_job_wakes_a_worker_of_another_instance() {
    let (_, _, one, two) = two_instances().await;
    let long = Duration::from_secs(60);
    let waiting = tokio::spawn({
        let two = two.clone();
        async move { two.wait(&[Queue::Mail], long).await }
    });
    // The first connection to listen is told as a gap, which ends a wait: this one has begun with it.
    timeout(PATIENCE, waiting).await.unwrap().unwrap();
    let mut waiting = tokio::spawn({
        let two = two.clone();
        async move { two.wait(&[Queue::Mail], long).await }
    });
    let mut unit = one.begin().await.unwrap();
    unit.jobs().enqueue(&a_job(1, Queue::Payroll)).await.unwrap();
    unit.commit().await.unwrap();
    let woken = timeout(Duration::from_secs(1), &mut waiting).await;
    assert!(woken.is_err(), "a job of another queue wakes nobody");
    let mut unit = one.begin().await.unwrap();
    unit.jobs().enqueue(&a_job(2, Queue::Mail)).await.unwrap();
    unit.commit().await.unwrap();
    timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(two.claim(&[Queue::Mail], 9, long).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_a_gap_once_messages_are_heard_again() {
    let (cluster, url, one, two) = two_instances().await;
    let mut live = two.subscribe(&["live"]).await.unwrap();
    for round in 0..3 {
        publish(&one, &format!("before {round}")).await;
        assert_eq!(
            heard(&mut live).await,
            a_message("live", &format!("before {round}"))
        );
        // With a time, it waits for their end: one that is still ending is not counted with the next.
        let kill = format!(
            "SELECT count(pg_terminate_backend(pid, 30000)) FROM pg_stat_activity \
             WHERE datname = '{}' AND query LIKE 'LISTEN %'",
            database_of(&url)
        );
        assert_eq!(cluster.sql("postgres", &kill).await, "1");
        assert_eq!(heard(&mut live).await, Event::Gap);
        publish(&one, &format!("after {round}")).await;
        assert_eq!(
            heard(&mut live).await,
            a_message("live", &format!("after {round}"))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_went_silent_is_found_out() {
    let (cluster, url) = fresh().await;
    let one = PgStore::open(&url, PgOptions::default()).await.unwrap();
    let proxy = FaultProxy::start(&cluster.address());
    let options = PgOptions {
        listen_url: Some(cluster.url_through(&proxy.address(), database_of(&url))),
        ..PgOptions::default()
    };
    let two = PgStore::open(&url, options).await.unwrap();
    let mut live = two.subscribe(&["live"]).await.unwrap();
    let links = proxy.accepted();
    proxy.set(Fault::BlackHole).await;
    publish(&one, "lost").await;
    let asked = Instant::now();
    // Whoever gave the link up dials anew, and is swallowed as well until the link is whole again.
    while proxy.accepted() == links {
        assert!(
            asked.elapsed() < Duration::from_secs(60),
            "the link is not given up"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    proxy.set(Fault::Pass).await;
    loop {
        let event = timeout(Duration::from_secs(30), live.next())
            .await
            .unwrap()
            .unwrap();
        // Bytes that waited in the black hole may still come, before the gap.
        if event == Event::Gap {
            break;
        }
        assert_eq!(event, a_message("live", "lost"));
    }
    publish(&one, "heard").await;
    assert_eq!(heard(&mut live).await, a_message("live", "heard"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_without_an_address_nothing_is_promised() {
    let (_, url) = fresh().await;
    let options = PgOptions {
        pooler: true,
        ..PgOptions::default()
    };
    let deaf = PgStore::open(&url, options).await.unwrap();
    assert!(deaf.subscribe(&["live"]).await.is_err());
    publish(&deaf, "to others").await;
    let waited = Instant::now();
    deaf.wait(&[Queue::Mail], Duration::from_millis(200)).await;
    assert!(
        waited.elapsed() >= Duration::from_millis(200),
        "who hears nothing waits to the end"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_subscriptions() {
    let (_, _, one, _) = two_instances().await;
    let mut live = one.subscribe(&["live"]).await.unwrap();
    publish(&one, "last").await;
    assert_eq!(heard(&mut live).await, a_message("live", "last"));
    one.close().await;
    assert_eq!(timeout(PATIENCE, live.next()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_takes_no_more_than_asked_whatever_the_plan() {
    let (cluster, url) = fresh().await;
    let database = database_of(&url);
    for plan in [
        "enable_hashjoin",
        "enable_mergejoin",
        "enable_indexscan",
        "enable_material",
    ] {
        let unset = format!("ALTER DATABASE {database} SET {plan} = off");
        cluster.sql("postgres", &unset).await;
    }
    let store = PgStore::open(&url, PgOptions::default()).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    for number in 0..100 {
        unit.jobs().enqueue(&a_job(number, Queue::Mail)).await.unwrap();
    }
    unit.commit().await.unwrap();
    for n in [1, 3, 7] {
        let taken = store.claim(&[Queue::Mail], n, PATIENCE).await.unwrap();
        assert_eq!(taken.len(), usize::try_from(n).unwrap());
    }
}
