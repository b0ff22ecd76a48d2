//! One unit of work: a transaction, and the handle through which repositories borrow it.
//!
//! PostgreSQL gives up a transaction at its first error, whereas a refusal that the caller can act on must leave the
//! unit usable: each write begins with a savepoint, to which a refusal returns before the next statement.

use async_trait::async_trait;
use mppeep_core::layered::spent::{Part, measure};
use mppeep_core::ports::absence::{AbsenceRepository, HolidayRepository};
use mppeep_core::ports::account_token::AccountTokenRepository;
use mppeep_core::ports::activity::ActivityRepository;
use mppeep_core::ports::clock::TimeSource;
use mppeep_core::ports::document::DocumentRepository;
use mppeep_core::ports::epochs::{Epoch, Namespace};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::evaluation::EvaluationRepository;
use mppeep_core::ports::import::ImportRepository;
use mppeep_core::ports::job_queue::Held;
use mppeep_core::ports::notice::NoticeRepository;
use mppeep_core::ports::organisation::OrganisationRepository;
use mppeep_core::ports::outbox::JobOutbox;
use mppeep_core::ports::payroll::PayrollRepository;
use mppeep_core::ports::personnel::PersonnelRepository;
use mppeep_core::ports::photo::PhotoRepository;
use mppeep_core::ports::setting::SettingRepository;
use mppeep_core::ports::shared_file::SharedFileRepository;
use mppeep_core::ports::store::UnitOfWork;
use mppeep_core::ports::stored_file::StoredFileRepository;
use mppeep_core::ports::user::UserRepository;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::codec::stored;
use crate::error;
use crate::link::{Link, Terms, within};

/// What is to be done when the statement that runs is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// Nothing can be: the unit is spoilt.
    None,
    /// Return to the savepoint.
    Savepoint,
}

/// A transaction of PostgreSQL. Dropping it rolls it back.
pub(crate) struct PgUnit {
    tx: Transaction<'static, Postgres>,
    writable: bool,
    terms: Terms,
    /// Set when a statement starts and cleared when it ends well or with an answer the caller can act on: a failure, or
    /// a future dropped half way, leaves it set.
    spoilt: bool,
    /// Whether there is a savepoint.
    saved: bool,
    guard: Guard,
    /// Whether the last write was refused and what it did is not undone yet.
    refused: bool,
    bumped: Vec<Epoch>,
    time: TimeSource,
}

impl PgUnit {
    pub(crate) fn new(
        tx: Transaction<'static, Postgres>,
        writable: bool,
        terms: Terms,
        time: TimeSource,
    ) -> Self {
        Self {
            tx,
            time,
            writable,
            terms,
            spoilt: false,
            saved: false,
            guard: Guard::None,
            refused: false,
            bumped: Vec::new(),
        }
    }

    /// The present instant as a parameter of statements: none when the database's own clock judges.
    pub(crate) fn now(&self) -> Option<jiff_sqlx::Timestamp> {
        match &self.time {
            TimeSource::Backend => None,
            TimeSource::Clock(clock) => Some(stored(clock.now())),
        }
    }

    /// Whether the unit may write.
    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    fn link(&mut self) -> Link<'_> {
        Link::in_transaction(&mut self.tx, self.terms)
    }

    /// Marks the beginning of a statement.
    fn enter(&mut self) -> Result<(), StoreError> {
        if self.spoilt {
            return Err(StoreError::Poisoned);
        }
        self.spoilt = true;
        Ok(())
    }

    async fn control(&mut self, statement: &'static str) -> Result<(), StoreError> {
        let done = sqlx::raw_sql(statement).execute(self.link()).await;
        done.map(|_| ()).map_err(|err| error::backend(err).into())
    }

    /// Returns to the savepoint if the last write was refused.
    async fn undo(&mut self) -> Result<(), StoreError> {
        if self.refused {
            self.control("ROLLBACK TO SAVEPOINT write").await?;
            self.refused = false;
        }
        Ok(())
    }

    /// The connection, for a statement that reads.
    pub(crate) async fn reading(&mut self) -> Result<Link<'_>, StoreError> {
        self.enter()?;
        self.undo().await?;
        self.guard = Guard::None;
        Ok(self.link())
    }

    /// The connection, for a statement that writes. If it is refused, its unit goes on without it.
    pub(crate) async fn writing(&mut self) -> Result<Link<'_>, StoreError> {
        self.may_write()?;
        self.enter()?;
        let statement = match (self.refused, self.saved) {
            (true, _) => "ROLLBACK TO SAVEPOINT write",
            (false, true) => "RELEASE SAVEPOINT write; SAVEPOINT write",
            (false, false) => "SAVEPOINT write",
        };
        self.control(statement).await?;
        (self.refused, self.saved, self.guard) = (false, true, Guard::Savepoint);
        Ok(self.link())
    }

    /// The connection, for a further statement of the write that [`Self::writing`] began: they are refused together.
    pub(crate) fn same_write(&mut self) -> Result<Link<'_>, StoreError> {
        self.may_write()?;
        self.enter()?;
        Ok(self.link())
    }

    /// The connection, for a statement whose refusal spoils the unit: one of a batch, or one that nothing can refuse.
    pub(crate) async fn batch(&mut self) -> Result<Link<'_>, StoreError> {
        self.may_write()?;
        self.reading().await
    }

    fn may_write(&self) -> Result<(), StoreError> {
        if self.writable || self.spoilt {
            Ok(())
        } else {
            Err(StoreError::ReadOnly)
        }
    }

    /// Ends the statement that one of the methods above began, in a repository of `entity`.
    pub(crate) fn settle<T>(
        &mut self,
        entity: &'static str,
        done: Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        match done {
            Ok(value) => {
                self.spoilt = false;
                Ok(value)
            }
            Err(err) => {
                let err = error::store(err, entity);
                if self.guard == Guard::Savepoint && !matches!(err, StoreError::Backend(_)) {
                    self.refused = true;
                    self.spoilt = false;
                }
                Err(err)
            }
        }
    }

    /// Passes on what was read; a value that cannot be read spoils the unit.
    pub(crate) fn decoded<T>(&mut self, value: Result<T, BackendError>) -> Result<T, StoreError> {
        value.map_err(|err| {
            self.spoilt = true;
            StoreError::Backend(err)
        })
    }

    /// Passes on the refusal that ended a batch: what was written of it must not be committed.
    pub(crate) fn abandon(&mut self, err: StoreError) -> StoreError {
        self.spoilt |= self.writable;
        err
    }
}

