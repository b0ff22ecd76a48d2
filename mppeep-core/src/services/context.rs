//! What all services share: the adapters, and snapshots of what nearly every request needs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::error::ServiceError;
use crate::domain::activity::{Activity, ActivityAction, EntityKind, FieldChange};
use crate::domain::id::{ActivityId, PersonnelId};
use crate::domain::organisation::Organisation;
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::settings::Settings;
use crate::layered::cached::Cached;
use crate::layered::epoch_board::EpochBoard;
use crate::ports::clock::{Clock, Entropy};
use crate::ports::epochs::Namespace;
use crate::ports::error::{BackendError, StoreError};
use crate::ports::job_queue::Held;
use crate::ports::letters::Letters;
use crate::ports::store::{Store, UnitOfWork};

/// The adapters the services work with.
#[derive(Clone)]
pub struct Adapters {
    /// The store of the domain.
    pub store: Arc<dyn Store>,
    /// The process's view of the epochs.
    pub epochs: Arc<EpochBoard>,
    /// Cached loading.
    pub cached: Arc<Cached>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// How long cached values are fresh. They may be served twice as long while they are made again; a write makes them
/// unreachable at once in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheTimes {
    /// Statistics of the dashboard.
    pub statistics: Duration,
    /// The list of personnel with its statistics.
    pub personnel: Duration,
}

impl Default for CacheTimes {
    fn default() -> Self {
        Self {
            statistics: Duration::from_secs(300),
            personnel: Duration::from_secs(600),
        }
    }
}

type Snapshot<T> = Mutex<Option<(i64, Arc<T>)>>;

tokio::task_local! {
    /// The key of idempotency under which the present request is carried out.
    static CARRIED_OUT: Uuid;
}

/// Runs a request that holds a key of idempotency by this token: each unit of work that it commits marks the key as
/// carried out, or is not committed when the key is lost.
pub async fn carrying_out<F: Future>(token: Uuid, request: F) -> F::Output {
    CARRIED_OUT.scope(token, request).await
}

/// Shared by all services of one process.
pub struct Context {
    adapters: Adapters,
    cache_times: CacheTimes,
    letters: Option<Arc<dyn Letters>>,
    settings: Snapshot<Settings>,
    organisation: Snapshot<Organisation>,
    demonstration: Snapshot<bool>,
}

/// A line for the journal, before it has an identifier.
pub(crate) struct Note {
    pub(crate) action: ActivityAction,
    pub(crate) entity: EntityKind,
    pub(crate) entity_id: Option<Uuid>,
    pub(crate) subject: Option<PersonnelId>,
    pub(crate) label: String,
    pub(crate) changes: Vec<FieldChange>,
}

impl Context {
    /// A context over adapters, with the usual times of cached values, and without mail.
    pub fn new(adapters: Adapters) -> Arc<Self> {
        Self::with(adapters, CacheTimes::default(), None)
    }

    /// A context over adapters. Without `letters` the services write no mail.
    pub fn with(adapters: Adapters, cache_times: CacheTimes, letters: Option<Arc<dyn Letters>>) -> Arc<Self> {
        Arc::new(Self {
            adapters,
            cache_times,
            letters,
            settings: Mutex::new(None),
            organisation: Mutex::new(None),
            demonstration: Mutex::new(None),
        })
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        self.adapters.store.as_ref()
    }

    /// Cached loading.
    pub(crate) fn cached(&self) -> &Cached {
        &self.adapters.cached
    }

    pub(crate) fn cache_times(&self) -> CacheTimes {
        self.cache_times
    }

    pub(crate) fn letters(&self) -> Option<&dyn Letters> {
        self.letters.as_deref()
    }

    /// The process's view of the epochs.
    pub fn epochs(&self) -> &Arc<EpochBoard> {
        &self.adapters.epochs
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.adapters.clock.now()
    }

    /// The present day in Abidjan and Dakar, which keep UTC all year.
    pub fn today(&self) -> Date {
        self.now().to_zoned(TimeZone::UTC).date()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.adapters.clock.as_ref()
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        self.adapters.entropy.as_ref()
    }

    /// The settings in force.
    ///
    /// # Errors
    /// `Store`.
    pub async fn settings(&self) -> Result<Arc<Settings>, ServiceError> {
        self.snapshot(&self.settings, Namespace::SETTINGS, |mut unit| async move {
            unit.settings().load().await
        })
        .await
    }

    /// The units of the ministry.
    ///
    /// # Errors
    /// `Store`.
    pub async fn organisation(&self) -> Result<Arc<Organisation>, ServiceError> {
        let load = |mut unit: Box<dyn UnitOfWork>| async move { unit.organisation().load().await };
        self.snapshot(&self.organisation, Namespace::ORGANISATION, load)
            .await
    }

