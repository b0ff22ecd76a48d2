//! Absences on record: list, preview, record, correct, cancel.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::Date;

use super::context::{Context, Note, require, require_all};
use super::error::ServiceError;
use crate::domain::absence::{Absence, AbsenceFields, AbsenceInput};
use crate::domain::activity::{ActivityAction, EntityKind, FieldChange, described_changes};
use crate::domain::calendar::{Counted, Holiday};
use crate::domain::id::{AbsenceId, PersonnelId};
use crate::domain::notice::NoticeKind;
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::personnel::Personnel;
use crate::ports::absence::{AbsenceFilter, AbsenceRow};
use crate::ports::epochs::Namespace;
use crate::ports::error::StoreError;
use crate::ports::page::{Page, PageRequest};
use crate::ports::store::UnitOfWork;

const MADE_WRONG: &[Namespace] = &[Namespace::ABSENCES, Namespace::NOTICES, Namespace::PERSONNEL];

/// What a period counts for, before it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsencePreview {
    /// Half-days in the three modes.
    pub counted: Counted,
    /// Half-days in the mode of the type.
    pub half_days: u32,
    /// Holidays inside the period.
    pub holidays: Vec<Holiday>,
}

/// Absences on record.
pub struct AbsenceService {
    context: Arc<Context>,
}

impl AbsenceService {
    /// The service over its context.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// A page of the absences the actor may see, the latest start first.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn list(
        &self,
        actor: &Actor,
        mut filter: AbsenceFilter,
        page: &PageRequest,
    ) -> Result<Page<AbsenceRow>, ServiceError> {
        require(actor, Resource::Absence, Action::Read)?;
        filter.scope = actor.scope(Resource::Absence, Action::Read);
        let mut unit = self.context.store().begin_read().await?;
        Ok(unit.absences().list(&filter, page).await?)
    }

    /// One absence, with the agent's file.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Store`.
    pub async fn get(&self, actor: &Actor, id: AbsenceId) -> Result<(Absence, Personnel), ServiceError> {
        require(actor, Resource::Absence, Action::Read)?;
        let mut unit = self.context.store().begin_read().await?;
        find(&mut unit, actor, id).await
    }

    /// What a period counts for.
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`, `Store`.
    pub async fn preview(&self, actor: &Actor, input: &AbsenceInput) -> Result<AbsencePreview, ServiceError> {
        require_all(actor, Resource::Absence, Action::Write)?;
        let fields = AbsenceFields::parse(input)?;
        let mut unit = self.context.store().begin_read().await?;
        let holidays = unit
            .holidays()
            .between(fields.period.start(), fields.period.end())
            .await?;
        let (counted, half_days) = self.count(&fields, &holidays).await?;
        Ok(AbsencePreview {
            counted,
            half_days,
            holidays,
        })
    }

    async fn count(
        &self,
        fields: &AbsenceFields,
        holidays: &[Holiday],
    ) -> Result<(Counted, u32), ServiceError> {
        let settings = self.context.settings().await?;
        let dates: BTreeSet<Date> = holidays.iter().map(|holiday| holiday.date).collect();
        Ok(fields.count(&dates, &settings.calendar.week, &settings.absences)?)
    }

    /// Records an absence of an agent in service.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Invalid`, `Overlap`, `State("archived")`, `ReadOnlyMode`, `Store`.
    pub async fn record(
        &self,
        actor: &Actor,
        personnel: PersonnelId,
        input: &AbsenceInput,
    ) -> Result<Absence, ServiceError> {
        require_all(actor, Resource::Absence, Action::Write)?;
        let fields = AbsenceFields::parse(input)?;
        let mut unit = self.context.begin().await?;
        let not_found = || ServiceError::NotFound(EntityKind::Personnel);
        let agent = unit.personnel().find(personnel).await?.ok_or_else(not_found)?;
        if agent.departure.is_some() {
            return Err(ServiceError::State("archived"));
        }
        let holidays = unit
            .holidays()
            .between(fields.period.start(), fields.period.end())
            .await?;
        let (_, counted_half_days) = self.count(&fields, &holidays).await?;
        let now = self.context.now();
        let absence = Absence {
            id: AbsenceId::new(self.context.clock(), self.context.entropy()),
            personnel,
            fields,
            counted_half_days,
            cancelled_at: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let changed = described_changes(&[], &absence.fields.describe());
        let line = self
            .context
            .activity(actor, note(ActivityAction::Created, &absence, &agent, changed));
        let stored = unit.absences().insert(&absence).await;
        explain_overlap(&mut unit, &absence, stored).await?;
        unit.activities().append(&[line]).await?;
        self.tell(&mut unit, actor, &absence, NoticeKind::AbsenceRecorded)
            .await?;
        self.context.commit(unit, MADE_WRONG).await?;
        Ok(absence)
    }

    /// Corrects an absence.
    ///
    /// # Errors
    /// As `record`, and `Stale`, `State("cancelled")`.
    pub async fn correct(
        &self,
        actor: &Actor,
        id: AbsenceId,
        version: i64,
        input: &AbsenceInput,
    ) -> Result<Absence, ServiceError> {
        require_all(actor, Resource::Absence, Action::Write)?;
        let fields = AbsenceFields::parse(input)?;
        let mut unit = self.context.begin().await?;
        let (before, agent) = self.writable(&mut unit, actor, id, version).await?;
        let holidays = unit
            .holidays()
            .between(fields.period.start(), fields.period.end())
            .await?;
        let (_, counted_half_days) = self.count(&fields, &holidays).await?;
        let changed = described_changes(&before.fields.describe(), &fields.describe());
        if changed.is_empty() && counted_half_days == before.counted_half_days {
            return Ok(before);
        }
        let after = Absence {
            fields,
            counted_half_days,
            version: before.version + 1,
            updated_at: self.context.now(),
            ..before
        };
        let line = self
            .context
            .activity(actor, note(ActivityAction::Updated, &after, &agent, changed));
        let stored = unit.absences().update(&after).await;
        explain_overlap(&mut unit, &after, stored).await?;
        unit.activities().append(&[line]).await?;
        self.tell(&mut unit, actor, &after, NoticeKind::AbsenceChanged)
            .await?;
        self.context.commit(unit, MADE_WRONG).await?;
        Ok(after)
    }

    /// Cancels an absence: it stays on record and counts for nothing.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Stale`, `State("cancelled")`, `ReadOnlyMode`, `Store`.
    pub async fn cancel(&self, actor: &Actor, id: AbsenceId, version: i64) -> Result<Absence, ServiceError> {
        require_all(actor, Resource::Absence, Action::Write)?;
        let mut unit = self.context.begin().await?;
        let (before, agent) = self.writable(&mut unit, actor, id, version).await?;
        let now = self.context.now();
        let after = Absence {
            cancelled_at: Some(now),
            version: before.version + 1,
            updated_at: now,
            ..before
        };
        let line = self
            .context
            .activity(actor, note(ActivityAction::Cancelled, &after, &agent, Vec::new()));
        unit.absences().update(&after).await?;
        unit.activities().append(&[line]).await?;
        self.tell(&mut unit, actor, &after, NoticeKind::AbsenceChanged)
            .await?;
        self.context.commit(unit, MADE_WRONG).await?;
        Ok(after)
    }

    /// Tells the agent, if he has an account.
    async fn tell(
        &self,
        unit: &mut Box<dyn UnitOfWork>,
        actor: &Actor,
        absence: &Absence,
        kind: NoticeKind,
    ) -> Result<(), ServiceError> {
        let period = absence.fields.period;
        let label = format!("{}/{}", period.start(), period.end());
        self.context
            .tell_agent(unit, actor, absence.personnel, kind, label)
            .await?;
        Ok(())
    }

    async fn writable(
        &self,
        unit: &mut Box<dyn UnitOfWork>,
        actor: &Actor,
        id: AbsenceId,
        version: i64,
    ) -> Result<(Absence, Personnel), ServiceError> {
        let (absence, agent) = find(unit, actor, id).await?;
        if absence.version != version {
            return Err(ServiceError::Stale);
        }
        if absence.cancelled_at.is_some() {
            return Err(ServiceError::State("cancelled"));
        }
        Ok((absence, agent))
    }
}

