//! The application under test, and a client of it.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, Method, Request, header};
use http_body_util::BodyExt as _;
use mppeep_cache_memory::{MemoryCache, MemoryCacheSettings, MemoryRateLimiter};
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::user::{Role, UserInput};
use mppeep_core::layered::buffered_counters::BufferedCounters;
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::ports::clock::{Clock, Entropy, ManualClock, SeededEntropy, TimeSource};
use mppeep_core::ports::login_attempts::AttemptLimits;
use mppeep_core::services::auth::{LoginOutcome, LoginRequest};
use mppeep_core::services::uploads::Contents;
use mppeep_core::services::{Adapters, Context};
use mppeep_files::{FolderStore, ImagePhotoMaker, MagicSniffer};
use mppeep_http::{AppState, CookieSecurity, EdgeSettings, ServicePorts, Services, Site, Urls, site};
use mppeep_password::Argon2Hasher;
use mppeep_spreadsheet::SpreadsheetFiles;
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::description::Description;

/// Where the API lives.
pub(crate) const API: &str = "/mppeep/api/v1";

const PASSWORD: &str = "correct horse battery staple";

/// A server with its database.
pub(crate) struct TestApp {
    site: Site,
    pub(crate) services: Arc<Services>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) description: Arc<Description>,
    /// Goes last: it removes the database.
    _folder: tempfile::TempDir,
}

/// Somebody who asks.
#[derive(Clone)]
pub(crate) struct Client<'a> {
    app: &'a TestApp,
    cookie: Option<String>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    what: String,
}

impl TestApp {
    /// A server on an empty database, on Sunday 22 November 2026.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new("2026-11-22T09:00:00Z".parse().unwrap()));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        let time = TimeSource::Clock(Arc::clone(&clock));
        let options = SqliteOptions {
            time: time.clone(),
            busy_timeout: std::time::Duration::from_secs(30),
            ..SqliteOptions::default()
        };
        let store = Arc::new(
            SqliteStore::open(folder.path().join("test.db"), options)
                .await
                .unwrap(),
        );
        let epochs = Arc::new(EpochBoard::new(store.clone()));
        let cache = Arc::new(MemoryCache::new(time.clone(), MemoryCacheSettings::default()));
        let cached = Arc::new(Cached::new(cache, Arc::clone(&epochs)));
        let adapters = Adapters {
            store: store.clone(),
            epochs,
            cached,
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
        };
        let counters = BufferedCounters::new(store.clone(), clock, Arc::clone(&entropy));
        let ports = ServicePorts {
            sessions: store.clone(),
            attempts: store.clone(),
            hasher: Arc::new(Argon2Hasher::new(1)),
            attempt_limits: AttemptLimits::default(),
            spreadsheets: Arc::new(SpreadsheetFiles::default()),
            queue: store.clone(),
            locks: store.clone(),
            idempotency: store.clone(),
            counters: Arc::new(counters),
            contents: Contents {
                store: Arc::new(FolderStore::open(folder.path().join("files")).unwrap()),
                sniffer: Arc::new(MagicSniffer),
            },
            photo_maker: Arc::new(ImagePhotoMaker),
            tasks: Vec::new(),
        };
        let services = Arc::new(Services::new(&Context::new(adapters), ports));
        let urls = Urls::new("/mppeep");
        let state = AppState::new(Arc::clone(&services), store.clone(), urls, CookieSecurity::Always);
        let description = Arc::new(Description::new(serde_json::from_slice(&state.openapi).unwrap()));
        let settings = EdgeSettings {
            trusted_proxies: Vec::new(),
            client_ip_header: mppeep_http::ClientIpHeader::None,
            origins: Vec::new(),
            anonymous_limit: None,
            user_limit: None,
            max_requests: 64,
            request_deadline: std::time::Duration::from_secs(30),
            observer: Arc::new(mppeep_http::Unobserved),
        };
        let site = site(
            state,
            settings,
            Arc::new(MemoryRateLimiter::new(time)),
            entropy.as_ref(),
        );
        Self {
            site,
            services,
            store,
            description,
            _folder: folder,
        }
    }

    /// Nobody.
    pub(crate) fn visitor(&self) -> Client<'_> {
        Client {
            app: self,
            cookie: None,
        }
    }

    /// Somebody who administers, is in charge of personnel, and validates salaries.
    pub(crate) async fn admin(&self) -> Client<'_> {
        self.somebody(&[Role::Admin, Role::Sdrh, Role::Daf], None, None)
            .await
    }

    /// Somebody with roles, perhaps an agent, perhaps answering for a unit.
    pub(crate) async fn somebody(
        &self,
        roles: &[Role],
        personnel: Option<&str>,
        perimeter: Option<&str>,
    ) -> Client<'_> {
        let codes: Vec<String> = roles.iter().map(|role| role.code().to_owned()).collect();
        let unique = personnel.or(perimeter).unwrap_or("x").replace([':', '-'], "");
        let email = format!(
            "{}.{}@exemple.ci",
            codes.join("."),
            &unique[unique.len().saturating_sub(12)..]
        );
        let input = UserInput {
            email: email.clone(),
            display_name: "Essai".to_owned(),
            roles: codes,
            personnel_id: personnel.unwrap_or_default().to_owned(),
            perimeter: perimeter.unwrap_or_default().to_owned(),
            ..UserInput::default()
        };
        self.services
            .users
            .create_owned(&Actor::operator("test"), &input, PASSWORD)
            .await
            .unwrap();
        let request = LoginRequest {
            email,
            password: PASSWORD.to_owned(),
            limit_key: "192.0.2.1".to_owned(),
            address: "192.0.2.1".to_owned(),
            country: None,
            device: "test".to_owned(),
            old_token: None,
            request_id: None,
        };
        let LoginOutcome::In { token, .. } = self.services.auth.login(request).await.unwrap() else {
            panic!("the login was refused");
        };
        Client {
            app: self,
            cookie: Some(format!("session_id={}", token.expose())),
        }
    }
}

