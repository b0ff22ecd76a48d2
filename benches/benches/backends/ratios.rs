//! What was measured, beside the bare client.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The bare client in each group, as it reads.
pub(crate) const BARE: &str = "bare client";
/// The same, with a value as large as those of the cache.
pub(crate) const BARE_VALUE: &str = "bare client, ten kilobytes";
/// The same, as it writes what is on the disk afterwards.
pub(crate) const BARE_WRITE: &str = "bare client, a write";
/// The same, as it writes to a table that a crash may empty.
pub(crate) const BARE_LOOSE: &str = "bare client, a write that may be lost";

/// Beside what a port is measured, and how often it does that. Where the backend has no such bench, it is [`BARE`].
fn beside(port: &str) -> (&'static str, f64) {
    match port {
        "Cache::lookup, found" => (BARE_VALUE, 1.0),
        "RateLimiter::take" => (BARE_LOOSE, 1.0),
        "Counters::add of ten" => (BARE_WRITE, 1.0),
        "LoginAttempts::begin and settle" | "Locks: acquire and release" => (BARE_WRITE, 2.0),
        "JobQueue: enqueue, claim and settle" => (BARE_WRITE, 3.0),
        _ => (BARE, 1.0),
    }
}

/// Where criterion keeps what it measured.
fn results() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    std::env::var_os("CRITERION_HOME").map_or_else(|| target.join("criterion"), PathBuf::from)
}

/// Medians of a group by the name of the bench, in nanoseconds.
fn medians(group: &str) -> BTreeMap<String, f64> {
    let Ok(benches) = std::fs::read_dir(results().join(group)) else {
        return BTreeMap::new();
    };
    let read = |folder: PathBuf| {
        let read = |name: &str| -> Option<serde_json::Value> {
            let text = std::fs::read_to_string(folder.join("new").join(name)).ok()?;
            serde_json::from_str(&text).ok()
        };
        let name = read("benchmark.json")?.get("function_id")?.as_str()?.to_owned();
        let median = read("estimates.json")?
            .pointer("/median/point_estimate")?
            .as_f64()?;
        Some((name, median))
    };
    benches
        .filter_map(Result::ok)
        .filter_map(|entry| read(entry.path()))
        .collect()
}

/// Prints what was measured in these groups.
pub(crate) fn print(groups: &[&str]) {
    println!(
        "\n{:<12} {:<38} {:>12} {:>8}  beside",
        "backend", "port", "median, µs", "ratio"
    );
    for group in groups {
        let medians = medians(group);
        for (name, median) in &medians {
            let (bare, times) = match beside(name) {
                (bare, times) if medians.contains_key(bare) => (bare, times),
                _ => (BARE, 1.0),
            };
            let ratio = match medians.get(bare) {
                Some(one) if !name.starts_with(BARE) => {
                    let count = if times > 1.0 {
                        format!("{times} × ")
                    } else {
                        String::new()
                    };
                    format!("{:>8.2}  {count}{bare}", median / (one * times))
                }
                _ => String::new(),
            };
            println!("{group:<12} {name:<38} {:>12.1} {ratio}", median / 1_000.0);
        }
    }
}
