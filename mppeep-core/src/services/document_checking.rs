//! What is done with a document that is there: correcting what is known of it, checking it, removing it.

use super::context::{require, require_all};
use super::documents::{DocumentService, MADE_WRONG, find, note, state_change, writable};
use super::error::ServiceError;
use crate::domain::activity::{ActivityAction, described_changes};
use crate::domain::document::{Document, DocumentInput, DocumentState};
use crate::domain::id::DocumentId;
use crate::domain::notice::NoticeKind;
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::text;
use crate::domain::validation::Violations;

impl DocumentService {
    /// Corrects what is known of a document.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Invalid`, `Stale`, `ReadOnlyMode`, `Store`.
    pub async fn correct(
        &self,
        actor: &Actor,
        id: DocumentId,
        version: i64,
        input: &DocumentInput,
    ) -> Result<Document, ServiceError> {
        require_all(actor, Resource::Document, Action::Write)?;
        let fields = self.fields(actor, input, "")?;
        let mut unit = self.context.begin().await?;
        let (before, agent) = writable(&mut unit, actor, id, Some(version)).await?;
        let changed = described_changes(&before.fields.describe(), &fields.describe());
        if changed.is_empty() {
            return Ok(before);
        }
        let after = Document {
            fields,
            version: before.version + 1,
            updated_at: self.context.now(),
            ..before
        };
        unit.documents().update(&after, None).await?;
        let line = note(ActivityAction::Updated, &after, &agent, changed);
        unit.activities()
            .append(&[self.context.activity(actor, line)])
            .await?;
        self.context.commit(unit, MADE_WRONG).await?;
        Ok(after)
    }

    /// Validates a document that somebody else deposited, of somebody else's file.
    ///
    /// # Errors
    /// As [`Self::correct`], and `State("own-document")`, `State("document-validated")`.
    pub async fn validate(
        &self,
        actor: &Actor,
        id: DocumentId,
        version: i64,
    ) -> Result<Document, ServiceError> {
        self.judge(actor, id, version, DocumentState::Validated, None)
            .await
    }

    /// Rejects a document, with a reason for who deposited it.
    ///
    /// # Errors
    /// As [`Self::validate`], and `Invalid` on `reason`.
    pub async fn reject(
        &self,
        actor: &Actor,
        id: DocumentId,
        version: i64,
        reason: &str,
    ) -> Result<Document, ServiceError> {
        require_all(actor, Resource::Document, Action::Validate)?;
        let reason = text::line(reason, 300).map_err(|rule| Violations::one("reason", rule))?;
        self.judge(actor, id, version, DocumentState::Rejected, Some(reason))
            .await
    }

    async fn judge(
        &self,
        actor: &Actor,
        id: DocumentId,
        version: i64,
        state: DocumentState,
        reason: Option<String>,
    ) -> Result<Document, ServiceError> {
        require_all(actor, Resource::Document, Action::Validate)?;
        let action = match state {
            DocumentState::Rejected => ActivityAction::Rejected,
            _ => ActivityAction::Validated,
        };
        let mut unit = self.context.begin().await?;
        let (before, agent) = find(&mut unit, actor, id).await?;
        if before.version != version {
            return Err(ServiceError::Stale);
        }
        if before.state == state && state == DocumentState::Validated {
            return Err(ServiceError::State("document-validated"));
        }
        let versions = unit.documents().versions(id).await?;
        let deposited_by = versions
            .iter()
            .find(|version| version.number == before.current)
            .and_then(|version| version.uploaded_by);
        let own =
            actor.personnel == Some(before.personnel) || (actor.user.is_some() && deposited_by == actor.user);
        if own {
            return Err(ServiceError::State("own-document"));
        }
        let after = Document {
            state,
            state_reason: reason,
            checked_by: actor.user,
            version: before.version + 1,
            updated_at: self.context.now(),
            ..before.clone()
        };
        unit.documents().update(&after, None).await?;
        let reason_of = |document: &Document| ("state_reason", document.state_reason.clone());
        let changed = described_changes(
            &[state_change(&before), reason_of(&before)],
            &[state_change(&after), reason_of(&after)],
        );
        let line = note(action, &after, &agent, changed);
        unit.activities()
            .append(&[self.context.activity(actor, line)])
            .await?;
        // A confidential document is not spoken of to the agent.
        if !after.fields.confidential {
            let kind = match state {
                DocumentState::Rejected => NoticeKind::DocumentRejected,
                _ => NoticeKind::DocumentValidated,
            };
            self.context
                .tell_agent(
                    &mut unit,
                    actor,
                    after.personnel,
                    kind,
                    after.fields.title.clone(),
                )
                .await?;
        }
        self.context.commit(unit, MADE_WRONG).await?;
        Ok(after)
    }

    /// Removes a document with all its contents. An agent may take back what was not validated of his own deposits.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Stale`, `State("document-validated")`, `ReadOnlyMode`, `Store`.
    pub async fn remove(&self, actor: &Actor, id: DocumentId, version: i64) -> Result<(), ServiceError> {
        require(actor, Resource::Document, Action::Write)?;
        let mut unit = self.context.begin().await?;
        let (document, agent) = writable(&mut unit, actor, id, Some(version)).await?;
        let contents = unit.documents().delete(id).await?;
        unit.stored_files().delete(&contents).await?;
        let line = note(ActivityAction::Cancelled, &document, &agent, Vec::new());
        unit.activities()
            .append(&[self.context.activity(actor, line)])
            .await?;
        self.context.commit(unit, MADE_WRONG).await?;
        self.contents.discard(&contents).await;
        Ok(())
    }
}