/// What the repositories are: a loan of the unit.
pub(crate) struct Handle<'a>(pub(crate) &'a mut PgUnit);

#[async_trait]
impl UnitOfWork for PgUnit {
    fn personnel(&mut self) -> Box<dyn PersonnelRepository + '_> {
        Box::new(Handle(self))
    }

    fn organisation(&mut self) -> Box<dyn OrganisationRepository + '_> {
        Box::new(Handle(self))
    }

    fn absences(&mut self) -> Box<dyn AbsenceRepository + '_> {
        Box::new(Handle(self))
    }

    fn holidays(&mut self) -> Box<dyn HolidayRepository + '_> {
        Box::new(Handle(self))
    }

    fn evaluations(&mut self) -> Box<dyn EvaluationRepository + '_> {
        Box::new(Handle(self))
    }

    fn users(&mut self) -> Box<dyn UserRepository + '_> {
        Box::new(Handle(self))
    }

    fn activities(&mut self) -> Box<dyn ActivityRepository + '_> {
        Box::new(Handle(self))
    }

    fn settings(&mut self) -> Box<dyn SettingRepository + '_> {
        Box::new(Handle(self))
    }

    fn imports(&mut self) -> Box<dyn ImportRepository + '_> {
        Box::new(Handle(self))
    }

    fn payroll(&mut self) -> Box<dyn PayrollRepository + '_> {
        Box::new(Handle(self))
    }

    fn notices(&mut self) -> Box<dyn NoticeRepository + '_> {
        Box::new(Handle(self))
    }

    fn account_tokens(&mut self) -> Box<dyn AccountTokenRepository + '_> {
        Box::new(Handle(self))
    }

    fn jobs(&mut self) -> Box<dyn JobOutbox + '_> {
        Box::new(Handle(self))
    }

    fn stored_files(&mut self) -> Box<dyn StoredFileRepository + '_> {
        Box::new(Handle(self))
    }

    fn documents(&mut self) -> Box<dyn DocumentRepository + '_> {
        Box::new(Handle(self))
    }

    fn shared_files(&mut self) -> Box<dyn SharedFileRepository + '_> {
        Box::new(Handle(self))
    }

    fn photos(&mut self) -> Box<dyn PhotoRepository + '_> {
        Box::new(Handle(self))
    }

    async fn mark_carried_out(&mut self, token: Uuid) -> Result<Held, StoreError> {
        self.mark_key(token).await
    }

    async fn bump(&mut self, namespaces: &[Namespace]) -> Result<(), StoreError> {
        if namespaces.is_empty() {
            return Ok(());
        }
        let link = self.batch().await?;
        let bumped = crate::epochs::bump(link, namespaces).await;
        let bumped = self.settle("epoch", bumped)?;
        self.bumped
            .retain(|old| bumped.iter().all(|new| new.namespace != old.namespace));
        self.bumped.extend(bumped);
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<Vec<Epoch>, StoreError> {
        if self.spoilt {
            return Err(StoreError::Poisoned);
        }
        self.undo().await?;
        let Self {
            tx, bumped, terms, ..
        } = *self;
        let committed = measure(Part::Database, within(terms.patience, tx.commit())).await;
        committed.map_err(error::commit)?;
        Ok(bumped)
    }
}
