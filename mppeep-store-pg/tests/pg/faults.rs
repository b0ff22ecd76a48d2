//! Faults and what they are called (COM-8), and that every call ends (COM-9).

use std::time::{Duration, Instant};

use jiff::civil::date;
use mppeep_core::domain::absence::{Absence, AbsenceFields, AbsenceType};
use mppeep_core::domain::calendar::{Half, Period};
use mppeep_core::domain::id::AbsenceId;
use mppeep_core::ports::epochs::{Epochs, Namespace};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::session::{Created, SessionStore};
use mppeep_core::ports::store::Store;
use mppeep_store_pg::{PgOptions, PgStore};
use mppeep_testbed::{Cluster, Fault, FaultProxy, database_of};
use uuid::Uuid;

use crate::support::{
    a_personnel, a_session, a_user, few_connections, fresh, is_there, nothing_is_left_open, unhurried,
    write_one,
};

/// A store behind a proxy, with one account, short limits and few connections.
async fn behind_a_proxy() -> (&'static Cluster, String, FaultProxy, PgStore) {
    let (cluster, url) = fresh().await;
    let proxy = FaultProxy::start(&cluster.address());
    let options = PgOptions {
        acquire_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(1),
        ..few_connections()
    };
    let through = cluster.url_through(&proxy.address(), database_of(&url));
    let store = PgStore::open(&through, options).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    unit.users().insert(&a_user(1), None).await.unwrap();
    unit.commit().await.unwrap();
    (cluster, url, proxy, store)
}

fn is_unavailable(err: &StoreError) -> bool {
    matches!(err, StoreError::Backend(BackendError::Unavailable { .. }))
}

fn is_contention(err: &StoreError) -> bool {
    matches!(err, StoreError::Backend(BackendError::Contention { .. }))
}

