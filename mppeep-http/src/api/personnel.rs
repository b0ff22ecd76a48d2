//! Personnel files.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use mppeep_core::domain::codes::{AdministrativePosition, AgentStatus, DepartureReason, Sex};
use mppeep_core::domain::grade::{Grade, GradeCategory};
use mppeep_core::domain::id::{DepartmentId, DirectorateId, PersonnelId, ProgrammeId};
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::parse::civil_date;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::personnel::Departure;
use mppeep_core::domain::text::search_words;
use mppeep_core::domain::validation::{Rule, Violations};
use mppeep_core::ports::absence::AbsenceFilter;
use mppeep_core::ports::evaluation::EvaluationFilter;
use mppeep_core::ports::personnel::{ArchiveFilter, PersonnelFilter, PersonnelSort};
use mppeep_core::services::ServiceError;
use mppeep_core::services::personnel::{ListPersonnel, Reveal};
use mppeep_core::services::personnel_view::PersonnelView;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa_axum::routes;

use super::absences::AbsenceItem;
use super::answers::{
    ApiError, ChangeProblems, CreateProblems, IfMatch, ListProblems, ReadProblems, created, versioned,
};
use super::evaluations::EvaluationItem;
use super::personnel_wire::{CreatePersonnel, PersonnelBody, PersonnelItem, UpdatePersonnel};
use super::schema::{
    List, OptionalBody, Query, QueryDate, Text, VersionBody, code, code_schemas, day, list_query, unit_of,
};
use crate::app::AppState;
use crate::extract::{CurrentUser, JsonBody, PathId};
use crate::routes::{Needs, RouteTable};

pub(super) fn routes() -> RouteTable {
    let reads = Needs::Right(Resource::Directory, Action::Read);
    let writes = Needs::Right(Resource::Career, Action::Write);
    RouteTable::api()
        .operation(reads, routes!(list))
        .creation(writes, routes!(create))
        .operation(reads, routes!(get))
        .operation(writes, routes!(update))
        .operation(writes, routes!(archive))
        .operation(writes, routes!(restore))
        .operation(Needs::Right(Resource::Absence, Action::Read), routes!(absences))
        .operation(
            Needs::Right(Resource::Evaluation, Action::Read),
            routes!(evaluations),
        )
}

code_schemas! {
    status_codes = AgentStatus, "civil_servant";
    position_codes = AdministrativePosition, "active";
    sex_codes = Sex, "female";
    sort_codes = PersonnelSort, "name";
    reason_codes = DepartureReason, "retirement";
}

fn category_codes() -> utoipa::openapi::schema::Object {
    code(GradeCategory::ALL.into_iter().map(GradeCategory::code), "A")
}

/// The direction of an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    /// The least first.
    #[default]
    Asc,
    /// The greatest first.
    Desc,
}

/// Which files: of agents in service, of those who left, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Archive {
    /// Agents in service.
    #[default]
    Current,
    /// Agents who left.
    Archived,
    /// Both.
    Both,
}

