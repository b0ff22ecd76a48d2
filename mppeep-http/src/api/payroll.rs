//! Salary slips and the months they belong to.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use mppeep_core::domain::id::{PersonnelId, SlipId};
use mppeep_core::domain::payroll::{Month, SlipStatus};
use mppeep_core::domain::permission::{Action, Actor, Resource};
use mppeep_core::domain::text::search_words;
use mppeep_core::ports::payroll::{SlipFilter, SlipRow, SlipTotals};
use mppeep_core::services::ServiceError;
use serde::{Deserialize, Serialize};
use utoipa_axum::routes;

use super::answers::{
    ApiError, ChangeProblems, CreateProblems, IfMatch, ListProblems, ReadProblems, created, versioned, wrong,
};
use super::schema::{
    List, OptionalBody, Query, Text, VersionBody, code_schemas, known_reference, list_query, reference,
};
use crate::app::AppState;
use crate::catalogue;
use crate::extract::{CurrentUser, JsonBody, PathId};
use crate::problem::Problem;
use crate::routes::{Needs, RouteTable};

pub(super) fn routes() -> RouteTable {
    let reads = Needs::Right(Resource::Payroll, Action::Read);
    let writes = Needs::Right(Resource::Payroll, Action::Write);
    let validates = Needs::Right(Resource::Payroll, Action::Validate);
    RouteTable::api()
        .operation(reads, routes!(list))
        .creation(writes, routes!(compute))
        .operation(reads, routes!(get))
        .operation(validates, routes!(validate))
        .operation(reads, routes!(month))
        .creation(writes, routes!(start_month))
}

code_schemas! {
    status_codes = SlipStatus, "draft";
}

/// A salary slip. Amounts are whole francs CFA.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SalarySlip)]
pub(super) struct SlipItem {
    id: uuid::Uuid,
    /// The agent.
    personnel_id: uuid::Uuid,
    /// The agent's matricule.
    #[schema(example = "345678K")]
    matricule: String,
    /// The agent's name.
    #[schema(example = "KONÉ Awa")]
    full_name: String,
    /// The month, `AAAA-MM`.
    #[schema(example = "2026-11")]
    month: String,
    /// Where it stands: computing again replaces a draft, and nothing replaces a validated slip.
    #[schema(schema_with = status_codes)]
    status: &'static str,
    /// The index it was computed with.
    #[schema(example = 1000)]
    salary_index: u16,
    /// Monthly value of one point, in thousandths of a franc, that it was computed with.
    #[schema(example = 233457)]
    point_value_millifrancs: u32,
    /// What the allowance is called.
    #[schema(example = "Indemnité de transport")]
    allowance_label: String,
    /// What the deduction is called.
    #[schema(example = "Retenue pour pension")]
    deduction_label: String,
    /// The deduction, in hundredths of a per cent of the base.
    #[schema(example = 833)]
    deduction_basis_points: u16,
    /// Index times value of the point, rounded to the franc.
    #[schema(example = 233457)]
    base: i64,
    /// The allowance.
    #[schema(example = 30000)]
    allowance: i64,
    /// The deduction, rounded to the franc.
    #[schema(example = 19447)]
    deduction: i64,
    /// Base and allowance, less the deduction.
    #[schema(example = 244010)]
    net: i64,
    /// When it was last computed.
    #[schema(format = DateTime)]
    computed_at: String,
    /// The account that computed it last; null for the operator.
    computed_by: Option<uuid::Uuid>,
    /// When it was validated.
    #[schema(format = DateTime)]
    validated_at: Option<String>,
    /// The account that validated it.
    validated_by: Option<uuid::Uuid>,
    #[schema(example = 1)]
    version: i64,
}

impl From<SlipRow> for SlipItem {
    fn from(row: SlipRow) -> Self {
        let slip = row.slip;
        Self {
            id: slip.id.as_uuid(),
            personnel_id: slip.personnel.as_uuid(),
            matricule: row.matricule,
            full_name: row.name,
            month: slip.month.to_string(),
            status: slip.status.code(),
            salary_index: slip.index,
            point_value_millifrancs: slip.settings.point_value_millifrancs,
            allowance_label: slip.settings.allowance_label,
            deduction_label: slip.settings.deduction_label,
            deduction_basis_points: slip.settings.deduction_basis_points,
            base: slip.amounts.base,
            allowance: slip.amounts.allowance,
            deduction: slip.amounts.deduction,
            net: slip.amounts.net,
            computed_at: slip.computed_at.to_string(),
            computed_by: slip.computed_by.map(|id| id.as_uuid()),
            validated_at: slip.validated.map(|(_, at)| at.to_string()),
            validated_by: slip.validated.map(|(by, _)| by.as_uuid()),
            version: slip.version,
        }
    }
}

