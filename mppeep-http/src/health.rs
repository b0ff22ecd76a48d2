//! Whether the server lives, may be sent requests, and has what it needs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use mppeep_core::ports::store::Store;
use serde::Serialize;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::app::AppState;

/// A database that takes longer counts as one that does not answer.
const DATABASE_PATIENCE: Duration = Duration::from_secs(1);

/// For how long an answer holds: not long enough for anybody to notice.
const FRESH: Duration = Duration::from_millis(250);

/// Whether requests may be sent here.
pub struct Readiness {
    store: Arc<dyn Store>,
    draining: watch::Sender<bool>,
    /// The same, for whoever looks with each request.
    is_draining: AtomicBool,
    /// Whether the database answered, and when that was known.
    last: Mutex<Option<(bool, Instant)>>,
}

impl Readiness {
    /// Ready as long as the store answers.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            draining: watch::Sender::new(false),
            is_draining: AtomicBool::new(false),
            last: Mutex::default(),
        }
    }

    /// Asks for no more requests: the server is about to end.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
        self.draining.send_replace(true);
    }

    /// Whether the server is about to end.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Tells when the server is about to end, to whoever holds a request open.
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// Whether the database answers. Anybody may ask: of those who ask at once, and shortly after, one asks the database.
    async fn database_answers(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((answers, at)) = *last
            && at.elapsed() < FRESH
        {
            return answers;
        }
        let ping = tokio::time::timeout(DATABASE_PATIENCE, self.store.ping());
        let answers = matches!(ping.await, Ok(Ok(())));
        *last = Some((answers, Instant::now()));
        answers
    }
}

/// A part that the server can do without for a while.
pub trait ComponentHealth: Send + Sync {
    /// Its name, in lower case.
    fn name(&self) -> &'static str;

    /// Why it does not work now, in words without addresses or secrets; none when it works. Asks nobody: the page of
    /// health is public, and answers at once.
    fn trouble(&self) -> Option<String>;
}

/// How one part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HealthStatus {
    /// It works.
    Ok,
    /// It does not, and the server does without it.
    Degraded,
    /// It does not, and nothing works without it.
    Unavailable,
}

/// The server's health, and that of each part it needs.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Health {
    /// The whole.
    status: HealthStatus,
    /// Its parts by name.
    #[schema(value_type = std::collections::HashMap<String, HealthStatus>)]
    components: BTreeMap<&'static str, HealthStatus>,
    /// What is wrong with the parts that do not work.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = std::collections::HashMap<String, String>, required = false)]
    reasons: BTreeMap<&'static str, String>,
}

impl Health {
    fn of(database_answers: bool, parts: &[Arc<dyn ComponentHealth>]) -> Self {
        let database = if database_answers {
            HealthStatus::Ok
        } else {
            HealthStatus::Unavailable
        };
        let mut health = Self {
            status: database,
            components: BTreeMap::from([("database", database)]),
            reasons: BTreeMap::new(),
        };
        if !database_answers {
            health
                .reasons
                .insert("database", "no answer within a second".to_owned());
        }
        for part in parts {
            let trouble = part.trouble();
            let status = match trouble {
                None => HealthStatus::Ok,
                Some(_) => HealthStatus::Degraded,
            };
            health.components.insert(part.name(), status);
            if let Some(reason) = trouble {
                health.reasons.insert(part.name(), reason);
                if database_answers {
                    health.status = HealthStatus::Degraded;
                }
            }
        }
        health
    }

    fn code(&self) -> StatusCode {
        match self.status {
            HealthStatus::Ok | HealthStatus::Degraded => StatusCode::OK,
            HealthStatus::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The health of the server and of what it needs.
#[utoipa::path(get, path = "/api/v1/health", tag = "health", operation_id = "health", security(()), responses(
    (status = OK, description = "En état de marche, ou dégradé avec ses raisons", body = Health),
    (status = SERVICE_UNAVAILABLE, description = "La base de données ne répond pas", body = Health)))]
pub(crate) async fn health(State(state): State<AppState>) -> Response {
    let answers = state.readiness.database_answers().await;
    let health = Health::of(answers, &state.components);
    (health.code(), Json(health)).into_response()
}

/// The process runs.
pub(crate) async fn live() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok" }))
}

/// The process may be sent requests.
pub(crate) async fn ready(State(state): State<AppState>) -> Response {
    let ready = !state.readiness.is_draining() && state.readiness.database_answers().await;
    let (code, word) = if ready {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    (code, Json(serde_json::json!({ "status": word }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Part(&'static str, Option<&'static str>);

    impl ComponentHealth for Part {
        fn name(&self) -> &'static str {
            self.0
        }

        fn trouble(&self) -> Option<String> {
            self.1.map(str::to_owned)
        }
    }

    fn health(
        database: bool,
        redis: Option<&'static str>,
        mail: Option<&'static str>,
    ) -> (u16, serde_json::Value) {
        let parts: [Arc<dyn ComponentHealth>; 2] =
            [Arc::new(Part("redis", redis)), Arc::new(Part("mail", mail))];
        let health = Health::of(database, &parts);
        (health.code().as_u16(), serde_json::to_value(&health).unwrap())
    }

    #[test]
    fn a_part_that_is_away_degrades_and_only_the_database_is_needed() {
        let (code, well) = health(true, None, None);
        assert_eq!(code, 200);
        assert_eq!(well["status"], "ok");
        assert!(well.get("reasons").is_none(), "{well}");
        let (code, degraded) = health(true, Some("no answer"), None);
        assert_eq!(code, 200);
        assert_eq!(degraded["status"], "degraded");
        assert_eq!(degraded["components"]["redis"], "degraded");
        assert_eq!(degraded["components"]["mail"], "ok");
        assert_eq!(degraded["reasons"]["redis"], "no answer");
        let (code, down) = health(false, Some("no answer"), None);
        assert_eq!(code, 503);
        assert_eq!(down["status"], "unavailable");
        assert_eq!(down["components"]["database"], "unavailable");
        assert_eq!(down["components"]["redis"], "degraded");
    }
}