async fn find(
    unit: &mut Box<dyn UnitOfWork>,
    actor: &Actor,
    id: AbsenceId,
) -> Result<(Absence, Personnel), ServiceError> {
    let not_found = || ServiceError::NotFound(EntityKind::Absence);
    let absence = unit.absences().find(id).await?.ok_or_else(not_found)?;
    let agent = unit
        .personnel()
        .find(absence.personnel)
        .await?
        .ok_or_else(not_found)?;
    if actor.may_on(Resource::Absence, Action::Read, agent.id, agent.fields.department) {
        Ok((absence, agent))
    } else {
        Err(not_found())
    }
}

/// Names the absence that the refused one overlaps.
async fn explain_overlap(
    unit: &mut Box<dyn UnitOfWork>,
    absence: &Absence,
    stored: Result<(), StoreError>,
) -> Result<(), ServiceError> {
    match stored {
        Err(StoreError::Conflict { field: "period", .. }) => {
            let period = absence.fields.period;
            let others = unit
                .absences()
                .touching(absence.personnel, period.start(), period.end())
                .await?;
            match others.into_iter().find(|other| other.id != absence.id) {
                Some(other) => Err(ServiceError::Overlap(Box::new(other))),
                None => Err(ServiceError::Taken { field: "period" }),
            }
        }
        other => Ok(other?),
    }
}

fn note(action: ActivityAction, absence: &Absence, agent: &Personnel, changes: Vec<FieldChange>) -> Note {
    Note {
        action,
        entity: EntityKind::Absence,
        entity_id: Some(absence.id.as_uuid()),
        subject: Some(agent.id),
        label: format!("{} · {}", agent.fields.matricule, agent.fields.full_name()),
        changes,
    }
}
