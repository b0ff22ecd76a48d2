//! CHECKS O-09: the description against the binary, by Schemathesis: no 5xx, no status, header, media type or member that
//! is not described, no wrong data accepted.

use std::path::PathBuf;
use std::process::Command;

use mppeep_tests::api::{create_agent, total};
use mppeep_tests::{Client, Server};
use tempfile::TempDir;

/// Operations that end sessions, or change what every other operation answers.
const RESTLESS: [&str; 6] = [
    "end_session",
    "update_user",
    "set_user_password",
    "end_user_sessions",
    "save_maintenance_settings",
    "save_charter_settings",
];

/// What data that follows the schema may still be refused for: rules that a schema cannot say, and races.
const SETTINGS: &str = r#"
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "416", "422", "429"]

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "428", "429"]

# Parts of a multipart body have names that no header can carry.
[[operations]]
include-path-regex = "/(documents|files|photo)"

[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "403", "404", "409", "412", "413", "415", "416", "422", "429"]
"#;

/// The tool: that of the run's own installation, beside what cargo builds, or one on the path.
fn tool() -> PathBuf {
    let this = std::env::current_exe().expect("the path of this program");
    this.ancestors()
        .map(|folder| folder.join("schemathesis/bin/schemathesis"))
        .find(|path| path.exists())
        .unwrap_or_else(|| "schemathesis".into())
}

/// Runs it on a server, as nobody or with a session.
fn judge(server: &Server, session: Option<&Client>, arguments: &[&str]) {
    let folder = TempDir::with_prefix("mppeep-schemathesis-").expect("a temporary folder");
    std::fs::write(folder.path().join("schemathesis.toml"), SETTINGS).expect("the folder takes files");
    let address = format!("http://{}/mppeep/api/v1/openapi.json", server.address());
    let mut command = Command::new(tool());
    command
        .current_dir(folder.path())
        .env_remove("PYTHONPATH")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["run", &address, "--no-color", "--seed", "2026", "--workers", "1"])
        .args(["--generation-deterministic"])
        .args(["--generation-with-security-parameters", "false"])
        .args(["--continue-on-failure", "--warnings", "off"])
        .args(["--suppress-health-check", "all", "--request-timeout", "60"])
        .args(["--checks", "all", "--exclude-checks", "ignored_auth"])
        .args(arguments);
    if let Some(client) = session {
        command.args(["-H", &format!("Cookie: session_id={}", client.session())]);
    }
    let done = command.output().unwrap_or_else(|err| {
        panic!(
            "Schemathesis cannot be run ({err}): `./test --install` installs it, with python3-venv and pip"
        )
    });
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let summary = text.find("= SUMMARY =").map_or(text.as_str(), |at| &text[at..]);
    println!("{summary}");
    assert!(
        done.status.success(),
        "Schemathesis found something ({}):\n{text}\n{}",
        done.status,
        String::from_utf8_lossy(&done.stderr)
    );
}

#[tokio::test]
async fn as_nobody() {
    let server = Server::start();
    judge(
        &server,
        None,
        &["--phases", "examples,fuzzing", "--max-examples", "4"],
    );
    let admin = server.admin().await;
    assert_eq!(total(&admin, "users").await, 1, "nobody changed anything");
}

#[tokio::test]
async fn with_a_session() {
    let server = Server::start();
    let admin = server.admin().await;
    for number in 1..=3 {
        let _agent = create_agent(&admin, number).await;
    }
    let mut arguments = vec!["--phases", "examples,coverage,fuzzing", "--max-examples", "5"];
    for name in RESTLESS {
        arguments.extend(["--exclude-operation-id", name]);
    }
    judge(&server, Some(&admin), &arguments);
    assert!(admin.is_logged_in().await, "the session lasted to the end");
}

#[tokio::test]
async fn with_what_ends_sessions_and_closes_the_site() {
    let server = Server::start();
    for names in [&RESTLESS[..4], &RESTLESS[4..5], &RESTLESS[5..]] {
        let admin = server.admin().await;
        let mut arguments = vec!["--phases", "examples,coverage,fuzzing", "--max-examples", "5"];
        for name in names {
            arguments.extend(["--include-operation-id", name]);
        }
        judge(&server, Some(&admin), &arguments);
    }
}
