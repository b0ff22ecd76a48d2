//! Reading of handed-in files by a job: whether the content is whole, and whether the rows of a table are right.

use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::error::ServiceError;
use super::personnel_import::{ImportError, PersonnelImportService, no_progress};
use super::shared_files::{MADE_WRONG, SharedFileService};
use crate::domain::id::SharedFileId;
use crate::domain::import::{Mapping, Severity};
use crate::domain::permission::Actor;
use crate::domain::shared_file::{Reading, RowFault, SharedFile, SharedFileKind, SharedFileStatus};
use crate::layered::worker::{JobHandler, pause_after};
use crate::ports::error::StoreError;
use crate::ports::job_queue::{LeasedJob, Outcome, Queue};
use crate::ports::spreadsheet::Sheet;

/// Faults that are kept of one reading.
const MOST_FAULTS: usize = 1_000;

/// Reads handed-in files.
pub struct FileJobs {
    files: Arc<SharedFileService>,
    imports: Arc<PersonnelImportService>,
}

impl FileJobs {
    /// Over the services of files, and of imports, which judge tables of personnel.
    pub fn new(files: Arc<SharedFileService>, imports: Arc<PersonnelImportService>) -> Self {
        Self { files, imports }
    }

    /// Reads one file. A file that is gone, archived or read already is left alone.
    async fn process(&self, id: SharedFileId) -> Result<(), ServiceError> {
        let Some(file) = self.begin(id).await? else {
            return Ok(());
        };
        let reading = self.read(&file).await?;
        let failed = reading.refusal.is_some() || reading.rows_wrong.is_some_and(|wrong| wrong > 0);
        let status = if failed {
            SharedFileStatus::Failed
        } else {
            SharedFileStatus::Processed
        };
        self.write(&file, status, Some(reading)).await?;
        Ok(())
    }

    /// Marks the file as being read. One whose reader died is read anew.
    async fn begin(&self, id: SharedFileId) -> Result<Option<SharedFile>, ServiceError> {
        let mut unit = self.files.context.store().begin_read().await?;
        let found = unit.shared_files().find(id).await?;
        drop(unit);
        match found {
            Some(file) if file.status == SharedFileStatus::Processing => Ok(Some(file)),
            Some(file) if file.status == SharedFileStatus::Uploaded => {
                self.write(&file, SharedFileStatus::Processing, None).await
            }
            _ => Ok(None),
        }
    }

    /// Writes where a file stands; none when somebody changed it meanwhile.
    async fn write(
        &self,
        file: &SharedFile,
        status: SharedFileStatus,
        reading: Option<Reading>,
    ) -> Result<Option<SharedFile>, ServiceError> {
        let context = &self.files.context;
        let after = SharedFile {
            status,
            reading,
            version: file.version + 1,
            updated_at: context.now(),
            ..file.clone()
        };
        let mut unit = context.store().begin().await?;
        match unit.shared_files().update(&after).await {
            Err(StoreError::StaleVersion) => return Ok(None),
            other => other?,
        }
        context.commit(unit, MADE_WRONG).await?;
        Ok(Some(after))
    }

    async fn read(&self, file: &SharedFile) -> Result<Reading, ServiceError> {
        if let Some(refusal) = self.check_whole(file).await? {
            return Ok(refused(refusal));
        }
        if !file.file.kind.is_table() {
            return Ok(Reading::default());
        }
        let sheet = match self.files.sheet(file).await? {
            Ok(sheet) => sheet,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        if file.fields.kind == SharedFileKind::PersonnelSheet {
            return self.read_personnel(sheet).await;
        }
        Ok(read_rows(&sheet))
    }

    /// Compares the content with what was received.
    async fn check_whole(&self, file: &SharedFile) -> Result<Option<&'static str>, ServiceError> {
        let lost = "Le contenu du fichier est absent ou altéré sur le serveur. Déposez-le de nouveau.";
        let opened = self
            .files
            .contents
            .open(file.file.clone(), file.file_name.clone())
            .await;
        let mut reader = match opened {
            Ok(content) => content.reader,
            Err(ServiceError::State("content-missing")) => return Ok(Some(lost)),
            Err(error) => return Err(error),
        };
        let mut hash = Sha256::new();
        loop {
            let part = reader.read(256 * 1024).await?;
            if part.is_empty() {
                break;
            }
            hash.update(&part);
        }
        let whole = <[u8; 32]>::from(hash.finalize()) == file.file.sha256;
        Ok((!whole).then_some(lost))
    }

