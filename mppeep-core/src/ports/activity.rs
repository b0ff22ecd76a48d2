//! The repository of the activity journal.

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::error::StoreError;
use super::page::{Page, PageRequest};
use crate::domain::activity::{Activity, ActivityAction, EntityKind};
use crate::domain::id::{ActivityId, PersonnelId, UserId};

/// Conditions on lines of the journal; all of them hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// At this instant or later.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub before: Option<Timestamp>,
    /// By this account.
    pub actor: Option<UserId>,
    /// Any of these actions; empty is every action.
    pub actions: Vec<ActivityAction>,
    /// Any of these kinds of record; empty is every kind.
    pub entities: Vec<EntityKind>,
    /// About this record.
    pub entity_id: Option<Uuid>,
    /// About this agent.
    pub subject: Option<PersonnelId>,
    /// From this address.
    pub address: Option<String>,
    /// Folded words, each of which occurs in actor or label.
    pub words: Vec<String>,
}

/// Stores the journal; lines are only added.
#[async_trait]
pub trait ActivityRepository: Send {
    /// Adds lines.
    ///
    /// # Errors
    /// `Backend` only.
    async fn append(&mut self, activities: &[Activity]) -> Result<(), StoreError>;

    /// A page of the list, the latest first.
    ///
    /// # Errors
    /// `Backend` only.
    async fn list(
        &mut self,
        filter: &ActivityFilter,
        page: &PageRequest,
    ) -> Result<Page<Activity>, StoreError>;

    /// The line of that identifier.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find(&mut self, id: ActivityId) -> Result<Option<Activity>, StoreError>;
}
