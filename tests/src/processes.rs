//! What the kernel tells about a process, and the signals we send.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit, test_kill_process};

fn pid_of(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("a process id fits")).expect("a process id is not zero")
}

/// Sends SIGKILL. A process that is gone already is no error.
pub fn kill(id: u32) {
    let _gone = kill_process(pid_of(id), Signal::KILL);
}

/// Sends SIGTERM. A process that is gone already is no error.
pub fn terminate(id: u32) {
    let _gone = kill_process(pid_of(id), Signal::TERM);
}

/// Sends SIGHUP. A process that is gone already is no error.
pub fn hang_up(id: u32) {
    let _gone = kill_process(pid_of(id), Signal::HUP);
}

/// Sends SIGINT. A process that is gone already is no error.
pub fn interrupt(id: u32) {
    let _gone = kill_process(pid_of(id), Signal::INT);
}

/// Whether a process (or its zombie) exists.
#[must_use]
pub fn exists(id: u32) -> bool {
    test_kill_process(pid_of(id)).is_ok()
}

/// Allows this process, and those it starts later, as many open files as the machine lets it have.
/// Returns that number.
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(65_536).min(65_536);
    let _refused = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(most),
            maximum: limit.maximum,
        },
    );
    getrlimit(Resource::Nofile).current.unwrap_or(most)
}

/// Resident memory of a process in KiB.
#[must_use]
pub fn resident_kib(id: u32) -> u64 {
    status_kib(id, "VmRSS:")
}

/// The most that a process has had resident so far, in KiB.
#[must_use]
pub fn most_resident_kib(id: u32) -> u64 {
    status_kib(id, "VmHWM:")
}

fn status_kib(id: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a live process has a status");
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        .expect("a number of KiB")
}

/// Open descriptors of a process.
#[must_use]
pub fn descriptors(id: u32) -> usize {
    std::fs::read_dir(format!("/proc/{id}/fd"))
        .expect("a live process has descriptors")
        .count()
}

/// Processor time a process has used, in the kernel's ticks (hundredths of a second).
#[must_use]
pub fn processor_ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("a live process has a stat");
    let after_name = stat.rsplit_once(')').expect("the name ends with a bracket").1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
}

/// The children of a process, theirs, and so on.
#[must_use]
pub fn descendants(id: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let child: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat =
                std::fs::read_to_string(PathBuf::from("/proc").join(child.to_string()).join("stat")).ok()?;
            let parent: u32 = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((child, parent))
        })
        .collect();
    let mut found = vec![id];
    let mut next = 0;
    while next < found.len() {
        let parent_id = found[next];
        found.extend(
            parents
                .iter()
                .filter(|(_, parent)| *parent == parent_id)
                .map(|(child, _)| *child),
        );
        next += 1;
    }
    found.remove(0);
    found
}

/// Waits until something holds, asking every 20 ms. Returns whether it came to hold in that time.
pub async fn eventually(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
