//! Evaluations on record: list, record, correct.

use std::sync::Arc;

use super::context::{Context, Note, require};
use super::error::ServiceError;
use crate::domain::activity::{ActivityAction, EntityKind, FieldChange, described_changes};
use crate::domain::evaluation::{Evaluation, EvaluationFields, EvaluationInput, final_mark};
use crate::domain::id::{EvaluationId, PersonnelId};
use crate::domain::notice::NoticeKind;
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::personnel::Personnel;
use crate::ports::epochs::Namespace;
use crate::ports::evaluation::{EvaluationFilter, EvaluationRow};
use crate::ports::page::{Page, PageRequest};
use crate::ports::store::UnitOfWork;

const MADE_WRONG: &[Namespace] = &[Namespace::EVALUATIONS, Namespace::NOTICES, Namespace::PERSONNEL];

/// Evaluations on record.
pub struct EvaluationService {
    context: Arc<Context>,
}

impl EvaluationService {
    /// The service over its context.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// A page of the evaluations the actor may see.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn list(
        &self,
        actor: &Actor,
        mut filter: EvaluationFilter,
        page: &PageRequest,
    ) -> Result<Page<EvaluationRow>, ServiceError> {
        require(actor, Resource::Evaluation, Action::Read)?;
        filter.scope = actor.scope(Resource::Evaluation, Action::Read);
        let mut unit = self.context.store().begin_read().await?;
        Ok(unit.evaluations().list(&filter, page).await?)
    }

    /// One evaluation, with the agent's file.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Store`.
    pub async fn get(
        &self,
        actor: &Actor,
        id: EvaluationId,
    ) -> Result<(Evaluation, Personnel), ServiceError> {
        require(actor, Resource::Evaluation, Action::Read)?;
        let mut unit = self.context.store().begin_read().await?;
        find(&mut unit, actor, id).await
    }

    /// Records the evaluation of an agent in service for a year. Nobody evaluates himself.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Invalid`, `Taken` on `year`, `State("archived")`, `ReadOnlyMode`, `Store`.
    pub async fn record(
        &self,
        actor: &Actor,
        personnel: PersonnelId,
        input: &EvaluationInput,
    ) -> Result<Evaluation, ServiceError> {
        require(actor, Resource::Evaluation, Action::Write)?;
        let mut unit = self.context.begin().await?;
        let not_found = || ServiceError::NotFound(EntityKind::Personnel);
        let agent = unit.personnel().find(personnel).await?.ok_or_else(not_found)?;
        require_writable(actor, &agent)?;
        if agent.departure.is_some() {
            return Err(ServiceError::State("archived"));
        }
        let fields = EvaluationFields::parse(input, self.context.today().year())?;
        let settings = self.context.settings().await?;
        let now = self.context.now();
        let evaluation = Evaluation {
            id: EvaluationId::new(self.context.clock(), self.context.entropy()),
            personnel,
            final_mark: final_mark(&fields.marks, &settings.evaluations),
            fields,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let changed = described_changes(&[], &evaluation.fields.describe());
        let line = self
            .context
            .activity(actor, note(ActivityAction::Created, &evaluation, &agent, changed));
        unit.evaluations().insert(&evaluation).await?;
        unit.activities().append(&[line]).await?;
        let year = evaluation.fields.year.to_string();
        self.context
            .tell_agent(&mut unit, actor, personnel, NoticeKind::EvaluationRecorded, year)
            .await?;
        self.context.commit(unit, MADE_WRONG).await?;
        Ok(evaluation)
    }

    /// Corrects an evaluation.
    ///
    /// # Errors
    /// As `record`, and `Stale`.
    pub async fn correct(
        &self,
        actor: &Actor,
        id: EvaluationId,
        version: i64,
        input: &EvaluationInput,
    ) -> Result<Evaluation, ServiceError> {
        require(actor, Resource::Evaluation, Action::Write)?;
        let mut unit = self.context.begin().await?;
        let (before, agent) = find(&mut unit, actor, id).await?;
        require_writable(actor, &agent)?;
        if before.version != version {
            return Err(ServiceError::Stale);
        }
        let fields = EvaluationFields::parse(input, self.context.today().year())?;
        let changed = described_changes(&before.fields.describe(), &fields.describe());
        if changed.is_empty() {
            return Ok(before);
        }
        let settings = self.context.settings().await?;
        let after = Evaluation {
            final_mark: final_mark(&fields.marks, &settings.evaluations),
            fields,
            version: before.version + 1,
            updated_at: self.context.now(),
            ..before
        };
        let line = self
            .context
            .activity(actor, note(ActivityAction::Updated, &after, &agent, changed));
        unit.evaluations().update(&after).await?;
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, MADE_WRONG).await?;
        Ok(after)
    }
}

/// Whether the actor may record the evaluation of an agent; never his own.
pub fn may_evaluate(actor: &Actor, agent: &Personnel) -> bool {
    actor.personnel != Some(agent.id)
        && actor.may_on(
            Resource::Evaluation,
            Action::Write,
            agent.id,
            agent.fields.department,
        )
}

fn require_writable(actor: &Actor, agent: &Personnel) -> Result<(), ServiceError> {
    if may_evaluate(actor, agent) {
        return Ok(());
    }
    if actor.may_on(
        Resource::Directory,
        Action::Read,
        agent.id,
        agent.fields.department,
    ) {
        Err(ServiceError::Forbidden {
            resource: Resource::Evaluation,
            action: Action::Write,
        })
    } else {
        Err(ServiceError::NotFound(EntityKind::Personnel))
    }
}

async fn find(
    unit: &mut Box<dyn UnitOfWork>,
    actor: &Actor,
    id: EvaluationId,
) -> Result<(Evaluation, Personnel), ServiceError> {
    let not_found = || ServiceError::NotFound(EntityKind::Evaluation);
    let evaluation = unit.evaluations().find(id).await?.ok_or_else(not_found)?;
    let agent = unit
        .personnel()
        .find(evaluation.personnel)
        .await?
        .ok_or_else(not_found)?;
    if actor.may_on(
        Resource::Evaluation,
        Action::Read,
        agent.id,
        agent.fields.department,
    ) {
        Ok((evaluation, agent))
    } else {
        Err(not_found())
    }
}

fn note(
    action: ActivityAction,
    evaluation: &Evaluation,
    agent: &Personnel,
    changes: Vec<FieldChange>,
) -> Note {
    Note {
        action,
        entity: EntityKind::Evaluation,
        entity_id: Some(evaluation.id.as_uuid()),
        subject: Some(agent.id),
        label: format!("{} · {}", agent.fields.matricule, agent.fields.full_name()),
        changes,
    }
}
