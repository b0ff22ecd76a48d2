//! Public holidays. A change counts again, in the same unit, every absence that touches the day and has not ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::Date;

use super::context::{Context, Note, require_all};
use super::error::ServiceError;
use crate::domain::absence::Absence;
use crate::domain::activity::{ActivityAction, EntityKind, FieldChange, described_changes};
use crate::domain::calendar::{Holiday, ivorian_holidays};
use crate::domain::id::HolidayId;
use crate::domain::parse::civil_date;
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::text;
use crate::domain::validation::Violations;
use crate::ports::epochs::Namespace;
use crate::ports::store::UnitOfWork;

const MADE_WRONG: &[Namespace] = &[Namespace::ABSENCES, Namespace::PERSONNEL, Namespace::SETTINGS];

/// A holiday as people give it.
#[derive(Debug, Clone, Default)]
pub struct HolidayInput {
    /// The day, `AAAA-MM-JJ`.
    pub date: String,
    /// What is celebrated.
    pub label: String,
    /// Whether the date is not confirmed yet.
    pub estimated: bool,
}

/// What a change of holidays did, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HolidayEffect {
    /// Absences counted differently.
    pub absences: u32,
    /// Half-days given back to agents (negative: taken).
    pub half_days_returned: i64,
}

/// Public holidays.
pub struct HolidayService {
    context: Arc<Context>,
}

impl HolidayService {
    /// The service over its context.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// The holidays of the days from `from` to `to`, for anybody who is logged in.
    ///
    /// # Errors
    /// `Store`.
    pub async fn between(&self, from: Date, to: Date) -> Result<Vec<Holiday>, ServiceError> {
        let mut unit = self.context.store().begin_read().await?;
        Ok(unit.holidays().between(from, to).await?)
    }