/// The month that a text of a member or of the query names.
fn month_of(field: &str, text: &str) -> Result<Month, Problem> {
    text.parse()
        .map_err(|rule: mppeep_core::domain::validation::Rule| {
            wrong(field, rule.code(), &catalogue::rule_message(&rule))
        })
}

list_query! {
    /// Conditions on slips; all of them hold together.
    SlipParams {
        /// Words that occur in the agent's matricule or names.
        #[param(example = "kone")]
        q: Option<String>,
        /// Of this month, `AAAA-MM`.
        #[param(example = "2026-11")]
        month: Option<String>,
        /// One agent's.
        #[param(value_type = Option<uuid::Uuid>)]
        personnel_id: Option<Text<PersonnelId>>,
        /// Standing there.
        #[param(schema_with = status_codes)]
        status: Option<SlipStatus>,
    }
}

/// The slips the reader may see, the latest month first, then by name.
#[utoipa::path(get, path = "/api/v1/payroll/slips", tag = "payroll", operation_id = "list_slips", params(SlipParams),
    responses((status = OK, description = "A page of slips.", body = List<SlipItem>), ListProblems))]
pub(super) async fn list(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    Query(params): Query<SlipParams>,
) -> Result<Json<List<SlipItem>>, ApiError> {
    let page = params.page()?;
    let month = params.month.as_deref().map(|text| month_of("month", text));
    let filter = SlipFilter {
        month: month.transpose()?,
        personnel: params.personnel_id.map(|id| id.0),
        status: params.status,
        words: params.q.as_deref().map(search_words).unwrap_or_default(),
        ..SlipFilter::default()
    };
    let (rows, _) = state.services.payroll.list(&actor, filter, &page).await?;
    Ok(List::of(rows, SlipItem::from))
}

/// A salary to compute.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ComputeSlip {
    /// The agent.
    #[schema(example = "0197a3c0-5e1c-7cc1-8a52-3f1d6c2b9e10", format = Uuid)]
    personnel_id: String,
    /// The month, `AAAA-MM`.
    #[schema(example = "2026-11")]
    month: String,
}

/// Computes the salary of an agent for a month. There is one slip an agent and month: repeating recomputes the draft and
/// answers 200, and a validated slip is answered as it is. While another process holds the salary the answer is 409
/// (`/problems/salary-busy`); 409 `/problems/salary-lock-lost` says that another process took over and nothing was
/// written, and 409 `/problems/no-salary-index` that the agent has no index.
#[utoipa::path(post, path = "/api/v1/payroll/slips", tag = "payroll", operation_id = "compute_slip",
    request_body = ComputeSlip,
    responses((status = CREATED, description = "The slip, with its address in `Location`.", body = SlipItem),
        (status = OK, description = "The slip there was already: computed again, unless it is validated.", body = SlipItem),
        CreateProblems))]
pub(super) async fn compute(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    JsonBody(body): JsonBody<ComputeSlip>,
) -> Result<Response, ApiError> {
    let agent = reference::<PersonnelId>("personnel_id", &body.personnel_id)?;
    let month = month_of("month", &body.month)?;
    let computed = state.services.payroll.process(&actor, agent, month).await;
    let slip = match computed {
        Err(ServiceError::State(code)) => {
            return Err(catalogue::payroll_problem(ServiceError::State(code)).into());
        }
        other => known_reference("personnel_id", other)?,
    };
    let (id, version) = (slip.id, slip.version);
    let item = item(&state, &actor, id).await?;
    Ok(if version == 1 {
        created(&state, "payroll/slips", id, version, item)
    } else {
        versioned(version, item)
    })
}

/// One slip.
#[utoipa::path(get, path = "/api/v1/payroll/slips/{id}", tag = "payroll", operation_id = "get_slip",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the slip.")),
    responses((status = OK, description = "The slip, with its version in `ETag`.", body = SlipItem), ReadProblems))]
pub(super) async fn get(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<SlipId>,
) -> Result<Response, ApiError> {
    let item = item(&state, &actor, id).await?;
    Ok(versioned(item.version, item))
}

/// Validates a draft; it does not change any more. Nobody validates what he computed himself (409
/// `/problems/same-person`), and nothing is validated twice (409 `/problems/slip-validated`).
#[utoipa::path(post, path = "/api/v1/payroll/slips/{id}/validate", tag = "payroll", operation_id = "validate_slip",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the slip."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    request_body = Option<VersionBody>,
    responses((status = OK, description = "The slip as it is now.", body = SlipItem), ChangeProblems))]