    /// Judges a table of personnel as an import would, without writing anything.
    async fn read_personnel(&self, sheet: Sheet) -> Result<Reading, ServiceError> {
        let mapping = match Mapping::detect(&sheet) {
            Ok(mapping) => mapping,
            Err(error) => return Ok(refused(&error.french())),
        };
        let reader = Actor::operator("Lecture des fichiers");
        let judged = self
            .imports
            .dry_run(&reader, &Arc::new(sheet), &mapping, &no_progress())
            .await;
        let plan = match judged {
            Ok(plan) => plan,
            Err(ImportError::Service(error)) => return Err(error),
            Err(ImportError::Mapping(error)) => return Ok(refused(&error.french())),
            Err(ImportError::Sheet(error)) => return Ok(refused(&error.french())),
        };
        let counts = plan.counts();
        let faults = plan
            .findings
            .iter()
            .filter(|finding| finding.severity() == Severity::Error)
            .take(MOST_FAULTS)
            .map(|finding| RowFault {
                row: count(finding.row),
                column: Some(finding.heading(&mapping).to_owned()).filter(|heading| !heading.is_empty()),
                message: finding.message(),
            })
            .collect();
        Ok(Reading {
            rows_ok: Some(count(counts.rows - counts.refused)),
            rows_wrong: Some(count(counts.refused)),
            faults,
            refusal: None,
        })
    }
}

#[async_trait]
impl JobHandler for FileJobs {
    fn queue(&self) -> Queue {
        Queue::Files
    }

    async fn run(&self, job: &LeasedJob) -> Outcome {
        let Ok(id) = job.payload.parse() else {
            return Outcome::Dead {
                error: "the job names no file".to_owned(),
            };
        };
        match self.process(id).await {
            Ok(()) => Outcome::Done,
            Err(error) => {
                tracing::warn!(%error, file = %id, "a file could not be read");
                Outcome::Retry {
                    after: pause_after(job.attempt, self.files.context.entropy()),
                    error: error.to_string(),
                }
            }
        }
    }

    async fn died(&self, job: &LeasedJob, _error: &str) {
        let Ok(id) = job.payload.parse::<SharedFileId>() else {
            return;
        };
        let reading =
            refused("La lecture a échoué plusieurs fois. Relancez-la, ou prévenez l’administrateur.");
        let marked = async {
            let mut unit = self.files.context.store().begin_read().await?;
            let found = unit.shared_files().find(id).await?;
            drop(unit);
            match found {
                Some(file) => self.write(&file, SharedFileStatus::Failed, Some(reading)).await,
                None => Ok(None),
            }
        }
        .await;
        if let Err(error) = marked {
            tracing::warn!(%error, file = %id, "a file that cannot be read could not be marked");
        }
        super::notices::tell_of_dead_job(&self.files.context, job).await;
    }
}

fn refused(reason: &str) -> Reading {
    Reading {
        refusal: Some(reason.to_owned()),
        ..Reading::default()
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Judges a table of which only the form is known: a header, and rows that are not wider than it.
fn read_rows(sheet: &Sheet) -> Reading {
    let mut rows = (1u32..)
        .zip(&sheet.rows)
        .filter(|(_, cells)| !cells.iter().all(|cell| cell.is_blank()));
    let Some((_, header)) = rows.next() else {
        return refused("Le fichier ne contient aucune ligne.");
    };
    let width = header
        .iter()
        .rposition(|cell| !cell.is_blank())
        .map_or(0, |last| last + 1);
    let mut reading = Reading {
        rows_ok: Some(0),
        rows_wrong: Some(0),
        ..Reading::default()
    };
    for (row, cells) in rows {
        let wider = cells.iter().skip(width).any(|cell| !cell.is_blank());
        let counted = if wider {
            &mut reading.rows_wrong
        } else {
            &mut reading.rows_ok
        };
        *counted = counted.map(|count| count.saturating_add(1));
        if wider && reading.faults.len() < MOST_FAULTS {
            reading.faults.push(RowFault {
                row,
                column: None,
                message: "La ligne a plus de cellules que l’en-tête n’a d’intitulés.".to_owned(),
            });
        }
    }
    if reading.rows_ok == Some(0) && reading.rows_wrong == Some(0) {
        return refused("Le fichier n’a qu’un en-tête : il ne contient aucune ligne de données.");
    }
    reading
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::spreadsheet::Cell;

    fn sheet(rows: &[&[&str]]) -> Sheet {
        let rows = rows
            .iter()
            .map(|row| row.iter().map(|text| Cell::text(*text)).collect());
        Sheet::of(rows.collect())
    }

    #[test]
    fn rows_are_not_wider_than_their_header() {
        let reading = read_rows(&sheet(&[
            &["", ""],
            &["Rubrique", "Montant", ""],
            &["A", "1"],
            &[],
            &["B", "2", "", "note"],
            &["C"],
        ]));
        assert_eq!((reading.rows_ok, reading.rows_wrong), (Some(2), Some(1)));
        assert_eq!(
            reading.faults.iter().map(|fault| fault.row).collect::<Vec<_>>(),
            [5]
        );
    }

    #[test]
    fn a_header_alone_is_no_table() {
        for rows in [
            &[][..],
            &[&["", " "][..]][..],
            &[&["Rubrique", "Montant"][..]][..],
        ] {
            assert!(read_rows(&sheet(rows)).refusal.is_some(), "{rows:?}");
        }
    }
}
