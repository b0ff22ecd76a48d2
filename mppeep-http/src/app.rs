//! The whole application: its state, its routes, and the layers around them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Extension;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use bytes::Bytes;
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::session::SessionToken;
use mppeep_core::layered::buffered_counters::BufferedCounters;
use mppeep_core::ports::clock::Entropy;
use mppeep_core::ports::idempotency::IdempotencyKeys;
use mppeep_core::ports::job_queue::JobQueue;
use mppeep_core::ports::locks::Locks;
use mppeep_core::ports::login_attempts::{AttemptLimits, LoginAttempts};
use mppeep_core::ports::password::PasswordHasher;
use mppeep_core::ports::photo::PhotoMaker;
use mppeep_core::ports::rate_limiter::{Gcra, RateLimiter};
use mppeep_core::ports::session::SessionStore;
use mppeep_core::ports::spreadsheet::Spreadsheets;
use mppeep_core::ports::store::Store;
use mppeep_core::services::absences::AbsenceService;
use mppeep_core::services::account_access::AccountAccessService;
use mppeep_core::services::activity::ActivityService;
use mppeep_core::services::auth::AuthService;
use mppeep_core::services::dashboard::DashboardService;
use mppeep_core::services::documents::DocumentService;
use mppeep_core::services::evaluations::EvaluationService;
use mppeep_core::services::file_tasks::RetainFilesTask;
use mppeep_core::services::holidays::HolidayService;
use mppeep_core::services::notices::NoticeService;
use mppeep_core::services::organisation::OrganisationService;
use mppeep_core::services::payroll::PayrollService;
use mppeep_core::services::personnel::PersonnelService;
use mppeep_core::services::personnel_export::PersonnelExportService;
use mppeep_core::services::personnel_import::PersonnelImportService;
use mppeep_core::services::photos::PhotoService;
use mppeep_core::services::queue::QueueService;
use mppeep_core::services::schedule::{ScheduleService, Task};
use mppeep_core::services::settings::SettingsService;
use mppeep_core::services::shared_files::SharedFileService;
use mppeep_core::services::traffic::TrafficService;
use mppeep_core::services::uploads::Contents;
use mppeep_core::services::users::UserService;
use mppeep_core::services::{Context, ServiceError};
use serde_json::Value;
use tower::ServiceBuilder;
use utoipa_axum::routes;

use crate::assets;
use crate::extract::MaybeUser;
use crate::extract::session_cookie::CookieSecurity;
use crate::health::{self, ComponentHealth, Readiness};
use crate::live::{self, Live};
use crate::middleware::context::{Contexts, RequestContext};
use crate::middleware::forgery::Origin;
use crate::middleware::observe::RequestObserver;
use crate::middleware::peer::{ClientIpHeader, Network};
use crate::middleware::session::Authenticate;
use crate::middleware::{
    body, compression, context, deadline, forgery, guard, headers, idempotency, limits, negotiate, observe,
    session, shedding, traffic,
};
use crate::portraits::Portraits;
use crate::problem::ErrorPageRenderer;
use crate::routes::{LOGIN_PATH, Needs, RouteTable, get, see_other};
use crate::site::{Files, Site};
use crate::urls::Urls;
use crate::{api, pages};

/// Where somebody who is logged in begins, below the root.
const HOME_PATH: &str = "/accueil";

