//! Salary slips: computed under a lock whose fence the write compares, validated by another person.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::context::{Context, Note, require, require_all};
use super::error::ServiceError;
use crate::domain::activity::{ActivityAction, EntityKind, FieldChange};
use crate::domain::id::{JobId, PersonnelId, SlipId, UserId};
use crate::domain::payroll::{Month, Slip, SlipStatus, compute};
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::personnel::Personnel;
use crate::layered::lock_guard::LockGuard;
use crate::layered::worker::{JobHandler, pause_after};
use crate::ports::epochs::Namespace;
use crate::ports::job_queue::{JobFilter, JobQueue, JobState, LeasedJob, Outcome, Queue, QueueDepth};
use crate::ports::locks::Locks;
use crate::ports::outbox::{Enqueued, NewJob};
use crate::ports::page::{Page, PageRequest};
use crate::ports::payroll::{SlipFilter, SlipRow, SlipTotals, SlipWrite};

/// How long the salary of one agent is locked, prolonged while it is computed.
pub const LOCK_TTL: Duration = Duration::from_secs(300);

/// Jobs enqueued by one unit of work.
const JOBS_PER_UNIT: usize = 500;

/// How often the computation of one salary is tried.
const MAX_ATTEMPTS: u32 = 5;

const MADE_WRONG: &[Namespace] = &[Namespace::PAYROLL];

/// What a month's computation was started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Salaries that will be computed.
    pub enqueued: u64,
    /// Salaries that were waiting to be computed already.
    pub waiting: u64,
}

/// How far a month is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Agents whose salary is to be computed.
    pub payable: u64,
    /// Sums over the slips there are.
    pub totals: SlipTotals,
    /// The queue of computations, of all months.
    pub queue: QueueDepth,
}

/// A computation as the queue keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct SalaryJob {
    personnel: PersonnelId,
    month: String,
    /// Who asked for it; his right was checked then.
    user: Option<UserId>,
    user_name: String,
}

/// Salary slips.
pub struct PayrollService {
    pub(super) context: Arc<Context>,
    locks: Arc<dyn Locks>,
    queue: Arc<dyn JobQueue>,
    lock_ttl: Duration,
}

impl PayrollService {
    /// The service over its ports.
    pub fn new(context: Arc<Context>, locks: Arc<dyn Locks>, queue: Arc<dyn JobQueue>) -> Self {
        Self::with_lock_ttl(context, locks, queue, LOCK_TTL)
    }

    /// As [`PayrollService::new`], with another time of the lock.
    pub fn with_lock_ttl(
        context: Arc<Context>,
        locks: Arc<dyn Locks>,
        queue: Arc<dyn JobQueue>,
        lock_ttl: Duration,
    ) -> Self {
        Self {
            context,
            locks,
            queue,
            lock_ttl,
        }
    }

    /// Computes the salary of an agent for a month: makes the slip, or replaces the draft. A validated slip is given back as
    /// it is.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; `State("salary-busy")` while somebody else computes it, `State("salary-lock-lost")` when
    /// somebody else took over meanwhile (nothing was written), `State("no-salary-index")`, `State("archived")` for who had
    /// left before the month; `ReadOnlyMode`, `Store`.
    pub async fn process(
        &self,
        actor: &Actor,
        personnel: PersonnelId,
        month: Month,
    ) -> Result<Slip, ServiceError> {
        require_all(actor, Resource::Payroll, Action::Write)?;
        let name = format!("salary_processing:{personnel}");
        let (clock, entropy) = (self.context.clock(), self.context.entropy());
        let guard = LockGuard::acquire(&self.locks, &name, self.lock_ttl, clock, entropy)
            .await?
            .ok_or(ServiceError::State("salary-busy"))?;
        let written = self.write(actor, personnel, month, guard.fence()).await;
        if let Err(error) = guard.release().await {
            tracing::warn!(%error, "a salary's lock could not be given back: its lease will end");
        }
        written
    }

