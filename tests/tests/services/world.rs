//! A store of its own, a clock that is turned by hand, and people of every role.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mppeep_cache_memory::{MemoryCache, MemoryCacheSettings};
use mppeep_cache_redis::{RedisAdapter, RedisOptions};
use mppeep_core::domain::activity::Activity;
use mppeep_core::domain::id::{DepartmentId, PersonnelId};
use mppeep_core::domain::organisation::UnitRef;
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::personnel::{PersonnelField, PersonnelInput};
use mppeep_core::domain::settings::MinistrySettings;
use mppeep_core::domain::user::Role;
use mppeep_core::layered::buffered_counters::BufferedCounters;
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::layered::near_cache::NearCache;
use mppeep_core::layered::session_cache::SessionCache;
use mppeep_core::ports::activity::ActivityFilter;
use mppeep_core::ports::cache::Cache;
use mppeep_core::ports::clock::{Clock, Entropy, ManualClock, SeededEntropy, TimeSource};
use mppeep_core::ports::counters::Counters;
use mppeep_core::ports::epochs::Epochs;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::job_queue::JobQueue;
use mppeep_core::ports::letters::{Letter, Letters, Words};
use mppeep_core::ports::locks::Locks;
use mppeep_core::ports::login_attempts::{AttemptLimits, LoginAttempts};
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::password::{PasswordHasher, Verified};
use mppeep_core::ports::personnel::{PersonnelFilter, PersonnelSort};
use mppeep_core::ports::session::SessionStore;
use mppeep_core::ports::store::Store;
use mppeep_core::services::absences::AbsenceService;
use mppeep_core::services::account_access::AccountAccessService;
use mppeep_core::services::activity::ActivityService;
use mppeep_core::services::auth::{AuthService, LoginOutcome, LoginRequest};
use mppeep_core::services::dashboard::DashboardService;
use mppeep_core::services::evaluations::EvaluationService;
use mppeep_core::services::holidays::HolidayService;
use mppeep_core::services::notices::NoticeService;
use mppeep_core::services::organisation::{OrganisationService, UnitInput};
use mppeep_core::services::payroll::PayrollService;
use mppeep_core::services::personnel::{ListPersonnel, PersonnelService};
use mppeep_core::services::personnel_view::PersonnelView;
use mppeep_core::services::queue::QueueService;
use mppeep_core::services::settings::SettingsService;
use mppeep_core::services::traffic::TrafficService;
use mppeep_core::services::users::UserService;
use mppeep_core::services::{Adapters, CacheTimes, Context};
use mppeep_password::Argon2Hasher;
use mppeep_store_pg::{PgOptions, PgStore};
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};
use mppeep_testbed::{Postgres, Redis};
use mppeep_tests::backend::Backend;

/// How long a backend may take. Its own limits are tried elsewhere; here a machine with much to do must not trip them.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// What one backend gives the services.
struct Ports {
    folder: Option<tempfile::TempDir>,
    store: Arc<dyn Store>,
    epochs: Arc<dyn Epochs>,
    sessions: Arc<dyn SessionStore>,
    attempts: Arc<dyn LoginAttempts>,
    queue: Arc<dyn JobQueue>,
    locks: Arc<dyn Locks>,
    counters: Arc<dyn Counters>,
    cache: Arc<dyn Cache>,
}

fn memory_cache(time: &TimeSource) -> Arc<dyn Cache> {
    Arc::new(MemoryCache::new(time.clone(), MemoryCacheSettings::default()))
}

impl Ports {
    async fn on_sqlite(time: &TimeSource) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = SqliteOptions {
            time: time.clone(),
            busy_timeout: PATIENCE,
            ..SqliteOptions::default()
        };
        let path = folder.path().join("test.db");
        let store = Arc::new(SqliteStore::open(path, options).await.expect("a store"));
        Self {
            folder: Some(folder),
            store: store.clone(),
            epochs: store.clone(),
            sessions: store.clone(),
            attempts: store.clone(),
            queue: store.clone(),
            locks: store.clone(),
            counters: store,
            cache: memory_cache(time),
        }
    }

    async fn on_postgres(time: &TimeSource, shared_cache: Option<Arc<dyn Cache>>) -> Self {
        let options = || PgOptions {
            time: time.clone(),
            connections: 4,
            quick_connections: 2,
            acquire_timeout: PATIENCE,
            statement_timeout: PATIENCE,
            lock_timeout: PATIENCE,
            idle_in_transaction_timeout: PATIENCE,
            ..PgOptions::default()
        };
        let cluster = Postgres::shared().await;
        // The tables of this very program, whatever the others are built from.
        let template = cluster
            .template(&template_name(), async |url| {
                let store = PgStore::open(&url, options()).await.expect("a store");
                store.close().await;
            })
            .await;
        let url = cluster.fresh_from(&template).await;
        let store = Arc::new(PgStore::open(&url, options()).await.expect("a store"));
        let far = shared_cache.unwrap_or_else(|| store.clone());
        Self {
            folder: None,
            store: store.clone(),
            epochs: store.clone(),
            sessions: store.clone(),
            attempts: store.clone(),
            queue: store.clone(),
            locks: store.clone(),
            counters: store,
            cache: Arc::new(NearCache::new(memory_cache(time), far)),
        }
    }

    async fn on(backend: Backend, time: &TimeSource) -> Self {
        match backend {
            Backend::Sqlite => Self::on_sqlite(time).await,
            Backend::Postgres | Backend::Pooled => Self::on_postgres(time, None).await,
            Backend::PostgresRedis => {
                let url = Redis::shared().await.fresh_url().await;
                let options = RedisOptions {
                    time: time.clone(),
                    connect_timeout: PATIENCE,
                    operation_timeout: PATIENCE,
                    call_timeout: PATIENCE,
                    ..RedisOptions::default()
                };
                let redis = RedisAdapter::open(&url, options).expect("a Redis");
                Self::on_postgres(time, Some(Arc::new(redis.cache()))).await
            }
        }
    }
}

