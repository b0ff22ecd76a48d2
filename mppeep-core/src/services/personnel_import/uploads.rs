//! Uploaded files between the steps of the assistant.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Span;

use super::{Executed, ImportError, PersonnelImportService, ProgressListener, clean_name};
use crate::domain::activity::EntityKind;
use crate::domain::id::{ImportId, UserId};
use crate::domain::import::{Mapping, MappingChoice};
use crate::domain::permission::Actor;
use crate::ports::error::StoreError;
use crate::ports::import::{ImportFile, ImportStatus};
use crate::ports::spreadsheet::Sheet;
use crate::services::ServiceError;

/// How long an uploaded file is kept.
const KEPT_HOURS: i64 = 24;

/// An uploaded file with its table and columns.
#[derive(Debug, Clone)]
pub struct OpenedImport {
    /// What is known of it.
    pub file: ImportFile,
    /// Its table.
    pub sheet: Arc<Sheet>,
    /// Its columns, as corrected.
    pub mapping: Mapping,
}

impl PersonnelImportService {
    /// Keeps an uploaded file for the steps of the assistant, if it is a table.
    ///
    /// # Errors
    /// `Forbidden`, `Sheet`, `Mapping` when there is no table, `ReadOnlyMode`, `Store`.
    pub async fn upload(
        &self,
        actor: &Actor,
        file_name: &str,
        bytes: Bytes,
    ) -> Result<ImportId, ImportError> {
        let sheet = self.read(actor, file_name, bytes.clone()).await?;
        Mapping::detect(&sheet)?;
        let user = account(actor)?;
        let now = self.context.now();
        let file = ImportFile {
            id: ImportId::new(self.context.clock(), self.context.entropy()),
            user,
            file_name: clean_name(file_name),
            status: ImportStatus::Uploaded,
            mapping: None,
            report: None,
            created_at: now,
        };
        let mut unit = self.context.begin().await?;
        let forgotten = now.checked_sub(Span::new().hours(KEPT_HOURS)).unwrap_or(now);
        unit.imports().delete_before(forgotten).await?;
        unit.imports().insert(&file, &bytes).await?;
        self.context.commit(unit, &[]).await?;
        Ok(file.id)
    }

    /// An uploaded file of the actor, with its table and columns.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Sheet`, `Mapping`, `Store`.
    pub async fn open(&self, actor: &Actor, id: ImportId) -> Result<OpenedImport, ImportError> {
        Self::check(actor)?;
        let user = account(actor)?;
        let not_found = || ServiceError::NotFound(EntityKind::Transfer);
        let mut unit = self.context.store().begin_read().await?;
        let file = unit.imports().find(id, user).await?.ok_or_else(not_found)?;
        let bytes = unit.imports().bytes(id).await?.ok_or_else(not_found)?;
        drop(unit);
        let sheet = self.read(actor, &file.file_name, Bytes::from(bytes)).await?;
        let choice = file
            .mapping
            .as_deref()
            .and_then(|json| serde_json::from_str::<MappingChoice>(json).ok());
        let mapping = match choice {
            Some(choice) => choice.apply(&sheet)?,
            None => Mapping::detect(&sheet)?,
        };
        Ok(OpenedImport { file, sheet, mapping })
    }

    /// Keeps what a person said of the columns.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Mapping`, `State("already-imported")`, `ReadOnlyMode`, `Store`.
    pub async fn set_columns(
        &self,
        actor: &Actor,
        id: ImportId,
        choice: &MappingChoice,
    ) -> Result<OpenedImport, ImportError> {
        let mut opened = self.open(actor, id).await?;
        opened.mapping = choice.apply(&opened.sheet)?;
        let json = serde_json::to_string(&MappingChoice::of(&opened.mapping)).unwrap_or_default();
        opened.file.mapping = Some(json);
        let mut unit = self.context.begin().await?;
        match unit.imports().update(&opened.file, ImportStatus::Uploaded).await {
            Err(StoreError::StaleVersion) => return Err(ServiceError::State("already-imported").into()),
            other => other?,
        }
        self.context.commit(unit, &[]).await?;
        Ok(opened)
    }

    /// Carries out an uploaded import; a second time it refuses.
    ///
    /// # Errors
    /// As [`PersonnelImportService::execute`]; `NotFound`, `State("already-imported")`.
    pub async fn run(
        &self,
        actor: &Actor,
        id: ImportId,
        progress: &ProgressListener,
    ) -> Result<(OpenedImport, Executed), ImportError> {
        let opened = self.open(actor, id).await?;
        if opened.file.status != ImportStatus::Uploaded {
            return Err(ServiceError::State("already-imported").into());
        }
        let OpenedImport { file, sheet, mapping } = &opened;
        let executed = self
            .execute_for(actor, &file.file_name, sheet, mapping, progress, Some(file))
            .await?;
        Ok((opened, executed))
    }

    /// The actor's uploaded files, the latest first.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<ImportFile>, ImportError> {
        Self::check(actor)?;
        let user = account(actor)?;
        let mut unit = self.context.store().begin_read().await?;
        Ok(unit.imports().list(user).await?)
    }
}

fn account(actor: &Actor) -> Result<UserId, ServiceError> {
    actor.user.ok_or(ServiceError::State("no-account"))
}
