//! The units that mark naive keys.

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
use mppeep_core::ports::outbox::JobOutbox;
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

use super::{Flaw, Naive};

/// Opens units that mark keys, and do nothing else.
pub(super) struct Units(pub(super) Arc<Naive>);

struct Unit {
    keys: Arc<Naive>,
    marked: Vec<Uuid>,
    _writer: Option<OwnedMutexGuard<()>>,
}

fn unused<T>() -> T {
    panic!("the checks of keys do not need this")
}

#[async_trait]
impl Store for Units {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let writer = if self.0.flaw == Flaw::NoLock {
            None
        } else {
            Some(self.0.writer.clone().lock_owned().await)
        };
        Ok(Box::new(Unit {
            keys: self.0.clone(),
            marked: Vec::new(),
            _writer: writer,
        }))
    }

    async fn begin_read(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        unused()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
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
        unused()
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

    async fn mark_carried_out(&mut self, token: Uuid) -> Result<Held, StoreError> {
        let mut rows = self.keys.rows.lock().unwrap();
        if self.keys.flaw == Flaw::MarksAtOnce {
            return Ok(self.keys.mark(&mut rows, token));
        }
        let held = self.keys.mark(&mut rows.clone(), token);
        if held == Held::Yes {
            self.marked.push(token);
        }
        Ok(held)
    }

    async fn bump(&mut self, _: &[Namespace]) -> Result<(), StoreError> {
        unused()
    }

    async fn commit(self: Box<Self>) -> Result<Vec<Epoch>, StoreError> {
        let mut rows = self.keys.rows.lock().unwrap();
        for token in &self.marked {
            // What was seen when it was marked is written as it is, whoever came in between.
            if let Some(row) = rows.values_mut().find(|row| row.request.token == *token) {
                row.carried_out = true;
            }
        }
        Ok(Vec::new())
    }
}
