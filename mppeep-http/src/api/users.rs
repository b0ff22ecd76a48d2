//! Login accounts.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use mppeep_core::domain::id::UserId;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::text::search_words;
use mppeep_core::domain::user::{Role, User, UserInput, UserStatus};
use mppeep_core::ports::session::SessionSummary;
use mppeep_core::ports::user::{UserFilter, UserRow};
use serde::{Deserialize, Serialize};
use utoipa_axum::routes;

use super::answers::{
    ApiError, ChangeProblems, CreateProblems, IfMatch, ListProblems, ReadProblems, created, versioned,
};
use super::schema::{List, Query, code_schemas, list_query, nullable, nullable_code, over};
use crate::app::AppState;
use crate::extract::{CurrentUser, JsonBody, PathId};
use crate::middleware::ShowsSecret;
use crate::middleware::idempotency::KeptInstead;
use crate::problem::Problem;
use crate::routes::{Needs, RouteTable};

pub(super) fn routes() -> RouteTable {
    let reads = Needs::Right(Resource::User, Action::Read);
    let writes = Needs::Right(Resource::User, Action::Write);
    RouteTable::api()
        .operation(reads, routes!(list))
        .creation(writes, routes!(create))
        .operation(reads, routes!(get))
        .operation(writes, routes!(update))
        .operation(writes, routes!(set_password))
        .operation(reads, routes!(sessions))
        .operation(writes, routes!(end_sessions))
}

code_schemas! {
    role_codes = Role, "agent";
    status_codes = UserStatus, "active";
}

fn nullable_status_codes() -> utoipa::openapi::schema::Object {
    nullable_code(UserStatus::ALL.iter().map(|status| status.code()), Some("active"))
}

pub(super) fn roles_schema() -> utoipa::openapi::schema::Array {
    let mut roles = utoipa::openapi::ArrayBuilder::new()
        .items(role_codes())
        .min_items(Some(1))
        .build();
    roles.example = Some(serde_json::json!(["agent"]));
    roles
}

/// A login account. It never holds anything of the password.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = User)]
pub(super) struct UserItem {
    id: uuid::Uuid,
    /// E-mail address, which is the login name.
    email: String,
    /// Name shown to others.
    display_name: String,
    /// Roles; their rights add up.
    #[schema(schema_with = roles_schema)]
    roles: Vec<&'static str>,
    /// Whether it may be used.
    #[schema(schema_with = status_codes)]
    status: &'static str,
    /// The agent whose account it is.
    personnel_id: Option<uuid::Uuid>,
    /// The unit of responsibility, as `level:identifier`.
    perimeter: Option<String>,
    /// Whether the password must be changed at the next login.
    must_change_password: bool,
    /// Last login.
    #[schema(format = DateTime)]
    last_login_at: Option<String>,
    /// Name of the agent, in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    personnel_name: Option<String>,
    /// Live sessions, in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_count: Option<u32>,
    version: i64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<User> for UserItem {
    fn from(user: User) -> Self {
        Self {
            id: user.id.as_uuid(),
            email: user.fields.email.to_string(),
            display_name: user.fields.display_name,
            roles: user.fields.roles.into_iter().map(Role::code).collect(),
            status: user.fields.status.code(),
            personnel_id: user.fields.personnel.map(|id| id.as_uuid()),
            perimeter: user.fields.perimeter.map(|unit| unit.to_string()),
            must_change_password: user.must_change_password,
            last_login_at: user.last_login_at.map(|at| at.to_string()),
            personnel_name: None,
            session_count: None,
            version: user.version,
            created_at: user.created_at.to_string(),
            updated_at: user.updated_at.to_string(),
        }
    }
}

impl From<UserRow> for UserItem {
    fn from(row: UserRow) -> Self {
        Self {
            personnel_name: row.personnel_name,
            session_count: Some(row.session_count),
            ..row.user.into()
        }
    }
}

list_query! {
    /// Conditions on accounts; all of them hold together.
    UserParams {
        /// Words that occur in the name or the address.
        #[param(example = "kone")]
        q: Option<String>,
        /// With this role.
        #[param(schema_with = role_codes)]
        role: Option<Role>,
        /// Of this status.
        #[param(schema_with = status_codes)]
        status: Option<UserStatus>,
    }
}

/// The accounts, by name.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", operation_id = "list_users", params(UserParams),
    responses((status = OK, description = "A page of accounts.", body = List<UserItem>), ListProblems))]
