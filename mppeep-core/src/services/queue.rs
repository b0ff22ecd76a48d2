//! The queue as administrators see it: jobs, mails that wait, what failed for good.

use std::sync::Arc;

use super::context::{Context, Note, require_all};
use super::error::ServiceError;
use crate::domain::activity::{ActivityAction, EntityKind};
use crate::domain::id::JobId;
use crate::domain::mail::Mail;
use crate::domain::permission::{Action, Actor, Resource};
use crate::ports::job_queue::{JobFilter, JobQueue, JobView, QueueDepth};
use crate::ports::letters::Letter;
use crate::ports::page::{Page, PageRequest};

/// The queue.
pub struct QueueService {
    context: Arc<Context>,
    queue: Arc<dyn JobQueue>,
}

impl QueueService {
    /// The service over its ports.
    pub fn new(context: Arc<Context>, queue: Arc<dyn JobQueue>) -> Self {
        Self { context, queue }
    }

    /// How full the queues are.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn depths(&self, actor: &Actor) -> Result<Vec<QueueDepth>, ServiceError> {
        require_all(actor, Resource::Queue, Action::Read)?;
        Ok(self.queue.depths().await?)
    }

    /// A page of jobs, the latest first.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn list(
        &self,
        actor: &Actor,
        filter: JobFilter,
        page: &PageRequest,
    ) -> Result<Page<JobView>, ServiceError> {
        require_all(actor, Resource::Queue, Action::Read)?;
        Ok(self.queue.list(filter, page).await?)
    }

    /// Makes dead jobs ready again; says how many were dead.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn revive(&self, actor: &Actor, jobs: &[JobId]) -> Result<u64, ServiceError> {
        require_all(actor, Resource::Queue, Action::Write)?;
        let revived = self.queue.revive(jobs).await?;
        self.note(actor, ActivityAction::Restored, revived).await?;
        Ok(revived)
    }

    /// Removes dead jobs; says how many were dead.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn discard(&self, actor: &Actor, jobs: &[JobId]) -> Result<u64, ServiceError> {
        require_all(actor, Resource::Queue, Action::Write)?;
        let discarded = self.queue.discard(jobs).await?;
        self.note(actor, ActivityAction::Cancelled, discarded).await?;
        Ok(discarded)
    }

    /// Puts a mail to the actor himself into the outbox, so that he sees whether mail works.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound` for the operator, `State("no-mail")` when this program writes no mail, `Store`.
    pub async fn send_test(&self, actor: &Actor) -> Result<(), ServiceError> {
        require_all(actor, Resource::Queue, Action::Write)?;
        if self.context.letters().is_none() {
            return Err(ServiceError::State("no-mail"));
        }
        let not_found = || ServiceError::NotFound(EntityKind::User);
        let id = actor.user.ok_or_else(not_found)?;
        let mut unit = self.context.store().begin().await?;
        let user = unit.users().find(id).await?.ok_or_else(not_found)?;
        self.context.post(&mut unit, &user, Letter::Test).await?;
        self.context.commit(unit, &[]).await
    }

    async fn note(&self, actor: &Actor, action: ActivityAction, count: u64) -> Result<(), ServiceError> {
        if count == 0 {
            return Ok(());
        }
        let note = Note {
            action,
            entity: EntityKind::Job,
            entity_id: None,
            subject: None,
            label: count.to_string(),
            changes: Vec::new(),
        };
        let line = self.context.activity(actor, note);
        let mut unit = self.context.store().begin().await?;
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, &[]).await
    }
}

/// The mail that a job of [`crate::ports::job_queue::Queue::Mail`] sends, to be read by people; none when it cannot be read.
pub fn mail_of(job: &JobView) -> Option<Mail> {
    serde_json::from_str(&job.payload).ok()
}
