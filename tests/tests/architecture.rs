//! The arrows between the rooms, and what may come into the house from outside, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, PackageId};
use mppeep_tests::binary::workspace;

fn metadata() -> &'static Metadata {
    static METADATA: OnceLock<Metadata> = OnceLock::new();
    METADATA.get_or_init(|| {
        MetadataCommand::new()
            .manifest_path(workspace().join("Cargo.toml"))
            .features(CargoOpt::AllFeatures)
            // Crates of other platforms are neither shipped nor there.
            .other_options(["--offline", "--locked", "--filter-platform", &host()].map(str::to_owned))
            .exec()
            .expect("cargo metadata")
    })
}

/// The platform that this is compiled for.
fn host() -> String {
    let done = std::process::Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc");
    let told = String::from_utf8_lossy(&done.stdout);
    told.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("a host")
        .to_owned()
}

/// What each member depends on directly when it is shipped: rooms, and crates from outside.
fn normal_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let members = metadata().workspace_packages().into_iter();
    members
        .map(|package| {
            let names = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal);
            (
                package.name.to_string(),
                names.map(|dependency| dependency.name.clone()).collect(),
            )
        })
        .collect()
}

fn is_room(name: &str) -> bool {
    name == "mppeep" || name.starts_with("mppeep-")
}

/// The rooms that each room may name. Everything else is forbidden.
const ARROWS: [(&str, &[&str]); 16] = [
    ("mppeep-core", &[]),
    ("mppeep-conformance", &["mppeep-core"]),
    ("mppeep-store-sqlite", &["mppeep-core"]),
    ("mppeep-store-pg", &["mppeep-core"]),
    ("mppeep-cache-memory", &["mppeep-core"]),
    ("mppeep-cache-redis", &["mppeep-core"]),
    ("mppeep-password", &["mppeep-core"]),
    ("mppeep-spreadsheet", &["mppeep-core"]),
    ("mppeep-demo", &["mppeep-core"]),
    ("mppeep-mail", &["mppeep-core"]),
    ("mppeep-files", &["mppeep-core"]),
    ("mppeep-testbed", &[]),
    ("mppeep-http", &["mppeep-core"]),
    (
        "mppeep",
        &[
            "mppeep-core",
            "mppeep-http",
            "mppeep-store-sqlite",
            "mppeep-store-pg",
            "mppeep-cache-memory",
            "mppeep-cache-redis",
            "mppeep-password",
            "mppeep-spreadsheet",
            "mppeep-demo",
            "mppeep-mail",
            "mppeep-files",
        ],
    ),
    ("mppeep-tests", &["mppeep-core", "mppeep-http", "mppeep-testbed"]),
    (
        "mppeep-benches",
        &[
            "mppeep-core",
            "mppeep-tests",
            "mppeep-store-sqlite",
            "mppeep-store-pg",
            "mppeep-cache-memory",
            "mppeep-cache-redis",
            "mppeep-testbed",
            "mppeep-password",
            "mppeep-demo",
            "mppeep-spreadsheet",
        ],
    ),
];

#[test]
fn dependencies_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    for (room, dependencies) in normal_dependencies() {
        let may = allowed
            .get(room.as_str())
            .unwrap_or_else(|| panic!("{room} is a new room: give it its arrows"));
        for other in dependencies.iter().filter(|name| is_room(name)) {
            assert!(may.contains(&other.as_str()), "{room} must not depend on {other}");
        }
    }
}