list_query! {
    /// Conditions on files; all of them hold together.
    PersonnelParams {
        /// Words that occur in matricule, names or office telephone, whatever the case and the accents.
        #[param(example = "kone")]
        q: Option<String>,
        /// Agents of this programme.
        #[param(value_type = Option<uuid::Uuid>)]
        programme_id: Option<Text<ProgrammeId>>,
        /// Agents of this directorate.
        #[param(value_type = Option<uuid::Uuid>)]
        directorate_id: Option<Text<DirectorateId>>,
        /// Agents of this department.
        #[param(value_type = Option<uuid::Uuid>)]
        department_id: Option<Text<DepartmentId>>,
        /// Only agents without a department.
        unassigned: Option<bool>,
        /// Agents of this category.
        #[param(schema_with = category_codes)]
        category: Option<GradeCategory>,
        /// Agents of this grade.
        #[param(value_type = Option<String>, example = "A4")]
        grade: Option<Text<Grade>>,
        /// Only agents without a grade.
        without_grade: Option<bool>,
        /// Agents in this administrative position.
        #[param(schema_with = position_codes)]
        position: Option<AdministrativePosition>,
        /// Agents of this status.
        #[param(schema_with = status_codes)]
        status: Option<AgentStatus>,
        /// Agents of this sex.
        #[param(schema_with = sex_codes)]
        sex: Option<Sex>,
        /// Born on this day or later.
        #[param(value_type = Option<String>, format = Date)]
        born_from: Option<QueryDate>,
        /// Born on this day or earlier.
        #[param(value_type = Option<String>, format = Date)]
        born_to: Option<QueryDate>,
        /// In service since this day or later.
        #[param(value_type = Option<String>, format = Date)]
        in_service_from: Option<QueryDate>,
        /// In service since this day or earlier.
        #[param(value_type = Option<String>, format = Date)]
        in_service_to: Option<QueryDate>,
        /// Retiring on this day or later.
        #[param(value_type = Option<String>, format = Date)]
        retires_from: Option<QueryDate>,
        /// Retiring on this day or earlier.
        #[param(value_type = Option<String>, format = Date)]
        retires_to: Option<QueryDate>,
        /// Absent on this day.
        #[param(value_type = Option<String>, format = Date)]
        absent_on: Option<QueryDate>,
        /// Only agents without a login account.
        without_account: Option<bool>,
        /// Only files of which a part is missing.
        incomplete: Option<bool>,
        /// Agents in service (usual), who left, or both.
        #[param(inline)]
        archive: Option<Archive>,
        /// What the list is sorted by; by name when not given.
        #[param(schema_with = sort_codes)]
        sort: Option<PersonnelSort>,
        /// The direction of the order.
        #[param(inline)]
        order: Option<Order>,
    }
}

impl PersonnelParams {
    fn into_list(self, organisation: &Organisation) -> Result<ListPersonnel, ApiError> {
        let page = self.page()?;
        let on = |flag: Option<bool>| flag.unwrap_or(false);
        let filter = PersonnelFilter {
            words: self.q.as_deref().map(search_words).unwrap_or_default(),
            unit: unit_of(
                organisation,
                self.programme_id,
                self.directorate_id,
                self.department_id,
            ),
            unassigned: on(self.unassigned),
            category: self.category,
            grade: self.grade.map(|grade| grade.0),
            without_grade: on(self.without_grade),
            position: self.position,
            status: self.status,
            sex: self.sex,
            born_from: day(self.born_from),
            born_to: day(self.born_to),
            in_service_from: day(self.in_service_from),
            in_service_to: day(self.in_service_to),
            retires_from: day(self.retires_from),
            retires_to: day(self.retires_to),
            absent_on: day(self.absent_on),
            without_account: on(self.without_account),
            incomplete: on(self.incomplete),
            archive: match self.archive.unwrap_or_default() {
                Archive::Current => ArchiveFilter::Current,
                Archive::Archived => ArchiveFilter::Archived,
                Archive::Both => ArchiveFilter::Both,
            },
            ..PersonnelFilter::default()
        };
        let descending = self.order.unwrap_or_default() == Order::Desc;
        Ok(ListPersonnel {
            filter,
            sort: self.sort.unwrap_or(PersonnelSort::Name),
            descending,
            page,
        })
    }
}

/// The files the reader may see.
#[utoipa::path(get, path = "/api/v1/personnel", tag = "personnel", operation_id = "list_personnel",
    params(PersonnelParams),
    responses((status = OK, description = "A page of files.", body = List<PersonnelItem>), ListProblems))]
pub(super) async fn list(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    Query(params): Query<PersonnelParams>,
) -> Result<Json<List<PersonnelItem>>, ApiError> {
    let organisation = state.services.organisation.names().await?;
    let page = state
        .services
        .personnel
        .list(&actor, params.into_list(&organisation)?)
        .await?;
    let today = state.services.context.today();
    Ok(List::of(page, |view| PersonnelItem::row(&view, today)))
}

