//! Behind a pooler that lends servers by the transaction.

use mppeep_core::ports::epochs::{Epochs, Namespace};
use mppeep_core::ports::session::{Created, SessionStore};
use mppeep_core::ports::store::Store;
use mppeep_store_pg::{PgOptions, PgStore};
use mppeep_testbed::{PgBouncer, Postgres, database_of};

use crate::support::{a_session, a_user, is_there, nothing_is_left_open, token, unhurried, write_one};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_and_single_statements_work_when_every_one_gets_another_server() {
    let cluster = Postgres::shared().await;
    // Fewer servers than clients: what a connection left on one would be met by others.
    let bouncer = PgBouncer::start(cluster, 3).await;
    let url = cluster.fresh_database().await;
    let options = PgOptions {
        pooler: true,
        ..unhurried()
    };
    let through = bouncer.url(database_of(&url));
    let stores = [
        PgStore::open(&through, options.clone()).await.unwrap(),
        PgStore::open(&through, options).await.unwrap(),
    ];
    let mut unit = stores[0].begin().await.unwrap();
    unit.users().insert(&a_user(1), None).await.unwrap();
    unit.commit().await.unwrap();
    let tasks: Vec<_> = (0..12_u32)
        .map(|task| {
            let store = stores[usize::from(task % 2 == 0)].clone();
            tokio::spawn(async move {
                for round in 0..10 {
                    let number = task * 100 + round;
                    write_one(&store, number).await.unwrap();
                    assert!(is_there(&store, number).await);
                    assert_eq!(store.create(a_session(number, 1)).await.unwrap(), Created::Done);
                    assert!(store.load(&token(number).key(), None).await.unwrap().is_some());
                    let mut unit = store.begin().await.unwrap();
                    unit.bump(&[Namespace::PERSONNEL]).await.unwrap();
                    unit.commit().await.unwrap();
                    store.ping().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let epochs = stores[0].current().await.unwrap();
    let files = epochs
        .iter()
        .find(|epoch| epoch.namespace == Namespace::PERSONNEL);
    assert_eq!(files.unwrap().value, 120);
    nothing_is_left_open(cluster, &url).await;

    // The limits hold within units, and nothing of them stays behind on the servers.
    let left = cluster
        .sql("postgres", "SELECT current_setting('statement_timeout')")
        .await;
    let through_pooler = mppeep_testbed::Cluster::at(&bouncer.address());
    for _ in 0..5 {
        let met = through_pooler
            .sql(database_of(&url), "SELECT current_setting('statement_timeout')")
            .await;
        assert_eq!(met, left);
    }
}
