//! A store of its own, a clock that is turned by hand, and people of every role.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mppeep_cache_memory::{MemoryCache, MemoryCacheSettings};
use mppeep_core::domain::activity::Activity;
use mppeep_core::domain::id::{DepartmentId, PersonnelId};
use mppeep_core::domain::organisation::UnitRef;
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::personnel::{PersonnelField, PersonnelInput};
use mppeep_core::domain::user::Role;
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::ports::activity::ActivityFilter;
use mppeep_core::ports::clock::{Clock, ManualClock, SeededEntropy, TimeSource};
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::login_attempts::AttemptLimits;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::password::{PasswordHasher, Verified};
use mppeep_core::ports::personnel::{PersonnelFilter, PersonnelSort};
use mppeep_core::services::absences::AbsenceService;
use mppeep_core::services::activity::ActivityService;
use mppeep_core::services::auth::{AuthService, LoginOutcome, LoginRequest};
use mppeep_core::services::dashboard::DashboardService;
use mppeep_core::services::evaluations::EvaluationService;
use mppeep_core::services::holidays::HolidayService;
use mppeep_core::services::organisation::{OrganisationService, UnitInput};
use mppeep_core::services::personnel::{ListPersonnel, PersonnelService};
use mppeep_core::services::personnel_view::PersonnelView;
use mppeep_core::services::settings::SettingsService;
use mppeep_core::services::users::UserService;
use mppeep_core::services::{Adapters, Context};
use mppeep_password::Argon2Hasher;
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};

/// Counts how often passwords are looked at; the work itself is the real one.
pub(crate) struct CountingHasher {
    inner: Argon2Hasher,
    verified: std::sync::atomic::AtomicU64,
}

impl CountingHasher {
    pub(crate) fn verified(&self) -> u64 {
        self.verified.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[async_trait::async_trait]
impl PasswordHasher for CountingHasher {
    async fn hash(&self, password: &str) -> Result<String, BackendError> {
        self.inner.hash(password).await
    }

    async fn verify(&self, password: &str, hash: Option<&str>) -> Result<Verified, BackendError> {
        self.verified.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.inner.verify(password, hash).await
    }
}

pub(crate) struct World {
    _folder: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) hasher: Arc<CountingHasher>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) context: Arc<Context>,
    pub(crate) auth: AuthService,
    pub(crate) personnel: PersonnelService,
    pub(crate) organisation: OrganisationService,
    pub(crate) absences: AbsenceService,
    pub(crate) holidays: HolidayService,
    pub(crate) evaluations: EvaluationService,
    pub(crate) dashboard: DashboardService,
    pub(crate) activity: ActivityService,
    pub(crate) settings: SettingsService,
    pub(crate) users: UserService,
}

