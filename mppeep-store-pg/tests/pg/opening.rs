//! Opening a database: which ones are taken, which are refused, and that several processes may start at once (COM-12).

use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::store::Store;
use mppeep_store_pg::{OpenError, PgStore};
use mppeep_testbed::{Postgres, database_of, free_port};

use crate::support::{fresh, is_there, unhurried, write_one};

async fn open(url: &str) -> Result<PgStore, OpenError> {
    PgStore::open(url, unhurried()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_starts_at_once_all_finish_and_a_second_one_changes_nothing() {
    let (cluster, url) = fresh().await;
    let starts: Vec<_> = (0..12)
        .map(|number| {
            let url = url.clone();
            tokio::spawn(async move {
                let store = open(&url).await.unwrap();
                write_one(&store, number).await.unwrap();
                store.close().await;
            })
        })
        .collect();
    for start in starts {
        start.await.unwrap();
    }
    let database = database_of(&url);
    let migrations = "SELECT version, installed_on, encode(checksum, 'hex') FROM _sqlx_migrations ORDER BY 1";
    let before = cluster.sql(database, migrations).await;
    let carried = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
    assert_eq!(before.lines().count(), carried.count());
    let store = open(&url).await.unwrap();
    assert_eq!(cluster.sql(database, migrations).await, before);
    for number in 0..12 {
        assert!(is_there(&store, number).await);
    }
}

#[tokio::test]
async fn a_start_waits_for_no_writer_once_the_schema_is_there() {
    let (_, url) = fresh().await;
    let first = open(&url).await.unwrap();
    let mut unit = first.begin().await.unwrap();
    unit.personnel()
        .insert(&crate::support::a_personnel(1))
        .await
        .unwrap();
    let second = open(&url).await.unwrap();
    second.ping().await.unwrap();
    unit.commit().await.unwrap();
}

#[tokio::test]
async fn the_owner_of_a_database_needs_no_more_rights() {
    let cluster = Postgres::shared().await;
    let url = cluster.fresh_database().await;
    let database = database_of(&url);
    let owner = format!("owner_{database}");
    cluster
        .sql("postgres", &format!("CREATE ROLE \"{owner}\" LOGIN"))
        .await;
    cluster
        .sql(
            "postgres",
            &format!("ALTER DATABASE \"{database}\" OWNER TO \"{owner}\""),
        )
        .await;
    let store = open(&format!("postgres://{owner}@{}/{database}", cluster.address()))
        .await
        .unwrap();
    write_one(&store, 1).await.unwrap();
    let status = store.check().await.unwrap();
    assert!(
        status
            .server_version
            .starts_with(|first: char| first.is_ascii_digit())
    );
    assert!(status.schema_version >= 20_261_122_180_000 && status.server_connections > 0);
    assert_eq!((status.units.most, status.quick.most), (16, 4));
    assert!(status.quick.open >= 1);
}

#[tokio::test]
async fn databases_of_others_are_refused_and_left_alone() {
    let (cluster, url) = fresh().await;
    let database = database_of(&url);
    cluster.sql(database, "CREATE TABLE theirs (id integer)").await;
    let refused = open(&url).await.unwrap_err();
    assert!(matches!(refused, OpenError::Foreign { .. }), "{refused:?}");
    let tables = "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(cluster.sql(database, tables).await, "theirs");

    let latin = format!("latin_{database}");
    cluster
        .sql(
            "postgres",
            &format!("CREATE DATABASE \"{latin}\" TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"),
        )
        .await;
    let refused = open(&cluster.url(&latin)).await.unwrap_err();
    assert!(matches!(refused, OpenError::Encoding { .. }), "{refused:?}");
    cluster
        .sql("postgres", &format!("DROP DATABASE \"{latin}\" WITH (FORCE)"))
        .await;
}

#[tokio::test]
async fn the_schema_of_a_newer_release_is_refused() {
    let (cluster, url) = fresh().await;
    open(&url).await.unwrap().close().await;
    let database = database_of(&url);
    cluster
        .sql(
            database,
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (99990101000000, 'from the future', true, '', 0)",
        )
        .await;
    let refused = open(&url).await.unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::NewerSchema {
                version: 99_990_101_000_000,
                ..
            }
        ),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("newer release"), "{refused}");
    cluster
        .sql(
            database,
            "DELETE FROM _sqlx_migrations WHERE version = 99990101000000; UPDATE _sqlx_migrations SET checksum = ''",
        )
        .await;
    let refused = open(&url).await.unwrap_err();
    assert!(
        matches!(refused, OpenError::ChangedMigration { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_failed_start_says_where_and_never_the_password() {
    let unread = open("postgres://mppeep:s3cret@[/nowhere").await.unwrap_err();
    let refused = open(&format!(
        "postgres://mppeep:s3cret@127.0.0.1:{}/absent",
        free_port()
    ))
    .await
    .unwrap_err();
    let unavailable = matches!(
        refused,
        OpenError::Backend {
            source: BackendError::Unavailable { .. },
            ..
        }
    );
    assert!(unavailable, "{refused:?}");
    assert!(refused.to_string().contains("127.0.0.1:"), "{refused}");
    for failure in [&unread, &refused] {
        assert!(
            !format!("{failure} {failure:?}").contains("s3cret"),
            "{failure:?}"
        );
    }
    let (cluster, url) = fresh().await;
    let absent = open(&format!("{url}_absent")).await.unwrap_err();
    assert!(format!("{absent:?}").contains("Unavailable"), "{absent:?}");
    let store = open(&url).await.unwrap();
    assert_eq!(
        store.place(),
        format!("{}/{}", cluster.address(), database_of(&url))
    );
    assert!(format!("{store:?}").contains(database_of(&url)));
}
