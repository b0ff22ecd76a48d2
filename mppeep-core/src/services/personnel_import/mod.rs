//! Imports of personnel files: read, try, write all or nothing.
//!
//! A dry run and the real run judge a file by the same rules. The real run judges and writes inside one unit, so that
//! nothing can change between the two; one error, a lost connection or a killed process leaves nothing of it.

mod uploads;

use std::sync::Arc;

use bytes::Bytes;

use super::context::{Context, Note, require_all};
use super::error::ServiceError;
use super::personnel::{MADE_WRONG, note, retirement_date};
use crate::domain::activity::{Activity, ActivityAction, EntityKind};
use crate::domain::id::PersonnelId;
use crate::domain::import::{
    self, Finding, ImportReport, Mapping, MappingError, Outcome, Plan, Problem, Target,
};
use crate::domain::organisation::Organisation;
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::personnel::{Personnel, PersonnelField, PersonnelFields, changes};
use crate::domain::settings::Settings;
use crate::domain::text;
use crate::domain::validation::Rule;
use crate::ports::error::StoreError;
use crate::ports::import::{ImportFile, ImportStatus};
use crate::ports::personnel::PersonnelIdentity;
use crate::ports::spreadsheet::{Sheet, SheetError, SheetFormat, Spreadsheets};
use crate::ports::store::UnitOfWork;

pub use uploads::OpenedImport;

/// Files and lines of the journal written at a time.
const BATCH: usize = 500;

/// Why an import was not carried out. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file is no table.
    #[error(transparent)]
    Sheet(#[from] SheetError),
    /// The columns cannot be used.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The right is missing, or the store failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

/// What an import is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportPhase {
    /// Rows are judged.
    Checking,
    /// Files are written; none of it is visible before the end.
    Writing,
}

impl ImportPhase {
    /// A stable English code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Writing => "writing",
        }
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportProgress {
    /// What it is doing.
    pub phase: ImportPhase,
    /// Rows done in this phase.
    pub done: usize,
    /// Rows of this phase.
    pub total: usize,
}

/// Is told how far an import is, often; it must be quick.
pub type ProgressListener = Arc<dyn Fn(ImportProgress) + Send + Sync>;

/// A listener that does not care.
pub fn no_progress() -> ProgressListener {
    Arc::new(|_| {})
}

/// The outcome of a real run.
#[derive(Debug, Clone)]
pub struct Executed {
    /// What was planned, with everything found.
    pub plan: Plan,
    /// Whether it was written; if not, nothing was.
    pub written: bool,
}

/// Imports of personnel files.
pub struct PersonnelImportService {
    context: Arc<Context>,
    spreadsheets: Arc<dyn Spreadsheets>,
}

impl PersonnelImportService {
    /// The service over its context and the reader of files.
    pub fn new(context: Arc<Context>, spreadsheets: Arc<dyn Spreadsheets>) -> Self {
        Self {
            context,
            spreadsheets,
        }
    }

    /// An import writes whole files: it needs every right on them.
    fn check(actor: &Actor) -> Result<(), ServiceError> {
        for resource in [
            Resource::Import,
            Resource::Directory,
            Resource::Career,
            Resource::Private,
        ] {
            require_all(actor, resource, Action::Write)?;
        }
        Ok(())
    }

    /// Reads a file as a table.
    ///
    /// # Errors
    /// `Forbidden` before the file is looked at; `Sheet`.
    pub async fn read(
        &self,
        actor: &Actor,
        file_name: &str,
        bytes: Bytes,
    ) -> Result<Arc<Sheet>, ImportError> {
        Self::check(actor)?;
        let spreadsheets = Arc::clone(&self.spreadsheets);
        let name = file_name.to_owned();
        let sheet = blocking(move || spreadsheets.read(&name, &bytes)).await??;
        Ok(Arc::new(sheet))
    }

    /// Writes a table as a file, for the refused rows and the empty model.
    ///
    /// # Errors
    /// `Forbidden`, `Sheet`.
    pub async fn write(
        &self,
        actor: &Actor,
        format: SheetFormat,
        sheet: Sheet,
    ) -> Result<Vec<u8>, ImportError> {
        Self::check(actor)?;
        let spreadsheets = Arc::clone(&self.spreadsheets);
        Ok(blocking(move || spreadsheets.write(format, &sheet)).await??)
    }

