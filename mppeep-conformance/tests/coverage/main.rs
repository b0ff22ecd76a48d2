//! The table of the README, made from the list of checks, from what the checks say of themselves, and from what the
//! adapters list: which invariant is held on which backend, and by what.
//!
//! `MPPEEP_WRITE_COVERAGE=1 cargo test -p mppeep-conformance --test coverage` writes it anew.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod invariants;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use invariants::{ABOVE, GAPS, INVARIANTS, OWN};

/// Backends, with the files in which they list ports.
const BACKENDS: [(&str, &str); 4] = [
    ("memory", "mppeep-cache-memory/tests/conformance.rs"),
    ("SQLite", "mppeep-store-sqlite/tests/conformance.rs"),
    ("PostgreSQL", "mppeep-store-pg/tests/conformance/main.rs"),
    ("Redis", "mppeep-cache-redis/tests/conformance.rs"),
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path)).unwrap_or_else(|err| panic!("{path}: {err}"))
}

/// The ports that a text lists by `conformance_tests!(port, …)` or `conformance_tests! { port, … }`.
fn listed_ports(text: &str) -> BTreeSet<String> {
    text.split("conformance_tests!")
        .skip(1)
        .filter_map(|rest| {
            let rest = rest.trim_start().strip_prefix(['(', '{'])?;
            Some(rest.split_once(',')?.0.trim().to_owned())
        })
        .collect()
}

/// A check: its group and its name.
type Check = (String, String);

/// The checks of each port, as the list has them, those of the ports within `store` among its own.
fn checks_by_port() -> BTreeMap<String, BTreeSet<Check>> {
    let list = read("mppeep-conformance/src/list.rs");
    let mut ports: BTreeMap<String, BTreeSet<Check>> = BTreeMap::new();
    let mut nested: Vec<(String, String)> = Vec::new();
    for arm in list
        .split("$harness:expr) => {")
        .skip(1)
        .zip(list.split("$harness:expr) => {"))
    {
        let (body, before) = arm;
        let port = before
            .rsplit('(')
            .next()
            .unwrap()
            .trim()
            .trim_end_matches(',')
            .to_owned();
        let body = body.split("$harness:expr").next().unwrap();
        for group in body.split("__conformance_group! {").skip(1) {
            let (name, rest) = group.split_once(',').unwrap();
            let Some((_, checks)) = rest.split_once('[') else {
                continue;
            };
            for check in checks.split(']').next().unwrap().split_whitespace() {
                ports
                    .entry(port.clone())
                    .or_default()
                    .insert((name.trim().to_owned(), check.to_owned()));
            }
        }
        nested.extend(listed_ports(body).into_iter().map(|inner| (port.clone(), inner)));
    }
    for (outer, inner) in nested {
        let checks = ports.get(&inner).cloned().unwrap_or_default();
        ports.get_mut(&outer).unwrap().extend(checks);
    }
    ports.retain(|port, _| port.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
    ports
}

/// The invariants that a comment names before its first colon.
fn named(comment: &str) -> Vec<String> {
    let Some((head, _)) = comment.split_once(':') else {
        return Vec::new();
    };
    let ids: Vec<String> = head.split(", ").map(str::to_owned).collect();
    let known = |id: &String| INVARIANTS.iter().any(|(known, _)| known == id);
    if ids.iter().all(known) { ids } else { Vec::new() }
}

/// What each check says that it holds, by the comment above it.
fn held() -> BTreeMap<Check, Vec<String>> {
    let mut held = BTreeMap::new();
    let sources = workspace().join("mppeep-conformance/src");
    for entry in std::fs::read_dir(sources).unwrap() {
        let path = entry.unwrap().path();
        let group = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut comment = String::new();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            if let Some(text) = line.strip_prefix("///") {
                comment.push_str(text.trim());
                comment.push(' ');
            } else if let Some(rest) = line.strip_prefix("pub async fn ") {
                let name = rest.split('(').next().unwrap().to_owned();
                held.insert((group.clone(), name), named(&comment));
                comment.clear();
            } else {
                comment.clear();
            }
        }
    }
    held
}

