//! A folder of contents for the services, and uploads into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use mppeep_core::services::ServiceError;
use mppeep_core::services::uploads::{Contents, Upload};
use mppeep_files::{FolderStore, MagicSniffer};

/// The smallest file that is taken for a PDF.
pub(crate) const PDF: &[u8] = b"%PDF-1.4\n%%EOF\n";

/// A folder that vanishes with the test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn contents(&self) -> Contents {
        Contents {
            store: Arc::new(FolderStore::open(self.0.path()).expect("a folder")),
            sniffer: Arc::new(MagicSniffer),
        }
    }

    /// How many files it holds.
    pub(crate) fn files(&self) -> usize {
        fn below(folder: &Path) -> Vec<PathBuf> {
            std::fs::read_dir(folder)
                .expect("a folder")
                .filter_map(Result::ok)
                .flat_map(|entry| {
                    if entry.path().is_dir() {
                        below(&entry.path())
                    } else {
                        vec![entry.path()]
                    }
                })
                .collect()
        }
        below(self.0.path()).len()
    }
}

/// Writes all of a content into an upload.
pub(crate) async fn filled(
    begun: Result<Upload, ServiceError>,
    content: &'static [u8],
) -> Result<Upload, ServiceError> {
    let mut upload = begun?;
    for piece in content.chunks(7) {
        upload.write(Bytes::from_static(piece)).await?;
    }
    Ok(upload)
}

/// A refusal in a word.
pub(crate) fn why(result: Result<impl Sized, ServiceError>) -> String {
    match result.err().expect("refused") {
        ServiceError::State(state) => state.to_owned(),
        ServiceError::Forbidden { .. } => "forbidden".to_owned(),
        ServiceError::NotFound(_) => "not found".to_owned(),
        ServiceError::Stale => "stale".to_owned(),
        ServiceError::ReadOnlyMode => "read only".to_owned(),
        ServiceError::TooLarge { .. } => "too large".to_owned(),
        ServiceError::QuotaReached => "quota".to_owned(),
        ServiceError::Invalid(violations) => {
            let first = violations.0.first().expect("one");
            format!("{}: {}", first.field, first.rule.code())
        }
        other => panic!("{other}"),
    }
}