pub(super) async fn list(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    Query(params): Query<UserParams>,
) -> Result<Json<List<UserItem>>, ApiError> {
    let page = params.page()?;
    let words = params.q.as_deref().map(search_words).unwrap_or_default();
    let filter = UserFilter {
        words,
        role: params.role,
        status: params.status,
    };
    Ok(List::of(
        state.services.users.list(&actor, &filter, &page).await?,
        UserItem::from,
    ))
}

/// An account to create.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateUser {
    /// E-mail address, which is the login name; unique.
    #[schema(example = "awa.kone@exemple.ci", format = Email, max_length = 254)]
    email: String,
    /// Name shown to others.
    #[schema(example = "Awa Koné", min_length = 1, max_length = 120)]
    display_name: String,
    /// Roles, at least one; their rights add up.
    #[schema(schema_with = roles_schema)]
    roles: Vec<String>,
    /// Whether it may be used; `active` when not given.
    #[schema(schema_with = nullable_status_codes, required = false)]
    status: Option<String>,
    /// The agent whose account it is; an agent has one account at most.
    #[schema(value_type = Option<String>, format = Uuid, example = json!(null))]
    personnel_id: Option<String>,
    /// The unit a head of department answers for, as `level:identifier`.
    #[schema(value_type = Option<String>, example = json!(null), pattern = "^(programme|directorate|department):[0-9a-fA-F-]{36}$")]
    perimeter: Option<String>,
    /// The first password, which must be changed at the first login; one is made when none is given.
    #[schema(example = "lagune-baobab-pirogue-42", format = Password, max_length = 1000)]
    password: Option<String>,
}

/// The account that was created.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct CreatedUser {
    #[serde(flatten)]
    user: UserItem,
    /// The password that was made, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    generated_password: Option<String>,
}

/// Creates an account.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", operation_id = "create_user", request_body = CreateUser,
    responses((status = CREATED, description = "The account, with its address in `Location`.", body = CreatedUser), CreateProblems))]
pub(super) async fn create(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    JsonBody(body): JsonBody<CreateUser>,
) -> Result<Response, ApiError> {
    let input = UserInput {
        email: body.email,
        display_name: body.display_name,
        roles: body.roles,
        status: body.status.unwrap_or_default(),
        personnel_id: body.personnel_id.unwrap_or_default(),
        perimeter: body.perimeter.unwrap_or_default(),
    };
    let (user, generated_password) = state
        .services
        .users
        .create(&actor, &input, body.password.as_deref())
        .await?;
    let (id, version) = (user.id, user.version);
    let body = |generated_password| CreatedUser {
        user: user.clone().into(),
        generated_password,
    };
    // The secret is shown once: it is not kept for who asks again.
    let kept = serde_json::to_vec(&body(None)).map_err(Problem::internal)?;
    Ok((
        Extension(ShowsSecret),
        Extension(KeptInstead(kept.into())),
        created(&state, "users", id, version, body(generated_password)),
    )
        .into_response())
}

/// One account.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "users", operation_id = "get_user",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the account.")),
    responses((status = OK, description = "The account, with its version in `ETag`.", body = UserItem), ReadProblems))]
pub(super) async fn get(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<UserId>,
) -> Result<Response, ApiError> {
    let user = state.services.users.get(&actor, id).await?;
    Ok(versioned(user.version, UserItem::from(user)))
}

/// A change of an account: members that are left out stay as they are.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateUser {
    /// The version the client read.
    #[schema(example = 1)]
    version: Option<i64>,
    /// E-mail address, which is the login name; unique.
    #[schema(example = "awa.kone@exemple.ci", format = Email, max_length = 254)]
    email: Option<String>,
    /// Name shown to others.
    #[schema(example = "Awa Koné", min_length = 1, max_length = 120)]
    display_name: Option<String>,
    /// Roles, at least one; their rights add up.
    #[schema(schema_with = roles_schema, required = false)]
    roles: Option<Vec<String>>,
    /// Whether it may be used.
    #[schema(schema_with = nullable_status_codes, required = false)]
    status: Option<String>,
    /// The agent whose account it is; null for none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, format = Uuid, example = json!(null))]
    personnel_id: Option<Option<String>>,
    /// The unit a head of department answers for, as `level:identifier`; null for none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, example = json!(null), pattern = "^(programme|directorate|department):[0-9a-fA-F-]{36}$")]
    perimeter: Option<Option<String>>,
}