    /// Computes and writes under a fence.
    async fn write(
        &self,
        actor: &Actor,
        personnel: PersonnelId,
        month: Month,
        fence: i64,
    ) -> Result<Slip, ServiceError> {
        let settings = self.context.settings().await?;
        let mut unit = self.context.begin().await?;
        let not_found = || ServiceError::NotFound(EntityKind::Personnel);
        let agent = unit.personnel().find(personnel).await?.ok_or_else(not_found)?;
        if agent
            .departure
            .as_ref()
            .is_some_and(|departure| departure.date < month.first_day())
        {
            return Err(ServiceError::State("archived"));
        }
        let index = agent
            .fields
            .salary_index
            .ok_or(ServiceError::State("no-salary-index"))?;
        let slip = Slip {
            id: SlipId::new(self.context.clock(), self.context.entropy()),
            personnel,
            month,
            status: SlipStatus::Draft,
            index,
            settings: settings.payroll.clone(),
            amounts: compute(index, &settings.payroll),
            fence,
            version: 1,
            computed_at: self.context.now(),
            computed_by: actor.user,
            validated: None,
        };
        let written = unit.payroll().write(&slip).await?;
        match written {
            SlipWrite::Written(slip) => {
                let net = FieldChange {
                    field: "net".to_owned(),
                    before: None,
                    after: Some(slip.amounts.net.to_string()),
                };
                let line = self.context.activity(
                    actor,
                    note(ActivityAction::Computed, &slip, &label(&agent, month), vec![net]),
                );
                unit.activities().append(&[line]).await?;
                self.context.commit(unit, MADE_WRONG).await?;
                Ok(slip)
            }
            SlipWrite::FenceLost => Err(ServiceError::State("salary-lock-lost")),
            SlipWrite::Validated(slip) => Ok(slip),
        }
    }

    /// Has the salaries of a month computed, each by a job of its own. Those that wait already are not enqueued again.
    ///
    /// # Errors
    /// `Forbidden`, `ReadOnlyMode`, `Store`.
    pub async fn start(&self, actor: &Actor, month: Month) -> Result<Started, ServiceError> {
        require_all(actor, Resource::Payroll, Action::Write)?;
        let mut unit = self.context.store().begin_read().await?;
        let payable = unit.payroll().payable(month).await?;
        drop(unit);
        let mut started = Started {
            enqueued: 0,
            waiting: 0,
        };
        for some in payable.chunks(JOBS_PER_UNIT) {
            let mut unit = self.context.begin().await?;
            for personnel in some {
                let job = SalaryJob {
                    personnel: *personnel,
                    month: month.to_string(),
                    user: actor.user,
                    user_name: actor.display_name.clone(),
                };
                let new = NewJob {
                    id: JobId::new(self.context.clock(), self.context.entropy()),
                    queue: Queue::Payroll,
                    payload: serde_json::to_string(&job).unwrap_or_default(),
                    priority: 0,
                    run_at: None,
                    max_attempts: MAX_ATTEMPTS,
                    unique_key: Some(format!("{month}/{personnel}")),
                };
                match unit.jobs().enqueue(&new).await? {
                    Enqueued::Done => started.enqueued += 1,
                    Enqueued::Duplicate => started.waiting += 1,
                }
            }
            self.context.commit(unit, MADE_WRONG).await?;
        }
        let note = Note {
            action: ActivityAction::Computed,
            entity: EntityKind::Slip,
            entity_id: None,
            subject: None,
            label: month.to_string(),
            changes: Vec::new(),
        };
        let line = self.context.activity(actor, note);
        let mut unit = self.context.begin().await?;
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, MADE_WRONG).await?;
        Ok(started)
    }

    /// How far a month is.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn progress(&self, actor: &Actor, month: Month) -> Result<Progress, ServiceError> {
        require_all(actor, Resource::Payroll, Action::Read)?;
        let filter = SlipFilter {
            scope: actor.scope(Resource::Payroll, Action::Read),
            month: Some(month),
            ..SlipFilter::default()
        };
        // The queue first: when it is empty, every slip it made is among those that are summed up afterwards.
        let depths = self.queue.depths().await?;
        let mut unit = self.context.store().begin_read().await?;
        let payable = unit.payroll().payable(month).await?.len() as u64;
        let totals = unit.payroll().totals(&filter).await?;
        drop(unit);
        let queue = depths
            .into_iter()
            .find(|depth| depth.queue == Queue::Payroll)
            .unwrap_or(QueueDepth {
                queue: Queue::Payroll,
                ready: 0,
                leased: 0,
                dead: 0,
                oldest_due: None,
            });
        Ok(Progress {
            payable,
            totals,
            queue,
        })
    }

    /// Salaries that could not be computed, with the reason, for who may compute them: `(agent, month, reason)`.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn failures(&self, actor: &Actor) -> Result<Vec<(PersonnelId, String, String)>, ServiceError> {
        require_all(actor, Resource::Payroll, Action::Write)?;
        let filter = JobFilter {
            queue: Some(Queue::Payroll),
            state: Some(JobState::Dead),
        };
        let page = self.queue.list(filter, &PageRequest::first(100)).await?;
        let failures = page.rows.into_iter().filter_map(|job| {
            let salary: SalaryJob = serde_json::from_str(&job.payload).ok()?;
            Some((salary.personnel, salary.month, job.last_error.unwrap_or_default()))
        });
        Ok(failures.collect())
    }

    /// Validates a draft that the reader saw at `version`. Nobody validates what he computed.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `State("same-person")`, `State("slip-validated")`, `Stale`, `ReadOnlyMode`, `Store`.
    pub async fn validate(&self, actor: &Actor, id: SlipId, version: i64) -> Result<Slip, ServiceError> {
        require_all(actor, Resource::Payroll, Action::Validate)?;
        let not_found = || ServiceError::NotFound(EntityKind::Slip);
        let by = actor.user.ok_or(ServiceError::State("same-person"))?;
        let mut unit = self.context.begin().await?;
        let row = unit.payroll().find(id).await?.ok_or_else(not_found)?;
        if row.slip.status == SlipStatus::Validated {
            return Err(ServiceError::State("slip-validated"));
        }
        if row.slip.computed_by == Some(by) {
            return Err(ServiceError::State("same-person"));
        }
        let at = self.context.now();
        unit.payroll().validate(id, version, by, at).await?;
        let after = Slip {
            status: SlipStatus::Validated,
            validated: Some((by, at)),
            version: version + 1,
            ..row.slip
        };
        let label = format!("{} · {} · {}", row.matricule, row.name, after.month);
        let line = self
            .context
            .activity(actor, note(ActivityAction::Validated, &after, &label, Vec::new()));
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, MADE_WRONG).await?;
        Ok(after)
    }

    /// One slip.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Store`.
    pub async fn get(&self, actor: &Actor, id: SlipId) -> Result<SlipRow, ServiceError> {
        require(actor, Resource::Payroll, Action::Read)?;
        let not_found = || ServiceError::NotFound(EntityKind::Slip);
        let mut unit = self.context.store().begin_read().await?;
        let row = unit.payroll().find(id).await?.ok_or_else(not_found)?;
        let scope = actor.scope(Resource::Payroll, Action::Read);
        // Slips are one's own or everybody's: no unit reaches them.
        if scope.reaches(row.slip.personnel, None) {
            Ok(row)
        } else {
            Err(not_found())
        }
    }

    /// A page of the slips that the actor may see, and the sums over all of them.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn list(
        &self,
        actor: &Actor,
        filter: SlipFilter,
        page: &PageRequest,
    ) -> Result<(Page<SlipRow>, SlipTotals), ServiceError> {
        require(actor, Resource::Payroll, Action::Read)?;
        let filter = SlipFilter {
            scope: actor.scope(Resource::Payroll, Action::Read),
            ..filter
        };
        let mut unit = self.context.store().begin_read().await?;
        let rows = unit.payroll().list(&filter, page).await?;
        let totals = unit.payroll().totals(&filter).await?;
        Ok((rows, totals))
    }

    /// Months that have slips, the latest first.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn months(&self, actor: &Actor) -> Result<Vec<Month>, ServiceError> {
        require(actor, Resource::Payroll, Action::Read)?;
        let mut unit = self.context.store().begin_read().await?;
        Ok(unit.payroll().months().await?)
    }
}