    /// Says what an import would do, and everything that is wrong with it. Writes nothing.
    ///
    /// # Errors
    /// `Forbidden`, `Mapping`, `Store`.
    pub async fn dry_run(
        &self,
        actor: &Actor,
        sheet: &Arc<Sheet>,
        mapping: &Mapping,
        progress: &ProgressListener,
    ) -> Result<Plan, ImportError> {
        Self::check(actor)?;
        mapping.check()?;
        let (settings, organisation) = (self.context.settings().await?, self.context.organisation().await?);
        let mut unit = self.context.store().begin_read().await?;
        let (existing, identities) = on_record(&mut unit, sheet, mapping).await?;
        drop(unit);
        let judged = Judged {
            sheet: Arc::clone(sheet),
            mapping: mapping.clone(),
            settings,
            organisation,
        };
        self.judge(judged, existing, identities, progress).await
    }

    /// Judges a file and, if nothing is wrong, writes all of it in one unit: the files, a line of the journal for each
    /// changed file, and one for the import.
    ///
    /// # Errors
    /// `Forbidden`, `Mapping`, `ReadOnlyMode`, `Store`.
    pub async fn execute(
        &self,
        actor: &Actor,
        file_name: &str,
        sheet: &Arc<Sheet>,
        mapping: &Mapping,
        progress: &ProgressListener,
    ) -> Result<Executed, ImportError> {
        self.execute_for(actor, file_name, sheet, mapping, progress, None)
            .await
    }

    async fn execute_for(
        &self,
        actor: &Actor,
        file_name: &str,
        sheet: &Arc<Sheet>,
        mapping: &Mapping,
        progress: &ProgressListener,
        upload: Option<&ImportFile>,
    ) -> Result<Executed, ImportError> {
        Self::check(actor)?;
        mapping.check()?;
        let settings = self.context.settings().await?;
        let mut unit = self.context.begin().await?;
        // Read inside the unit: a department that closes meanwhile would be seen.
        let organisation = Arc::new(unit.organisation().load().await?);
        let (existing, identities) = on_record(&mut unit, sheet, mapping).await?;
        let settings_now = Arc::clone(&settings);
        let judged = Judged {
            sheet: Arc::clone(sheet),
            mapping: mapping.clone(),
            settings: settings_now,
            organisation,
        };
        let mut plan = self.judge(judged, existing, identities, progress).await?;
        if !plan.may_run() {
            return Ok(Executed { plan, written: false });
        }
        match self.apply(&mut unit, actor, &plan, &settings, progress).await {
            Ok(()) => {}
            Err(StoreError::Conflict {
                field: "matricule", ..
            }) => {
                drop(unit);
                self.find_taken(&mut plan, mapping, &settings).await?;
                return Ok(Executed { plan, written: false });
            }
            Err(other) => return Err(other.into()),
        }
        let counts = plan.counts();
        let label = format!(
            "{} : {} créés, {} modifiés, {} inchangés",
            clean_name(file_name),
            counts.created,
            counts.updated,
            counts.unchanged
        );
        let summary = Note {
            action: ActivityAction::Imported,
            entity: EntityKind::Transfer,
            entity_id: upload.map(|file| file.id.as_uuid()),
            subject: None,
            label,
            changes: Vec::new(),
        };
        unit.activities()
            .append(&[self.context.activity(actor, summary)])
            .await?;
        if let Some(file) = upload {
            let report = serde_json::to_string(&ImportReport::of(&plan, mapping, true)).unwrap_or_default();
            let done = ImportFile {
                status: ImportStatus::Done,
                report: Some(report),
                ..file.clone()
            };
            match unit.imports().update(&done, ImportStatus::Uploaded).await {
                Err(StoreError::StaleVersion) => return Err(ServiceError::State("already-imported").into()),
                other => other?,
            }
        }
        // The second import of a file is noted, and makes nothing wrong.
        let made_wrong = if counts.created + counts.updated > 0 {
            MADE_WRONG
        } else {
            &[]
        };
        self.context.commit(unit, made_wrong).await?;
        Ok(Executed { plan, written: true })
    }

    async fn judge(
        &self,
        judged: Judged,
        existing: Vec<Personnel>,
        identities: Vec<PersonnelIdentity>,
        progress: &ProgressListener,
    ) -> Result<Plan, ImportError> {
        let today = self.context.today();
        let progress = Arc::clone(progress);
        let plan = blocking(move || {
            let pattern = judged.settings.matricule_pattern();
            let context = import::Context {
                organisation: &judged.organisation,
                pattern: &pattern,
                today,
                existing: &existing,
                identities: &identities,
            };
            import::plan(&judged.sheet, &judged.mapping, &context, &mut |done, total| {
                progress(ImportProgress {
                    phase: ImportPhase::Checking,
                    done,
                    total,
                });
            })
        })
        .await?;
        Ok(plan)
    }

