//! The folder of contents of files, which belongs to one database.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use mppeep_core::services::uploads::Contents;
use mppeep_files::{FolderStore, MagicSniffer};

use super::database::Ports;
use super::outside;
use crate::config::{Config, Database};

/// The name of a database's contents, kept in the database, and in a file of the folder.
const PURPOSE: &str = "contents";
const MARK: &str = "belongs-to";

/// Where the contents of a configuration are.
pub(crate) fn folder(config: &Config, demo: bool) -> PathBuf {
    let usual = match config.database {
        Database::Sqlite(None) if demo => "demo-files",
        _ => "files",
    };
    config.data_dir.join(usual)
}

/// The contents of this database. The folder of another one is refused: whatever that one names would be an orphan here.
pub(crate) async fn open(config: &Config, demo: bool, ports: &Ports) -> anyhow::Result<Contents> {
    let folder = folder(config, demo);
    let store = FolderStore::open(&folder)
        .with_context(|| format!("the folder of files {} cannot be made", folder.display()))?;
    let mark = folder.join(MARK);
    let owner = read(&mark)?;
    let known = ports.store.begin_read().await?.settings().fact(PURPOSE).await?;
    match (owner, known) {
        (Some(owner), known) if known.as_ref() != Some(&owner) => bail!(
            "the folder {} holds the files of another database; give this one a data directory of its own \
             (MPPEEP_DATA_DIR), or remove {} if the folder is this one's",
            folder.display(),
            mark.display()
        ),
        (Some(_), _) => {}
        (None, _) => {
            let name = outside::name_of(ports.store.as_ref(), ports.locks.as_ref(), PURPOSE).await?;
            write(&mark, &name)?;
        }
    }
    Ok(Contents {
        store: Arc::new(store),
        sniffer: Arc::new(MagicSniffer),
    })
}

/// Takes the mark away: the folder then belongs to the database that is opened with it next.
pub(crate) fn disown(folder: &Path) -> anyhow::Result<()> {
    let mark = folder.join(MARK);
    match fs::remove_file(&mark) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", mark.display()))
        }
        _ => Ok(()),
    }
}

fn read(mark: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(mark) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", mark.display())),
    }
}

/// Writes the mark beside its place and renames it there, so that nobody reads half of it.
fn write(mark: &Path, name: &str) -> anyhow::Result<()> {
    let partial = mark.with_extension(format!("{}.partial", std::process::id()));
    let written = fs::File::create(&partial)
        .and_then(|mut file| {
            file.write_all(format!("{name}\n").as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&partial, mark));
    written.with_context(|| format!("{} cannot be written", mark.display()))
}
