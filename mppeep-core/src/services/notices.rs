//! Notices: what the bell shows.

use std::sync::Arc;

use super::context::Context;
use super::error::ServiceError;
use crate::domain::id::{NoticeId, PersonnelId, UserId};
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::permission::Actor;
use crate::domain::user::{Role, UserStatus};
use crate::ports::epochs::Namespace;
use crate::ports::error::StoreError;
use crate::ports::job_queue::LeasedJob;
use crate::ports::page::PageRequest;
use crate::ports::store::UnitOfWork;
use crate::ports::user::UserFilter;

/// Notices shown at once.
pub const SHOWN: u32 = 50;

/// Administrators told of a dead job, at most.
const MOST_TOLD: u32 = 50;

/// The actor's own notices.
pub struct NoticeService {
    context: Arc<Context>,
}

impl NoticeService {
    /// The service over its context.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// The actor's notices, the latest first.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<Notice>, ServiceError> {
        let Some(user) = actor.user else {
            return Ok(Vec::new());
        };
        let mut unit = self.context.store().begin_read().await?;
        Ok(unit.notices().list(user, SHOWN).await?)
    }

    /// How many of them are not read.
    ///
    /// # Errors
    /// `Store`.
    pub async fn unread(&self, actor: &Actor) -> Result<u64, ServiceError> {
        let Some(user) = actor.user else { return Ok(0) };
        let mut unit = self.context.store().begin_read().await?;
        Ok(unit.notices().unread(user).await?)
    }

    /// Marks one as read, or all of them; says how many were not.
    ///
    /// # Errors
    /// `Store`.
    pub async fn mark_read(&self, actor: &Actor, which: Option<NoticeId>) -> Result<u64, ServiceError> {
        let Some(user) = actor.user else { return Ok(0) };
        let mut unit = self.context.store().begin().await?;
        let marked = unit.notices().mark_read(user, which, self.context.now()).await?;
        self.context.commit(unit, &[Namespace::NOTICES]).await?;
        Ok(marked)
    }
}

impl Context {
    /// A notice to a user, to be stored by the unit that causes it, which then bumps [`Namespace::NOTICES`].
    pub(crate) fn notice(&self, user: UserId, kind: NoticeKind, label: impl Into<String>) -> Notice {
        Notice {
            id: NoticeId::new(self.clock(), self.entropy()),
            user,
            kind,
            label: label.into(),
            created_at: self.now(),
            read_at: None,
        }
    }

    /// Tells an agent, if he has an account and is not the one who acts.
    pub(crate) async fn tell_agent(
        &self,
        unit: &mut Box<dyn UnitOfWork>,
        actor: &Actor,
        personnel: PersonnelId,
        kind: NoticeKind,
        label: impl Into<String>,
    ) -> Result<(), StoreError> {
        let Some(user) = unit.users().find_by_personnel(personnel).await? else {
            return Ok(());
        };
        if actor.user == Some(user.id) {
            return Ok(());
        }
        unit.notices().insert(&[self.notice(user.id, kind, label)]).await
    }
}

/// Tells the administrators that a job is dead. It is on their page in any case, so a failure is only logged.
pub(crate) async fn tell_of_dead_job(context: &Context, job: &LeasedJob) {
    if let Err(error) = tell_administrators(context, NoticeKind::JobDead, job.queue.code()).await {
        tracing::warn!(%error, "the administrators could not be told of a dead job");
    }
}

pub(crate) async fn tell_administrators(
    context: &Context,
    kind: NoticeKind,
    label: &str,
) -> Result<(), StoreError> {
    let filter = UserFilter {
        role: Some(Role::Admin),
        status: Some(UserStatus::Active),
        ..UserFilter::default()
    };
    let mut unit = context.store().begin().await?;
    let administrators = unit
        .users()
        .list(&filter, context.now(), &PageRequest::first(MOST_TOLD))
        .await?;
    let notices: Vec<Notice> = administrators
        .rows
        .iter()
        .map(|row| context.notice(row.user.id, kind, label))
        .collect();
    unit.notices().insert(&notices).await?;
    context.commit_unit(unit, &[Namespace::NOTICES]).await
}