/// From the head of a request to the last byte of its body.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// The use cases, one service a family.
pub struct Services {
    /// What they share.
    pub context: Arc<Context>,
    /// Logging in and out.
    pub auth: AuthService,
    /// Login accounts.
    pub users: UserService,
    /// Personnel files.
    pub personnel: PersonnelService,
    /// Units of the ministry.
    pub organisation: OrganisationService,
    /// Absences.
    pub absences: AbsenceService,
    /// Public holidays.
    pub holidays: HolidayService,
    /// Evaluations.
    pub evaluations: EvaluationService,
    /// Figures.
    pub dashboard: DashboardService,
    /// The activity journal.
    pub activity: ActivityService,
    /// Settings.
    pub settings: SettingsService,
    /// Imports of personnel files.
    pub imports: Arc<PersonnelImportService>,
    /// Exports of personnel files.
    pub exports: PersonnelExportService,
    /// Writing of tables as files.
    pub spreadsheets: Arc<dyn Spreadsheets>,
    /// Invitations and forgotten passwords.
    pub access: AccountAccessService,
    /// Salary slips.
    pub payroll: Arc<PayrollService>,
    /// Notices.
    pub notices: NoticeService,
    /// Jobs and mail.
    pub queue: QueueService,
    /// Tasks that run by themselves.
    pub schedule: Arc<ScheduleService>,
    /// How much the site is used.
    pub traffic: TrafficService,
    /// Documents of agents.
    pub documents: DocumentService,
    /// Files that the services hand in.
    pub shared_files: Arc<SharedFileService>,
    /// Photographs.
    pub photos: PhotoService,
    /// Keys of creations.
    pub idempotency: Arc<dyn IdempotencyKeys>,
    /// Limits on login attempts.
    pub attempt_limits: AttemptLimits,
}

/// What the services work with, beside their context.
pub struct ServicePorts {
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Login attempts.
    pub attempts: Arc<dyn LoginAttempts>,
    /// Password hashing.
    pub hasher: Arc<dyn PasswordHasher>,
    /// Limits on login attempts.
    pub attempt_limits: AttemptLimits,
    /// Reading and writing of CSV and XLSX.
    pub spreadsheets: Arc<dyn Spreadsheets>,
    /// The queue of jobs.
    pub queue: Arc<dyn JobQueue>,
    /// Locks.
    pub locks: Arc<dyn Locks>,
    /// Counters of pages and actions.
    pub counters: Arc<BufferedCounters>,
    /// Where contents of files are kept.
    pub contents: Contents,
    /// Makes photographs of images.
    pub photo_maker: Arc<dyn PhotoMaker>,
    /// Keys of creations.
    pub idempotency: Arc<dyn IdempotencyKeys>,
    /// Tasks that run by themselves, beside those of the services.
    pub tasks: Vec<Arc<dyn Task>>,
}

impl Services {
    /// Every service over one context.
    pub fn new(context: &Arc<Context>, ports: ServicePorts) -> Self {
        let ServicePorts {
            sessions,
            attempts,
            hasher,
            attempt_limits,
            spreadsheets,
            queue,
            locks,
            counters,
            contents,
            photo_maker,
            idempotency,
            mut tasks,
        } = ports;
        let shared = || Arc::clone(context);
        let files = SharedFileService::new(shared(), contents.clone(), Arc::clone(&spreadsheets));
        let files = Arc::new(files);
        tasks.push(Arc::new(RetainFilesTask::new(shared(), Arc::clone(&files))));
        Self {
            context: shared(),
            auth: AuthService::new(
                shared(),
                Arc::clone(&sessions),
                Arc::clone(&attempts),
                Arc::clone(&hasher),
                attempt_limits,
            ),
            access: AccountAccessService::new(shared(), attempts, Arc::clone(&hasher), attempt_limits),
            payroll: Arc::new(PayrollService::new(
                shared(),
                Arc::clone(&locks),
                Arc::clone(&queue),
            )),
            notices: NoticeService::new(shared()),
            queue: QueueService::new(shared(), queue),
            schedule: Arc::new(ScheduleService::new(shared(), locks, tasks)),
            traffic: TrafficService::new(shared(), counters),
            users: UserService::new(shared(), sessions, hasher),
            personnel: PersonnelService::new(shared()),
            organisation: OrganisationService::new(shared()),
            absences: AbsenceService::new(shared()),
            holidays: HolidayService::new(shared()),
            evaluations: EvaluationService::new(shared()),
            dashboard: DashboardService::new(shared()),
            activity: ActivityService::new(shared()),
            settings: SettingsService::new(shared()),
            imports: Arc::new(PersonnelImportService::new(shared(), Arc::clone(&spreadsheets))),
            documents: DocumentService::new(shared(), contents.clone()),
            shared_files: files,
            photos: PhotoService::new(shared(), contents, photo_maker),
            idempotency,
            attempt_limits,
            exports: PersonnelExportService::new(shared(), Arc::clone(&spreadsheets)),
            spreadsheets,
        }
    }
}

