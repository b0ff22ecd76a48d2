//! Whether the place of contents and the rows that name them fit together. Nothing is changed.

use std::time::Duration;

use super::Context;
use super::error::ServiceError;
use super::uploads::Contents;
use crate::domain::id::StoredFileId;
use crate::domain::stored_file::StoredFile;

/// Contents looked at at a time.
const AT_A_TIME: u32 = 500;

/// Contents that are named, of those that are missing.
const MOST_NAMED: usize = 3;

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Rows that were looked at.
    pub rows: u64,
    /// Rows whose content is not there, or has another size.
    pub missing: u64,
    /// A few of these.
    pub named: Vec<StoredFileId>,
    /// Contents that were looked at.
    pub contents: u64,
    /// Contents that no row names.
    pub orphans: u64,
    /// Whether there was more of either than was looked at.
    pub partly: bool,
}

impl Contents {
    /// Compares at most `most` rows, and as many contents that are at least `age` old: younger ones may be on their way to
    /// their row.
    ///
    /// # Errors
    /// `Store`.
    pub async fn compare(
        &self,
        context: &Context,
        most: u64,
        age: Duration,
    ) -> Result<Compared, ServiceError> {
        let mut found = Compared::default();
        self.look_at_rows(context, most, &mut found).await?;
        self.look_at_contents(context, most, age, &mut found).await?;
        Ok(found)
    }

    async fn look_at_rows(
        &self,
        context: &Context,
        most: u64,
        found: &mut Compared,
    ) -> Result<(), ServiceError> {
        let mut after = None;
        loop {
            let mut unit = context.store().begin_read().await?;
            let rows = unit.stored_files().page(after, AT_A_TIME).await?;
            drop(unit);
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(last.id);
            for row in &rows {
                if found.rows == most {
                    found.partly = true;
                    return Ok(());
                }
                found.rows += 1;
                if !self.is_there(row).await? && is_still_named(context, row.id).await? {
                    found.missing += 1;
                    if found.named.len() < MOST_NAMED {
                        found.named.push(row.id);
                    }
                }
            }
        }
    }

    async fn is_there(&self, row: &StoredFile) -> Result<bool, ServiceError> {
        let content = self.store.open(row.id).await?;
        Ok(content.is_some_and(|content| content.size() == row.size))
    }

    async fn look_at_contents(
        &self,
        context: &Context,
        most: u64,
        age: Duration,
        found: &mut Compared,
    ) -> Result<(), ServiceError> {
        let mut after = None;
        loop {
            let left = most - found.contents;
            let kept = self.store.list(age, after, AT_A_TIME as usize).await?;
            let Some(last) = kept.last().copied() else {
                return Ok(());
            };
            let looked_at = usize::try_from(left).unwrap_or(usize::MAX).min(kept.len());
            let these = kept.get(..looked_at).unwrap_or_default();
            let mut unit = context.store().begin_read().await?;
            let orphans = unit.stored_files().unknown(these).await?;
            drop(unit);
            found.contents += these.len() as u64;
            found.orphans += orphans.len() as u64;
            if looked_at < kept.len() {
                found.partly = true;
                return Ok(());
            }
            after = Some(last);
        }
    }
}

/// Whether a row was not removed meanwhile: its content goes after it.
async fn is_still_named(context: &Context, id: StoredFileId) -> Result<bool, ServiceError> {
    let mut unit = context.store().begin_read().await?;
    Ok(unit.stored_files().unknown(&[id]).await?.is_empty())
}