/// Computes the salaries that were enqueued.
pub struct PayrollJobs {
    service: Arc<PayrollService>,
}

impl PayrollJobs {
    /// A handler over the service.
    pub fn new(service: Arc<PayrollService>) -> Self {
        Self { service }
    }
}

#[async_trait]
impl JobHandler for PayrollJobs {
    fn queue(&self) -> Queue {
        Queue::Payroll
    }

    async fn run(&self, job: &LeasedJob) -> Outcome {
        let parsed = serde_json::from_str::<SalaryJob>(&job.payload)
            .ok()
            .and_then(|salary| Some((salary.month.parse::<Month>().ok()?, salary)));
        let Some((month, salary)) = parsed else {
            return Outcome::Dead {
                error: "the job cannot be read".to_owned(),
            };
        };
        let actor = Actor {
            user: salary.user,
            ..Actor::operator(&salary.user_name)
        };
        match self.service.process(&actor, salary.personnel, month).await {
            Ok(_) => Outcome::Done,
            Err(
                error @ (ServiceError::Store(_)
                | ServiceError::ReadOnlyMode
                | ServiceError::State("salary-busy" | "salary-lock-lost")),
            ) => Outcome::Retry {
                after: pause_after(job.attempt, self.service.context.entropy()),
                error: error.to_string(),
            },
            Err(error) => Outcome::Dead {
                error: error.to_string(),
            },
        }
    }

    async fn died(&self, job: &LeasedJob, _error: &str) {
        super::notices::tell_of_dead_job(&self.service.context, job).await;
    }
}

fn label(agent: &Personnel, month: Month) -> String {
    format!(
        "{} · {} · {month}",
        agent.fields.matricule,
        agent.fields.full_name()
    )
}

fn note(action: ActivityAction, slip: &Slip, label: &str, changes: Vec<FieldChange>) -> Note {
    Note {
        action,
        entity: EntityKind::Slip,
        entity_id: Some(slip.id.as_uuid()),
        subject: Some(slip.personnel),
        label: label.to_owned(),
        changes,
    }
}
