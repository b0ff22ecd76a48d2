//! A naive store: each unit works on what it saw when it began, and its writes go over whatever others wrote
//! meanwhile, as units without locks and without conditions in their statements do.
//!
//! It holds what the checks of races need, and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use mppeep_conformance::{StoreHarness, TestClock};
use mppeep_core::domain::absence::Absence;
use mppeep_core::domain::email::Email;
use mppeep_core::domain::id::{AbsenceId, ImportId, PersonnelId, SessionHandle, UserId};
use mppeep_core::domain::personnel::{Matricule, Personnel};
use mppeep_core::domain::settings::{Settings, SettingsSection};
use mppeep_core::domain::user::{Role, User};
use mppeep_core::ports::absence::{AbsenceFilter, AbsenceRepository, AbsenceRow, HolidayRepository};
use mppeep_core::ports::account_token::AccountTokenRepository;
use mppeep_core::ports::activity::ActivityRepository;
use mppeep_core::ports::counters::Counters;
use mppeep_core::ports::epochs::{Epoch, Epochs, Namespace};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::evaluation::EvaluationRepository;
use mppeep_core::ports::import::{ImportFile, ImportRepository, ImportStatus};
use mppeep_core::ports::job_queue::JobQueue;
use mppeep_core::ports::locks::Locks;
use mppeep_core::ports::login_attempts::LoginAttempts;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::notice::NoticeRepository;
use mppeep_core::ports::organisation::OrganisationRepository;
use mppeep_core::ports::outbox::JobOutbox;
use mppeep_core::ports::page::{Page, PageRequest};
use mppeep_core::ports::payroll::PayrollRepository;
use mppeep_core::ports::personnel::{
    DashboardFigures, FiguresQuery, PersonnelIdentity, PersonnelQuery, PersonnelRepository, PersonnelRow,
    PossibleDuplicate, RetirementInput,
};
use mppeep_core::ports::session::SessionStore;
use mppeep_core::ports::setting::SettingRepository;
use mppeep_core::ports::store::{Store, UnitOfWork};
use mppeep_core::ports::user::{Credentials, UserFilter, UserRepository, UserRow};
use tokio::sync::OwnedMutexGuard;

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
}

#[derive(Clone, Default)]
struct State {
    personnel: HashMap<PersonnelId, Personnel>,
    absences: Vec<Absence>,
    users: HashMap<UserId, User>,
    settings: HashMap<SettingsSection, i64>,
    imports: HashMap<ImportId, ImportFile>,
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
        unused()
    }

    fn notices(&mut self) -> Box<dyn NoticeRepository + '_> {
        unused()
    }

    fn account_tokens(&mut self) -> Box<dyn AccountTokenRepository + '_> {
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

#[async_trait]
impl PersonnelRepository for Loan<'_> {
    async fn insert(&mut self, personnel: &Personnel) -> Result<(), StoreError> {
        self.0.insert_personnel(personnel)
    }

    async fn insert_many(&mut self, personnel: &[Personnel]) -> Result<(), StoreError> {
        for file in personnel {
            self.0.insert_personnel(file)?;
        }
        Ok(())
    }

    async fn update(&mut self, personnel: &Personnel) -> Result<(), StoreError> {
        let stored = self
            .0
            .state()
            .personnel
            .get(&personnel.id)
            .map(|file| file.version + 1);
        if stored != Some(personnel.version) {
            return Err(StoreError::StaleVersion);
        }
        let file = personnel.clone();
        self.0
            .write(move |state| drop(state.personnel.insert(file.id, file.clone())));
        Ok(())
    }

    async fn find(&mut self, id: PersonnelId) -> Result<Option<Personnel>, StoreError> {
        Ok(self.0.state().personnel.get(&id).cloned())
    }

    async fn find_by_matricules(&mut self, _: &[Matricule]) -> Result<Vec<Personnel>, StoreError> {
        unused()
    }

    async fn find_many(&mut self, _: &[PersonnelId]) -> Result<Vec<Personnel>, StoreError> {
        unused()
    }

    async fn list(&mut self, _: &PersonnelQuery) -> Result<Page<PersonnelRow>, StoreError> {
        unused()
    }

    async fn possible_duplicates(
        &mut self,
        _: Option<PersonnelId>,
        _: &str,
        _: Date,
        _: Option<&str>,
    ) -> Result<Vec<PossibleDuplicate>, StoreError> {
        unused()
    }

    async fn identities(&mut self) -> Result<Vec<PersonnelIdentity>, StoreError> {
        let all = self.0.state().personnel.values();
        Ok(all
            .map(|file| PersonnelIdentity {
                id: file.id,
                matricule: file.fields.matricule.clone(),
                name_key: file.fields.name_key(),
                birth_date: file.fields.birth_date,
                national_id: None,
            })
            .collect())
    }

    async fn figures(&mut self, _: &FiguresQuery) -> Result<DashboardFigures, StoreError> {
        unused()
    }

    async fn set_retirement_dates(&mut self, _: &[(PersonnelId, Option<Date>)]) -> Result<(), StoreError> {
        unused()
    }

    async fn retirement_inputs(&mut self) -> Result<Vec<RetirementInput>, StoreError> {
        unused()
    }
}

