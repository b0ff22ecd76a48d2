//! A naive store: each unit works on what it saw when it began, and its writes go over whatever others wrote
//! meanwhile, as units without locks and without conditions in their statements do.
//!
//! It holds what the checks of races need, and nothing else.

#[path = "store_files.rs"]
mod files;
#[path = "store_repositories.rs"]
mod repositories;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mppeep_conformance::{StoreHarness, TestClock};
use mppeep_core::domain::absence::Absence;
use mppeep_core::domain::document::{Document, DocumentVersion};
use mppeep_core::domain::id::{DocumentId, ImportId, PersonnelId, SharedFileId, StoredFileId, UserId};
use mppeep_core::domain::payroll::{Month, Slip};
use mppeep_core::domain::personnel::Personnel;
use mppeep_core::domain::photo::{Photo, PhotoOwner};
use mppeep_core::domain::settings::SettingsSection;
use mppeep_core::domain::shared_file::SharedFile;
use mppeep_core::domain::stored_file::StoredFile;
use mppeep_core::domain::user::User;
use mppeep_core::ports::absence::{AbsenceRepository, HolidayRepository};
use mppeep_core::ports::account_token::{AccountToken, AccountTokenRepository};
use mppeep_core::ports::activity::ActivityRepository;
use mppeep_core::ports::counters::Counters;
use mppeep_core::ports::document::DocumentRepository;
use mppeep_core::ports::epochs::{Epoch, Epochs, Namespace};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::evaluation::EvaluationRepository;
use mppeep_core::ports::idempotency::IdempotencyKeys;
use mppeep_core::ports::import::{ImportFile, ImportRepository};
use mppeep_core::ports::job_queue::{Held, JobQueue};
use mppeep_core::ports::locks::Locks;
use mppeep_core::ports::login_attempts::LoginAttempts;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::notice::NoticeRepository;
use mppeep_core::ports::organisation::OrganisationRepository;
use mppeep_core::ports::outbox::JobOutbox;
use mppeep_core::ports::payroll::PayrollRepository;
use mppeep_core::ports::personnel::PersonnelRepository;
use mppeep_core::ports::photo::PhotoRepository;
use mppeep_core::ports::session::SessionStore;
use mppeep_core::ports::setting::SettingRepository;
use mppeep_core::ports::shared_file::SharedFileRepository;
use mppeep_core::ports::store::{Store, UnitOfWork};
use mppeep_core::ports::stored_file::StoredFileRepository;
use mppeep_core::ports::user::UserRepository;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use crate::{clock, mutants, others_run};

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// Units do not exclude each other.
    NoLock,
    /// Reading units see what is committed while they are open.
    NoSnapshot,
    /// Epochs are bumped at once, not with the commit.
    EpochsApart,
    /// Slips are written whatever fence they were last written under.
    NoFence,
    /// A validated slip is a draft like any other.
    ValidatedIsDraft,
    /// A token that is taken ends alone.
    TakesOne,
    /// A new token leaves the earlier ones as they are.
    KeepsTokens,
    /// A token lives at the instant at which it ends.
    EndsLate,
    /// A content that is referred to goes all the same.
    NoReferences,
    /// A refused update has added its version.
    AddsFirst,
    /// A version takes the place of the one before.
    OneVersion,
    /// A photograph says nothing of the one whose place it takes.
    ForgetsEarlier,
    /// Agents and accounts are told apart by their identifiers alone.
    OneOwner,
    /// An update replaces all of a file, its content as well.
    ReplacesContent,
}

#[derive(Clone, Default)]
struct State {
    personnel: HashMap<PersonnelId, Personnel>,
    absences: Vec<Absence>,
    users: HashMap<UserId, User>,
    settings: HashMap<SettingsSection, i64>,
    imports: HashMap<ImportId, ImportFile>,
    slips: HashMap<(PersonnelId, Month), Slip>,
    tokens: Vec<AccountToken>,
    files: BTreeMap<StoredFileId, StoredFile>,
    documents: BTreeMap<DocumentId, Document>,
    versions: Vec<DocumentVersion>,
    shared: BTreeMap<SharedFileId, SharedFile>,
    photos: BTreeMap<PhotoOwner, Photo>,
    epochs: BTreeMap<Namespace, i64>,
}

