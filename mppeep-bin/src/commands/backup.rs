//! `mppeep migrate`, `backup` and `restore`. A backup is a copy of the database and, beside it, of the contents of files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};

use super::contents::{self, How};
use super::postgres_tools::{self, Target};
use super::{beside, outside};
use crate::cli::{Backup, Restore};
use crate::config::{Config, Database, PostgresSettings};
use crate::terminal::say;
use crate::wiring;
use crate::wiring::database::{self, Opened, Patience};

pub(crate) async fn migrate(config: &Config) -> anyhow::Result<ExitCode> {
    let database = database::open(config, false, Patience::Configured).await?;
    say(format_args!("{} is up to date.", database.place()));
    database.close().await;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn backup(config: &Config, command: Backup) -> anyhow::Result<ExitCode> {
    let target = match (command.file, &config.database) {
        (Some(file), _) => file,
        (None, Database::Sqlite(_)) => usual_copy(config, "mppeep", "db")?,
        (None, Database::Postgres(_)) => usual_copy(config, "mppeep", "dump")?,
    };
    let beside_it = contents::folder_beside(&target);
    if beside_it.exists() {
        bail!("{} already exists", beside_it.display());
    }
    match &config.database {
        Database::Sqlite(_) => {
            let file = database::sqlite_file(config, false);
            if !file.exists() {
                bail!("there is no database {}", file.display());
            }
            let opened = database::open(config, false, Patience::None).await?;
            if let Opened::Sqlite { store, .. } = &opened {
                store
                    .backup(&target)
                    .await
                    .with_context(|| format!("cannot write {}", target.display()))?;
            }
            opened.close().await;
        }
        Database::Postgres(settings) => dump(&Target::of(settings)?, &target).await?,
    }
    say(format_args!(
        "{} bytes in {}",
        std::fs::metadata(&target)?.len(),
        target.display()
    ));
    // After the database: what it names is there, since a content never changes and is removed late.
    let copied = contents::copy(&wiring::contents::folder(config, false), &beside_it, How::Copy)
        .context("the database is copied, but not the contents of files")?;
    if let Some(copied) = copied {
        say(format_args!(
            "{} bytes in {} (contents of files: {})",
            copied.bytes,
            beside_it.display(),
            copied.files
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Keeps the present contents beside a copy of the present database, and puts back those of the copy that is restored:
/// before the database that names them, and beside those that are there.
fn restore_contents(config: &Config, copy: &Path, kept: Option<&Path>) -> anyhow::Result<()> {
    let folder = wiring::contents::folder(config, false);
    if let Some(kept) = kept {
        contents::copy(&folder, &contents::folder_beside(kept), How::Link)
            .context("cannot keep the present contents of files")?;
    }
    let added = contents::put_back(&contents::folder_beside(copy), &folder)
        .context("cannot put the contents of files back")?;
    // The database to come may be of another name; whoever opens it next says so anew.
    wiring::contents::disown(&folder)?;
    if added.files > 0 {
        say(format_args!(
            "{} bytes are put back into {} (contents of files: {}).",
            added.bytes,
            folder.display(),
            added.files
        ));
    }
    Ok(())
}

/// A new name in the folder of copies.
fn usual_copy(config: &Config, name: &str, extension: &str) -> anyhow::Result<PathBuf> {
    let folder = config.data_dir.join("backups");
    database::make_private(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    Ok(folder.join(format!("{name}-{}.{extension}", stamp())))
}

/// The present instant for the name of a file, fine enough that two commands in a row get two names.
fn stamp() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ").to_string()
}

/// Copies a database of a server into a new file, which is whole when it appears.
async fn dump(target: &Target, file: &Path) -> anyhow::Result<()> {
    if file.exists() {
        bail!("{} already exists", file.display());
    }
    let partial = beside(file, ".partial");
    remove(&partial)?;
    if let Err(error) = target.dump(&partial).await {
        remove(&partial)?;
        return Err(error);
    }
    std::fs::rename(&partial, file).with_context(|| format!("cannot write {}", file.display()))
}

pub(crate) async fn restore(config: &Config, command: &Restore) -> anyhow::Result<ExitCode> {
    match &config.database {
        Database::Sqlite(_) => restore_file(config, command).await,
        Database::Postgres(settings) => restore_server(config, settings, command).await,
    }
}

/// Puts a copy in the place of what the database holds, all of it or nothing. What was there before is copied first.
async fn restore_server(
    config: &Config,
    settings: &PostgresSettings,
    command: &Restore,
) -> anyhow::Result<ExitCode> {
    let target = Target::of(settings)?;
    let others = target.ask(OTHERS).await?;
    if others != "0" {
        bail!("the database has {others} other connections: stop the servers and workers first");
    }
    let script = usual_copy(config, "restore", "sql")?;
    let kept = usual_copy(config, "mppeep-before", "dump")?;
    let replaced = async {
        postgres_tools::script(&command.file, &script)
            .await
            .with_context(|| format!("{} is not taken", command.file.display()))?;
        dump(&target, &kept)
            .await
            .context("cannot keep what the database holds now")?;
        restore_contents(config, &command.file, Some(&kept))?;
        target.replace(&script).await
    };
    let replaced = replaced.await;
    remove(&script)?;
    replaced.context("nothing was changed")?;
    // Brings the schema forward, and leaves behind what Redis remembers of the time before.
    let opened = database::open(config, false, Patience::None).await?;
    outside::renew_identity(opened.ports().store.as_ref()).await?;
    say(format_args!(
        "{} is restored from {}.",
        opened.place(),
        command.file.display()
    ));
    say(format_args!("What was there before is in {}.", kept.display()));
    opened.close().await;
    Ok(ExitCode::SUCCESS)
}

/// How many others are connected to the database.
const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL";

/// Checks the copy, brings it up to date, then puts it in place. The present database is kept beside it.
async fn restore_file(config: &Config, command: &Restore) -> anyhow::Result<ExitCode> {
    let database = database::sqlite_file(config, false);
    if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        database::make_private(folder)?;
    }
    let lock = database::lock_file(&database)?;
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
    if let Err(error) = restore_contents(config, &command.file, kept.as_deref()) {
        remove_with_log(&incoming)?;
        return Err(error.context("nothing was changed"));
    }
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

/// Reads the whole copy, and leaves behind what Redis remembers of the time before.
async fn check(path: &Path) -> anyhow::Result<()> {
    let store = SqliteStore::open(path, SqliteOptions::default()).await?;
    let damage = store.check().await;
    let renewed = outside::renew_identity(&store).await;
    store.close().await;
    match damage?.first() {
        None => renewed.map(drop).map_err(anyhow::Error::from),
        Some(first) => bail!("it is damaged: {first}"),
    }
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
