//! `mppeep migrate`, `backup` and `restore`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};

use super::open;
use crate::cli::{Backup, Restore};
use crate::config::Config;
use crate::terminal::say;
use crate::wiring;

pub(crate) async fn migrate(config: &Config) -> anyhow::Result<ExitCode> {
    let wired = open(config).await?;
    say(format_args!("{} is up to date.", wired.store.path().display()));
    wired.store.close().await;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn backup(config: &Config, command: Backup) -> anyhow::Result<ExitCode> {
    let database = wiring::database(config, false);
    if !database.exists() {
        bail!("there is no database {}", database.display());
    }
    let target = match command.file {
        Some(file) => file,
        None => {
            let folder = config.data_dir.join("backups");
            wiring::make_private(&folder)?;
            folder.join(format!("mppeep-{}.db", stamp()))
        }
    };
    let wired = open(config).await?;
    wired
        .store
        .backup(&target)
        .await
        .with_context(|| format!("cannot write {}", target.display()))?;
    wired.store.close().await;
    say(format_args!(
        "{} bytes in {}",
        std::fs::metadata(&target)?.len(),
        target.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// The present instant for the name of a file.
fn stamp() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Checks the copy, brings it up to date, then puts it in place. The present database is kept beside it.
pub(crate) async fn restore(config: &Config, command: &Restore) -> anyhow::Result<ExitCode> {
    let database = wiring::database(config, false);
    if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        wiring::make_private(folder)?;
    }
    let lock = wiring::lock_file(&database)?;
    if lock.try_lock().is_err() {
        bail!("{} is in use: stop the server first", database.display());
    }
    let incoming = beside(&database, ".incoming");
    remove_with_log(&incoming)?;
    std::fs::copy(&command.file, &incoming)
        .with_context(|| format!("cannot copy {}", command.file.display()))?;
    let outcome = check(&incoming).await;
    if let Err(error) = outcome {
        remove_with_log(&incoming)?;
        return Err(error.context(format!("{} is not taken", command.file.display())));
    }
    let kept = if database.exists() {
        let kept = beside(&database, &format!(".before-{}", stamp()));
        let present = SqliteStore::open(&database, SqliteOptions::default()).await;
        match present {
            Ok(store) => {
                store
                    .backup(&kept)
                    .await
                    .context("cannot keep the present database")?;
                store.close().await;
            }
            // A database that cannot be opened is what a restore is for: it is kept as it is.
            Err(_) => {
                std::fs::copy(&database, &kept).context("cannot keep the present database")?;
            }
        }
        Some(kept)
    } else {
        None
    };
    for suffix in ["-wal", "-shm"] {
        remove(&beside(&database, suffix))?;
    }
    std::fs::rename(&incoming, &database).context("cannot put the copy in place")?;
    say(format_args!(
        "{} is restored from {}.",
        database.display(),
        command.file.display()
    ));
    if let Some(kept) = kept {
        say(format_args!("What was there before is in {}.", kept.display()));
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(path: &Path) -> anyhow::Result<()> {
    let store = SqliteStore::open(path, SqliteOptions::default()).await?;
    let damage = store.check().await;
    store.close().await;
    match damage?.first() {
        None => Ok(()),
        Some(first) => bail!("it is damaged: {first}"),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn remove_with_log(path: &Path) -> std::io::Result<()> {
    for suffix in ["-wal", "-shm"] {
        remove(&beside(path, suffix))?;
    }
    remove(path)
}
