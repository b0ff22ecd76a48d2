//! Tasks that run by themselves, each on one instance at a time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::context::{Context, require_all};
use super::error::ServiceError;
use crate::domain::notice::NoticeKind;
use crate::domain::permission::{Action, Actor, Resource};
use crate::layered::lock_guard::LockGuard;
use crate::ports::job_queue::JobQueue;
use crate::ports::locks::Locks;
use crate::ports::maintain::Maintain;

/// How often it is looked for tasks that are due.
const TICK: Duration = Duration::from_secs(5);

/// For how long a task is locked, prolonged while it runs.
const LOCK_TTL: Duration = Duration::from_secs(60);

/// Uploads of imports are kept that long.
const IMPORTS_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Rows of each kind that one sweep removes at a time.
const SWEEP_ROWS: u32 = 1_000;

/// A task that runs by itself.
#[async_trait]
pub trait Task: Send + Sync {
    /// Its name, in lower case with underscores.
    fn name(&self) -> &'static str;

    /// Time from one start to the next.
    fn every(&self) -> Duration;

    /// Runs it, and says how many things it dealt with.
    ///
    /// # Errors
    /// Any; the next run is at its usual time.
    async fn run(&self) -> Result<u64, ServiceError>;
}

/// What is remembered of a task's last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; none while it runs, or when its process died.
    pub ended_at: Option<Timestamp>,
    /// How many things it dealt with.
    pub dealt_with: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A task as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskView {
    /// Its name.
    pub name: &'static str,
    /// Time from one start to the next.
    pub every: Duration,
    /// Its last run, if there was one.
    pub last: Option<LastRun>,
}

/// Runs tasks when they are due.
pub struct ScheduleService {
    context: Arc<Context>,
    locks: Arc<dyn Locks>,
    tasks: Vec<Arc<dyn Task>>,
}

impl ScheduleService {
    /// The service with its tasks.
    pub fn new(context: Arc<Context>, locks: Arc<dyn Locks>, tasks: Vec<Arc<dyn Task>>) -> Self {
        Self {
            context,
            locks,
            tasks,
        }
    }

    /// The tasks and their last runs.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<TaskView>, ServiceError> {
        require_all(actor, Resource::Queue, Action::Read)?;
        let mut unit = self.context.store().begin_read().await?;
        let mut views = Vec::new();
        for task in &self.tasks {
            let fact = unit.settings().fact(&fact_of(task.as_ref())).await?;
            views.push(TaskView {
                name: task.name(),
                every: task.every(),
                last: fact.and_then(|json| serde_json::from_str(&json).ok()),
            });
        }
        Ok(views)
    }

    /// Runs tasks as they come due, until `stop` turns true (or its sender is gone).
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                // An error says that the sender is gone, which means the same.
                _asked_or_gone = stop.wait_for(|stop| *stop) => return,
            }
            if let Err(error) = self.run_due().await {
                tracing::debug!(%error, "it cannot be seen which tasks are due");
            }
        }
    }

    /// Runs the tasks that are due now and that nobody else runs; says how many ran.
    ///
    /// # Errors
    /// `Store`: it could not be seen what is due, or noted what ran.
    pub async fn run_due(&self) -> Result<u64, ServiceError> {
        let mut ran = 0;
        for task in &self.tasks {
            if !self.is_due(task.as_ref()).await? {
                continue;
            }
            let name = format!("task:{}", task.name());
            let (clock, entropy) = (self.context.clock(), self.context.entropy());
            let Some(guard) = LockGuard::acquire(&self.locks, &name, LOCK_TTL, clock, entropy).await? else {
                continue;
            };
            // Another instance may have run it between the look and the lock.
            if self.is_due(task.as_ref()).await? {
                self.run_one(task.as_ref()).await?;
                ran += 1;
            }
            guard.release().await?;
        }
        Ok(ran)
    }

    async fn is_due(&self, task: &dyn Task) -> Result<bool, ServiceError> {
        let mut unit = self.context.store().begin_read().await?;
        let fact = unit.settings().fact(&fact_of(task)).await?;
        let last: Option<LastRun> = fact.and_then(|json| serde_json::from_str(&json).ok());
        Ok(last.is_none_or(|last| self.context.now() >= last.started_at + task.every()))
    }

    async fn run_one(&self, task: &dyn Task) -> Result<(), ServiceError> {
        let mut run = LastRun {
            started_at: self.context.now(),
            ended_at: None,
            dealt_with: None,
            error: None,
        };
        self.note(task, &run).await?;
        match task.run().await {
            Ok(count) => run.dealt_with = Some(count),
            Err(error) => {
                tracing::warn!(task = task.name(), %error, "a task failed");
                run.error = Some(error.to_string());
            }
        }
        run.ended_at = Some(self.context.now());
        self.note(task, &run).await
    }

    async fn note(&self, task: &dyn Task, run: &LastRun) -> Result<(), ServiceError> {
        let mut unit = self.context.store().begin().await?;
        let json = serde_json::to_string(run).unwrap_or_default();
        unit.settings().set_fact(&fact_of(task), &json).await?;
        self.context.commit(unit, &[]).await
    }
}

fn fact_of(task: &dyn Task) -> String {
    format!("task/{}", task.name())
}

/// Removes what has expired from every adapter whose rows are shared by all instances.
pub struct SweepTask {
    adapters: Vec<Arc<dyn Maintain>>,
}

impl SweepTask {
    /// Sweeps these.
    pub fn new(adapters: Vec<Arc<dyn Maintain>>) -> Self {
        Self { adapters }
    }
}

#[async_trait]
impl Task for SweepTask {
    fn name(&self) -> &'static str {
        "sweep"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run(&self) -> Result<u64, ServiceError> {
        let mut swept = 0;
        for adapter in &self.adapters {
            swept += adapter.sweep(SWEEP_ROWS).await?;
        }
        Ok(swept)
    }
}

/// Forgets the uploads of imports that were not used for a day.
pub struct ForgetImportsTask {
    context: Arc<Context>,
}

impl ForgetImportsTask {
    /// Over this context.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

#[async_trait]
impl Task for ForgetImportsTask {
    fn name(&self) -> &'static str {
        "forget_imports"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn run(&self) -> Result<u64, ServiceError> {
        let mut unit = self.context.store().begin().await?;
        let before = self.context.now() - IMPORTS_KEPT;
        let forgotten = unit.imports().delete_before(before).await?;
        self.context.commit(unit, &[]).await?;
        Ok(forgotten)
    }
}

/// Reminds the administrators, once a day, of jobs that failed for good and wait for a decision.
pub struct DeadJobsTask {
    context: Arc<Context>,
    queue: Arc<dyn JobQueue>,
}

impl DeadJobsTask {
    /// Over this context and queue.
    pub fn new(context: Arc<Context>, queue: Arc<dyn JobQueue>) -> Self {
        Self { context, queue }
    }
}

#[async_trait]
impl Task for DeadJobsTask {
    fn name(&self) -> &'static str {
        "dead_jobs"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(24 * 3600)
    }

    async fn run(&self) -> Result<u64, ServiceError> {
        let mut dead = 0;
        for depth in self.queue.depths().await? {
            if depth.dead > 0 {
                let kind = NoticeKind::JobDead;
                super::notices::tell_administrators(&self.context, kind, depth.queue.code()).await?;
            }
            dead += depth.dead;
        }
        Ok(dead)
    }
}
