//! Files that the services hand in: received, read by a job, shown, archived.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::context::{Context, Note, require};
use super::error::ServiceError;
use super::personnel_import::blocking;
use super::readings::{Reading, Readings};
use super::uploads::{Content, Contents, Upload, read_whole};
use crate::domain::activity::{ActivityAction, EntityKind, FieldChange, described_changes};
use crate::domain::id::{JobId, SharedFileId};
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::shared_file::{
    ACCEPTED_TYPES, SharedFile, SharedFileFields, SharedFileInput, SharedFileStatus,
};
use crate::domain::stored_file::StoredFile;
use crate::ports::cache::Ttl;
use crate::ports::epochs::Namespace;
use crate::ports::job_queue::Queue;
use crate::ports::outbox::NewJob;
use crate::ports::page::{Page, PageRequest};
use crate::ports::shared_file::SharedFileFilter;
use crate::ports::spreadsheet::{Cell, Sheet, SheetError, Spreadsheets};
use crate::ports::store::UnitOfWork;

pub(super) const MADE_WRONG: &[Namespace] = &[Namespace::FILES];

/// Rows that a preview shows below the header.
pub const PREVIEW_ROWS: usize = 20;

/// Cells of a row that a preview shows.
const PREVIEW_CELLS: usize = 30;

/// Characters of a cell that a preview shows.
const PREVIEW_CHARS: usize = 200;

/// How long the beginning of a table is kept for the next who looks at it.
const PREVIEW_TTL: Ttl = Ttl {
    soft: Duration::from_secs(3600),
    hard: Duration::from_secs(3600),
};

/// Shape of what is kept of a table.
const PREVIEW_SCHEMA: u32 = 1;

/// Size of the largest table that is read, in bytes: as much as an import takes.
const MOST_TABLE_BYTES: u64 = 25 * 1024 * 1024;

/// How often the reading of a file is tried.
const MAX_ATTEMPTS: u32 = 4;

/// Room for contents, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Taken by all contents: documents, files and photographs.
    pub used: u64,
    /// What may be taken.
    pub quota: u64,
    /// Free where contents are kept, if that can be told.
    pub free: Option<u64>,
}

/// The beginning of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// The first row.
    pub header: Vec<String>,
    /// The rows below it, [`PREVIEW_ROWS`] at most.
    pub rows: Vec<Vec<String>>,
    /// Rows of the table below its header.
    pub total: usize,
}

impl Preview {
    fn of(sheet: &Sheet) -> Self {
        let row = |cells: &Vec<Cell>| -> Vec<String> {
            let shown = cells.iter().take(PREVIEW_CELLS);
            shown.map(|cell| cut(cell.display())).collect()
        };
        let mut rows = sheet.rows.iter().filter(|row| !row.iter().all(Cell::is_blank));
        let header = rows.next().map(row).unwrap_or_default();
        let below: Vec<_> = rows.collect();
        Self {
            header,
            total: below.len(),
            rows: below.into_iter().take(PREVIEW_ROWS).map(row).collect(),
        }
    }
}

/// A text of [`PREVIEW_CHARS`] at most.
fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(PREVIEW_CHARS) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// Files that the services hand in.
pub struct SharedFileService {
    pub(super) context: Arc<Context>,
    pub(super) contents: Contents,
    pub(super) spreadsheets: Arc<dyn Spreadsheets>,
    readings: Readings,
}

impl SharedFileService {
    /// The service over its ports.
    pub fn new(context: Arc<Context>, contents: Contents, spreadsheets: Arc<dyn Spreadsheets>) -> Self {
        Self {
            context,
            contents,
            spreadsheets,
            readings: Readings::default(),
        }
    }