/// For each invariant and backend, how many checks of the suite hold it there.
fn counts() -> BTreeMap<(&'static str, &'static str), usize> {
    let (ports, held) = (checks_by_port(), held());
    let mut counts = BTreeMap::new();
    for (backend, file) in BACKENDS {
        let checks: BTreeSet<&Check> = listed_ports(&read(file))
            .iter()
            .flat_map(|port| ports.get(port).unwrap_or_else(|| panic!("{file} lists {port}")))
            .collect();
        for check in checks {
            for id in held
                .get(check)
                .unwrap_or_else(|| panic!("{check:?} is listed and not written"))
            {
                let (id, _) = INVARIANTS.iter().find(|(known, _)| known == id).unwrap();
                *counts.entry((*id, backend)).or_insert(0) += 1;
            }
        }
    }
    counts
}

/// Whether a file of the workspace has that test.
fn assert_test(file: &str, test: &str) {
    let text = read(file);
    let found = text.contains(&format!("fn {test}(")) || text.contains(&format!("mod {test} {{"));
    assert!(found, "{file} has no test {test}");
}

fn own(id: &str, backend: &str) -> Vec<(&'static str, &'static str)> {
    let theirs = OWN.iter().filter(|(of, on, _, _)| *of == id && *on == backend);
    theirs.map(|(_, _, file, test)| (*file, *test)).collect()
}

fn table() -> String {
    let counts = counts();
    let mut table = String::from(
        "| invariant | memory | SQLite | PostgreSQL | Redis |\n| --- | --- | --- | --- | --- |\n",
    );
    let mut notes: Vec<&str> = Vec::new();
    let mut wrong: Vec<String> = Vec::new();
    for (id, what) in INVARIANTS {
        write!(table, "| **{id}** {what}").unwrap();
        let above: Vec<_> = ABOVE.iter().filter(|(of, _, _)| of == id).collect();
        if !above.is_empty() {
            table.push_str(" *(and above the ports)*");
        }
        for (_, file, test) in above {
            assert_test(file, test);
        }
        for (backend, _) in BACKENDS {
            let count = counts.get(&(*id, backend)).copied().unwrap_or(0);
            let own = own(id, backend);
            for (file, test) in &own {
                assert_test(file, test);
            }
            let gap = GAPS.iter().find(|(of, on, _)| of == id && on.contains(&backend));
            let mut parts = Vec::new();
            if count > 0 {
                parts.push(format!("{count}"));
            }
            if !own.is_empty() {
                parts.push(format!("{} own", own.len()));
            }
            let cell = match (parts.is_empty(), gap) {
                (false, None) => parts.join(" + "),
                (true, Some((_, _, why))) => {
                    let number = notes.iter().position(|note| note == why).unwrap_or_else(|| {
                        notes.push(why);
                        notes.len() - 1
                    });
                    format!("– ({})", number + 1)
                }
                (true, None) => {
                    wrong.push(format!("{id} is not held on {backend}, and nobody says why"));
                    String::new()
                }
                (false, Some(_)) => {
                    wrong.push(format!("{id} is held on {backend}, and said not to be"));
                    String::new()
                }
            };
            write!(table, " | {cell}").unwrap();
        }
        table.push_str(" |\n");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    table.push('\n');
    for (number, note) in notes.iter().enumerate() {
        writeln!(table, "{}. {note}", number + 1).unwrap();
    }
    table
}

const BEGIN: &str = "<!-- coverage -->\n";
const END: &str = "<!-- end of coverage -->";

#[test]
fn the_table_of_the_readme_is_what_is_checked() {
    let path = workspace().join("mppeep-conformance/README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (stated, after) = rest.split_once(END).unwrap();
    let table = table();
    if std::env::var_os("MPPEEP_WRITE_COVERAGE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert!(
        stated == table,
        "the table has changed: write it anew with MPPEEP_WRITE_COVERAGE=1\n{table}"
    );
}

#[test]
fn every_check_is_listed() {
    let listed: BTreeSet<Check> = checks_by_port().into_values().flatten().collect();
    for check in held().into_keys() {
        assert!(listed.contains(&check), "{check:?} is written and not listed");
    }
}

#[test]
fn every_invariant_is_known_once() {
    let ids: BTreeSet<&str> = INVARIANTS.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), INVARIANTS.len());
    let mentioned = OWN.iter().map(|(id, ..)| *id);
    let mentioned = mentioned.chain(ABOVE.iter().map(|(id, ..)| *id));
    for id in mentioned.chain(GAPS.iter().map(|(id, ..)| *id)) {
        assert!(ids.contains(id), "{id}");
    }
    for (_, backend, _, _) in OWN {
        assert!(BACKENDS.iter().any(|(known, _)| known == backend), "{backend}");
    }
}
