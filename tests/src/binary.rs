//! Finding the binary under test, and building it when it is missing or older than its sources.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // At run time first: a test archive may be unpacked elsewhere than where it was compiled.
        let manifest =
            std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
        let manifest = Path::new(&manifest);
        manifest
            .parent()
            .expect("a member lives below the workspace")
            .to_path_buf()
    })
}

/// The path of `mppeep`. `MPPEEP_TEST_BINARY` names another one to test.
///
/// # Panics
///
/// When the binary can neither be found nor built.
#[must_use]
pub fn path() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(given) = std::env::var_os("MPPEEP_TEST_BINARY") {
            return PathBuf::from(given);
        }
        let profile = profile_folder();
        let binary = profile.join("mppeep");
        if is_stale(&binary) {
            build(&profile);
        }
        assert!(binary.exists(), "no binary at {}", binary.display());
        binary
    })
}

/// `target/<profile>`: this program runs from there, or from `deps` below it.
fn profile_folder() -> PathBuf {
    let this = std::env::current_exe().expect("the path of this program");
    let folder = this.parent().expect("a program lives in a folder");
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("deps" | "examples") => folder.parent().expect("deps has a parent").to_path_buf(),
        _ => folder.to_path_buf(),
    }
}

fn is_stale(binary: &Path) -> bool {
    let Ok(built) = binary.metadata().and_then(|meta| meta.modified()) else {
        return true;
    };
    let members = std::fs::read_dir(workspace()).expect("the workspace can be read");
    members
        .filter_map(Result::ok)
        .filter(|member| member.file_name().to_string_lossy().starts_with("mppeep-"))
        .any(|member| {
            ["src", "templates", "assets", "migrations"]
                .iter()
                .any(|part| newer(&member.path().join(part), built))
        })
}

fn newer(folder: &Path, than: SystemTime) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries
        .filter_map(Result::ok)
        .any(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => newer(&entry.path(), than),
            Ok(_) => entry
                .metadata()
                .and_then(|meta| meta.modified())
                .is_ok_and(|time| time > than),
            Err(_) => false,
        })
}

/// The whole workspace is selected, so that features are unified as in the test run and nothing compiles twice.
fn build(profile: &Path) {
    let name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let target = profile.parent().expect("a profile lives in the target folder");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--workspace", "--bin", "mppeep", "--profile", name])
        .env("CARGO_TARGET_DIR", target)
        .env("SQLX_OFFLINE", "true")
        .current_dir(workspace())
        .status()
        .expect("cargo can be started");
    assert!(status.success(), "the binary under test does not build");
}