type Write = Box<dyn Fn(&mut State) + Send>;

#[derive(Clone)]
struct Naive {
    flaw: Flaw,
    clock: TestClock,
    state: Arc<Mutex<State>>,
    writer: Arc<tokio::sync::Mutex<()>>,
}

struct Unit {
    store: Naive,
    seen: State,
    writes: Vec<Write>,
    bumped: Vec<Epoch>,
    reads_only: bool,
    _writer: Option<OwnedMutexGuard<()>>,
}

/// What a check of a race has no use for.
fn unused<T>() -> T {
    panic!("a check of a race does not need this")
}

impl Naive {
    async fn unit(&self, writes: bool) -> Unit {
        let alone = writes && self.flaw != Flaw::NoLock;
        let writer = if alone {
            Some(self.writer.clone().lock_owned().await)
        } else {
            None
        };
        let seen = self.state.lock().unwrap().clone();
        Unit {
            store: self.clone(),
            seen,
            writes: Vec::new(),
            bumped: Vec::new(),
            reads_only: !writes,
            _writer: writer,
        }
    }
}

#[async_trait]
impl Store for Naive {
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

#[async_trait]
impl Epochs for Naive {
    async fn current(&self) -> Result<Vec<Epoch>, BackendError> {
        let state = self.state.lock().unwrap();
        Ok(state
            .epochs
            .iter()
            .map(|(namespace, value)| Epoch {
                namespace: *namespace,
                value: *value,
            })
            .collect())
    }
}

impl Unit {
    fn state(&mut self) -> &State {
        if self.store.flaw == Flaw::NoSnapshot {
            self.seen = self.store.state.lock().unwrap().clone();
            for write in &self.writes {
                write(&mut self.seen);
            }
        }
        &self.seen
    }

    fn write(&mut self, write: impl Fn(&mut State) + Send + Clone + 'static) {
        write(&mut self.seen);
        self.writes.push(Box::new(write));
    }

    fn insert_personnel(&mut self, file: &Personnel) -> Result<(), StoreError> {
        let matricule = &file.fields.matricule;
        if self
            .state()
            .personnel
            .values()
            .any(|other| other.fields.matricule == *matricule)
        {
            return Err(StoreError::Conflict {
                entity: "personnel",
                field: "matricule",
            });
        }
        let file = file.clone();
        self.write(move |state| drop(state.personnel.insert(file.id, file.clone())));
        Ok(())
    }
}

/// A loan of the unit, as repositories are.
struct Loan<'a>(&'a mut Unit);

#[async_trait]
impl UnitOfWork for Unit {
    fn personnel(&mut self) -> Box<dyn PersonnelRepository + '_> {
        Box::new(Loan(self))
    }

    fn organisation(&mut self) -> Box<dyn OrganisationRepository + '_> {
        unused()
    }

    fn absences(&mut self) -> Box<dyn AbsenceRepository + '_> {
        Box::new(Loan(self))
    }

    fn holidays(&mut self) -> Box<dyn HolidayRepository + '_> {
        unused()
    }

    fn evaluations(&mut self) -> Box<dyn EvaluationRepository + '_> {
        unused()
    }

    fn users(&mut self) -> Box<dyn UserRepository + '_> {
        Box::new(Loan(self))
    }

    fn activities(&mut self) -> Box<dyn ActivityRepository + '_> {
        unused()
    }

    fn settings(&mut self) -> Box<dyn SettingRepository + '_> {
        Box::new(Loan(self))
    }

    fn imports(&mut self) -> Box<dyn ImportRepository + '_> {
        Box::new(Loan(self))
    }

    fn jobs(&mut self) -> Box<dyn JobOutbox + '_> {
        unused()
    }

    fn payroll(&mut self) -> Box<dyn PayrollRepository + '_> {
        Box::new(Loan(self))
    }

    fn notices(&mut self) -> Box<dyn NoticeRepository + '_> {
        unused()
    }

    fn account_tokens(&mut self) -> Box<dyn AccountTokenRepository + '_> {
        Box::new(Loan(self))
    }

    fn stored_files(&mut self) -> Box<dyn StoredFileRepository + '_> {
        Box::new(Loan(self))
    }

    fn documents(&mut self) -> Box<dyn DocumentRepository + '_> {
        Box::new(Loan(self))
    }

    fn shared_files(&mut self) -> Box<dyn SharedFileRepository + '_> {
        Box::new(Loan(self))
    }

    fn photos(&mut self) -> Box<dyn PhotoRepository + '_> {
        Box::new(Loan(self))
    }

    async fn mark_carried_out(&mut self, _: Uuid) -> Result<Held, StoreError> {
        unused()
    }

    async fn bump(&mut self, namespaces: &[Namespace]) -> Result<(), StoreError> {
        for namespace in namespaces.iter().copied() {
            let value = self.state().epochs.get(&namespace).copied().unwrap_or(0) + 1;
            self.write(move |state| {
                state.epochs.insert(namespace, value);
            });
            if self.store.flaw == Flaw::EpochsApart {
                self.store.state.lock().unwrap().epochs.insert(namespace, value);
            }
            self.bumped.push(Epoch { namespace, value });
        }
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<Vec<Epoch>, StoreError> {
        others_run().await;
        let mut state = self.store.state.lock().unwrap();
        for write in &self.writes {
            write(&mut state);
        }
        Ok(self.bumped.clone())
    }
}