/// Creates a file.
#[utoipa::path(post, path = "/api/v1/personnel", tag = "personnel", operation_id = "create_personnel",
    request_body = CreatePersonnel,
    responses((status = CREATED, description = "The file, with its address in `Location`.", body = PersonnelItem), CreateProblems))]
pub(super) async fn create(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    JsonBody(members): JsonBody<Map<String, Value>>,
) -> Result<Response, ApiError> {
    let body = PersonnelBody::read(members, false)?;
    let view = state.services.personnel.create(&actor, &body.input).await?;
    let (id, version) = (view.id(), view.version());
    Ok(created(
        &state,
        "personnel",
        id,
        version,
        item(&state, &view).await?,
    ))
}

/// How a file is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GetParams {
    /// Whether private data is shown, to who may see it. Reading that of somebody else is noted in the journal.
    private: Option<bool>,
}

/// One file.
#[utoipa::path(get, path = "/api/v1/personnel/{id}", tag = "personnel", operation_id = "get_personnel",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the file."), GetParams),
    responses((status = OK, description = "The file, with its version in `ETag`.", body = PersonnelItem), ReadProblems))]
pub(super) async fn get(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<PersonnelId>,
    Query(params): Query<GetParams>,
) -> Result<Response, ApiError> {
    let reveal = if params.private == Some(true) {
        Reveal::Shown
    } else {
        Reveal::Hidden
    };
    let view = state.services.personnel.get(&actor, id, reveal).await?;
    Ok(versioned(view.version(), item(&state, &view).await?))
}

/// Changes a file: members that are left out stay as they are, null removes a value.
#[utoipa::path(patch, path = "/api/v1/personnel/{id}", tag = "personnel", operation_id = "update_personnel",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the file."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    request_body = UpdatePersonnel,
    responses((status = OK, description = "The file as it is now.", body = PersonnelItem), ChangeProblems))]
pub(super) async fn update(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<PersonnelId>,
    if_match: IfMatch,
    JsonBody(members): JsonBody<Map<String, Value>>,
) -> Result<Response, ApiError> {
    let body = PersonnelBody::read(members, true)?;
    let version = present(&state, &actor, id, &if_match, body.version).await?;
    let view = state
        .services
        .personnel
        .update(&actor, id, version, &body.input)
        .await?;
    Ok(versioned(view.version(), item(&state, &view).await?))
}

/// That an agent left.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ArchivePersonnel {
    /// The version the client read.
    #[schema(example = 1)]
    version: Option<i64>,
    /// Last day in the ministry.
    #[schema(example = "2026-06-30", format = Date)]
    departure_date: String,
    /// Why the agent left.
    #[schema(schema_with = reason_codes)]
    departure_reason: String,
}

/// Notes that an agent left, and archives the file.
#[utoipa::path(post, path = "/api/v1/personnel/{id}/archive", tag = "personnel", operation_id = "archive_personnel",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the file."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    request_body = ArchivePersonnel,
    responses((status = OK, description = "The file as it is now.", body = PersonnelItem), ChangeProblems))]
pub(super) async fn archive(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<PersonnelId>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<ArchivePersonnel>,
) -> Result<Response, ApiError> {
    let departure = departure(&body)?;
    let version = present(&state, &actor, id, &if_match, body.version).await?;
    let view = state
        .services
        .personnel
        .archive(&actor, id, version, departure)
        .await?;
    Ok(versioned(view.version(), item(&state, &view).await?))
}

fn departure(body: &ArchivePersonnel) -> Result<Departure, Violations> {
    let mut violations = Violations::default();
    let date = violations.take("departure_date", civil_date(body.departure_date.trim()));
    let reason = DepartureReason::by_code(&body.departure_reason);
    let reason = violations.take(
        "departure_reason",
        reason.ok_or(Rule::Unknown { nearest: Vec::new() }),
    );
    match (date, reason) {
        (Some(date), Some(reason)) => Ok(Departure { date, reason }),
        _ => Err(violations),
    }
}

