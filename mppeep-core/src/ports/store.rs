//! The store: units of work over one repository per aggregate.

use async_trait::async_trait;
use uuid::Uuid;

use super::absence::{AbsenceRepository, HolidayRepository};
use super::account_token::AccountTokenRepository;
use super::activity::ActivityRepository;
use super::document::DocumentRepository;
use super::epochs::{Epoch, Namespace};
use super::error::StoreError;
use super::evaluation::EvaluationRepository;
use super::import::ImportRepository;
use super::job_queue::Held;
use super::notice::NoticeRepository;
use super::organisation::OrganisationRepository;
use super::outbox::JobOutbox;
use super::payroll::PayrollRepository;
use super::personnel::PersonnelRepository;
use super::photo::PhotoRepository;
use super::setting::SettingRepository;
use super::shared_file::SharedFileRepository;
use super::stored_file::StoredFileRepository;
use super::user::UserRepository;

/// Opens units of work.
#[async_trait]
pub trait Store: Send + Sync {
    /// Opens a unit that may write. Never open a second one while holding it: SQLite has one writer.
    ///
    /// # Errors
    /// `Backend`.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;

    /// Opens a unit that only reads, on one consistent view of the data. Writing in it gives `ReadOnly`.
    ///
    /// # Errors
    /// `Backend`.
    async fn begin_read(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;

    /// Answers when the database does, with one trivial query.
    ///
    /// # Errors
    /// `Backend`.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// One transaction. Dropping it rolls it back. After a failure other than `Conflict`, `StaleVersion`,
/// `DanglingReference` and `ReadOnly` it is poisoned: every later call, and the commit, gives `Poisoned`.
#[async_trait]
pub trait UnitOfWork: Send {
    /// Personnel files.
    fn personnel(&mut self) -> Box<dyn PersonnelRepository + '_>;
    /// Units of the ministry.
    fn organisation(&mut self) -> Box<dyn OrganisationRepository + '_>;
    /// Absences.
    fn absences(&mut self) -> Box<dyn AbsenceRepository + '_>;
    /// Public holidays.
    fn holidays(&mut self) -> Box<dyn HolidayRepository + '_>;
    /// Evaluations.
    fn evaluations(&mut self) -> Box<dyn EvaluationRepository + '_>;
    /// Login accounts.
    fn users(&mut self) -> Box<dyn UserRepository + '_>;
    /// The activity journal.
    fn activities(&mut self) -> Box<dyn ActivityRepository + '_>;
    /// Settings.
    fn settings(&mut self) -> Box<dyn SettingRepository + '_>;
    /// Uploaded imports.
    fn imports(&mut self) -> Box<dyn ImportRepository + '_>;
    /// The outbox of the queue.
    fn jobs(&mut self) -> Box<dyn JobOutbox + '_>;
    /// Salary slips.
    fn payroll(&mut self) -> Box<dyn PayrollRepository + '_>;
    /// Notices to users.
    fn notices(&mut self) -> Box<dyn NoticeRepository + '_>;
    /// One-time tokens.
    fn account_tokens(&mut self) -> Box<dyn AccountTokenRepository + '_>;

    /// Contents of files.
    fn stored_files(&mut self) -> Box<dyn StoredFileRepository + '_>;
    /// Documents of agents.
    fn documents(&mut self) -> Box<dyn DocumentRepository + '_>;
    /// Files that the services hand in.
    fn shared_files(&mut self) -> Box<dyn SharedFileRepository + '_>;
    /// Photographs.
    fn photos(&mut self) -> Box<dyn PhotoRepository + '_>;

    /// Marks the key of idempotency that this token holds as carried out, with this unit. `Lost` when its lease has ended,
    /// or another holds the key.
    ///
    /// # Errors
    /// `Backend`.
    async fn mark_carried_out(&mut self, token: Uuid) -> Result<Held, StoreError>;

    /// Bumps the epochs of what this unit made wrong, in name order, as its last statements.
    ///
    /// # Errors
    /// `Backend`.
    async fn bump(&mut self, namespaces: &[Namespace]) -> Result<(), StoreError>;

    /// Commits, and gives the epochs it bumped.
    ///
    /// # Errors
    /// `Poisoned`, `Backend`; after `Indeterminate` the unit may have been committed.
    async fn commit(self: Box<Self>) -> Result<Vec<Epoch>, StoreError>;
}
