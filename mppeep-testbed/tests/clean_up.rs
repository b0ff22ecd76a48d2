//! Nothing outlives the process that wanted it, however that ends.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mppeep_testbed::{Cluster, RedisNode, process};
use rustix::process::Signal;

/// How long a loaded machine may take to clear away.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `mppeep-testbed run` with a shell that says what it was given and waits for the end of its input.
fn run(script: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mppeep-testbed"))
        .args(["run", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the testbed can be started")
}

struct Services {
    processes: Vec<u32>,
    folders: Vec<PathBuf>,
}

async fn services(child: &mut Child) -> Services {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped"))
        .read_line(&mut line)
        .expect("it speaks");
    let (postgres, redis) = line.trim().split_once(' ').expect("two addresses");
    let data = PathBuf::from(Cluster::at(postgres).sql("postgres", "SHOW data_directory").await);
    let first = std::fs::read_to_string(data.join("postmaster.pid")).expect("it runs");
    let master = first
        .lines()
        .next()
        .and_then(|id| id.parse().ok())
        .expect("an id");
    let info = RedisNode::at(redis).cli(&["INFO", "server"]).await;
    let redis_id = info
        .lines()
        .find_map(|line| line.strip_prefix("process_id:")?.trim().parse().ok())
        .expect("an id");
    let directory = RedisNode::at(redis).cli(&["CONFIG", "GET", "dir"]).await;
    let redis_folder = PathBuf::from(directory.lines().nth(1).expect("a folder"));
    let mut processes = process::descendants(master);
    // The one that answered may be about to go.
    processes.retain(|&id| process::runs(id));
    assert!(!processes.is_empty(), "a cluster has processes of its own");
    processes.extend([master, redis_id]);
    assert!(process::runs(master) && process::runs(redis_id), "{processes:?}");
    let folders = vec![data.parent().expect("in a folder").to_path_buf(), redis_folder];
    assert!(folders.iter().all(|folder| folder.is_dir()), "{folders:?}");
    Services { processes, folders }
}

impl Services {
    async fn are_gone(&self) {
        for &id in &self.processes {
            assert!(process::ended(id, PATIENCE).await, "{id} survives");
        }
        let end = Instant::now() + PATIENCE;
        while self.folders.iter().any(|folder| folder.exists()) {
            assert!(Instant::now() < end, "{:?} remain", self.folders);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

const TELL: &str = "echo $MPPEEP_TEST_POSTGRES $MPPEEP_TEST_REDIS; cat >/dev/null; exit 7";

#[tokio::test]
async fn services_end_with_a_process_that_was_killed() {
    let mut child = run(TELL);
    let services = services(&mut child).await;
    child.kill().expect("it can be killed");
    child.wait().expect("it is gone");
    services.are_gone().await;
}

#[tokio::test]
async fn services_end_with_a_process_that_was_killed_while_they_were_stopped() {
    let mut child = run(TELL);
    let services = services(&mut child).await;
    for &id in &services.processes {
        process::send(id, Signal::STOP);
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it is gone");
    services.are_gone().await;
}

#[tokio::test]
async fn services_end_after_their_command_whose_status_is_kept() {
    let mut child = run(TELL);
    let services = services(&mut child).await;
    drop(child.stdin.take());
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(7));
    services.are_gone().await;
}

#[tokio::test]
async fn services_die_with_their_supervisors() {
    let mut child = run(TELL);
    let services = services(&mut child).await;
    let supervisors: Vec<u32> = process::descendants(child.id())
        .into_iter()
        .filter(|&id| {
            std::fs::read(format!("/proc/{id}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains("-supervisor"))
        })
        .collect();
    assert_eq!(supervisors.len(), 2, "{supervisors:?}");
    for &id in &supervisors {
        process::send(id, Signal::KILL);
    }
    for &id in &services.processes {
        assert!(process::ended(id, PATIENCE).await, "{id} survives");
    }
    drop(child.stdin.take());
    child.wait().expect("it ends");
    for folder in &services.folders {
        std::fs::remove_dir_all(folder).expect("nobody was left to remove it");
    }
}

#[test]
fn a_command_that_does_not_exist_is_said() {
    let done = Command::new(env!("CARGO_BIN_EXE_mppeep-testbed"))
        .args(["run", "no-such-command-anywhere"])
        .output()
        .expect("the testbed can be started");
    assert_eq!(done.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&done.stderr).contains("no-such-command-anywhere"));
}