    /// A page of the files the actor may see, the latest first.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn list(
        &self,
        actor: &Actor,
        filter: SharedFileFilter,
        page: &PageRequest,
    ) -> Result<Page<SharedFile>, ServiceError> {
        require(actor, Resource::SharedFile, Action::Read)?;
        let filter = SharedFileFilter {
            scope: actor.scope(Resource::SharedFile, Action::Read),
            ..filter
        };
        let mut unit = self.context.store().begin_read().await?;
        Ok(unit.shared_files().list(&filter, page).await?)
    }

    /// One file.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Store`.
    pub async fn get(&self, actor: &Actor, id: SharedFileId) -> Result<SharedFile, ServiceError> {
        require(actor, Resource::SharedFile, Action::Read)?;
        let mut unit = self.context.store().begin_read().await?;
        find(&mut unit, actor, id, Action::Read).await
    }

    /// How much room there is.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn usage(&self, actor: &Actor) -> Result<Usage, ServiceError> {
        require(actor, Resource::SharedFile, Action::Read)?;
        let quota = self.context.settings().await?.files.quota_bytes();
        let mut unit = self.context.store().begin_read().await?;
        let used = unit.stored_files().total_bytes().await?;
        drop(unit);
        let free = self.contents.store.space().await?.map(|space| space.free);
        Ok(Usage { used, quota, free })
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`, `QuotaReached`, `StorageFull`, `ReadOnlyMode`, `Store`.
    pub async fn begin_upload(&self, actor: &Actor, file_name: &str) -> Result<Upload, ServiceError> {
        require(actor, Resource::SharedFile, Action::Write)?;
        self.contents
            .begin(&self.context, file_name, ACCEPTED_TYPES)
            .await
    }

    /// Takes a file over, and has it read by a job.
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`, `StorageFull`, `ReadOnlyMode`, `Store`. Nothing of the upload is left then.
    pub async fn hand_in(
        &self,
        actor: &Actor,
        input: &SharedFileInput,
        upload: Upload,
    ) -> Result<SharedFile, ServiceError> {
        require(actor, Resource::SharedFile, Action::Write)?;
        let fields = SharedFileFields::parse(input)?;
        upload.check()?;
        let file_name = upload.name().clone();
        let file = upload.keep(&self.context).await?;
        let content = file.id;
        let now = self.context.now();
        let handed_in = SharedFile {
            id: SharedFileId::new(self.context.clock(), self.context.entropy()),
            fields,
            file,
            file_name,
            status: SharedFileStatus::Uploaded,
            reading: None,
            uploaded_by: actor.user,
            uploaded_by_name: actor.display_name.clone(),
            archived_at: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let stored = async {
            let mut unit = self.context.begin().await?;
            unit.stored_files().insert(&handed_in.file).await?;
            unit.shared_files().insert(&handed_in).await?;
            unit.jobs().enqueue(&self.job(&handed_in)).await?;
            let changed = described_changes(&[], &handed_in.fields.describe());
            let line = note(ActivityAction::Created, &handed_in, changed);
            unit.activities()
                .append(&[self.context.activity(actor, line)])
                .await?;
            self.context.commit(unit, MADE_WRONG).await
        }
        .await;
        self.contents.or_discard(content, stored).await?;
        Ok(handed_in)
    }

    /// Has a file read once more.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Stale`, `State("archived")`, `State("being-read")`, `ReadOnlyMode`, `Store`.
    pub async fn read_again(
        &self,
        actor: &Actor,
        id: SharedFileId,
        version: i64,
    ) -> Result<SharedFile, ServiceError> {
        use SharedFileStatus as S;
        self.change(actor, id, version, ActivityAction::Updated, |file| {
            match file.status {
                S::Archived => Err(ServiceError::State("archived")),
                S::Uploaded | S::Processing => Err(ServiceError::State("being-read")),
                S::Processed | S::Failed => {
                    file.status = S::Uploaded;
                    file.reading = None;
                    Ok(())
                }
            }
        })
        .await
    }

    /// Archives a file: it leaves the list, and is removed after the time of the setting.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Stale`, `State("archived")`, `ReadOnlyMode`, `Store`.
    pub async fn archive(
        &self,
        actor: &Actor,
        id: SharedFileId,
        version: i64,
    ) -> Result<SharedFile, ServiceError> {
        let now = self.context.now();
        self.change(actor, id, version, ActivityAction::Archived, |file| {
            if file.status == SharedFileStatus::Archived {
                return Err(ServiceError::State("archived"));
            }
            file.status = SharedFileStatus::Archived;
            file.archived_at = Some(now);
            Ok(())
        })
        .await
    }

    async fn change(
        &self,
        actor: &Actor,
        id: SharedFileId,
        version: i64,
        action: ActivityAction,
        change: impl FnOnce(&mut SharedFile) -> Result<(), ServiceError> + Send,
    ) -> Result<SharedFile, ServiceError> {
        require(actor, Resource::SharedFile, Action::Write)?;
        let mut unit = self.context.begin().await?;
        let before = writable(&mut unit, actor, id, version).await?;
        let mut after = SharedFile {
            version: before.version + 1,
            updated_at: self.context.now(),
            ..before.clone()
        };
        change(&mut after)?;
        unit.shared_files().update(&after).await?;
        if after.status == SharedFileStatus::Uploaded {
            unit.jobs().enqueue(&self.job(&after)).await?;
        }
        let status = |file: &SharedFile| [("status", Some(file.status.code().to_owned()))];
        let changed = described_changes(&status(&before), &status(&after));
        unit.activities()
            .append(&[self.context.activity(actor, note(action, &after, changed))])
            .await?;
        self.context.commit(unit, MADE_WRONG).await?;
        Ok(after)
    }

    /// Removes a file with its content.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Stale`, `ReadOnlyMode`, `Store`.
    pub async fn remove(&self, actor: &Actor, id: SharedFileId, version: i64) -> Result<(), ServiceError> {
        require(actor, Resource::SharedFile, Action::Write)?;
        let mut unit = self.context.begin().await?;
        let file = writable(&mut unit, actor, id, version).await?;
        self.delete(actor, unit, &file).await
    }

    /// Removes a file in its unit, which this commits.
    pub(super) async fn delete(
        &self,
        actor: &Actor,
        mut unit: Box<dyn UnitOfWork>,
        file: &SharedFile,
    ) -> Result<(), ServiceError> {
        let content = unit.shared_files().delete(file.id).await?;
        let contents: Vec<_> = content.into_iter().collect();
        unit.stored_files().delete(&contents).await?;
        let line = note(ActivityAction::Cancelled, file, Vec::new());
        unit.activities()
            .append(&[self.context.activity(actor, line)])
            .await?;
        self.context.commit(unit, MADE_WRONG).await?;
        self.contents.discard(&contents).await;
        Ok(())
    }

    /// Opens the content of a file. A reading is noted in the journal when it begins; `reading` says what there will be
    /// read of the content.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `State("content-missing")`, `Store`.
    pub async fn open(
        &self,
        actor: &Actor,
        id: SharedFileId,
        reading: impl FnOnce(&StoredFile) -> Reading + Send,
    ) -> Result<Content, ServiceError> {
        let file = self.get(actor, id).await?;
        let content = self
            .contents
            .open(file.file.clone(), file.file_name.clone())
            .await?;
        let line = || note(ActivityAction::Downloaded, &file, Vec::new());
        let reading = reading(&content.file);
        self.readings
            .note(&self.context, actor, content.file.id, reading, line)
            .await?;
        Ok(content)
    }

    /// The beginning of a table; none where the file is none. Looking at it is noted in the journal. The table is read
    /// once for all who look at it within a while.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `State("content-missing")`, `State("unreadable-table")`, `Store`.
    pub async fn preview(&self, actor: &Actor, id: SharedFileId) -> Result<Option<Preview>, ServiceError> {
        let file = self.get(actor, id).await?;
        if !file.file.kind.is_table() {
            return Ok(None);
        }
        // A content never changes: what its table begins with can be told by its identifier alone.
        let key = format!("preview:{}", file.file.id);
        let read = || async { Ok(self.sheet(&file).await?.ok().as_ref().map(Preview::of)) };
        let shown: Result<_, ServiceError> = self
            .context
            .cached()
            .load(MADE_WRONG, PREVIEW_SCHEMA, &key, PREVIEW_TTL, read)
            .await;
        let preview: Preview = shown?.ok_or(ServiceError::State("unreadable-table"))?;
        self.context
            .note(actor, note(ActivityAction::Downloaded, &file, Vec::new()))
            .await?;
        Ok(Some(preview))
    }

    /// The table that a file is, or why it is none, in French.
    pub(super) async fn sheet(&self, file: &SharedFile) -> Result<Result<Sheet, String>, ServiceError> {
        if file.file.size > MOST_TABLE_BYTES {
            let limit_bytes = MOST_TABLE_BYTES;
            return Ok(Err(SheetError::TooLarge { limit_bytes }.french()));
        }
        let content = self
            .contents
            .open(file.file.clone(), file.file_name.clone())
            .await?;
        let bytes = read_whole(content.reader).await?;
        let spreadsheets = Arc::clone(&self.spreadsheets);
        let name = file.file_name.as_str().to_owned();
        blocking(move || {
            spreadsheets
                .read(&name, &bytes)
                .map_err(|refused| refused.french())
        })
        .await
    }

    fn job(&self, file: &SharedFile) -> NewJob {
        NewJob {
            id: JobId::new(self.context.clock(), self.context.entropy()),
            queue: Queue::Files,
            payload: file.id.to_string(),
            priority: 10,
            run_at: None,
            max_attempts: MAX_ATTEMPTS,
            unique_key: Some(format!("read:{}", file.id)),
        }
    }
}

/// The file, if the actor may do that with it.
async fn find(
    unit: &mut Box<dyn UnitOfWork>,
    actor: &Actor,
    id: SharedFileId,
    action: Action,
) -> Result<SharedFile, ServiceError> {
    let not_found = || ServiceError::NotFound(EntityKind::SharedFile);
    let file = unit.shared_files().find(id).await?.ok_or_else(not_found)?;
    if actor
        .scope(Resource::SharedFile, action)
        .reaches_made(file.uploaded_by)
    {
        Ok(file)
    } else {
        Err(not_found())
    }
}

async fn writable(
    unit: &mut Box<dyn UnitOfWork>,
    actor: &Actor,
    id: SharedFileId,
    version: i64,
) -> Result<SharedFile, ServiceError> {
    let file = find(unit, actor, id, Action::Write).await?;
    if file.version == version {
        Ok(file)
    } else {
        Err(ServiceError::Stale)
    }
}

pub(super) fn note(action: ActivityAction, file: &SharedFile, changes: Vec<FieldChange>) -> Note {
    Note {
        action,
        entity: EntityKind::SharedFile,
        entity_id: Some(file.id.as_uuid()),
        subject: None,
        label: file.file_name.as_str().to_owned(),
        changes,
    }
}