#[async_trait]
impl AbsenceRepository for Loan<'_> {
    async fn insert(&mut self, absence: &Absence) -> Result<(), StoreError> {
        let free = |other: &Absence| {
            let taken: Vec<_> = other.fields.period.half_days().collect();
            other.personnel != absence.personnel
                || !absence
                    .fields
                    .period
                    .half_days()
                    .any(|half| taken.contains(&half))
        };
        if !self.0.state().absences.iter().all(free) {
            return Err(StoreError::Conflict {
                entity: "absence",
                field: "period",
            });
        }
        let absence = absence.clone();
        self.0.write(move |state| state.absences.push(absence.clone()));
        Ok(())
    }

    async fn insert_many(&mut self, _: &[Absence]) -> Result<(), StoreError> {
        unused()
    }

    async fn update(&mut self, _: &Absence) -> Result<(), StoreError> {
        unused()
    }

    async fn find(&mut self, _: AbsenceId) -> Result<Option<Absence>, StoreError> {
        unused()
    }

    async fn touching(&mut self, _: PersonnelId, _: Date, _: Date) -> Result<Vec<Absence>, StoreError> {
        unused()
    }

    async fn touching_day(&mut self, _: Date) -> Result<Vec<Absence>, StoreError> {
        unused()
    }

    async fn list(&mut self, _: &AbsenceFilter, _: &PageRequest) -> Result<Page<AbsenceRow>, StoreError> {
        unused()
    }
}

#[async_trait]
impl UserRepository for Loan<'_> {
    async fn insert(&mut self, user: &User, password_hash: Option<&str>) -> Result<(), StoreError> {
        let (user, hash) = (user.clone(), password_hash.is_some());
        assert!(!hash, "no login in these checks");
        self.0
            .write(move |state| drop(state.users.insert(user.id, user.clone())));
        Ok(())
    }

    async fn update(&mut self, _: &User, _: bool) -> Result<(), StoreError> {
        unused()
    }

    async fn set_password(
        &mut self,
        _: UserId,
        _: &str,
        _: bool,
        _: Option<SessionHandle>,
    ) -> Result<(), StoreError> {
        unused()
    }

    async fn rehash(&mut self, _: UserId, _: &str, _: &str) -> Result<(), StoreError> {
        unused()
    }

    async fn note_login(&mut self, _: UserId, _: Timestamp) -> Result<(), StoreError> {
        unused()
    }

    async fn accept_charter(&mut self, _: UserId, _: u32) -> Result<(), StoreError> {
        unused()
    }

    async fn find(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.0.state().users.get(&id).cloned())
    }

    async fn credentials(&mut self, _: &Email) -> Result<Option<Credentials>, StoreError> {
        unused()
    }

    async fn credentials_of(&mut self, _: UserId) -> Result<Option<Credentials>, StoreError> {
        unused()
    }

    async fn find_by_personnel(&mut self, _: PersonnelId) -> Result<Option<User>, StoreError> {
        unused()
    }

    async fn list(
        &mut self,
        _: &UserFilter,
        _: Timestamp,
        _: &PageRequest,
    ) -> Result<Page<UserRow>, StoreError> {
        unused()
    }

    async fn count_active_with_role(&mut self, _: Role) -> Result<u64, StoreError> {
        unused()
    }

    async fn count(&mut self) -> Result<u64, StoreError> {
        unused()
    }
}

#[async_trait]
impl SettingRepository for Loan<'_> {
    async fn load(&mut self) -> Result<Settings, StoreError> {
        unused()
    }

    async fn save(
        &mut self,
        section: SettingsSection,
        value: &serde_json::Value,
        version: i64,
    ) -> Result<(), StoreError> {
        assert!(!value.is_null());
        if self.0.state().settings.get(&section).copied().unwrap_or(0) + 1 != version {
            return Err(StoreError::StaleVersion);
        }
        self.0.write(move |state| {
            state.settings.insert(section, version);
        });
        Ok(())
    }

    async fn fact(&mut self, _: &str) -> Result<Option<String>, StoreError> {
        unused()
    }

    async fn set_fact(&mut self, _: &str, _: &str) -> Result<(), StoreError> {
        unused()
    }
}

#[async_trait]
impl ImportRepository for Loan<'_> {
    async fn insert(&mut self, import: &ImportFile, bytes: &[u8]) -> Result<(), StoreError> {
        assert!(!bytes.is_empty());
        let import = import.clone();
        self.0
            .write(move |state| drop(state.imports.insert(import.id, import.clone())));
        Ok(())
    }

    async fn find(&mut self, _: ImportId, _: UserId) -> Result<Option<ImportFile>, StoreError> {
        unused()
    }

    async fn bytes(&mut self, _: ImportId) -> Result<Option<Vec<u8>>, StoreError> {
        unused()
    }

    async fn update(&mut self, import: &ImportFile, expected: ImportStatus) -> Result<(), StoreError> {
        if self.0.state().imports.get(&import.id).map(|stored| stored.status) != Some(expected) {
            return Err(StoreError::StaleVersion);
        }
        let import = import.clone();
        self.0
            .write(move |state| drop(state.imports.insert(import.id, import.clone())));
        Ok(())
    }

    async fn list(&mut self, _: UserId) -> Result<Vec<ImportFile>, StoreError> {
        unused()
    }

    async fn delete_before(&mut self, _: Timestamp) -> Result<u64, StoreError> {
        unused()
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
    }
}