/// What a room must not name, whoever thinks it handy.
const STRANGERS: [(&str, &[&str]); 9] = [
    (
        "mppeep-core",
        &[
            "sqlx",
            "redis",
            "axum",
            "hyper",
            "hyper-util",
            "http",
            "tower",
            "tower-http",
            "clap",
            "argon2",
            "bcrypt",
            "csv",
        ],
    ),
    (
        "mppeep-http",
        &["sqlx", "redis", "moka", "clap", "argon2", "bcrypt", "lettre"],
    ),
    ("mppeep-store-sqlite", &["axum", "hyper", "redis", "clap", "moka"]),
    ("mppeep-store-pg", &["axum", "hyper", "redis", "clap", "moka"]),
    ("mppeep-cache-memory", &["sqlx", "axum", "hyper", "redis", "clap"]),
    ("mppeep-cache-redis", &["sqlx", "axum", "hyper", "moka", "clap"]),
    ("mppeep-password", &["sqlx", "axum", "hyper", "redis", "clap"]),
    ("mppeep-spreadsheet", &["sqlx", "axum", "hyper", "redis", "clap"]),
    ("mppeep-demo", &["sqlx", "axum", "hyper", "redis", "clap"]),
];

#[test]
fn no_room_names_a_driver_of_another() {
    let all = normal_dependencies();
    for (room, strangers) in STRANGERS {
        for stranger in strangers {
            assert!(!all[room].contains(*stranger), "{room} must not name {stranger}");
        }
    }
}

/// Everything below a member in a shipped build.
fn tree_of(room: &str) -> BTreeSet<&PackageId> {
    let resolve = metadata().resolve.as_ref().expect("a resolved graph");
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let root = metadata()
        .workspace_packages()
        .into_iter()
        .find(|package| package.name == room)
        .expect("a member");
    let mut tree = BTreeSet::from([&root.id]);
    let mut open = vec![&root.id];
    while let Some(id) = open.pop() {
        for dependency in &nodes[id].deps {
            let shipped = dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            if shipped && tree.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
    }
    tree
}

#[test]
fn the_core_stays_small_for_those_who_embed_it() {
    let done = std::process::Command::new("cargo")
        .args([
            "tree",
            "--offline",
            "-p",
            "mppeep-core",
            "-e",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(workspace())
        .output()
        .expect("cargo tree");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let crates: BTreeSet<String> = String::from_utf8_lossy(&done.stdout)
        .lines()
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect();
    assert!(crates.len() > 5, "the tree could not be read: {crates:?}");
    assert!(
        crates.len() <= 40,
        "{} crates below mppeep-core: {crates:#?}",
        crates.len()
    );
}

/// Crates that never come in: other providers of TLS with their C, and a second calendar.
const BANNED: [&str; 6] = [
    "openssl",
    "openssl-sys",
    "native-tls",
    "aws-lc-sys",
    "aws-lc-rs",
    "chrono",
];

/// Licences that a ministry may ship. A choice (`OR`) needs one of them, a sum (`AND`) needs all.
const LICENCES: [&str; 15] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "0BSD",
    "Zlib",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
    "MPL-2.0",
    "BSL-1.0",
    "Unlicense",
    "CC0-1.0",
];

fn is_allowed(licence: &str) -> bool {
    let licence = licence.replace('/', " OR ").replace(['(', ')'], " ");
    // Every crate we know writes either a choice or a sum, or a sum whose parts are choices.
    licence
        .split(" AND ")
        .all(|part| part.split(" OR ").any(|choice| LICENCES.contains(&choice.trim())))
}

#[test]
fn only_known_licences_and_no_banned_crate_are_shipped() {
    let shipped = tree_of("mppeep");
    assert!(shipped.len() > 50, "the tree could not be read");
    for package in metadata()
        .packages
        .iter()
        .filter(|package| shipped.contains(&package.id))
    {
        assert!(
            !BANNED.contains(&package.name.as_str()),
            "{} is banned",
            package.name
        );
        let licence = package
            .license
            .as_deref()
            .unwrap_or_else(|| panic!("{} has no licence", package.name));
        assert!(is_allowed(licence), "{} is under {licence}", package.name);
        let ours = package.source.is_none();
        let official = package
            .source
            .as_ref()
            .is_some_and(cargo_metadata::Source::is_crates_io);
        assert!(
            ours || official,
            "{} does not come from the registry",
            package.name
        );
    }
}

#[test]
fn the_licence_check_can_say_no() {
    assert!(is_allowed("MIT/Apache-2.0") && is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!is_allowed("GPL-3.0-only") && !is_allowed("MIT AND AGPL-3.0-or-later"));
}