struct Harness(Naive);

fn flawed(flaw: Flaw) -> Harness {
    Harness(Naive {
        flaw,
        clock: clock(),
        state: Arc::default(),
        writer: Arc::default(),
    })
}

#[async_trait]
impl StoreHarness for Harness {
    async fn store(&self, _: usize) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    async fn session_store(&self, _: usize) -> Arc<dyn SessionStore> {
        unused()
    }

    async fn login_attempts(&self, _: usize) -> Arc<dyn LoginAttempts> {
        unused()
    }

    async fn epochs(&self, _: usize) -> Arc<dyn Epochs> {
        Arc::new(self.0.clone())
    }

    async fn counters(&self, _: usize) -> Arc<dyn Counters> {
        unused()
    }

    async fn job_queue(&self, _: usize) -> Arc<dyn JobQueue> {
        unused()
    }

    async fn locks(&self, _: usize) -> Arc<dyn Locks> {
        unused()
    }

    async fn idempotency(&self, _: usize) -> Arc<dyn IdempotencyKeys> {
        unused()
    }

    async fn maintenance(&self) -> Arc<dyn Maintain> {
        unused()
    }

    fn test_clock(&self) -> TestClock {
        self.0.clock.clone()
    }

    async fn dump(&self) -> Vec<u8> {
        unused()
    }

    async fn damage_personnel(&self, _: PersonnelId) {
        unused()
    }
}