impl Client<'_> {
    /// Sends a request as it is. The status must be one that the description names for the operation.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let method: Method = method.parse().unwrap();
        let mut request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::HOST, "localhost");
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let response = self.app.site.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.into_body().collect().await.unwrap().to_bytes().to_vec();
        let answer = Answer {
            status,
            headers,
            body,
            what: format!("{method} {path}"),
        };
        if status != 405 {
            self.app.description.check(method.as_str(), path, &answer);
        }
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", &format!("{API}{path}"), &[], Body::empty())
            .await
    }

    pub(crate) async fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.text(method, path, body.to_string()).await
    }

    pub(crate) async fn text(&self, method: &str, path: &str, body: String) -> Answer {
        self.send(
            method,
            &format!("{API}{path}"),
            &[("content-type", "application/json")],
            body,
        )
        .await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json("POST", path, body).await
    }

    /// Sends a file with some fields before it.
    pub(crate) async fn upload(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        name: &str,
        content: &str,
    ) -> Answer {
        let mut body = String::new();
        for (field, value) in fields {
            body.push_str(&format!(
                "--part\r\ncontent-disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"
            ));
        }
        body.push_str(&format!(
            "--part\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{content}\r\n--part--\r\n"
        ));
        let kind = [("content-type", "multipart/form-data; boundary=part")];
        self.send("POST", &format!("{API}{path}"), &kind, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.json("PATCH", path, body).await
    }

    /// Makes an agent and gives the identifier.
    pub(crate) async fn agent(&self, matricule: &str, more: &Value) -> String {
        let mut body = json!({
            "matricule": matricule, "family_name": "Koné", "given_names": "Awa", "birth_date": "1985-03-14",
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.post("/personnel", &body).await.expect(201).id()
    }

    /// Has the operator compute the salary of an agent and gives the slip's identifier.
    pub(crate) async fn slip(&self, agent: &str, month: &str) -> String {
        let operator = Actor::operator("test");
        let (agent, month) = (agent.parse().unwrap(), month.parse().unwrap());
        let slip = self.app.services.payroll.process(&operator, agent, month).await;
        slip.unwrap().id.to_string()
    }

    /// Asks for a page.
    pub(crate) async fn page(&self, path: &str) -> Answer {
        self.page_with("GET", path, "").await
    }

    /// Sends a form of a page.
    pub(crate) async fn form(&self, path: &str, fields: &str) -> Answer {
        self.page_with("POST", path, fields).await
    }

    async fn page_with(&self, method: &str, path: &str, fields: &str) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/mppeep{path}"))
            .header(header::HOST, "localhost")
            .header(header::ACCEPT, "text/html")
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(Body::from(fields.to_owned())).unwrap();
        let response = self.app.site.clone().oneshot(request).await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.into_body().collect().await.unwrap().to_bytes().to_vec(),
            what: format!("{method} {path}"),
        }
    }

    /// Makes a department with what is above it; gives the three identifiers, the programme's first.
    pub(crate) async fn units(&self, code: &str) -> [String; 3] {
        let programme = self
            .post(
                "/organisation/programmes",
                &json!({ "code": code, "name": format!("Programme {code}") }),
            )
            .await
            .expect(201)
            .id();
        let body = json!({ "code": code, "name": format!("Direction {code}"), "programme_id": programme });
        let directorate = self
            .post("/organisation/directorates", &body)
            .await
            .expect(201)
            .id();
        let body = json!({ "code": code, "name": format!("Service {code}"), "directorate_id": directorate });
        let department = self
            .post("/organisation/departments", &body)
            .await
            .expect(201)
            .id();
        [programme, directorate, department]
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status,
            status,
            "{}: {}",
            self.what,
            String::from_utf8_lossy(&self.body)
        );
        self
    }

    #[track_caller]
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}: no JSON", self.what))
    }

    #[track_caller]
    pub(crate) fn id(&self) -> String {
        self.value()["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{}: no id", self.what))
            .to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The page, with its spaces as a keyboard writes them.
    pub(crate) fn html(&self) -> String {
        String::from_utf8_lossy(&self.body).replace(['\u{a0}', '\u{202f}'], " ")
    }

    /// The problem document, with what every one of them has.
    #[track_caller]
    pub(crate) fn problem(&self) -> Value {
        let problem = self.value();
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.what
        );
        assert_eq!(problem["status"], self.status, "{}: {problem}", self.what);
        assert!(
            problem["type"]
                .as_str()
                .is_some_and(|kind| kind.starts_with("/problems/")),
            "{problem}"
        );
        problem
    }

    /// The kind of the problem.
    #[track_caller]
    pub(crate) fn kind(&self) -> String {
        self.problem()["type"]
            .as_str()
            .unwrap_or_default()
            .trim_start_matches("/problems/")
            .to_owned()
    }
}
