//! Exports of personnel files, which an import reads back.

use std::sync::Arc;

use super::context::{Context, Note, require};
use super::error::ServiceError;
use super::personnel::{ListPersonnel, PersonnelService};
use super::personnel_import::{ImportError, blocking};
use crate::domain::activity::{ActivityAction, EntityKind};
use crate::domain::import::personnel_sheet;
use crate::domain::permission::{Action, Actor, Resource, resource_of};
use crate::domain::personnel::{Personnel, PersonnelField};
use crate::ports::page::{PageRequest, PageStart};
use crate::ports::personnel::{ArchiveFilter, PersonnelFilter, PersonnelSort};
use crate::ports::spreadsheet::{Sheet, SheetFormat, Spreadsheets};

/// Files read at a time.
const PAGE: u32 = 2_000;

/// What to export.
#[derive(Debug, Clone)]
pub struct ExportPersonnel {
    /// Which files.
    pub filter: PersonnelFilter,
    /// In which order.
    pub sort: PersonnelSort,
    /// Whether the order is reversed.
    pub descending: bool,
    /// Which fields, in which order; none is every field the actor may export. The matricule always comes with them.
    pub fields: Option<Vec<PersonnelField>>,
}

impl ExportPersonnel {
    /// Every file and every field: what an import elsewhere needs.
    pub fn everything() -> Self {
        Self {
            filter: PersonnelFilter {
                archive: ArchiveFilter::Both,
                ..PersonnelFilter::default()
            },
            sort: PersonnelSort::Matricule,
            descending: false,
            fields: None,
        }
    }
}

/// Exports of personnel files.
pub struct PersonnelExportService {
    context: Arc<Context>,
    spreadsheets: Arc<dyn Spreadsheets>,
}

impl PersonnelExportService {
    /// The service over its context and the writer of files.
    pub fn new(context: Arc<Context>, spreadsheets: Arc<dyn Spreadsheets>) -> Self {
        Self {
            context,
            spreadsheets,
        }
    }

    /// The fields the actor may export, in their natural order.
    pub fn fields(actor: &Actor) -> Vec<PersonnelField> {
        let may = |field: &PersonnelField| actor.may(resource_of(field.group()), Action::Export);
        PersonnelField::ALL.iter().copied().filter(may).collect()
    }

    /// The files asked for as a table; what the actor may not export of a file stays empty. The export is noted in the
    /// journal.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn sheet(&self, actor: &Actor, export: ExportPersonnel) -> Result<Sheet, ServiceError> {
        require(actor, Resource::Directory, Action::Export)?;
        let fields = chosen(actor, export.fields.as_deref());
        let files = self.files(actor, &export).await?;
        let organisation = self.context.organisation().await?;
        let private = fields
            .iter()
            .any(|field| resource_of(field.group()) == Resource::Private);
        let label = format!(
            "Personnel : {} fiches, {} colonnes{}",
            files.len(),
            fields.len(),
            if private {
                ", données privées comprises"
            } else {
                ""
            }
        );
        let line = self.context.activity(
            actor,
            Note {
                action: ActivityAction::Exported,
                entity: EntityKind::Transfer,
                entity_id: None,
                subject: None,
                label,
                changes: Vec::new(),
            },
        );
        // An export changes nothing of the domain: it is noted in read-only mode too.
        let mut unit = self.context.store().begin().await?;
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, &[]).await?;
        let scopes: Vec<_> = fields
            .iter()
            .map(|field| actor.scope(resource_of(field.group()), Action::Export))
            .collect();
        blocking(move || {
            let mut sheet = personnel_sheet(&fields, &files, &organisation);
            if scopes.iter().any(|scope| !scope.everything) {
                for (row, file) in sheet.rows.iter_mut().skip(1).zip(&files) {
                    let mut cell = row.iter_mut();
                    for (field, scope) in fields.iter().zip(&scopes) {
                        let reached = scope.reaches(file.id, file.fields.department);
                        // The directorate follows its department.
                        let width = if *field == PersonnelField::Department {
                            2
                        } else {
                            1
                        };
                        for place in cell.by_ref().take(width).filter(|_| !reached) {
                            *place = crate::ports::spreadsheet::Cell::Empty;
                        }
                    }
                }
            }
            sheet
        })
        .await
    }

    async fn files(&self, actor: &Actor, export: &ExportPersonnel) -> Result<Vec<Personnel>, ServiceError> {
        let lists = PersonnelService::new(Arc::clone(&self.context));
        let mut query = lists.query(
            actor,
            ListPersonnel {
                filter: export.filter.clone(),
                sort: export.sort,
                descending: export.descending,
                page: PageRequest::first(PAGE),
            },
        )?;
        let reach = actor.scope(Resource::Directory, Action::Export);
        let mut files = Vec::new();
        // One unit, so that the pages are of one moment.
        let mut unit = self.context.store().begin_read().await?;
        loop {
            let page = unit.personnel().list(&query).await?;
            files.extend(
                page.rows
                    .into_iter()
                    .map(|row| row.personnel)
                    .filter(|file| reach.reaches(file.id, file.fields.department)),
            );
            match page.next {
                Some(cursor) => {
                    query.page = PageRequest {
                        limit: PAGE,
                        start: PageStart::After(cursor),
                    }
                }
                None => return Ok(files),
            }
        }
    }

    /// The same as a file.
    ///
    /// # Errors
    /// `Forbidden`, `Sheet`, `Store`.
    pub async fn file(
        &self,
        actor: &Actor,
        export: ExportPersonnel,
        format: SheetFormat,
    ) -> Result<Vec<u8>, ImportError> {
        let sheet = self.sheet(actor, export).await?;
        let spreadsheets = Arc::clone(&self.spreadsheets);
        Ok(blocking(move || spreadsheets.write(format, &sheet)).await??)
    }
}

/// The matricule, and the asked fields that the actor may export, each once.
fn chosen(actor: &Actor, asked: Option<&[PersonnelField]>) -> Vec<PersonnelField> {
    let allowed = PersonnelExportService::fields(actor);
    let mut fields = vec![PersonnelField::Matricule];
    for field in asked.unwrap_or(&allowed) {
        if allowed.contains(field) && !fields.contains(field) {
            fields.push(*field);
        }
    }
    fields
}
