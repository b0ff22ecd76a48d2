//! Signals to a process and to those it started.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// What `/proc` says about one process.
struct Entry {
    id: u32,
    parent: u32,
    dead: bool,
}

fn entry(id: u32) -> Option<Entry> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in parentheses and may contain anything: the fields begin after the last one.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Entry {
        id,
        parent,
        dead: state == "Z" || state == "X",
    })
}

/// Whether a process runs (or is stopped); a zombie does not.
#[must_use]
pub fn runs(id: u32) -> bool {
    entry(id).is_some_and(|entry| !entry.dead)
}

/// The living descendants of a process, without itself.
#[must_use]
pub fn descendants(id: u32) -> Vec<u32> {
    let all: Vec<Entry> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(entry)
        .collect();
    let mut family = vec![id];
    let mut next = 0;
    while next < family.len() {
        let parent = family[next];
        family.extend(
            all.iter()
                .filter(|entry| entry.parent == parent)
                .map(|entry| entry.id),
        );
        next += 1;
    }
    family.remove(0);
    family.retain(|&member| all.iter().any(|entry| entry.id == member && !entry.dead));
    family
}

/// Sends a signal. A process that is gone already is no error.
///
/// # Panics
///
/// When the number is not one of a process.
pub fn send(id: u32, signal: Signal) {
    let id = i32::try_from(id).expect("a process id fits");
    let _gone = kill_process(Pid::from_raw(id).expect("a process id is not zero"), signal);
}

/// Ends a process and all its descendants at once, as a machine that fails would.
pub fn kill_tree(id: u32) {
    // Stopped first, so that it starts no more children while we look for them.
    send(id, Signal::STOP);
    let family = descendants(id);
    send(id, Signal::KILL);
    for member in family {
        send(member, Signal::KILL);
    }
}

/// Stops a process and all its descendants: they keep their sockets and answer nothing.
pub fn pause_tree(id: u32) {
    send(id, Signal::STOP);
    for member in descendants(id) {
        send(member, Signal::STOP);
    }
}

/// Lets a stopped process and its descendants go on.
pub fn resume_tree(id: u32) {
    for member in descendants(id) {
        send(member, Signal::CONT);
    }
    send(id, Signal::CONT);
}

/// Waits until a process has ended. `false`: it still runs after the patience.
pub async fn ended(id: u32, patience: Duration) -> bool {
    let end = Instant::now() + patience;
    while runs(id) {
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}