/// Changes an account. A change of anything but the name ends its sessions; the last active administrator stays one.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "users", operation_id = "update_user",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the account."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    request_body = UpdateUser,
    responses((status = OK, description = "The account as it is now.", body = UserItem), ChangeProblems))]
pub(super) async fn update(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<UserId>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<UpdateUser>,
) -> Result<Response, ApiError> {
    let present = state.services.users.get(&actor, id).await?;
    let version = if_match.check(body.version, present.version)?;
    let fields = present.fields;
    let roles = || fields.roles.iter().map(|role| role.code().to_owned()).collect();
    let input = UserInput {
        email: body.email.unwrap_or_else(|| fields.email.to_string()),
        roles: body.roles.unwrap_or_else(roles),
        display_name: body.display_name.unwrap_or(fields.display_name),
        status: body.status.unwrap_or_else(|| fields.status.code().to_owned()),
        personnel_id: over(body.personnel_id, fields.personnel.map(|id| id.to_string())),
        perimeter: over(body.perimeter, fields.perimeter.map(|unit| unit.to_string())),
    };
    let user = state.services.users.update(&actor, id, version, &input).await?;
    Ok(versioned(user.version, UserItem::from(user)))
}

/// A password to set.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetPassword {
    /// The new password, which must be changed at the next login; one is made when none is given.
    #[schema(example = "lagune-baobab-pirogue-42", format = Password, max_length = 1000)]
    password: Option<String>,
}

/// The outcome of setting a password.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct PasswordSet {
    /// The password that was made, shown this once; null when one was given.
    generated_password: Option<String>,
}

/// Sets the password of an account; its sessions end.
#[utoipa::path(post, path = "/api/v1/users/{id}/password", tag = "users", operation_id = "set_user_password",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the account.")),
    request_body = SetPassword,
    responses((status = OK, description = "The password is set.", body = PasswordSet), CreateProblems))]
pub(super) async fn set_password(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<UserId>,
    JsonBody(body): JsonBody<SetPassword>,
) -> Result<(Extension<ShowsSecret>, Json<PasswordSet>), ApiError> {
    let generated_password = state
        .services
        .users
        .reset_password(&actor, id, body.password.as_deref())
        .await?;
    Ok((Extension(ShowsSecret), Json(PasswordSet { generated_password })))
}

/// A live session. Its identifier opens nothing.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionItem {
    id: uuid::Uuid,
    /// Browser and system.
    device: String,
    /// The client's address at login.
    address: String,
    /// The country that address is in, in two letters, where the network tells.
    #[schema(example = "CI", pattern = "^[A-Z]{2}$")]
    country: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last used, to the minute.
    #[schema(format = DateTime)]
    last_used_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

impl From<SessionSummary> for SessionItem {
    fn from(session: SessionSummary) -> Self {
        Self {
            id: session.handle.as_uuid(),
            device: session.device,
            address: session.address,
            country: session.country,
            created_at: session.created_at.to_string(),
            last_used_at: session.last_used_at.to_string(),
            expires_at: session.expires_at.to_string(),
        }
    }
}

/// The live sessions of an account, the newest first.
#[utoipa::path(get, path = "/api/v1/users/{id}/sessions", tag = "users", operation_id = "list_user_sessions",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the account.")),
    responses((status = OK, description = "The sessions.", body = List<SessionItem>), ReadProblems))]
pub(super) async fn sessions(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<UserId>,
) -> Result<Json<List<SessionItem>>, ApiError> {
    let user = state.services.users.get(&actor, id).await?;
    let sessions = state.services.users.sessions(&actor, user.id).await?;
    Ok(List::whole(sessions.into_iter().map(SessionItem::from).collect()))
}

/// How many sessions were ended.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct SessionsEnded {
    /// Sessions that lived.
    ended: u64,
}

/// Ends the sessions of an account; of one's own, all but the present one.
#[utoipa::path(delete, path = "/api/v1/users/{id}/sessions", tag = "users", operation_id = "end_user_sessions",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the account.")),
    responses((status = OK, description = "The sessions are ended.", body = SessionsEnded), ReadProblems))]
pub(super) async fn end_sessions(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<UserId>,
) -> Result<Json<SessionsEnded>, ApiError> {
    let ended = state.services.users.end_sessions(&actor, id).await?;
    Ok(Json(SessionsEnded { ended }))
}