pub(super) async fn validate(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<SlipId>,
    if_match: IfMatch,
    OptionalBody(body): OptionalBody<VersionBody>,
) -> Result<Response, ApiError> {
    let present = state.services.payroll.get(&actor, id).await?.slip;
    let version = if_match.check(body.version, present.version)?;
    let validated = state.services.payroll.validate(&actor, id, version).await;
    let slip = validated.map_err(catalogue::payroll_problem)?;
    Ok(versioned(slip.version, item(&state, &actor, id).await?))
}

/// A month: how far its computation is, and the sums of its slips in francs CFA.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PayrollMonth)]
pub(super) struct MonthItem {
    /// The month, `AAAA-MM`.
    #[schema(example = "2026-11")]
    month: String,
    /// Agents whose salary is to be computed: in service during the month, with an index.
    #[schema(example = 5000)]
    payable: u64,
    /// Slips there are.
    #[schema(example = 412)]
    slips: u64,
    /// How many of them are validated.
    #[schema(example = 0)]
    validated: u64,
    /// Sum of the bases.
    #[schema(example = 96184284)]
    base: i64,
    /// Sum of the allowances.
    #[schema(example = 12360000)]
    allowance: i64,
    /// Sum of the deductions.
    #[schema(example = 8012164)]
    deduction: i64,
    /// Sum of what is paid.
    #[schema(example = 100532120)]
    net: i64,
    /// Computations of all months that are not done yet.
    #[schema(example = 4588)]
    waiting: u64,
    /// Computations of all months that failed for good.
    #[schema(example = 0)]
    failed: u64,
    /// The failed computations of this month, at most a hundred, for who may compute it.
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<Vec<FailureItem>>,
}

/// A salary that could not be computed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SalaryFailure)]
pub(super) struct FailureItem {
    /// The agent.
    personnel_id: uuid::Uuid,
    /// Why, as a code of a problem; null when it was something else.
    #[schema(example = "no-salary-index")]
    code: Option<String>,
    /// Why, in French.
    #[schema(example = "L’indice de cet agent n’est pas renseigné.")]
    message: &'static str,
}

/// How far a month is.
#[utoipa::path(get, path = "/api/v1/payroll/months/{month}", tag = "payroll", operation_id = "get_payroll_month",
    params(("month" = String, Path, description = "The month, `AAAA-MM`.", example = "2026-11")),
    responses((status = OK, description = "The month.", body = MonthItem), ReadProblems))]
pub(super) async fn month(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(month): PathId<Month>,
) -> Result<Json<MonthItem>, ApiError> {
    let service = &state.services.payroll;
    let progress = service.progress(&actor, month).await?;
    let failures = if actor.may_all(Resource::Payroll, Action::Write) {
        let of_month = month.to_string();
        let all = service.failures(&actor).await?;
        let some = all.into_iter().filter(|(_, month, _)| *month == of_month);
        let items = some.map(|(personnel, _, reason)| FailureItem {
            personnel_id: personnel.as_uuid(),
            code: catalogue::failure_code(&reason).map(str::to_owned),
            message: catalogue::failure_cause(&reason),
        });
        Some(items.collect())
    } else {
        None
    };
    let SlipTotals {
        slips,
        validated,
        base,
        allowance,
        deduction,
        net,
    } = progress.totals;
    Ok(Json(MonthItem {
        month: month.to_string(),
        payable: progress.payable,
        slips,
        validated,
        base,
        allowance,
        deduction,
        net,
        waiting: progress.queue.ready + progress.queue.leased,
        failed: progress.queue.dead,
        failures,
    }))
}

/// What the computation of a month was started with.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct StartedMonth {
    /// The month, `AAAA-MM`.
    #[schema(example = "2026-11")]
    month: String,
    /// Salaries that will be computed.
    #[schema(example = 5000)]
    enqueued: u64,
    /// Salaries that were waiting to be computed already.
    #[schema(example = 0)]
    waiting: u64,
}

/// Has the salaries of a month computed, one job an agent; validated slips stay as they are. Repeating it while it goes
/// on adds nothing.
#[utoipa::path(post, path = "/api/v1/payroll/months/{month}", tag = "payroll", operation_id = "start_payroll_month",
    params(("month" = String, Path, description = "The month, `AAAA-MM`.", example = "2026-11")),
    responses((status = ACCEPTED, description = "It will be done; `Location` tells how far it is.", body = StartedMonth),
        ReadProblems))]
pub(super) async fn start_month(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(month): PathId<Month>,
) -> Result<Response, ApiError> {
    let started = state.services.payroll.start(&actor, month).await?;
    let body = StartedMonth {
        month: month.to_string(),
        enqueued: started.enqueued,
        waiting: started.waiting,
    };
    let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(&state.urls.api("payroll/months", month)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn item(state: &AppState, actor: &Actor, id: SlipId) -> Result<SlipItem, ApiError> {
    Ok(state.services.payroll.get(actor, id).await?.into())
}