impl World {
    /// An empty database; it is 22 November 2026, noon.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(ManualClock::new(
            "2026-11-22T12:00:00Z".parse().expect("an instant"),
        ));
        let judge: Arc<dyn Clock> = clock.clone();
        let options = SqliteOptions {
            time: TimeSource::Clock(judge.clone()),
            ..SqliteOptions::default()
        };
        let path = folder.path().join("test.db");
        let store = Arc::new(SqliteStore::open(path, options).await.expect("a store"));
        let epochs = Arc::new(EpochBoard::new(store.clone()));
        let cache = MemoryCache::new(TimeSource::Clock(judge.clone()), MemoryCacheSettings::default());
        let context = Context::new(Adapters {
            store: store.clone(),
            epochs: epochs.clone(),
            cached: Arc::new(Cached::new(Arc::new(cache), epochs)),
            clock: judge,
            entropy: Arc::new(SeededEntropy::new(7)),
        });
        let hasher = Arc::new(CountingHasher {
            inner: Argon2Hasher::new(2),
            verified: 0.into(),
        });
        let sessions = store.clone();
        Self {
            _folder: folder,
            clock,
            hasher: hasher.clone(),
            auth: AuthService::new(
                context.clone(),
                sessions.clone(),
                store.clone(),
                hasher.clone(),
                AttemptLimits::default(),
            ),
            personnel: PersonnelService::new(context.clone()),
            organisation: OrganisationService::new(context.clone()),
            absences: AbsenceService::new(context.clone()),
            holidays: HolidayService::new(context.clone()),
            evaluations: EvaluationService::new(context.clone()),
            dashboard: DashboardService::new(context.clone()),
            activity: ActivityService::new(context.clone()),
            settings: SettingsService::new(context.clone()),
            users: UserService::new(context.clone(), sessions, hasher),
            store,
            context,
        }
    }

    /// The one who may do most: administrator and head of personnel.
    pub(crate) fn chief(&self) -> Actor {
        Actor::operator("chief")
    }

    /// Somebody of one role, without a file.
    pub(crate) fn of_role(&self, role: Role) -> Actor {
        Actor {
            roles: [role].into(),
            ..Actor::operator("somebody")
        }
    }

    /// A head of these departments.
    pub(crate) fn head_of(&self, departments: impl IntoIterator<Item = DepartmentId>) -> Actor {
        Actor {
            departments: departments.into_iter().collect::<BTreeSet<_>>(),
            ..self.of_role(Role::Cs)
        }
    }

    /// An agent whose file this is.
    pub(crate) fn agent(&self, personnel: PersonnelId) -> Actor {
        Actor {
            personnel: Some(personnel),
            ..self.of_role(Role::Agent)
        }
    }

    /// A programme, a directorate, and `n` departments in it.
    pub(crate) async fn departments(&self, n: usize) -> Vec<DepartmentId> {
        let chief = self.chief();
        let input = |code: &str, parent: Option<UnitRef>| UnitInput {
            code: code.to_owned(),
            name: format!("Unité {code}"),
            active: true,
            parent: parent.map(|unit| unit.as_uuid().to_string()).unwrap_or_default(),
            ..UnitInput::default()
        };
        let programme = self
            .organisation
            .create(&chief, "programme", &input("P", None))
            .await
            .expect("created");
        let directorate = self
            .organisation
            .create(&chief, "directorate", &input("D", Some(programme)))
            .await
            .expect("created");
        let mut departments = Vec::new();
        for number in 0..n {
            let department = input(&format!("S{number}"), Some(directorate));
            match self
                .organisation
                .create(&chief, "department", &department)
                .await
                .expect("created")
            {
                UnitRef::Department(id) => departments.push(id),
                other => panic!("{other} is no department"),
            }
        }
        departments
    }

    /// A file with these values besides the four that are needed.
    pub(crate) async fn file(&self, matricule: &str, values: &[(PersonnelField, &str)]) -> PersonnelView {
        self.personnel
            .create(&self.chief(), &input(matricule, values))
            .await
            .expect("created")
    }

    /// Matricules of a list, in order.
    pub(crate) async fn listed(&self, actor: &Actor, filter: PersonnelFilter) -> Vec<String> {
        let list = ListPersonnel {
            filter,
            sort: PersonnelSort::Matricule,
            descending: false,
            page: PageRequest::first(100),
        };
        let page = self.personnel.list(actor, list).await.expect("a page");
        assert_eq!(page.total, page.rows.len() as u64);
        page.rows.iter().map(|row| row.matricule().to_owned()).collect()
    }

    /// The whole journal, the latest line first.
    pub(crate) async fn journal(&self) -> Vec<Activity> {
        let page = self
            .activity
            .list(&self.chief(), ActivityFilter::default(), &PageRequest::first(200))
            .await
            .expect("a page");
        page.rows.into_iter().map(|line| line.activity).collect()
    }

    /// Tries to log in from an address.
    pub(crate) async fn login(&self, email: &str, password: &str, address: &str) -> LoginOutcome {
        let request = LoginRequest {
            email: email.to_owned(),
            password: password.to_owned(),
            limit_key: address.to_owned(),
            address: address.to_owned(),
            device: "test".to_owned(),
            old_token: None,
            request_id: None,
        };
        self.auth.login(request).await.expect("an outcome")
    }

    /// Turns the clock forward.
    pub(crate) fn wait(&self, time: Duration) {
        self.clock.advance(time);
    }
}

/// Values of a file: the four that are needed, and these.
pub(crate) fn input(matricule: &str, values: &[(PersonnelField, &str)]) -> PersonnelInput {
    let needed = [
        (PersonnelField::Matricule, matricule),
        (PersonnelField::FamilyName, "Koné"),
        (PersonnelField::GivenNames, "Awa"),
        (PersonnelField::BirthDate, "1980-05-17"),
    ];
    PersonnelInput(
        needed
            .iter()
            .chain(values)
            .map(|(field, value)| (*field, (*value).to_owned()))
            .collect(),
    )
}
