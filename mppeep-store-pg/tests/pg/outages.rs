//! Servers that end connections, stop and come back (COM-10): the next call succeeds or says that it does not, and no
//! process has to be started again.

use std::time::{Duration, Instant};

use mppeep_core::ports::epochs::Epochs;
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::session::{Created, SessionStore};
use mppeep_core::ports::store::Store;
use mppeep_store_pg::{PgOptions, PgStore};
use mppeep_testbed::{Postgres, PostgresOptions, database_of};

use crate::support::{a_personnel, a_session, a_user, few_connections, fresh, is_there, token, write_one};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_ended_between_two_calls_are_replaced_in_silence() {
    let (cluster, url) = fresh().await;
    let store = PgStore::open(&url, few_connections()).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    unit.users().insert(&a_user(1), None).await.unwrap();
    unit.commit().await.unwrap();
    let mut ended = 0;
    for number in 1..=10 {
        ended += cluster.terminate_sessions(database_of(&url)).await;
        write_one(&store, number).await.unwrap();
        ended += cluster.terminate_sessions(database_of(&url)).await;
        assert!(is_there(&store, number).await);
        ended += cluster.terminate_sessions(database_of(&url)).await;
        assert_eq!(store.create(a_session(number, 1)).await.unwrap(), Created::Done);
        ended += cluster.terminate_sessions(database_of(&url)).await;
        assert!(store.load(&token(number).key(), None).await.unwrap().is_some());
        ended += cluster.terminate_sessions(database_of(&url)).await;
        store.current().await.unwrap();
    }
    assert!(ended >= 40, "{ended} connections were ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_whose_connection_is_ended_leaves_nothing() {
    let (cluster, url) = fresh().await;
    let store = PgStore::open(&url, few_connections()).await.unwrap();
    for number in 1..=5 {
        let mut unit = store.begin().await.unwrap();
        unit.personnel().insert(&a_personnel(number)).await.unwrap();
        cluster.terminate_sessions(database_of(&url)).await;
        let lost = unit
            .personnel()
            .insert(&a_personnel(100 + number))
            .await
            .unwrap_err();
        let unavailable = matches!(lost, StoreError::Backend(BackendError::Unavailable { .. }));
        assert!(unavailable, "{lost:?}");
        assert!(matches!(unit.commit().await, Err(StoreError::Poisoned)));
        assert!(!is_there(&store, number).await);
    }
    // At the commit itself nobody knows.
    let mut unit = store.begin().await.unwrap();
    unit.personnel().insert(&a_personnel(50)).await.unwrap();
    cluster.terminate_sessions(database_of(&url)).await;
    let unknown = unit.commit().await.unwrap_err();
    let indeterminate = matches!(unknown, StoreError::Backend(BackendError::Indeterminate { .. }));
    assert!(indeterminate, "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_and_starts_is_found_again() {
    let server = Postgres::start(PostgresOptions::default()).await;
    let url = server.fresh_database().await;
    let options = PgOptions {
        acquire_timeout: Duration::from_secs(3),
        ..few_connections()
    };
    let store = PgStore::open(&url, options).await.unwrap();
    write_one(&store, 1).await.unwrap();
    for round in 2..=3 {
        if round == 2 {
            server.stop().await;
        } else {
            server.kill().await;
        }
        let refused = write_one(&store, 100).await.unwrap_err();
        let unavailable = matches!(refused, StoreError::Backend(BackendError::Unavailable { .. }));
        assert!(unavailable, "{refused:?}");
        server.start_again().await;
        let started = Instant::now();
        while let Err(err) = write_one(&store, round).await {
            assert!(started.elapsed() < Duration::from_secs(30), "{err:?}");
        }
        println!("found again after {:?}", started.elapsed());
        assert!(is_there(&store, round).await);
    }
}
