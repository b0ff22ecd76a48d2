//! The folder of contents of files: copied beside a copy of the database, and put back before it.
//!
//! A content never changes and is removed late. So a copy of the database, and then of the contents, holds every content
//! that the database names; and contents that are put back stand beside those that are there: what no database names is
//! cleaned up by the server.

use std::ffi::OsString;
use std::fs::{File, FileType};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use mppeep_core::domain::id::StoredFileId;

use crate::wiring::database::make_private;

/// The folder of uploads under way, among those over which contents are spread.
const UNFINISHED: &str = "incoming";

/// The folder of contents that belongs to a copy of the database.
pub(super) fn folder_beside(copy: &Path) -> PathBuf {
    super::beside(copy, ".files")
}

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Copied {
    fn count(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// How a copy is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// With bytes of its own, so that damage to one is none to the other.
    Copy,
    /// As a further name of the same bytes where the file system can: it costs no room.
    Link,
}

/// Copies the contents of a folder into a new one, which is whole when it appears; none when there is no content.
pub(super) fn copy(from: &Path, to: &Path, how: How) -> anyhow::Result<Option<Copied>> {
    let contents = contents_of(from)?;
    if contents.is_empty() {
        return Ok(None);
    }
    if to.symlink_metadata().is_ok() {
        bail!("{} already exists", to.display());
    }
    let partial = super::beside(to, ".partial");
    clear(&partial)?;
    let mut copied = Copied::default();
    let outcome = contents.iter().try_for_each(|content| {
        // One that was removed meanwhile is named by nothing any more.
        if let Some(bytes) = one(&from.join(content), &partial.join(content), how)? {
            copied.count(bytes);
        }
        Ok::<_, anyhow::Error>(())
    });
    let outcome = outcome.and_then(|()| {
        std::fs::rename(&partial, to).with_context(|| format!("cannot write {}", to.display()))
    });
    if outcome.is_err() {
        clear(&partial)?;
    }
    outcome.map(|()| Some(copied))
}

/// Puts back what a folder of contents lacks of a copy.
pub(super) fn put_back(copy: &Path, folder: &Path) -> anyhow::Result<Copied> {
    let mut added = Copied::default();
    for content in contents_of(copy)? {
        let (from, to) = (copy.join(&content), folder.join(&content));
        let size = from.metadata().map(|known| known.len());
        // A content that is there is the same one, unless it was cut.
        if to
            .metadata()
            .is_ok_and(|known| size.as_ref().is_ok_and(|size| known.len() == *size))
        {
            continue;
        }
        let partial = super::beside(&to, ".restore");
        clear(&partial)?;
        let bytes =
            one(&from, &partial, How::Copy)?.with_context(|| format!("{} has gone", from.display()))?;
        std::fs::rename(&partial, &to).with_context(|| format!("cannot write {}", to.display()))?;
        added.count(bytes);
    }
    Ok(added)
}

/// Copies one content; none when it is not there any more.
fn one(from: &Path, to: &Path, how: How) -> anyhow::Result<Option<u64>> {
    let told = || format!("cannot copy {} to {}", from.display(), to.display());
    if let Some(parent) = to.parent() {
        make_private(parent).with_context(told)?;
    }
    if how == How::Link && std::fs::hard_link(from, to).is_ok() {
        return Ok(Some(to.metadata().with_context(told)?.len()));
    }
    match std::fs::copy(from, to) {
        Ok(bytes) => {
            File::open(to)
                .and_then(|file| file.sync_all())
                .with_context(told)?;
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !from.exists() => Ok(None),
        Err(error) => Err(error).with_context(told),
    }
}

/// Contents of a folder, by their place in it. Neither uploads under way nor what is not named as a content are any.
fn contents_of(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for (shard, kind) in entries_of(folder)? {
        if !kind.is_dir() || shard == UNFINISHED {
            continue;
        }
        for (name, kind) in entries_of(&folder.join(&shard))? {
            if kind.is_file() && is_content(&name.to_string_lossy()) {
                found.push(Path::new(&shard).join(name));
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// What is in a folder, if there is one.
fn entries_of(folder: &Path) -> anyhow::Result<Vec<(OsString, FileType)>> {
    let told = || format!("cannot read the folder {}", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(told)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(told)?;
        match entry.file_type() {
            Ok(kind) => found.push((entry.file_name(), kind)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(told),
        }
    }
    Ok(found)
}

fn is_content(name: &str) -> bool {
    name.parse::<StoredFileId>().is_ok()
}

/// Removes what an interrupted copy left behind.
fn clear(path: &Path) -> anyhow::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(known) if known.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(_) => Ok(()),
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "ab/019b0000-0000-7000-8000-0000000000ab";
    const SECOND: &str = "cd/019b0000-0000-7000-8000-0000000000cd";

    const UPLOAD: &str = "incoming/019b0000-0000-7000-8000-0000000000ff";

    fn write(folder: &Path, place: &str, text: &str) {
        let path = folder.join(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(folder: &Path, place: &str) -> String {
        std::fs::read_to_string(folder.join(place)).unwrap()
    }

    #[test]
    fn contents_are_copied_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("files"), place.path().join("copy.files"));
        write(&from, FIRST, "one");
        write(&from, SECOND, "three");
        write(
            &from,
            "ab/019b0000-0000-7000-8000-0000000000ff.part",
            "half an upload",
        );
        for how in [How::Copy, How::Link] {
            let copied = copy(&from, &to, how).unwrap();
            assert_eq!(copied, Some(Copied { files: 2, bytes: 8 }), "{how:?}");
            assert_eq!(read(&to, FIRST), "one");
            assert_eq!(contents_of(&to).unwrap().len(), 2);
            assert!(!to.join(UPLOAD).exists() && !to.join("belongs-to").exists());
            assert!(copy(&from, &to, how).is_err(), "nothing is written over");
            std::fs::remove_dir_all(&to).unwrap();
        }
    }

    #[test]
    fn a_folder_without_contents_gives_no_copy() {
        let place = tempfile::tempdir().unwrap();
        let to = place.path().join("copy.files");
        for from in [place.path().join("absent"), place.path().to_path_buf()] {
            assert_eq!(copy(&from, &to, How::Copy).unwrap(), None);
        }
        assert!(!to.exists());
    }

    #[test]
    fn what_lacks_or_was_cut_is_put_back_and_the_rest_stays() {
        let place = tempfile::tempdir().unwrap();
        let (copied, folder) = (place.path().join("copy.files"), place.path().join("files"));
        write(&copied, FIRST, "one");
        write(&copied, SECOND, "three");
        let third = "ef/019b0000-0000-7000-8000-0000000000ef";
        write(&folder, SECOND, "thr");
        write(&folder, third, "of another time");
        assert_eq!(put_back(&copied, &folder).unwrap(), Copied { files: 2, bytes: 8 });
        assert_eq!(read(&folder, FIRST), "one");
        assert_eq!(read(&folder, SECOND), "three");
        assert_eq!(read(&folder, third), "of another time");
        assert_eq!(put_back(&copied, &folder).unwrap(), Copied::default());
        assert_eq!(
            put_back(&place.path().join("absent"), &folder).unwrap(),
            Copied::default()
        );
    }
}