/// What every handler may use.
#[derive(Clone)]
pub struct AppState {
    /// The use cases.
    pub services: Arc<Services>,
    /// Addresses of this server.
    pub urls: Urls,
    /// Whether the session cookie asks for https.
    pub cookie_security: CookieSecurity,
    /// The API's description, as JSON.
    pub openapi: Bytes,
    /// The page about the API.
    pub(crate) docs: Arc<api::docs::Written>,
    /// Whether requests may be sent here.
    pub readiness: Arc<Readiness>,
    /// Streams of what happens.
    pub(crate) live: Arc<Live>,
    /// Which readers have a photograph.
    pub(crate) portraits: Arc<Portraits>,
    /// Parts that the server can do without, for the page of health.
    pub components: Arc<[Arc<dyn ComponentHealth>]>,
    /// Whether mails that wait are sent; otherwise they are only kept.
    pub mail_configured: bool,
}

impl AppState {
    /// The state over services and their store.
    pub fn new(
        services: Arc<Services>,
        store: Arc<dyn Store>,
        urls: Urls,
        cookie_security: CookieSecurity,
    ) -> Self {
        let openapi = Bytes::from(openapi_json(&urls));
        Self {
            services,
            urls,
            cookie_security,
            openapi,
            docs: Arc::default(),
            readiness: Arc::new(Readiness::new(store)),
            live: Arc::default(),
            portraits: Arc::default(),
            components: Arc::from([]),
            mail_configured: false,
        }
    }

    /// How many streams of events are open.
    pub fn open_streams(&self) -> usize {
        self.live.count()
    }

    /// The same, where a mail server is configured or not.
    #[must_use]
    pub fn with_mail(self, configured: bool) -> Self {
        Self {
            mail_configured: configured,
            ..self
        }
    }

    /// The same, telling of these parts too when it is asked for its health.
    #[must_use]
    pub fn with_components(self, components: Vec<Arc<dyn ComponentHealth>>) -> Self {
        Self {
            components: components.into(),
            ..self
        }
    }
}

/// What the layers keep to.
#[derive(Debug, Clone)]
pub struct EdgeSettings {
    /// Peers whose headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// The header that names the client.
    pub client_ip_header: ClientIpHeader,
    /// Origins of this site besides the one that a request's `Host` names.
    pub origins: Vec<Origin>,
    /// The limit of an address, for requests without a session.
    pub anonymous_limit: Option<Gcra>,
    /// The limit of a user.
    pub user_limit: Option<Gcra>,
    /// Requests under way at once; files, health and the form of the login are not counted.
    pub max_requests: usize,
    /// How long a request may be worked on.
    pub request_deadline: Duration,
    /// Is told of every request.
    pub observer: Arc<dyn RequestObserver>,
}

/// Every route of the server.
pub(crate) fn table() -> RouteTable {
    let own = RouteTable::api()
        .route("/", get(start).public())
        .route("/static/{*path}", get(static_file).public())
        .route("/health/live", get(health::live).public())
        .route("/health/ready", get(health::ready).public())
        .operation(Needs::Public, routes!(health::health));
    pages::routes()
        .merge(live::routes())
        .merge(api::routes())
        .merge(own)
}

/// The API's description (OpenAPI 3.1).
pub fn openapi(urls: &Urls) -> Value {
    let mut document = table().describe(api::document());
    document.servers = Some(vec![utoipa::openapi::Server::new(if urls.root().is_empty() {
        "/"
    } else {
        urls.root()
    })]);
    api::complete(serde_json::to_value(document).unwrap_or_default())
}

