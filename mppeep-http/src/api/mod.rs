//! The JSON interface under `/api/v1`, and its description.
//!
//! Handlers are thin: they read, ask one service, and answer. Wire types live here and convert from and to those of the
//! core. One file holds one aggregate, with its routes at the top.

mod absences;
mod activities;
mod answers;
mod complete;
mod dashboard;
pub(crate) mod docs;
mod document_wire;
mod documents;
mod evaluations;
mod files;
mod notices;
mod organisation;
mod payroll;
mod personnel;
mod personnel_fields;
mod personnel_wire;
mod photos;
mod schema;
mod session;
mod settings;
mod settings_wire;
mod upload_form;
mod users;

pub(crate) use complete::complete;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Paths};

use crate::app::AppState;
use crate::routes::{RouteTable, get};

/// Every route of the API.
pub(crate) fn routes() -> RouteTable {
    RouteTable::api()
        .route("/api/v1/openapi.json", get(description).public())
        .merge(docs::routes())
        .merge(session::routes())
        .merge(personnel::routes())
        .merge(absences::routes())
        .merge(evaluations::routes())
        .merge(documents::routes())
        .merge(files::routes())
        .merge(photos::routes())
        .merge(notices::routes())
        .merge(payroll::routes())
        .merge(organisation::routes())
        .merge(users::routes())
        .merge(settings::routes())
        .merge(activities::routes())
        .merge(dashboard::routes())
}

/// What the description says besides the operations, which the table adds.
pub(crate) fn document() -> OpenApi {
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
        "session_id",
        "The cookie that `POST /login` gives (form fields `username` and `password`).",
    ));
    let components = ComponentsBuilder::new()
        .schema_from::<crate::problem::ProblemBody>()
        .schema_from::<crate::problem::FieldError>()
        .security_scheme("session", SecurityScheme::ApiKey(cookie))
        .build();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("mppeep")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT))
                .build(),
        )
        .paths(Paths::new())
        .components(Some(components))
        .security(Some([SecurityRequirement::new("session", Vec::<String>::new())]))
        .build()
}

/// What a reader of the description should know first.
const ABOUT: &str = "The personnel dashboard of a ministry.\n\n\
    Errors are problem documents (RFC 9457): `type` is stable, `title`, `detail` and messages are French, and `errors` \
    has one entry for each field that is wrong. Lists answer `{items, next_cursor, total}`: send `next_cursor` back as \
    `cursor`, or ask by `page` and `size`. A single record has an `ETag`; send it as `If-Match`, or its number as \
    `version`, and the change is refused with 412 when somebody else was faster. Values that the reader may not see are \
    left out; values that are empty are null. Creations take an `Idempotency-Key`: sent again with the same key, they \
    have one effect and give the same answer.";

/// The description itself. It tells nothing that the server's programme text does not.
async fn description(State(state): State<AppState>) -> Response {
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        state.openapi,
    )
        .into_response()
}
