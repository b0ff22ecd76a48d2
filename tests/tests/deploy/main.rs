//! What stands in `deploy/` fits the binary it deploys, and gives nothing away: the compose file, the image, the tunnel, nginx
//! (which `rolling` runs), the units of systemd, and the settings that the documentation names.

mod compose;
mod health;
mod host;
mod image;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mppeep_tests::Launch;
use mppeep_tests::binary::workspace;
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    workspace().join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|problem| panic!("{name}: {problem}"))
}

/// A file of YAML, its merge keys applied, as JSON.
fn yaml(name: &str) -> Value {
    let mut document: serde_norway::Value =
        serde_norway::from_str(&text(name)).unwrap_or_else(|problem| panic!("{name}: {problem}"));
    // What is merged may merge something itself.
    for _ in 0..3 {
        document.apply_merge().expect("merge keys name mappings");
    }
    serde_json::to_value(document).expect("keys are text")
}

fn strings(value: &Value) -> Vec<&str> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).collect()
}

fn entries(value: &Value) -> Vec<(&str, &Value)> {
    let map = value
        .as_object()
        .unwrap_or_else(|| panic!("a mapping, not {value}"));
    map.iter().map(|(name, value)| (name.as_str(), value)).collect()
}

/// Every file below `deploy/` with its text.
fn deployed() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("deploy/").filter_map(Result::ok) {
            match entry.path() {
                // Made by whoever deploys, and kept out of the repository.
                inner if inner.ends_with("secrets") => {}
                inner if inner.is_dir() => walk(&inner, found),
                file => found.push(file),
            }
        }
    }
    let mut found = Vec::new();
    walk(&path("deploy"), &mut found);
    assert!(found.len() >= 9, "{found:?}");
    let read = |file: PathBuf| {
        let name = file
            .strip_prefix(workspace())
            .expect("below the workspace")
            .display()
            .to_string();
        (name.clone(), text(&name))
    };
    found.into_iter().map(read).collect()
}

/// The names of variables in a text: `MPPEEP_…`, `DATABASE_URL`, `REDIS_URL`, and the same with `_FILE`.
fn variables(text: &str) -> BTreeSet<String> {
    text.split(|sign: char| !(sign.is_ascii_uppercase() || sign.is_ascii_digit() || sign == '_'))
        .filter(|word| {
            let base = word.strip_suffix("_FILE").unwrap_or(word);
            (base.starts_with("MPPEEP_") && base.len() > "MPPEEP_".len())
                || ["DATABASE_URL", "REDIS_URL"].contains(&base)
        })
        .filter(|word| !word.ends_with('_'))
        .map(str::to_owned)
        .collect()
}

/// The variables that the binary knows, with their defaults.
fn known() -> BTreeMap<String, String> {
    let shown = Launch::new()
        .without("MPPEEP_LISTEN")
        .run_well(&["config", "check", "--json"]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let lines = shown.as_array().expect("a list").iter();
    lines
        .map(|line| {
            let field = |name: &str| line[name].as_str().expect("text").to_owned();
            (field("variable"), field("value"))
        })
        .collect()
}

#[test]
fn every_variable_that_is_named_exists() {
    let known = known();
    assert!(known.len() > 30, "{known:?}");
    let mut named = 0;
    let documents = ["docs/operator.md", "README.md"].map(|name| (name.to_owned(), text(name)));
    for (name, text) in deployed().into_iter().chain(documents) {
        for variable in variables(&text) {
            assert!(
                known.contains_key(&variable),
                "{name} names {variable}, which mppeep does not know"
            );
            named += 1;
        }
    }
    assert!(named > 40, "{named} names");
}

#[test]
fn every_variable_that_exists_is_documented() {
    let operator = text("docs/operator.md");
    let rows: Vec<&str> = operator.lines().filter(|line| line.starts_with('|')).collect();
    for variable in known().into_keys() {
        let described = rows.iter().any(|row| {
            let names = row.split('|').nth(1).unwrap_or_default();
            let base = variable.strip_suffix("_FILE").unwrap_or(&variable);
            names.contains(&format!("`{variable}`"))
                || (base != variable && names.contains(&format!("`{base}`")) && names.contains("`…_FILE`"))
        });
        assert!(
            described,
            "the table of settings in docs/operator.md does not have {variable}"
        );
    }
}
