//! PostgreSQL's own programs, `pg_dump`, `pg_restore` and `psql`, which copy a database and put a copy back.
//!
//! No password stands on a command line, where every user of the machine could read it: it goes by the environment, which
//! only its owner and root can.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, anyhow, bail};
use tokio::process::Command;

use crate::config::PostgresSettings;

/// The address of a database for these programs.
pub(super) struct Target {
    /// Without its password.
    url: String,
    password: Option<String>,
}

impl Target {
    /// The database itself, and not a pooler before it.
    pub(super) fn of(settings: &PostgresSettings) -> anyhow::Result<Self> {
        let url = settings.listen_url.as_ref().unwrap_or(&settings.url);
        Self::split(url.expose()).context("database_url: cannot be given to PostgreSQL's programs")
    }

    fn split(url: &str) -> anyhow::Result<Self> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| anyhow!("it is not a URL"))?;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, query),
            None => (rest, ""),
        };
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (rest, None),
        };
        let mut password = None;
        let mut clean = format!("{scheme}://");
        match authority.rsplit_once('@') {
            Some((login, host)) => {
                let (user, secret) = match login.split_once(':') {
                    Some((user, secret)) => (user, Some(secret)),
                    None => (login, None),
                };
                password = secret.map(decoded).transpose()?;
                clean.push_str(&format!("{user}@{host}"));
            }
            None => clean.push_str(authority),
        }
        if let Some(path) = path {
            clean.push('/');
            clean.push_str(path);
        }
        let mut kept = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("password", secret)) => password = Some(decoded(secret)?),
                // Of the driver's own, which these programs do not know.
                Some(("statement-cache-capacity", _)) => {}
                _ => kept.push(pair),
            }
        }
        if !kept.is_empty() {
            clean.push('?');
            clean.push_str(&kept.join("&"));
        }
        Ok(Self { url: clean, password })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("--no-password")
            .arg(format!("--dbname={}", self.url))
            .env("PGCONNECT_TIMEOUT", "10")
            .env("PGCLIENTENCODING", "UTF8");
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", password);
        }
        command
    }

    /// Copies the database, as it is at one instant, into a new file.
    pub(super) async fn dump(&self, file: &Path) -> anyhow::Result<()> {
        let written = private(file)?;
        let mut command = self.command("pg_dump");
        command
            .args(["--format=custom", "--no-owner", "--no-privileges"])
            // What may vanish: cache entries and general limits.
            .arg("--no-unlogged-table-data")
            .stdout(Stdio::from(written.try_clone()?));
        run("pg_dump", command).await?;
        written.sync_all()?;
        Ok(())
    }

    /// Asks the database one question.
    pub(super) async fn ask(&self, question: &str) -> anyhow::Result<String> {
        let mut command = self.command("psql");
        command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        command.args(["--set=ON_ERROR_STOP=1", "--command", question]);
        command.stdout(Stdio::piped());
        run("psql", command).await
    }

    /// Puts a script that `script` wrote in the place of everything in the schema, all of it or nothing.
    pub(super) async fn replace(&self, script: &Path) -> anyhow::Result<()> {
        let mut command = self.command("psql");
        command.args([
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            "--single-transaction",
        ]);
        command.args(["--command", "SET client_min_messages = warning"]);
        command.args(["--command", "SET lock_timeout = '10s'"]);
        command.args(["--command", "DROP SCHEMA public CASCADE"]);
        command.args(["--command", "CREATE SCHEMA public"]);
        command.arg("--file").arg(script);
        command.stdout(Stdio::null());
        run("psql", command).await.map(drop)
    }
}

/// Reads a copy, and writes the statements that make it.
pub(super) async fn script(dump: &Path, to: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("pg_restore");
    command
        .args(["--no-owner", "--no-privileges", "--file=-"])
        .arg(dump);
    command.stdout(Stdio::from(private(to)?));
    run("pg_restore", command).await.map(drop)
}

/// The version that a program says of itself; none when it is not there.
pub(super) async fn version(program: &str) -> Option<String> {
    let done = Command::new(program).arg("--version").output().await.ok()?;
    let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    (done.status.success() && !said.is_empty()).then_some(said)
}

async fn run(program: &str, mut command: Command) -> anyhow::Result<String> {
    command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "{program} is not on the PATH: install PostgreSQL's client programs (package postgresql-client), of the \
             server's release or later"
        ),
        Err(error) => return Err(error).with_context(|| format!("cannot run {program}")),
    };
    // Unlike `output`, this leaves the standard output where the caller wants it.
    let done = child
        .wait_with_output()
        .await
        .with_context(|| format!("cannot wait for {program}"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let lines: Vec<&str> = said
            .lines()
            .filter(|line| !line.trim().is_empty())
            .take(5)
            .collect();
        bail!("{program} failed: {}", lines.join(" / "));
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

/// A new file that its owner only can read.
fn private(path: impl AsRef<OsStr>) -> anyhow::Result<File> {
    let path = Path::new(path.as_ref());
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))
}

fn decoded(text: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let value = digit()
                .zip(digit())
                .and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
            bytes.push(value.ok_or_else(|| anyhow!("its password is badly percent-encoded"))?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| anyhow!("its password is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_leaves_the_address() {
        for (url, clean, password) in [
            (
                "postgres://m:p%40ss@db:5433/m",
                "postgres://m@db:5433/m",
                Some("p@ss"),
            ),
            (
                "postgres://m@db/m?sslmode=require",
                "postgres://m@db/m?sslmode=require",
                None,
            ),
            (
                "postgresql://db/m?user=m&password=p%20s&statement-cache-capacity=0",
                "postgresql://db/m?user=m",
                Some("p s"),
            ),
            ("postgres://m:p@[::1]:5433", "postgres://m@[::1]:5433", Some("p")),
        ] {
            let target = Target::split(url).unwrap();
            assert_eq!(
                (target.url.as_str(), target.password.as_deref()),
                (clean, password),
                "{url}"
            );
        }
        for url in [
            "db/m",
            "postgres://m:%zz@db/m",
            "postgres://m:%4@db/m",
            "postgres://m:%ff@db/m",
        ] {
            assert!(Target::split(url).is_err(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_program_that_is_absent_is_named_with_its_package() {
        let error = run("mppeep-no-such-program", Command::new("mppeep-no-such-program")).await;
        let said = error.unwrap_err().to_string();
        assert!(
            said.contains("mppeep-no-such-program") && said.contains("postgresql-client"),
            "{said}"
        );
        assert_eq!(version("mppeep-no-such-program").await, None);
    }
}
