//! The activity journal.

use std::sync::Arc;

use super::context::{Context, Note, require, require_all};
use super::error::ServiceError;
use crate::domain::activity::{Activity, ActivityAction, EntityKind};
use crate::domain::id::PersonnelId;
use crate::domain::permission::{Action, Actor, Resource, resource_of};
use crate::domain::personnel::PersonnelField;
use crate::domain::user::Role;
use crate::ports::activity::ActivityFilter;
use crate::ports::page::{Page, PageRequest, PageStart};

/// A line as one reader may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityView {
    /// The line; values the reader may not see are taken out.
    pub activity: Activity,
    /// Codes of the fields whose values were taken out.
    pub hidden_fields: Vec<String>,
}

/// Lines read at once for an export.
const EXPORT_PAGE: u32 = 500;

/// The activity journal.
pub struct ActivityService {
    context: Arc<Context>,
}

/// Kinds of record of which the journal is open to those in charge of personnel who do not run the system.
const OF_PERSONNEL: &[EntityKind] = &[
    EntityKind::Personnel,
    EntityKind::Absence,
    EntityKind::Evaluation,
    EntityKind::Unit,
    EntityKind::Transfer,
];

impl ActivityService {
    /// The service over its context.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// The kinds of record whose lines the actor may read.
    pub fn readable_kinds(actor: &Actor) -> &'static [EntityKind] {
        if actor.roles.contains(&Role::Admin) {
            EntityKind::ALL
        } else {
            OF_PERSONNEL
        }
    }

    /// A page of the journal, the latest line first.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn list(
        &self,
        actor: &Actor,
        mut filter: ActivityFilter,
        page: &PageRequest,
    ) -> Result<Page<ActivityView>, ServiceError> {
        require(actor, Resource::Journal, Action::Read)?;
        let readable = Self::readable_kinds(actor);
        filter.entities = if filter.entities.is_empty() {
            readable.to_vec()
        } else {
            filter
                .entities
                .into_iter()
                .filter(|kind| readable.contains(kind))
                .collect()
        };
        if filter.entities.is_empty() {
            return Ok(Page {
                rows: Vec::new(),
                total: 0,
                next: None,
            });
        }
        let mut unit = self.context.store().begin_read().await?;
        let page = unit.activities().list(&filter, page).await?;
        Ok(page.map(|activity| view(actor, activity)))
    }

    /// The lines that a filter finds, the latest first and at most `max`, to be taken out of the house; that they were
    /// is noted.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn export(
        &self,
        actor: &Actor,
        filter: &ActivityFilter,
        max: usize,
    ) -> Result<Vec<ActivityView>, ServiceError> {
        require_all(actor, Resource::Journal, Action::Export)?;
        let mut lines = Vec::new();
        let mut request = PageRequest::first(EXPORT_PAGE);
        while lines.len() < max {
            let page = self.list(actor, filter.clone(), &request).await?;
            lines.extend(page.rows);
            match page.next {
                Some(cursor) => request.start = PageStart::After(cursor),
                None => break,
            }
        }
        lines.truncate(max);
        let note = Note {
            action: ActivityAction::Exported,
            entity: EntityKind::Transfer,
            entity_id: None,
            subject: None,
            label: format!("journal · {}", lines.len()),
            changes: Vec::new(),
        };
        let line = self.context.activity(actor, note);
        let mut unit = self.context.store().begin().await?;
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, &[]).await?;
        Ok(lines)
    }

    /// The history of one agent's file, with his absences and evaluations.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn history(
        &self,
        actor: &Actor,
        personnel: PersonnelId,
        page: &PageRequest,
    ) -> Result<Page<ActivityView>, ServiceError> {
        let filter = ActivityFilter {
            subject: Some(personnel),
            ..ActivityFilter::default()
        };
        self.list(actor, filter, page).await
    }
}

/// Takes out the values that the reader may not see on every file.
fn view(actor: &Actor, mut activity: Activity) -> ActivityView {
    let may = |resource| actor.may_all(resource, Action::Read);
    let shows = |field: &str| match activity.entity {
        EntityKind::Personnel => {
            PersonnelField::by_code(field).is_none_or(|field| may(resource_of(field.group())))
        }
        EntityKind::Absence => may(Resource::Absence),
        EntityKind::Evaluation => may(Resource::Evaluation),
        _ => true,
    };
    let hidden: Vec<bool> = activity
        .changes
        .iter()
        .map(|change| !shows(&change.field))
        .collect();
    let mut hidden_fields = Vec::new();
    for (change, hide) in activity.changes.iter_mut().zip(hidden) {
        if hide {
            change.before = None;
            change.after = None;
            hidden_fields.push(change.field.clone());
        }
    }
    ActivityView {
        activity,
        hidden_fields,
    }
}
