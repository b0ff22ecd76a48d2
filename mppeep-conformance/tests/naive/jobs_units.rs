//! The units that enqueue into the naive queue.

use std::sync::Arc;

use async_trait::async_trait;
use mppeep_core::ports::absence::{AbsenceRepository, HolidayRepository};
use mppeep_core::ports::account_token::AccountTokenRepository;
use mppeep_core::ports::activity::ActivityRepository;
use mppeep_core::ports::document::DocumentRepository;
use mppeep_core::ports::epochs::{Epoch, Namespace};
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::evaluation::EvaluationRepository;
use mppeep_core::ports::import::ImportRepository;
use mppeep_core::ports::job_queue::Held;
use mppeep_core::ports::notice::NoticeRepository;
use mppeep_core::ports::organisation::OrganisationRepository;
use mppeep_core::ports::outbox::{Enqueued, JobOutbox, NewJob};
use mppeep_core::ports::payroll::PayrollRepository;
use mppeep_core::ports::personnel::PersonnelRepository;
use mppeep_core::ports::photo::PhotoRepository;
use mppeep_core::ports::setting::SettingRepository;
use mppeep_core::ports::shared_file::SharedFileRepository;
use mppeep_core::ports::store::{Store, UnitOfWork};
use mppeep_core::ports::stored_file::StoredFileRepository;
use mppeep_core::ports::user::UserRepository;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::{Flaw, Naive, State};

/// Opens units that enqueue, and do nothing else.
pub(super) struct Units(pub(super) Arc<Naive>);

struct Unit {
    queue: Arc<Naive>,
    /// What was there when the unit began, with what it enqueued.
    seen: State,
    new: Vec<NewJob>,
    writes: bool,
    _writer: Option<OwnedMutexGuard<()>>,
}

fn unused<T>() -> T {
    panic!("the checks of the queue do not need this")
}

impl Units {
    async fn unit(&self, writes: bool) -> Unit {
        let alone = writes && self.0.flaw != Flaw::NoLock;
        let writer = if alone {
            Some(self.0.writer.clone().lock_owned().await)
        } else {
            None
        };
        let state = self.0.state.lock().unwrap();
        let seen = State {
            rows: state.rows.clone(),
            keys: state.keys.clone(),
        };
        Unit {
            queue: self.0.clone(),
            seen,
            new: Vec::new(),
            writes,
            _writer: writer,
        }
    }
}

#[async_trait]
impl Store for Units {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(self.unit(true).await))
    }

    async fn begin_read(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(self.unit(false).await))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Loan<'a>(&'a mut Unit);

#[async_trait]
impl JobOutbox for Loan<'_> {
    async fn enqueue(&mut self, job: &NewJob) -> Result<Enqueued, StoreError> {
        if !self.0.writes {
            return Err(StoreError::ReadOnly);
        }
        let outcome = self.0.queue.enqueue(&mut self.0.seen, job)?;
        if outcome == Enqueued::Done {
            if self.0.queue.flaw == Flaw::EnqueuesAtOnce {
                let mut state = self.0.queue.state.lock().unwrap();
                self.0.queue.enqueue(&mut state, job)?;
            } else {
                self.0.new.push(job.clone());
            }
        }
        Ok(outcome)
    }
}

#[async_trait]
impl UnitOfWork for Unit {
    fn personnel(&mut self) -> Box<dyn PersonnelRepository + '_> {
        unused()
    }

    fn organisation(&mut self) -> Box<dyn OrganisationRepository + '_> {
        unused()
    }

    fn absences(&mut self) -> Box<dyn AbsenceRepository + '_> {
        unused()
    }

    fn holidays(&mut self) -> Box<dyn HolidayRepository + '_> {
        unused()
    }

    fn evaluations(&mut self) -> Box<dyn EvaluationRepository + '_> {
        unused()
    }

    fn users(&mut self) -> Box<dyn UserRepository + '_> {
        unused()
    }

    fn activities(&mut self) -> Box<dyn ActivityRepository + '_> {
        unused()
    }

    fn settings(&mut self) -> Box<dyn SettingRepository + '_> {
        unused()
    }

    fn imports(&mut self) -> Box<dyn ImportRepository + '_> {
        unused()
    }

    fn jobs(&mut self) -> Box<dyn JobOutbox + '_> {
        Box::new(Loan(self))
    }

    fn payroll(&mut self) -> Box<dyn PayrollRepository + '_> {
        unused()
    }

    fn notices(&mut self) -> Box<dyn NoticeRepository + '_> {
        unused()
    }

    fn account_tokens(&mut self) -> Box<dyn AccountTokenRepository + '_> {
        unused()
    }

    fn stored_files(&mut self) -> Box<dyn StoredFileRepository + '_> {
        unused()
    }

    fn documents(&mut self) -> Box<dyn DocumentRepository + '_> {
        unused()
    }

    fn shared_files(&mut self) -> Box<dyn SharedFileRepository + '_> {
        unused()
    }

    fn photos(&mut self) -> Box<dyn PhotoRepository + '_> {
        unused()
    }

    async fn mark_carried_out(&mut self, _: Uuid) -> Result<Held, StoreError> {
        unused()
    }

    async fn bump(&mut self, _: &[Namespace]) -> Result<(), StoreError> {
        unused()
    }

    async fn commit(self: Box<Self>) -> Result<Vec<Epoch>, StoreError> {
        let mut state = self.queue.state.lock().unwrap();
        let known = self.seen.rows.len() - self.new.len().min(self.seen.rows.len());
        // What the unit decided when it looked is written as it is.
        for row in self.seen.rows.iter().skip(known) {
            if self.new.iter().any(|job| job.id == row.job.id) {
                state
                    .keys
                    .extend(row.job.unique_key.clone().map(|key| (row.job.queue, key)));
                state.rows.push(row.clone());
            }
        }
        drop(state);
        self.queue.enqueued.notify_waiters();
        Ok(Vec::new())
    }
}
