//! Commands on PostgreSQL: copies, and a server that is not there.
#![expect(clippy::expect_used, reason = "a test says what it found by panicking")]

mod line;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use mppeep_testbed::{Cluster, Postgres, database_of};

use crate::line::Line;

/// A content as the folder of contents holds it.
const CONTENT: &str = "files/01/019b0000-0000-7000-8000-000000000001";

fn text(path: &Path) -> &str {
    path.to_str().expect("Unicode")
}

async fn count(cluster: &Cluster, line: &Line, what: &str) -> String {
    let question = format!("SELECT count(*) FROM {what}");
    cluster
        .sql(database_of(&line.url), &question)
        .await
        .trim()
        .to_owned()
}

/// Waits until the database has such sessions, or none. It is asked from another one, where whoever asks does not count.
async fn sessions(cluster: &Cluster, line: &Line, such: &str, some: bool) -> bool {
    let question = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND usesysid IS NOT NULL AND {such}",
        database_of(&line.url)
    );
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        let found = cluster.sql("postgres", &question).await.trim() != "0";
        if found == some {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

/// A server notices a while later that a program has ended, and a restore takes its session for that of somebody else.
async fn alone(cluster: &Cluster, line: &Line) {
    assert!(sessions(cluster, line, "true", false).await, "somebody stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_brings_everything_back_and_keeps_what_was_there() {
    let cluster = Postgres::shared().await;
    let line = Line::on(&cluster.fresh_database().await);
    line.well(&["demo", "--agents", "30"]);
    let agents = count(cluster, &line, "personnel").await;
    assert_ne!(agents, "0");
    line.write(CONTENT, "a content");
    let said = line.well(&["backup"]);
    let documents: usize = count(cluster, &line, "stored_file")
        .await
        .parse()
        .expect("a number");
    let contents = format!("(contents of files: {})", documents + 1);
    assert!(documents > 0 && said.contains(&contents), "{said}");
    let copy = line.copies(".dump").remove(0);
    let again = line.badly(&["backup", text(&copy)], &[]);
    assert!(again.contains("already exists"), "{again}");

    std::fs::remove_dir_all(line.folder.path().join("files")).expect("removed");
    let database = database_of(&line.url);
    cluster.sql(database, "DELETE FROM activity").await;
    cluster
        .sql(database, "CREATE TABLE of_a_newer_release (x integer)")
        .await;
    cluster.sql(database, "INSERT INTO fact (name, value) VALUES ('identity', 'old') ON CONFLICT (name) DO UPDATE SET value = 'old'").await;
    alone(cluster, &line).await;
    let said = line.well(&["restore", text(&copy)]);
    assert!(said.contains(&contents), "{said}");
    assert_ne!(count(cluster, &line, "activity").await, "0", "{said}");
    assert_eq!(count(cluster, &line, "personnel").await, agents);
    assert_eq!(line.read(CONTENT), "a content", "{said}");
    assert_eq!(
        count(cluster, &line, "pg_tables WHERE tablename = 'of_a_newer_release'").await,
        "0",
        "nothing of what was there stays in the way of a migration"
    );
    let identity = cluster
        .sql(database, "SELECT value FROM fact WHERE name = 'identity'")
        .await;
    assert_ne!(
        identity.trim(),
        "old",
        "what Redis kept of the time before is not found any more"
    );
    line.well(&["doctor"]);

    let kept = line.copies(".dump");
    assert_eq!(kept.len(), 2, "the copy, and what was there before: {kept:?}");
    let before = kept
        .iter()
        .find(|path| text(path).contains("before"))
        .expect("a copy");
    alone(cluster, &line).await;
    line.well(&["restore", text(before)]);
    assert_eq!(count(cluster, &line, "activity").await, "0");
    assert_eq!(
        count(cluster, &line, "of_a_newer_release").await,
        "0",
        "the table is back, and empty"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_copy_changes_nothing() {
    let cluster = Postgres::shared().await;
    let line = Line::on(&cluster.fresh_database().await);
    line.well(&["demo", "--agents", "10"]);
    let agents = count(cluster, &line, "personnel").await;
    let empty = line.folder.path().join("empty.dump");
    std::fs::write(&empty, "").expect("written");
    line.well(&["backup", "good.dump"]);
    let mut cut = std::fs::read(line.folder.path().join("good.dump")).expect("read");
    cut.truncate(cut.len() / 2);
    std::fs::write(line.folder.path().join("cut.dump"), cut).expect("written");
    for copy in ["empty.dump", "cut.dump", "absent.dump"] {
        alone(cluster, &line).await;
        let said = line.badly(&["restore", copy], &[]);
        assert!(said.contains("nothing was changed"), "{copy}: {said}");
        assert_eq!(count(cluster, &line, "personnel").await, agents, "{copy}");
    }
    let without = line.badly(&["restore", "good.dump"], &[("PATH", "/nowhere")]);
    assert!(without.contains("postgresql-client"), "{without}");
    let without = line.badly(&["backup"], &[("PATH", "/nowhere")]);
    assert!(without.contains("postgresql-client"), "{without}");
    let folder = line.folder.path().join("backups");
    let left = std::fs::read_dir(folder)
        .expect("the folder of copies")
        .filter_map(Result::ok);
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    let scripts = left
        .iter()
        .filter(|name| name.to_string_lossy().ends_with(".sql"));
    assert_eq!(scripts.count(), 0, "no half-made script is left: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_in_use_is_not_replaced() {
    let cluster = Postgres::shared().await;
    let line = Line::on(&cluster.fresh_database().await);
    line.well(&["migrate"]);
    line.well(&["backup", "copy.dump"]);
    alone(cluster, &line).await;
    let mut server = Command::new(env!("CARGO_BIN_EXE_mppeep"))
        .env_clear()
        .env("DATABASE_URL", &line.url)
        .env("MPPEEP_DATA_DIR", line.folder.path())
        .arg("worker")
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("a worker");
    // One that lasts, unlike the one that looks at the schema.
    let lasting = "application_name = 'mppeep' AND backend_start < clock_timestamp() - interval '1 second'";
    let connected = sessions(cluster, &line, lasting, true).await;
    let said = connected.then(|| line.badly(&["restore", "copy.dump"], &[]));
    let _gone = server.kill();
    let _reaped = server.wait();
    let said = said.expect("the worker connects");
    assert!(said.contains("stop the servers and workers first"), "{said}");
}

#[test]
fn a_start_without_the_database_ends_with_its_reason() {
    let port = mppeep_testbed::free_port();
    let line = Line::on(&format!("postgres://mppeep:hunter2@127.0.0.1:{port}/mppeep"));
    for command in ["serve", "worker", "migrate"] {
        let begun = Instant::now();
        let said = line.badly(&[command], &[("MPPEEP_DATABASE_WAIT_SECONDS", "2")]);
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_secs(1) && took < Duration::from_secs(30),
            "{took:?}"
        );
        assert!(said.contains("the database cannot be opened"), "{said}");
        assert!(said.contains(&port.to_string()), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let begun = Instant::now();
    let said = line.badly(&["doctor"], &[]);
    assert!(begun.elapsed() < Duration::from_secs(25), "doctor does not wait");
    assert!(said.contains("ERROR") && !said.contains("hunter2"), "{said}");
}
