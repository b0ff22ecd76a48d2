//! Tasks that keep the place of contents clean.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Context;
use super::error::ServiceError;
use super::schedule::Task;
use super::shared_files::SharedFileService;
use super::uploads::Contents;
use crate::domain::permission::Actor;

/// From which age on a content without a row is an orphan. Its row comes within moments of it.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

/// Contents looked at, or files removed, at a time.
const AT_A_TIME: usize = 500;

/// Removes contents that no row names: of uploads whose process died between the content and the row, and of records
/// that were removed while the place of contents was away.
pub struct OrphanFilesTask {
    context: Arc<Context>,
    contents: Contents,
}

impl OrphanFilesTask {
    /// Over this context and place of contents.
    pub fn new(context: Arc<Context>, contents: Contents) -> Self {
        Self { context, contents }
    }
}

#[async_trait]
impl Task for OrphanFilesTask {
    fn name(&self) -> &'static str {
        "orphan_files"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(6 * 3600)
    }

    async fn run(&self) -> Result<u64, ServiceError> {
        let mut removed = self.contents.store.sweep_unfinished(ORPHAN_AGE).await?;
        let mut after = None;
        loop {
            let kept = self.contents.store.list(ORPHAN_AGE, after, AT_A_TIME).await?;
            let Some(last) = kept.last().copied() else {
                return Ok(removed);
            };
            let mut unit = self.context.store().begin_read().await?;
            let orphans = unit.stored_files().unknown(&kept).await?;
            drop(unit);
            for orphan in orphans {
                removed += u64::from(self.contents.store.remove(orphan).await?);
            }
            after = Some(last);
        }
    }
}

/// Removes archived files whose time is over.
pub struct RetainFilesTask {
    context: Arc<Context>,
    files: Arc<SharedFileService>,
}

impl RetainFilesTask {
    /// Over this context and service.
    pub fn new(context: Arc<Context>, files: Arc<SharedFileService>) -> Self {
        Self { context, files }
    }
}

#[async_trait]
impl Task for RetainFilesTask {
    fn name(&self) -> &'static str {
        "retain_files"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(24 * 3600)
    }

    async fn run(&self) -> Result<u64, ServiceError> {
        let settings = self.context.settings().await?;
        let days = settings.files.retention_days;
        if days == 0 || settings.maintenance.read_only {
            return Ok(0);
        }
        let before = self.context.now() - Duration::from_secs(u64::from(days) * 24 * 3600);
        let actor = Actor::operator("Conservation des fichiers");
        let mut removed = 0;
        loop {
            let limit = u32::try_from(AT_A_TIME).unwrap_or(u32::MAX);
            let mut unit = self.context.store().begin_read().await?;
            let over = unit.shared_files().archived_before(before, limit).await?;
            drop(unit);
            if over.is_empty() {
                return Ok(removed);
            }
            for file in over {
                let unit = self.context.begin().await?;
                self.files.delete(&actor, unit, &file).await?;
                removed += 1;
            }
        }
    }
}