/// Takes an archived file back.
#[utoipa::path(post, path = "/api/v1/personnel/{id}/restore", tag = "personnel", operation_id = "restore_personnel",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the file."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    request_body = Option<VersionBody>,
    responses((status = OK, description = "The file as it is now.", body = PersonnelItem), ChangeProblems))]
pub(super) async fn restore(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<PersonnelId>,
    if_match: IfMatch,
    OptionalBody(body): OptionalBody<VersionBody>,
) -> Result<Response, ApiError> {
    let version = present(&state, &actor, id, &if_match, body.version).await?;
    let view = state.services.personnel.restore(&actor, id, version).await?;
    Ok(versioned(view.version(), item(&state, &view).await?))
}

list_query! {
    /// The page of what belongs to one agent.
    OfAgentParams {}
}

/// The absences of an agent, cancelled ones included.
#[utoipa::path(get, path = "/api/v1/personnel/{id}/absences", tag = "personnel", operation_id = "list_personnel_absences",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the file."), OfAgentParams),
    responses((status = OK, description = "A page of absences.", body = List<AbsenceItem>), ReadProblems))]
pub(super) async fn absences(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<PersonnelId>,
    Query(params): Query<OfAgentParams>,
) -> Result<Json<List<AbsenceItem>>, ApiError> {
    let view = state.services.personnel.get(&actor, id, Reveal::Hidden).await?;
    if !view.shows_absences() {
        return Err(forbidden(Resource::Absence));
    }
    let filter = AbsenceFilter {
        personnel: Some(id),
        with_cancelled: true,
        ..AbsenceFilter::default()
    };
    Ok(List::of(
        state
            .services
            .absences
            .list(&actor, filter, &params.page()?)
            .await?,
        AbsenceItem::from,
    ))
}

/// The evaluations of an agent.
#[utoipa::path(get, path = "/api/v1/personnel/{id}/evaluations", tag = "personnel",
    operation_id = "list_personnel_evaluations",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the file."), OfAgentParams),
    responses((status = OK, description = "A page of evaluations.", body = List<EvaluationItem>), ReadProblems))]
pub(super) async fn evaluations(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<PersonnelId>,
    Query(params): Query<OfAgentParams>,
) -> Result<Json<List<EvaluationItem>>, ApiError> {
    let view = state.services.personnel.get(&actor, id, Reveal::Hidden).await?;
    if !view.shows_evaluations() {
        return Err(forbidden(Resource::Evaluation));
    }
    let filter = EvaluationFilter {
        personnel: Some(id),
        ..EvaluationFilter::default()
    };
    let settings = state.services.settings.current().await?;
    let page = state
        .services
        .evaluations
        .list(&actor, filter, &params.page()?)
        .await?;
    Ok(List::of(page, |row| {
        EvaluationItem::of(row, &settings.evaluations)
    }))
}

fn forbidden(resource: Resource) -> ApiError {
    ServiceError::Forbidden {
        resource,
        action: Action::Read,
    }
    .into()
}

/// The version to change, when header and body accept the present one.
async fn present(
    state: &AppState,
    actor: &mppeep_core::domain::permission::Actor,
    id: PersonnelId,
    if_match: &IfMatch,
    in_body: Option<i64>,
) -> Result<i64, ApiError> {
    let view = state.services.personnel.get(actor, id, Reveal::Hidden).await?;
    Ok(if_match.check(in_body, view.version())?)
}

async fn item(state: &AppState, view: &PersonnelView) -> Result<PersonnelItem, ApiError> {
    let organisation = state.services.organisation.names().await?;
    Ok(PersonnelItem::of(
        view,
        &organisation,
        state.services.context.today(),
    ))
}
