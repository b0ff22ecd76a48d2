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

use crate::app::AppState;

/// A database that takes longer counts as one that does not answer.
const DATABASE_PATIENCE: Duration = Duration::from_secs(1);

/// Whether requests may be sent here.
pub struct Readiness {
    store: Arc<dyn Store>,
    draining: AtomicBool,
}

impl Readiness {
    /// Ready as long as the store answers.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            draining: AtomicBool::new(false),
        }
    }

    /// Asks for no more requests: the server is about to end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the server is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    async fn database_answers(&self) -> bool {
        matches!(
            tokio::time::timeout(DATABASE_PATIENCE, self.store.ping()).await,
            Ok(Ok(()))
        )
    }
}

/// How one part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HealthStatus {
    /// It works.
    Ok,
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
}

/// The health of the server and of what it needs.
#[utoipa::path(get, path = "/api/v1/health", tag = "health", operation_id = "health", security(()), responses(
    (status = OK, description = "En état de marche", body = Health),
    (status = SERVICE_UNAVAILABLE, description = "La base de données ne répond pas", body = Health)))]
pub(crate) async fn health(State(state): State<AppState>) -> Response {
    let (code, status) = if state.readiness.database_answers().await {
        (StatusCode::OK, HealthStatus::Ok)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, HealthStatus::Unavailable)
    };
    (
        code,
        Json(Health {
            status,
            components: BTreeMap::from([("database", status)]),
        }),
    )
        .into_response()
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