/// Calls until the store answers again.
async fn recovers(store: &PgStore) {
    let patience = Duration::from_secs(30);
    let started = Instant::now();
    while let Err(err) = store.ping().await {
        assert!(
            started.elapsed() < patience,
            "{err:?} after {:?}",
            started.elapsed()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_is_unavailable_until_it_is_back() {
    let (_, _, proxy, store) = behind_a_proxy().await;
    for fault in [Fault::Refuse, Fault::Reset] {
        proxy.set(fault).await;
        proxy.reset_connections();
        tokio::time::sleep(Duration::from_millis(50)).await;
        for _ in 0..2 {
            let started = Instant::now();
            let refused = write_one(&store, 1).await.unwrap_err();
            assert!(is_unavailable(&refused), "{fault:?}: {refused:?}");
            let refused = store.create(a_session(1, 1)).await.unwrap_err();
            assert!(
                matches!(refused, BackendError::Unavailable { .. }),
                "{fault:?}: {refused:?}"
            );
            assert!(store.current().await.is_err());
            println!("{fault:?}: three calls end after {:?}", started.elapsed());
        }
        proxy.set(Fault::Pass).await;
        recovers(&store).await;
    }
    write_one(&store, 1).await.unwrap();
    assert_eq!(store.create(a_session(1, 1)).await.unwrap(), Created::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_swallows_everything_ends_no_wait_for_ever() {
    let (cluster, url, proxy, store) = behind_a_proxy().await;
    // Within a unit: the statement was sent, but nothing of it can have been committed.
    let mut unit = store.begin().await.unwrap();
    unit.personnel().insert(&a_personnel(1)).await.unwrap();
    proxy.set(Fault::BlackHole).await;
    let started = Instant::now();
    let lost = unit.personnel().insert(&a_personnel(2)).await.unwrap_err();
    println!("a statement ends after {:?}", started.elapsed());
    assert!(is_unavailable(&lost), "{lost:?}");
    assert!(matches!(unit.commit().await, Err(StoreError::Poisoned)));

    // Outside units and at a commit: perhaps done.
    let started = Instant::now();
    let ended = store.begin().await;
    assert!(ended.is_err_and(|err| is_unavailable(&err)));
    println!("a beginning ends after {:?}", started.elapsed());
    proxy.set(Fault::Pass).await;
    proxy.reset_connections();
    recovers(&store).await;

    let mut unit = store.begin().await.unwrap();
    unit.personnel().insert(&a_personnel(3)).await.unwrap();
    proxy.set(Fault::BlackHole).await;
    let started = Instant::now();
    let unknown = unit.commit().await.unwrap_err();
    println!("a commit ends after {:?}", started.elapsed());
    let indeterminate = matches!(unknown, StoreError::Backend(BackendError::Indeterminate { .. }));
    assert!(indeterminate, "{unknown:?}");
    proxy.set(Fault::Pass).await;
    proxy.reset_connections();
    recovers(&store).await;
    write_one(&store, 4).await.unwrap();
    assert!(!is_there(&store, 1).await && !is_there(&store, 2).await);
    nothing_is_left_open(cluster, &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_cut_is_told_apart_from_a_failure() {
    let (_, _, proxy, store) = behind_a_proxy().await;
    // The connection is looked at before it is lent, and answers that with a few bytes: the cut comes later, in the reply
    // to the statement itself.
    let mut indeterminate = 0;
    for bytes in (1..=400).step_by(9) {
        recovers(&store).await;
        // What was lent last is looked at once more, in the background.
        tokio::time::sleep(Duration::from_millis(40)).await;
        proxy.set(Fault::CutAfter(bytes)).await;
        let outcome = store.create(a_session(u32::try_from(bytes).unwrap(), 1)).await;
        proxy.set(Fault::Pass).await;
        match outcome {
            Ok(created) => assert_eq!(created, Created::Done),
            Err(BackendError::Indeterminate { .. }) => indeterminate += 1,
            Err(BackendError::Unavailable { .. }) => {}
            Err(other) => panic!("cut after {bytes}: {other:?}"),
        }
    }
    assert!(indeterminate > 0, "no reply was cut after its statement was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_damaged_is_an_error_and_never_an_answer() {
    let (_, _, proxy, store) = behind_a_proxy().await;
    write_one(&store, 1).await.unwrap();
    proxy.set(Fault::Corrupt).await;
    for _ in 0..5 {
        let asked = tokio::time::timeout(Duration::from_secs(30), store.current()).await;
        assert!(asked.unwrap().is_err());
    }
    proxy.set(Fault::Pass).await;
    proxy.reset_connections();
    recovers(&store).await;
    assert!(is_there(&store, 1).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_held_too_long_is_contention() {
    let (_, url) = fresh().await;
    let options = PgOptions {
        lock_timeout: Duration::from_millis(200),
        ..few_connections()
    };
    let store = PgStore::open(&url, options.clone()).await.unwrap();
    let other = PgStore::open(&url, options).await.unwrap();
    let mut holder = other.begin().await.unwrap();
    holder.bump(&[Namespace::SETTINGS]).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    let refused = unit.bump(&[Namespace::SETTINGS]).await.unwrap_err();
    assert!(is_contention(&refused), "{refused:?}");
    assert!(matches!(unit.commit().await, Err(StoreError::Poisoned)));
    holder.commit().await.unwrap();
    let mut unit = store.begin().await.unwrap();
    unit.bump(&[Namespace::SETTINGS]).await.unwrap();
    assert_eq!(unit.commit().await.unwrap()[0].value, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_units_that_wait_for_each_other_one_meets_contention() {
    let (_, url) = fresh().await;
    let store = PgStore::open(&url, few_connections()).await.unwrap();
    let (mut one, mut two) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    one.bump(&[Namespace::ABSENCES]).await.unwrap();
    two.bump(&[Namespace::USERS]).await.unwrap();
    let crossed = [Namespace::USERS];
    let (first, second) = tokio::join!(one.bump(&crossed), async {
        let done = two.bump(&[Namespace::ABSENCES]).await;
        if done.is_ok() {
            two.commit().await.map(|_| ())
        } else {
            done
        }
    });
    let refused = [first, second]
        .into_iter()
        .filter_map(Result::err)
        .collect::<Vec<_>>();
    assert!(refused.len() == 1 && is_contention(&refused[0]), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_that_bump_the_same_epochs_in_any_order_never_wait_in_a_ring() {
    let (_, url) = fresh().await;
    let store = PgStore::open(&url, unhurried()).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 0..25 {
                    let mut namespaces = Namespace::ALL;
                    let places = (task + round) % namespaces.len();
                    namespaces.rotate_left(places);
                    let mut unit = store.begin().await.unwrap();
                    unit.bump(&namespaces).await.unwrap();
                    unit.commit().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let epochs = store.current().await.unwrap();
    assert!(epochs.iter().all(|epoch| epoch.value == 200), "{epochs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_waits_for_a_connection_and_not_for_ever() {
    let (_, url) = fresh().await;
    let options = PgOptions {
        acquire_timeout: Duration::from_secs(3),
        ..few_connections()
    };
    let store = PgStore::open(&url, options).await.unwrap();
    let held = (store.begin().await.unwrap(), store.begin_read().await.unwrap());
    let refused = store.begin().await.err().unwrap();
    assert!(is_unavailable(&refused), "{refused:?}");
    store.ping().await.unwrap();
    drop(held);
    write_one(&store, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_refuses_to_everybody_is_unavailable() {
    let (cluster, url) = fresh().await;
    let database = database_of(&url);
    PgStore::open(&url, few_connections())
        .await
        .unwrap()
        .close()
        .await;
    let role = format!("crowded_{database}");
    cluster
        .sql(
            "postgres",
            &format!(
                "CREATE ROLE \"{role}\" LOGIN SUPERUSER CONNECTION LIMIT -1; ALTER ROLE \"{role}\" NOSUPERUSER CONNECTION LIMIT 1"
            ),
        )
        .await;
    cluster
        .sql(
            database,
            &format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO \"{role}\""),
        )
        .await;
    let address = format!("postgres://{role}@{}/{database}", cluster.address());
    let options = PgOptions {
        acquire_timeout: Duration::from_secs(3),
        ..few_connections()
    };
    let store = PgStore::open(&address, options).await.unwrap();
    let held = store.begin().await.unwrap();
    let refused = store.begin().await.err().unwrap();
    assert!(is_unavailable(&refused), "{refused:?}");
    drop(held);

    // A standby, or a database that its administrator closed for writing.
    let (cluster, url) = fresh().await;
    let store = PgStore::open(&url, few_connections()).await.unwrap();
    write_one(&store, 1).await.unwrap();
    let closed = format!(
        "ALTER DATABASE \"{}\" SET default_transaction_read_only = on",
        database_of(&url)
    );
    cluster.sql("postgres", &closed).await;
    cluster.terminate_sessions(database_of(&url)).await;
    let refused = write_one(&store, 2).await.unwrap_err();
    assert!(is_unavailable(&refused), "{refused:?}");
    assert!(is_there(&store, 1).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_ended_by_the_server() {
    let (cluster, url) = fresh().await;
    let options = PgOptions {
        statement_timeout: Duration::from_secs(2),
        lock_timeout: Duration::from_secs(30),
        ..few_connections()
    };
    let store = PgStore::open(&url, options).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    unit.bump(&[Namespace::SETTINGS]).await.unwrap();
    let mut waiting = store.begin().await.unwrap();
    let ended = waiting.bump(&[Namespace::SETTINGS]).await.unwrap_err();
    assert!(is_unavailable(&ended), "{ended:?}");
    drop((unit, waiting));
    nothing_is_left_open(cluster, &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_the_server_cannot_hold_is_invalid() {
    let (_, url) = fresh().await;
    let store = PgStore::open(&url, few_connections()).await.unwrap();
    let mut file = a_personnel(1);
    file.fields.notes = Some("a\0b".to_owned());
    let mut unit = store.begin().await.unwrap();
    let refused = unit.personnel().insert(&file).await.unwrap_err();
    let invalid = matches!(refused, StoreError::Backend(BackendError::Invalid { .. }));
    assert!(invalid, "{refused:?}");
}

fn an_absence(number: u32, from: i8, to: i8) -> Absence {
    let at = "2026-11-22T12:00:00Z".parse().unwrap();
    let day = |day| date(2026, 5, day);
    Absence {
        id: AbsenceId::from_uuid(Uuid::from_u128(u128::from(number))),
        personnel: a_personnel(1).id,
        fields: AbsenceFields {
            kind: AbsenceType::Mission,
            period: Period::new(day(from), Half::Pm, day(to), Half::Am).unwrap(),
            reason: None,
        },
        counted_half_days: 2,
        cancelled_at: None,
        version: 1,
        created_at: at,
        updated_at: at,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absences_written_at_the_same_time_never_overlap() {
    let (_, url) = fresh().await;
    let store = PgStore::open(&url, PgOptions::default()).await.unwrap();
    write_one(&store, 1).await.unwrap();
    // Each begins in the afternoon of a day and ends in the morning of the next but one: neighbours overlap.
    let tasks: Vec<_> = (1..=20_u32)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let first = i8::try_from(number).unwrap();
                let mut unit = store.begin().await?;
                unit.absences()
                    .insert(&an_absence(number, first, first + 2))
                    .await?;
                unit.commit().await.map(|_| ())
            })
        })
        .collect();
    let mut stored = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => stored += 1,
            Err(StoreError::Conflict {
                entity: "absence",
                field: "period",
            }) => {}
            Err(err) => assert!(is_contention(&err), "{err:?}"),
        }
    }
    let mut unit = store.begin_read().await.unwrap();
    let found = unit
        .absences()
        .touching(a_personnel(1).id, date(2026, 1, 1), date(2026, 12, 31))
        .await
        .unwrap();
    assert!(
        stored > 0 && found.len() == stored,
        "{stored} stored, {} found",
        found.len()
    );
    for pair in found.windows(2) {
        let (before, after) = (&pair[0].fields.period, &pair[1].fields.period);
        assert!((before.end(), before.end_half()) < (after.start(), after.start_half()));
    }
}