    /// Whether the database was created with demonstration data.
    ///
    /// # Errors
    /// `Store`.
    pub async fn is_demonstration(&self) -> Result<bool, ServiceError> {
        let held = self
            .snapshot(&self.demonstration, Namespace::SETTINGS, |mut unit| async move {
                Ok(unit
                    .settings()
                    .fact(super::settings::DEMONSTRATION)
                    .await?
                    .is_some())
            })
            .await?;
        Ok(*held)
    }

    /// The value for the namespace's present epoch. The epoch is read first: a value can be newer than the epoch it is
    /// held under, never older.
    async fn snapshot<T: Send + Sync, F>(
        &self,
        held: &Snapshot<T>,
        namespace: Namespace,
        load: impl FnOnce(Box<dyn UnitOfWork>) -> F,
    ) -> Result<Arc<T>, ServiceError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let epoch = self.adapters.epochs.value(namespace).await?;
        let mut slot = held.lock().await;
        if let Some((at, value)) = slot.as_ref()
            && *at == epoch
        {
            return Ok(Arc::clone(value));
        }
        let unit = self.store().begin_read().await?;
        let value = Arc::new(load(unit).await?);
        *slot = Some((epoch, Arc::clone(&value)));
        Ok(value)
    }

    /// Opens a unit for a change of the domain, unless the site is in read-only mode.
    pub(crate) async fn begin(&self) -> Result<Box<dyn UnitOfWork>, ServiceError> {
        if self.settings().await?.maintenance.read_only {
            return Err(ServiceError::ReadOnlyMode);
        }
        Ok(self.store().begin().await?)
    }

    /// Bumps, commits, and lets this process know the new epochs at once.
    pub(crate) async fn commit(
        &self,
        unit: Box<dyn UnitOfWork>,
        made_wrong: &[Namespace],
    ) -> Result<(), ServiceError> {
        Ok(self.commit_unit(unit, made_wrong).await?)
    }

    /// As [`Self::commit`], for who passes the store's failures on.
    pub(crate) async fn commit_unit(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        made_wrong: &[Namespace],
    ) -> Result<(), StoreError> {
        if let Ok(token) = CARRIED_OUT.try_with(|token| *token)
            && unit.mark_carried_out(token).await? == Held::Lost
        {
            // Its lease ended and another carries it out: this one must have no effect.
            return Err(StoreError::Backend(BackendError::Contention {
                adapter: "idempotency key",
                source: None,
            }));
        }
        unit.bump(made_wrong).await?;
        let epochs = unit.commit().await?;
        self.adapters.epochs.observe(&epochs);
        Ok(())
    }

    /// Writes a line of the journal alone: something was read or exported. It is noted in read-only mode too.
    pub(crate) async fn note(&self, actor: &Actor, note: Note) -> Result<(), ServiceError> {
        let line = self.activity(actor, note);
        let mut unit = self.store().begin().await?;
        unit.activities().append(&[line]).await?;
        self.commit(unit, &[]).await
    }

    /// A line of the journal by this actor now.
    pub(crate) fn activity(&self, actor: &Actor, note: Note) -> Activity {
        Activity {
            id: ActivityId::new(self.clock(), self.entropy()),
            at: self.now(),
            actor: actor.user,
            actor_name: actor.display_name.clone(),
            action: note.action,
            entity: note.entity,
            entity_id: note.entity_id,
            subject: note.subject,
            label: note.label,
            changes: note.changes,
            address: actor.address.clone(),
            request_id: actor.request_id.clone(),
        }
    }

    /// The departments of the units named, and of those below them.
    pub(crate) async fn departments_of(
        &self,
        units: impl IntoIterator<Item = crate::domain::organisation::UnitRef>,
    ) -> Result<BTreeSet<crate::domain::id::DepartmentId>, ServiceError> {
        let organisation = self.organisation().await?;
        Ok(units
            .into_iter()
            .flat_map(|unit| organisation.departments_of(unit))
            .collect())
    }
}

/// Refuses unless the actor holds the right somewhere.
pub(crate) fn require(actor: &Actor, resource: Resource, action: Action) -> Result<(), ServiceError> {
    if actor.may(resource, action) {
        Ok(())
    } else {
        Err(ServiceError::Forbidden { resource, action })
    }
}

/// Refuses unless the actor holds the right everywhere.
pub(crate) fn require_all(actor: &Actor, resource: Resource, action: Action) -> Result<(), ServiceError> {
    if actor.may_all(resource, action) {
        Ok(())
    } else {
        Err(ServiceError::Forbidden { resource, action })
    }
}
