//! Health tells the truth of each part, says nothing of the inside, and answers when nothing else does (CHECKS E-11).

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mppeep_testbed::{Fault, FaultProxy, Postgres, Redis, RedisOptions, database_of};
use mppeep_tests::server::sqlite3;
use mppeep_tests::{Backend, Client, Launch, Response, Server, backend};
use serde_json::Value;

const HEALTH: &str = "/mppeep/api/v1/health";
const READY: &str = "/mppeep/health/ready";

/// How long a loaded machine may take for what takes seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// Asks until the answer is as wanted: on a loaded machine the database itself may now and then take its second.
async fn until_it(client: &Client, path: &str, wanted: impl Fn(&Response) -> bool) -> Response {
    let begun = Instant::now();
    loop {
        let answer = client.get(path).await;
        if wanted(&answer) {
            return answer;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{path} is never as wanted: {}",
            answer.text()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until health says of a part what is wanted.
async fn until(client: &Client, part: &str, wanted: &str) -> Value {
    until_it(client, HEALTH, |answer| {
        answer.json()["components"][part] == wanted
    })
    .await
    .json()
}

/// Waits until health says that this part is degraded, and that the server goes on.
async fn until_degraded(client: &Client, part: &str) -> Value {
    until_it(client, HEALTH, |answer| {
        let health = answer.json();
        health["components"][part] == "degraded" && health["status"] == "degraded"
    })
    .await
    .expect(200)
    .json()
}

/// E-11
#[tokio::test]
async fn a_server_that_has_everything_is_well() {
    let server = Server::start();
    let client = server.visitor();
    let answer = until_it(&client, HEALTH, |answer| answer.json()["status"] == "ok")
        .await
        .expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(
        answer
            .header_or_empty("content-type")
            .starts_with("application/json")
    );
    let health = answer.json();
    for part in ["database", "disk", "queue"] {
        assert_eq!(health["components"][part], "ok", "{part}: {health:#}");
    }
    assert!(health.get("reasons").is_none(), "{health:#}");
    for path in ["/mppeep/health/live", READY] {
        let answer = until_it(&client, path, |answer| answer.status == 200).await;
        assert_eq!(answer.json()["status"], "ok", "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
}

/// A data folder that takes no file is told of, and so is that it takes files again.
#[tokio::test]
async fn a_disk_that_keeps_nothing_is_told_of() {
    let server = Server::start();
    let client = server.visitor();
    let _well = until(&client, "disk", "ok").await;
    let folder = server.launch().data().to_owned();
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).expect("renamed");
    // A connection that the database opens just now does not find its file.
    let told = until_it(&client, HEALTH, |answer| {
        let health = answer.json();
        let reason = health["reasons"]["disk"].as_str().unwrap_or_default();
        reason.contains("cannot be written") && health["status"] == "degraded"
    });
    let degraded = told.await.expect(200).json();
    assert_eq!(degraded["components"]["disk"], "degraded", "{degraded:#}");
    assert!(!degraded.to_string().contains("mppeep-test"), "{degraded:#}");
    std::fs::rename(&away, &folder).expect("renamed back");
    let _well = until(&client, "disk", "ok").await;
    let left: Vec<String> = std::fs::read_dir(&folder)
        .expect("the data folder")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains("health"))
        .collect();
    assert!(left.len() <= 1, "probes stay behind: {left:?}");
}

/// Jobs that nobody does are told of.
#[tokio::test]
async fn jobs_that_nobody_does_are_told_of() {
    let launch = Launch::on(Backend::Sqlite);
    let server = launch.clone().arg("--no-worker").start();
    let client = server.visitor();
    let _well = until(&client, "queue", "ok").await;
    let long_ago = "(unixepoch() - 7200) * 1000000";
    let _made = sqlite3(
        &server.database(),
        &format!(
            "INSERT INTO job (job_id, queue, state, payload, priority, attempts, max_attempts, run_at, created_at) \
             VALUES (randomblob(16), 'payroll', 'ready', '{{}}', 0, 0, 3, {long_ago}, {long_ago})"
        ),
    );
    let degraded = until(&client, "queue", "degraded").await;
    let reason = degraded["reasons"]["queue"].as_str().expect("a reason");
    assert!(reason.contains("minutes"), "{reason}");
    let _done = sqlite3(&server.database(), "DELETE FROM job");
    let _well = until(&client, "queue", "ok").await;
}

/// A mail server that does not answer is told of, without its name.
#[tokio::test]
async fn a_mail_server_that_is_away_is_told_of() {
    let server = Launch::new().smtp("smtp://somebody:geheim@127.0.0.1:9").start();
    let degraded = until(&server.visitor(), "mail", "degraded").await;
    let text = degraded.to_string();
    for inside in ["geheim", "somebody", "127.0.0.1", "smtp://"] {
        assert!(!text.contains(inside), "{inside}: {text}");
    }
}

/// A Redis that goes away is told of, and everything else goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_goes_away_is_told_of() {
    let redis = Redis::start(RedisOptions::default()).await;
    let server = Launch::new().redis(&redis.url()).start();
    let client = server.visitor();
    let _well = until(&client, "redis", "ok").await;
    redis.kill().await;
    let degraded = until_degraded(&client, "redis").await;
    let text = degraded.to_string();
    for inside in ["redis://", "127.0.0.1", &redis.port().to_string()] {
        assert!(!text.contains(inside), "{inside}: {text}");
    }
    let _in = server.admin().await;
    redis.start_again().await;
    let _well = until(&client, "redis", "ok").await;
}

/// A database that hangs makes health say so within about a second, to any number of those who ask; what needs no
/// database is answered all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_is_told_of_at_once() {
    let postgres = Postgres::shared().await;
    let url = backend::migrated(postgres).await;
    let proxy = FaultProxy::start(&postgres.address());
    let server = Launch::on(Backend::Sqlite)
        .postgres(&postgres.url_through(&proxy.address(), database_of(&url)))
        .start();
    let client = server.visitor();
    let _well = until(&client, "database", "ok").await;
    let _ready = until_it(&client, READY, |answer| answer.status == 200).await;
    proxy.set(Fault::BlackHole).await;
    // What was known a moment ago holds for a moment.
    let begun = Instant::now();
    while client.get(HEALTH).await.status != 503 {
        assert!(begun.elapsed() < PATIENCE, "health does not notice");
    }
    println!("noticed after {:?}", begun.elapsed());
    let begun = Instant::now();
    let answers = join_all((0..100).map(|_| client.get(HEALTH))).await;
    let took = begun.elapsed();
    println!("a hundred answers in {took:?}");
    assert!(
        took < Duration::from_secs(50),
        "those who ask wait for each other: {took:?}"
    );
    for answer in answers {
        let answer = answer.expect(503);
        let health = answer.json();
        assert_eq!(health["status"], "unavailable", "{health:#}");
        assert_eq!(health["components"]["database"], "unavailable");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let text = answer.text();
        for inside in ["postgres://", "127.0.0.1", database_of(&url), "sqlx"] {
            assert!(!text.contains(inside), "{inside}: {text}");
        }
    }
    let begun = Instant::now();
    let _alive = client.get("/mppeep/health/live").await.expect(200);
    let _login = client.get("/mppeep/login").await.expect(200);
    println!("alive and the login page in {:?}", begun.elapsed());
    let _not_ready = client.get(READY).await.expect(503);
    proxy.set(Fault::Pass).await;
    let _well = until(&client, "database", "ok").await;
    let _ready = until_it(&client, READY, |answer| answer.status == 200).await;
}
