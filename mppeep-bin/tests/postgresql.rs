//! Commands on PostgreSQL: copies, and a server that is not there.
#![expect(clippy::expect_used, reason = "a test says what it found by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use mppeep_testbed::{Cluster, Postgres, database_of};

/// The command line on one database, with nothing of the environment of whoever runs the tests.
struct Line {
    url: String,
    folder: tempfile::TempDir,
}

impl Line {
    fn on(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mppeep"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("DATABASE_URL", &self.url)
            .env("MPPEEP_DATA_DIR", self.folder.path())
            .env("MPPEEP_LISTEN", "127.0.0.1:0")
            .envs(environment.iter().copied())
            .current_dir(self.folder.path())
            .args(arguments);
        command.output().expect("the binary runs")
    }

    fn well(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments, &[]);
        let said = told(&done);
        assert!(done.status.success(), "{arguments:?}: {said}");
        said
    }

    fn badly(&self, arguments: &[&str], environment: &[(&str, &str)]) -> String {
        let done = self.run(arguments, environment);
        let said = told(&done);
        assert_eq!(done.status.code(), Some(1), "{arguments:?}: {said}");
        said
    }

    fn copies(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path().join("backups")).expect("the folder of copies");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths
    }
}

fn told(done: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    )
}

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

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_brings_everything_back_and_keeps_what_was_there() {
    let cluster = Postgres::shared().await;
    let line = Line::on(&cluster.fresh_database().await);
    line.well(&["demo", "--agents", "30"]);
    let agents = count(cluster, &line, "personnel").await;
    assert_ne!(agents, "0");
    line.well(&["backup"]);
    let copy = line.copies().remove(0);
    assert!(text(&copy).ends_with(".dump"), "{copy:?}");
    let again = line.badly(&["backup", text(&copy)], &[]);
    assert!(again.contains("already exists"), "{again}");

    let database = database_of(&line.url);
    cluster.sql(database, "DELETE FROM activity").await;
    cluster
        .sql(database, "CREATE TABLE of_a_newer_release (x integer)")
        .await;
    cluster.sql(database, "INSERT INTO fact (name, value) VALUES ('identity', 'old') ON CONFLICT (name) DO UPDATE SET value = 'old'").await;
    let said = line.well(&["restore", text(&copy)]);
    assert_ne!(count(cluster, &line, "activity").await, "0", "{said}");
    assert_eq!(count(cluster, &line, "personnel").await, agents);
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

    let kept = line.copies();
    assert_eq!(kept.len(), 2, "the copy, and what was there before: {kept:?}");
    let before = kept
        .iter()
        .find(|path| text(path).contains("before"))
        .expect("a copy");
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
    let mut server = Command::new(env!("CARGO_BIN_EXE_mppeep"))
        .env_clear()
        .env("DATABASE_URL", &line.url)
        .env("MPPEEP_DATA_DIR", line.folder.path())
        .arg("worker")
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("a worker");
    let mut connected = false;
    for _ in 0..100 {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'mppeep'";
        connected = cluster.sql(database_of(&line.url), others).await.trim() != "0";
        if connected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
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
            took >= Duration::from_secs(1) && took < Duration::from_secs(20),
            "{took:?}"
        );
        assert!(said.contains("the database cannot be opened"), "{said}");
        assert!(said.contains(&port.to_string()), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let begun = Instant::now();
    let said = line.badly(&["doctor"], &[]);
    assert!(begun.elapsed() < Duration::from_secs(10), "doctor does not wait");
    assert!(said.contains("ERROR") && !said.contains("hunter2"), "{said}");
}