    /// Adds a holiday.
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`, `Taken` on `date`, `ReadOnlyMode`, `Store`.
    pub async fn add(&self, actor: &Actor, input: &HolidayInput) -> Result<HolidayEffect, ServiceError> {
        require_all(actor, Resource::Setting, Action::Write)?;
        let id = HolidayId::new(self.context.clock(), self.context.entropy());
        let holiday = parse(id, input)?;
        let mut unit = self.context.begin().await?;
        unit.holidays().insert(&holiday).await?;
        let effect = self.recount(&mut unit, &[holiday.date]).await?;
        self.finish(actor, unit, ActivityAction::Created, &holiday, None)
            .await?;
        Ok(effect)
    }

    /// Changes or moves a holiday.
    ///
    /// # Errors
    /// As `add`, and `NotFound`.
    pub async fn update(
        &self,
        actor: &Actor,
        id: HolidayId,
        input: &HolidayInput,
    ) -> Result<HolidayEffect, ServiceError> {
        require_all(actor, Resource::Setting, Action::Write)?;
        let holiday = parse(id, input)?;
        let mut unit = self.context.begin().await?;
        let before = unit
            .holidays()
            .find(id)
            .await?
            .ok_or(ServiceError::NotFound(EntityKind::Setting))?;
        unit.holidays().update(&holiday).await?;
        let effect = self.recount(&mut unit, &[before.date, holiday.date]).await?;
        self.finish(actor, unit, ActivityAction::Updated, &holiday, Some(&before))
            .await?;
        Ok(effect)
    }

    /// Removes a holiday.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `ReadOnlyMode`, `Store`.
    pub async fn remove(&self, actor: &Actor, id: HolidayId) -> Result<HolidayEffect, ServiceError> {
        require_all(actor, Resource::Setting, Action::Write)?;
        let mut unit = self.context.begin().await?;
        let before = unit
            .holidays()
            .find(id)
            .await?
            .ok_or(ServiceError::NotFound(EntityKind::Setting))?;
        unit.holidays().delete(id).await?;
        let effect = self.recount(&mut unit, &[before.date]).await?;
        self.finish(actor, unit, ActivityAction::Cancelled, &before, None)
            .await?;
        Ok(effect)
    }

    /// Adds the known holidays of Côte d'Ivoire of a year that are not on record yet; says how many.
    ///
    /// # Errors
    /// `Forbidden`, `ReadOnlyMode`, `Store`.
    pub async fn add_known(&self, actor: &Actor, year: i16) -> Result<u32, ServiceError> {
        require_all(actor, Resource::Setting, Action::Write)?;
        let mut unit = self.context.begin().await?;
        let (Ok(first), Ok(last)) = (Date::new(year, 1, 1), Date::new(year, 12, 31)) else {
            return Err(ServiceError::unknown("year"));
        };
        let present: BTreeSet<Date> = unit
            .holidays()
            .between(first, last)
            .await?
            .into_iter()
            .map(|holiday| holiday.date)
            .collect();
        let mut added = Vec::new();
        for draft in ivorian_holidays(year)
            .into_iter()
            .filter(|draft| !present.contains(&draft.date))
        {
            let holiday = Holiday {
                id: HolidayId::new(self.context.clock(), self.context.entropy()),
                date: draft.date,
                label: draft.label.to_owned(),
                estimated: draft.estimated,
            };
            if added.contains(&holiday.date) {
                continue;
            }
            unit.holidays().insert(&holiday).await?;
            added.push(holiday.date);
        }
        self.recount(&mut unit, &added).await?;
        let note = Note {
            action: ActivityAction::Created,
            entity: EntityKind::Setting,
            entity_id: None,
            subject: None,
            label: format!("holidays {year} · {}", added.len()),
            changes: Vec::new(),
        };
        let line = self.context.activity(actor, note);
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, MADE_WRONG).await?;
        Ok(u32::try_from(added.len()).unwrap_or(u32::MAX))
    }

    /// Counts again what touches the days and has not ended. An absence of which nothing counts any more keeps zero.
    async fn recount(
        &self,
        unit: &mut Box<dyn UnitOfWork>,
        days: &[Date],
    ) -> Result<HolidayEffect, ServiceError> {
        let settings = self.context.settings().await?;
        let today = self.context.today();
        let mut effect = HolidayEffect::default();
        let mut seen = BTreeSet::new();
        for day in days {
            let touching = unit.absences().touching_day(*day).await?;
            for absence in touching {
                if absence.fields.period.end() < today || !seen.insert(absence.id) {
                    continue;
                }
                let period = absence.fields.period;
                let holidays: BTreeSet<Date> = unit
                    .holidays()
                    .between(period.start(), period.end())
                    .await?
                    .into_iter()
                    .map(|holiday| holiday.date)
                    .collect();
                let counted =
                    crate::domain::calendar::Counted::of(period, &holidays, &settings.calendar.week)
                        .in_mode(settings.absences.mode_of(absence.fields.kind));
                if counted == absence.counted_half_days {
                    continue;
                }
                effect.absences += 1;
                effect.half_days_returned += i64::from(absence.counted_half_days) - i64::from(counted);
                let after = Absence {
                    counted_half_days: counted,
                    version: absence.version + 1,
                    updated_at: self.context.now(),
                    ..absence
                };
                unit.absences().update(&after).await?;
            }
        }
        Ok(effect)
    }

    async fn finish(
        &self,
        actor: &Actor,
        mut unit: Box<dyn UnitOfWork>,
        action: ActivityAction,
        holiday: &Holiday,
        before: Option<&Holiday>,
    ) -> Result<(), ServiceError> {
        let changes = before
            .map(|before| holiday_changes(before, holiday))
            .unwrap_or_default();
        let note = Note {
            action,
            entity: EntityKind::Setting,
            entity_id: Some(holiday.id.as_uuid()),
            subject: None,
            label: format!("{} · {}", holiday.date, holiday.label),
            changes,
        };
        let line = self.context.activity(actor, note);
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, MADE_WRONG).await
    }
}

fn parse(id: HolidayId, input: &HolidayInput) -> Result<Holiday, Violations> {
    let mut violations = Violations::default();
    let date = violations.take("date", civil_date(input.date.trim()));
    let label = violations.take("label", text::line(&input.label, 80));
    match (date, label) {
        (Some(date), Some(label)) => Ok(Holiday {
            id,
            date,
            label,
            estimated: input.estimated,
        }),
        _ => Err(violations),
    }
}

fn holiday_changes(before: &Holiday, after: &Holiday) -> Vec<FieldChange> {
    let describe = |holiday: &Holiday| {
        vec![
            ("date", Some(holiday.date.to_string())),
            ("label", Some(holiday.label.clone())),
            ("estimated", Some(holiday.estimated.to_string())),
        ]
    };
    described_changes(&describe(before), &describe(after))
}