mutants! {
    a_matricule_is_taken_twice: flawed(Flaw::NoLock) => personnel::racing_inserts_of_one_matricule_are_one;
    changes_are_lost: flawed(Flaw::NoLock) => personnel::racing_updates_of_one_version_are_one;
    a_half_day_is_taken_twice: flawed(Flaw::NoLock) => absences::racing_absences_of_one_day_are_one;
    saves_are_lost: flawed(Flaw::NoLock) => settings::racing_saves_of_one_version_are_one;
    an_import_runs_twice: flawed(Flaw::NoLock) => imports::racing_runs_of_one_import_are_one;
    bumps_are_lost: flawed(Flaw::NoLock) => epochs::epochs_of_racing_writers_are_all_different;
    readers_see_two_moments: flawed(Flaw::NoSnapshot) => units::a_reading_unit_sees_one_moment;
    epochs_move_before_the_data: flawed(Flaw::EpochsApart) => epochs::a_bump_commits_with_its_data;
    a_token_is_taken_twice: flawed(Flaw::NoLock) => account_tokens::racing_takes_of_one_token_are_one;
    the_other_tokens_stay: flawed(Flaw::TakesOne) => account_tokens::a_token_is_taken_once_and_ends_the_others;
    old_letters_open_the_account: flawed(Flaw::KeepsTokens) => account_tokens::a_new_token_ends_the_earlier_of_its_purpose;
    a_token_outlives_its_end: flawed(Flaw::EndsLate) => account_tokens::a_token_is_found_until_it_ends;
    a_slip_is_validated_twice: flawed(Flaw::NoLock) => payroll::racing_validations_are_one;
    slips_race: flawed(Flaw::NoLock) => payroll::racing_writes_follow_their_fences;
    an_old_holder_writes: flawed(Flaw::NoFence) => payroll::an_older_fence_writes_nothing;
    the_last_to_come_writes: flawed(Flaw::NoFence) => payroll::racing_writes_follow_their_fences;
    a_validated_slip_changes: flawed(Flaw::ValidatedIsDraft) => payroll::a_validated_slip_stays_as_it_is;
    a_document_is_replaced_twice: flawed(Flaw::NoLock) => documents::racing_updates_of_one_document_are_one;
    a_refused_update_adds_a_content: flawed(Flaw::AddsFirst) => documents::a_document_update_needs_the_next_version;
    earlier_contents_are_lost: flawed(Flaw::OneVersion) => documents::versions_stand_beside_each_other;
    a_file_is_read_twice: flawed(Flaw::NoLock) => shared_files::racing_readers_of_one_file_are_one;
    an_update_changes_the_content: flawed(Flaw::ReplacesContent) => shared_files::a_shared_file_update_needs_the_next_version;
    a_photo_is_given_back_twice: flawed(Flaw::NoLock) => photos::racing_photos_give_each_earlier_one_once;
    a_photo_is_never_given_back: flawed(Flaw::ForgetsEarlier) => photos::a_photo_takes_the_place_of_the_earlier;
    an_account_shows_an_agent: flawed(Flaw::OneOwner) => photos::agents_and_accounts_have_photos_of_their_own;
    a_content_goes_under_its_document: flawed(Flaw::NoLock) => stored_files::a_content_is_referred_to_or_removed;
    a_content_that_is_needed_goes: flawed(Flaw::NoReferences) => stored_files::a_content_that_is_referred_to_stays;
    a_dropped_unit_bumps: flawed(Flaw::EpochsApart) => epochs::a_dropped_bump_changes_nothing;
}

/// Without a flaw the same code passes: what is caught above is the flaw.
macro_rules! passes {
    ($($group:ident :: $check:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $check() {
            mppeep_conformance::$group::$check(&flawed(Flaw::None)).await;
        }
    )*};
}

mod without_a_flaw {
    use super::*;

    passes! {
        personnel::racing_inserts_of_one_matricule_are_one;
        personnel::racing_updates_of_one_version_are_one;
        absences::racing_absences_of_one_day_are_one;
        settings::racing_saves_of_one_version_are_one;
        imports::racing_runs_of_one_import_are_one;
        epochs::epochs_of_racing_writers_are_all_different;
        units::a_reading_unit_sees_one_moment;
        epochs::a_bump_commits_with_its_data;
        epochs::a_dropped_bump_changes_nothing;
        units::many_writers_on_two_instances_all_commit;
        account_tokens::racing_takes_of_one_token_are_one;
        account_tokens::a_token_is_taken_once_and_ends_the_others;
        account_tokens::a_new_token_ends_the_earlier_of_its_purpose;
        account_tokens::a_dropped_unit_takes_nothing;
        payroll::racing_validations_are_one;
        payroll::racing_writes_follow_their_fences;
        payroll::an_older_fence_writes_nothing;
        payroll::a_validated_slip_stays_as_it_is;
        documents::racing_updates_of_one_document_are_one;
        documents::a_document_update_needs_the_next_version;
        documents::versions_stand_beside_each_other;
        shared_files::racing_readers_of_one_file_are_one;
        shared_files::a_shared_file_update_needs_the_next_version;
        photos::racing_photos_give_each_earlier_one_once;
        photos::a_photo_takes_the_place_of_the_earlier;
        photos::agents_and_accounts_have_photos_of_their_own;
        stored_files::a_content_is_referred_to_or_removed;
        stored_files::a_content_that_is_referred_to_stays;
    }
}