/// The same as JSON text.
pub fn openapi_json(urls: &Urls) -> String {
    serde_json::to_string_pretty(&openapi(urls)).unwrap_or_default()
}

/// The application as a service: static files, and its routes with every layer around them.
pub fn site(
    state: AppState,
    settings: EdgeSettings,
    limiter: Arc<dyn RateLimiter>,
    entropy: &dyn Entropy,
) -> Site {
    let urls = state.urls.clone();
    let table = table();
    let body_rules = body::BodyRules {
        limits: table.limits(&urls),
        deadline: BODY_DEADLINE,
    };
    let mut random = [0; 8];
    entropy.fill(&mut random);
    let contexts = Arc::new(Contexts {
        urls: urls.clone(),
        trusted: settings.trusted_proxies,
        header: settings.client_ip_header,
        process: u64::from_le_bytes(random),
    });
    let files = Files::new(Arc::clone(&contexts), Arc::clone(&settings.observer));
    let general = limits::GeneralLimits {
        limiter,
        anonymous: settings.anonymous_limit,
        user: settings.user_limit,
    };
    let shedding = shedding::Shedding::new(settings.max_requests, Arc::clone(&settings.observer));
    let traffic = traffic::Traffic {
        services: Arc::clone(&state.services),
        urls: urls.clone(),
    };
    let keys = Arc::clone(&state.services.idempotency);
    let keys = Arc::new(idempotency::Idempotency::new(keys, entropy));
    let sessions: Arc<dyn Authenticate> = Arc::new(Sessions(Arc::clone(&state.services)));
    let origins: Arc<[Origin]> = settings.origins.into();
    let error_page: ErrorPageRenderer = pages::error_page;
    let mut router = table.into_router(&urls);
    if !urls.root().is_empty() {
        // The host's top, and the root without its slash.
        router = router
            .route("/", axum::routing::get(to_start))
            .route(urls.root(), axum::routing::get(to_start));
    }
    // All of them as one: a router boxes each layer that it is given, and clones with it those inside.
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(contexts, context::layer))
        .layer(from_fn_with_state(settings.observer, observe::layer))
        .layer(from_fn(headers::layer))
        .layer(compression::layer())
        .layer(from_fn_with_state(error_page, negotiate::layer))
        .layer(from_fn(guard::panics))
        .layer(from_fn(guard::request))
        .layer(from_fn_with_state(Arc::new(shedding), shedding::layer))
        .layer(from_fn_with_state(settings.request_deadline, deadline::layer))
        .layer(from_fn_with_state(Arc::new(body_rules), body::layer))
        .layer(from_fn_with_state(origins, forgery::layer))
        .layer(from_fn_with_state(sessions, session::layer))
        .layer(from_fn_with_state(Arc::new(general), limits::layer))
        .layer(from_fn_with_state(Arc::new(traffic), traffic::layer))
        .layer(Extension(keys))
        .layer(DefaultBodyLimit::disable());
    Site::new(files, router.with_state(state.clone()).layer(layers))
}

/// The root: to where the reader may be.
async fn start(State(state): State<AppState>, MaybeUser(user): MaybeUser) -> Response {
    see_other(
        &state
            .urls
            .path(if user.is_some() { HOME_PATH } else { LOGIN_PATH }),
    )
}

async fn to_start(State(state): State<AppState>) -> Response {
    see_other(&state.urls.path("/"))
}

async fn static_file(State(state): State<AppState>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let path = state
        .urls
        .below_root(request.uri.path())
        .and_then(|path| path.strip_prefix("/static/"));
    assets::serve(path.unwrap_or_default(), &request)
}

struct Sessions(Arc<Services>);

#[async_trait]
impl Authenticate for Sessions {
    async fn authenticate(
        &self,
        token: &SessionToken,
        context: &RequestContext,
    ) -> Result<Option<Actor>, ServiceError> {
        let request_id = Some(context.request_id.clone());
        self.0
            .auth
            .authenticate(token, &context.client.to_string(), request_id)
            .await
    }
}