/// A name that changes with this program.
fn template_name() -> String {
    let built = std::env::current_exe().and_then(|program| program.metadata()?.modified());
    let since = built
        .expect("this program")
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    format!("services_{:x}", since.as_nanos())
}

/// Writes mails so that a test can read them.
struct PlainLetters;

impl Letters for PlainLetters {
    fn write(&self, letter: Letter<'_>, name: &str, _: &MinistrySettings) -> Words {
        let text = match letter {
            Letter::PasswordReset { token, .. } => format!("reset {token}"),
            Letter::Invitation { token, .. } => format!("invitation {token}"),
            Letter::PasswordChanged { .. } => "changed".to_owned(),
            Letter::Test => "test".to_owned(),
        };
        Words {
            subject: format!("to {name}"),
            html: format!("<p>{text}</p>"),
            text,
        }
    }
}

pub(crate) struct World {
    _folder: Option<tempfile::TempDir>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) hasher: Arc<CountingHasher>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) job_queue: Arc<dyn JobQueue>,
    pub(crate) locks: Arc<dyn Locks>,
    pub(crate) access: AccountAccessService,
    pub(crate) payroll: Arc<PayrollService>,
    pub(crate) notices: NoticeService,
    pub(crate) queue: QueueService,
    pub(crate) traffic: TrafficService,
    pub(crate) counters: Arc<BufferedCounters>,
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
        let clock = Arc::new(ManualClock::new(
            "2026-11-22T12:00:00Z".parse().expect("an instant"),
        ));
        let judge: Arc<dyn Clock> = clock.clone();
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let ports = Ports::on(Backend::chosen(), &TimeSource::Clock(judge.clone())).await;
        let epochs = Arc::new(EpochBoard::new(ports.epochs));
        let cached = Arc::new(Cached::new(ports.cache, epochs.clone()));
        let sessions: Arc<dyn SessionStore> = Arc::new(SessionCache::new(
            ports.sessions,
            cached.clone(),
            epochs.clone(),
            judge.clone(),
        ));
        let adapters = Adapters {
            store: ports.store.clone(),
            epochs,
            cached,
            clock: judge.clone(),
            entropy: entropy.clone(),
        };
        let context = Context::with(adapters, CacheTimes::default(), Some(Arc::new(PlainLetters)));
        let hasher = Arc::new(CountingHasher {
            inner: Argon2Hasher::new(2),
            verified: 0.into(),
        });
        let counters = Arc::new(BufferedCounters::new(ports.counters, judge, entropy));
        let limits = AttemptLimits::default();
        Self {
            _folder: ports.folder,
            clock,
            hasher: hasher.clone(),
            auth: AuthService::new(
                context.clone(),
                sessions.clone(),
                ports.attempts.clone(),
                hasher.clone(),
                limits,
            ),
            access: AccountAccessService::new(context.clone(), ports.attempts, hasher.clone(), limits),
            payroll: Arc::new(PayrollService::new(
                context.clone(),
                ports.locks.clone(),
                ports.queue.clone(),
            )),
            notices: NoticeService::new(context.clone()),
            queue: QueueService::new(context.clone(), ports.queue.clone()),
            traffic: TrafficService::new(context.clone(), counters.clone()),
            counters,
            job_queue: ports.queue,
            locks: ports.locks,
            personnel: PersonnelService::new(context.clone()),
            organisation: OrganisationService::new(context.clone()),
            absences: AbsenceService::new(context.clone()),
            holidays: HolidayService::new(context.clone()),
            evaluations: EvaluationService::new(context.clone()),
            dashboard: DashboardService::new(context.clone()),
            activity: ActivityService::new(context.clone()),
            settings: SettingsService::new(context.clone()),
            users: UserService::new(context.clone(), sessions, hasher),
            store: ports.store,
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
            country: None,
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
