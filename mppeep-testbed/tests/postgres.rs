//! A private cluster starts, suffers and comes back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mppeep_testbed::{Cluster, PgBouncer, Postgres, PostgresOptions, database_of, process};

#[tokio::test]
async fn a_cluster_keeps_what_it_was_told_over_a_kill_and_a_restart() {
    let postgres = Postgres::start(PostgresOptions {
        durable: true,
        max_connections: 23,
        settings: vec![("work_mem".into(), "5MB".into())],
    })
    .await;
    postgres.create_database("kept").await;
    postgres.sql("kept", "CREATE TABLE words (word text)").await;
    postgres.sql("kept", "INSERT INTO words VALUES ('été')").await;
    assert_eq!(postgres.sql("kept", "SHOW max_connections").await, "23");
    assert_eq!(postgres.sql("kept", "SHOW work_mem").await, "5MB");
    assert_eq!(postgres.sql("kept", "SHOW fsync").await, "on");

    let children = process::descendants(postgres.id());
    assert!(!children.is_empty(), "a cluster has processes of its own");
    postgres.kill().await;
    assert!(!postgres.runs());
    assert!(children.iter().all(|&child| !process::runs(child)));
    assert!(postgres.try_sql("kept", "SELECT 1").await.is_err());

    postgres.start_again().await;
    assert_eq!(postgres.sql("kept", "SELECT word FROM words").await, "été");
    let first = postgres.id();
    postgres.restart().await;
    assert_ne!(postgres.id(), first);
    assert_eq!(postgres.sql("kept", "SELECT word FROM words").await, "été");

    let folder = postgres.folder().to_path_buf();
    let last = postgres.id();
    drop(postgres);
    assert!(!process::runs(last), "it ends with its value");
    assert!(!folder.exists(), "and its folder with it");
}

#[tokio::test]
async fn a_paused_cluster_answers_nobody_and_goes_on_later() {
    let postgres = Postgres::start(PostgresOptions::default()).await;
    postgres.pause();
    let asked = postgres.try_sql("postgres", "SELECT 1");
    tokio::pin!(asked);
    assert!(
        tokio::time::timeout(Duration::from_millis(500), &mut asked)
            .await
            .is_err(),
        "nobody answers"
    );
    postgres.resume();
    assert_eq!(asked.await.as_deref(), Ok("1"), "the question waited");
}

#[tokio::test]
async fn a_cluster_counts_its_statements() {
    let postgres = Postgres::start(PostgresOptions::default()).await;
    let url = postgres.fresh_database().await;
    for _ in 0..3 {
        postgres.sql(database_of(&url), "SELECT 1234 AS marked").await;
    }
    let calls = postgres
        .sql(
            "postgres",
            "SELECT calls FROM pg_stat_statements WHERE query LIKE '%AS marked%' AND query NOT LIKE '%LIKE%'",
        )
        .await;
    assert_eq!(calls, "3");
}

#[tokio::test]
async fn sessions_are_ended_from_outside() {
    let cluster = Postgres::shared().await;
    let url = cluster.fresh_database().await;
    let name = database_of(&url);
    let sleeper = cluster.try_sql(name, "SELECT pg_sleep(600)");
    let (ended, ()) = tokio::join!(sleeper, async {
        while cluster.terminate_sessions(name).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let words = ended.expect_err("its session was ended");
    assert!(words.contains("terminating connection"), "{words}");
}

#[tokio::test]
async fn a_template_is_filled_once_and_copied_often() {
    let cluster = Postgres::shared().await;
    let filled = AtomicUsize::new(0);
    let name = format!("words_{}", std::process::id());
    let ask = async || {
        cluster
            .template(&name, async |url| {
                filled.fetch_add(1, Ordering::SeqCst);
                cluster
                    .sql(
                        database_of(&url),
                        "CREATE TABLE words AS SELECT 'one' AS word; SELECT pg_sleep(0.2)",
                    )
                    .await;
            })
            .await
    };
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    assert_eq!(filled.load(Ordering::SeqCst), 1);
    assert_eq!((&first, &first), (&second, &third));

    let (one, two) = tokio::join!(cluster.fresh_from(&first), cluster.fresh_from(&first));
    assert_ne!(one, two);
    cluster.sql(database_of(&one), "DELETE FROM words").await;
    assert_eq!(
        cluster.sql(database_of(&one), "SELECT count(*) FROM words").await,
        "0"
    );
    assert_eq!(
        cluster.sql(database_of(&two), "SELECT count(*) FROM words").await,
        "1"
    );
    let begun = std::time::Instant::now();
    cluster.fresh_from(&first).await;
    println!("a copy of a template takes {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_template_left_half_filled_is_made_anew() {
    let cluster = Postgres::shared().await;
    let name = format!("half_{}", std::process::id());
    let (tell, half_filled) = tokio::sync::oneshot::channel();
    let broken = cluster.template(&name, async |url| {
        cluster.sql(database_of(&url), "CREATE TABLE halves ()").await;
        tell.send(()).expect("somebody waits for it");
        std::future::pending::<()>().await;
    });
    // Given up in the middle, as by a test that fails there.
    tokio::select! {
        made = broken => panic!("{made} was filled"),
        told = half_filled => told.expect("half of it is there"),
    }
    let made = cluster
        .template(&name, async |url| {
            cluster.sql(database_of(&url), "CREATE TABLE whole ()").await;
        })
        .await;
    let url = cluster.fresh_from(&made).await;
    let tables = "SELECT string_agg(relname, ',') FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(cluster.sql(database_of(&url), tables).await, "whole");
}

#[tokio::test]
async fn the_databases_of_processes_that_are_gone_are_swept_away() {
    let postgres = Postgres::start(PostgresOptions::default()).await;
    let url = postgres.fresh_database().await;
    let mut gone = std::process::Command::new("true")
        .spawn()
        .expect("true can be run");
    gone.wait().expect("it ends");
    let orphan = format!("test_{}_0_0", gone.id());
    postgres.create_database(&orphan).await;
    postgres.sweep().await;
    let names = postgres.sql("postgres", "SELECT datname FROM pg_database").await;
    assert!(!names.contains(&orphan), "{names}");
    assert!(names.contains(database_of(&url)), "{names}");
}

#[tokio::test]
async fn pgbouncer_gives_a_session_of_the_server_to_one_transaction_after_the_other() {
    let postgres = Postgres::start(PostgresOptions::default()).await;
    let url = postgres.fresh_database().await;
    let bouncer = PgBouncer::start(&postgres, 1).await;
    println!(
        "this PgBouncer follows prepared statements: {}",
        bouncer.prepares()
    );
    let through = Cluster::at(&bouncer.address());
    let name = database_of(&url);
    assert_eq!(bouncer.url(name), through.url(name));
    let session = "SELECT pg_backend_pid()";
    let first = through.sql(name, session).await;
    assert_eq!(through.sql(name, session).await, first);
    assert_ne!(postgres.sql(name, session).await, first);
    bouncer.stop().await;
    assert!(through.try_sql(name, session).await.is_err());
}
