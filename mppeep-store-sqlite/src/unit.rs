//! One unit of work: a transaction, and the handle through which repositories borrow it.

use std::sync::Arc;

use async_trait::async_trait;
use mppeep_core::layered::spent::{Part, Running, measure};
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
use sqlx::{Sqlite, SqliteConnection, Transaction};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::codec::present;
use crate::error;

/// A transaction of SQLite. Dropping it rolls it back.
pub(crate) struct SqliteUnit {
    tx: Transaction<'static, Sqlite>,
    writable: bool,
    /// Set when a statement starts and cleared when it ends well or with an answer the caller can act on: a failure, or
    /// a future dropped half way, leaves it set.
    spoilt: bool,
    /// The statement that runs, on the account of the request.
    running: Option<Running>,
    bumped: Vec<Epoch>,
    time: TimeSource,
    /// Told when a job was enqueued and the unit is committed.
    enqueued: Arc<Notify>,
    has_enqueued: bool,
}

impl SqliteUnit {
    pub(crate) fn new(
        tx: Transaction<'static, Sqlite>,
        writable: bool,
        time: TimeSource,
        enqueued: Arc<Notify>,
    ) -> Self {
        Self {
            tx,
            writable,
            spoilt: false,
            running: None,
            bumped: Vec::new(),
            time,
            enqueued,
            has_enqueued: false,
        }
    }

    /// The present instant as a parameter of statements: none when the database's own clock judges.
    pub(crate) fn now(&self) -> Option<i64> {
        present(&self.time)
    }

    /// Remembers that the commit brings a job.
    pub(crate) fn note_enqueued(&mut self) {
        self.has_enqueued = true;
    }

    /// The connection, for a statement that reads.
    pub(crate) fn reading(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        if self.spoilt {
            return Err(StoreError::Poisoned);
        }
        self.spoilt = true;
        self.running = Some(Running::begin(Part::Database));
        Ok(&mut self.tx)
    }

    /// The connection, for a statement that writes.
    pub(crate) fn writing(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        if !self.writable && !self.spoilt {
            return Err(StoreError::ReadOnly);
        }
        self.reading()
    }

    /// Ends the statement that [`Self::reading`] or [`Self::writing`] began, in a repository of `entity`.
    pub(crate) fn settle<T>(
        &mut self,
        entity: &'static str,
        done: Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        self.running = None;
        match done {
            Ok(value) => {
                self.spoilt = false;
                Ok(value)
            }
            Err(err) => {
                let err = error::store(err, entity);
                self.spoilt = matches!(err, StoreError::Backend(_));
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
pub(crate) struct Handle<'a>(pub(crate) &'a mut SqliteUnit);

#[async_trait]
impl UnitOfWork for SqliteUnit {
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

    fn jobs(&mut self) -> Box<dyn JobOutbox + '_> {
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
        let mut namespaces = namespaces.to_vec();
        namespaces.sort_unstable();
        namespaces.dedup();
        for namespace in namespaces {
            let conn = self.writing()?;
            let value = sqlx::query_scalar!(
                r#"
                    INSERT INTO cache_epoch (namespace, value) VALUES (?1, 1)
                    ON CONFLICT (namespace) DO UPDATE SET value = value + 1
                    RETURNING value AS "value!: i64"
                "#,
                namespace.0
            )
            .fetch_one(conn)
            .await;
            let value = self.settle("epoch", value)?;
            self.bumped.retain(|epoch| epoch.namespace != namespace);
            self.bumped.push(Epoch { namespace, value });
        }
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<Vec<Epoch>, StoreError> {
        if self.spoilt {
            return Err(StoreError::Poisoned);
        }
        let Self {
            tx,
            bumped,
            enqueued,
            has_enqueued,
            ..
        } = *self;
        measure(Part::Database, tx.commit())
            .await
            .map_err(error::commit)?;
        if has_enqueued {
            enqueued.notify_waiters();
        }
        Ok(bumped)
    }
}