    /// Writes what a plan without errors says.
    async fn apply(
        &self,
        unit: &mut Box<dyn UnitOfWork>,
        actor: &Actor,
        plan: &Plan,
        settings: &Settings,
        progress: &ProgressListener,
    ) -> Result<(), StoreError> {
        let counts = plan.counts();
        let total = counts.created + counts.updated;
        let mut done = 0;
        for rows in plan.rows.chunks(BATCH) {
            let mut created = Vec::new();
            let mut lines: Vec<Activity> = Vec::new();
            for row in rows {
                match &row.outcome {
                    Outcome::Create(fields) => {
                        let file = self.new_file(fields, settings);
                        let changed = changes(None, &file.fields);
                        lines.push(
                            self.context
                                .activity(actor, note(ActivityAction::Created, &file, changed)),
                        );
                        created.push(file);
                    }
                    Outcome::Update {
                        before,
                        after,
                        changes,
                    } => {
                        let file = self.changed_file(before, after, settings);
                        let note = note(ActivityAction::Updated, &file, changes.clone());
                        lines.push(self.context.activity(actor, note));
                        unit.personnel().update(&file).await?;
                    }
                    Outcome::Unchanged | Outcome::Refused => {}
                }
            }
            unit.personnel().insert_many(&created).await?;
            unit.activities().append(&lines).await?;
            done += lines.len();
            progress(ImportProgress {
                phase: ImportPhase::Writing,
                done,
                total,
            });
        }
        Ok(())
    }

    fn new_file(&self, fields: &PersonnelFields, settings: &Settings) -> Personnel {
        let now = self.context.now();
        Personnel {
            id: PersonnelId::new(self.context.clock(), self.context.entropy()),
            retirement_date: retirement_date(fields, settings),
            fields: fields.clone(),
            departure: None,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    fn changed_file(&self, before: &Personnel, after: &PersonnelFields, settings: &Settings) -> Personnel {
        Personnel {
            retirement_date: retirement_date(after, settings),
            fields: after.clone(),
            version: before.version + 1,
            updated_at: self.context.now(),
            ..before.clone()
        }
    }

    /// Finds the rows whose matricule another agent bore formerly: only the store knows these. The unit that tries is
    /// dropped.
    async fn find_taken(
        &self,
        plan: &mut Plan,
        mapping: &Mapping,
        settings: &Settings,
    ) -> Result<(), ImportError> {
        let field = PersonnelField::Matricule;
        let column = mapping.column_of(Target::Field(field)).map(|column| column.index);
        let mut unit = self.context.begin().await?;
        for row in &mut plan.rows {
            let Outcome::Create(fields) = &row.outcome else {
                continue;
            };
            let file = self.new_file(fields, settings);
            match unit.personnel().insert(&file).await {
                Ok(()) => {}
                Err(StoreError::Conflict { .. }) => {
                    plan.findings.push(Finding {
                        row: row.row,
                        column,
                        field: Some(field),
                        given: row.matricule.clone(),
                        problem: Problem::Rule(Rule::Taken),
                    });
                    row.outcome = Outcome::Refused;
                }
                Err(other) => return Err(other.into()),
            }
        }
        plan.findings
            .sort_by_key(|finding| (finding.row, finding.column.unwrap_or(usize::MAX)));
        Ok(())
    }
}

/// What a file is judged by, owned, for another thread.
struct Judged {
    sheet: Arc<Sheet>,
    mapping: Mapping,
    settings: Arc<Settings>,
    organisation: Arc<Organisation>,
}

async fn on_record(
    unit: &mut Box<dyn UnitOfWork>,
    sheet: &Sheet,
    mapping: &Mapping,
) -> Result<(Vec<Personnel>, Vec<PersonnelIdentity>), StoreError> {
    let wanted = import::matricules(sheet, mapping);
    let existing = unit.personnel().find_by_matricules(&wanted).await?;
    let identities = unit.personnel().identities().await?;
    Ok((existing, identities))
}

/// The last part of a file's name, on one line.
fn clean_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let shown: String = last
        .chars()
        .filter(|character| !character.is_control())
        .take(120)
        .collect();
    text::line(&shown, 120).unwrap_or_else(|_| "import".to_owned())
}

/// Runs a computation on a thread for blocking work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServiceError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        ServiceError::Store(StoreError::Backend(crate::ports::error::BackendError::Other {
            adapter: "blocking thread",
            source: Box::new(error),
        }))
    })
}
