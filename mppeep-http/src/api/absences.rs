//! Absences.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use mppeep_core::domain::absence::{Absence, AbsenceInput, AbsenceType};
use mppeep_core::domain::id::{AbsenceId, DepartmentId, DirectorateId, PersonnelId, ProgrammeId};
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::permission::{Action, Actor, Resource};
use mppeep_core::domain::personnel::Personnel;
use mppeep_core::domain::text::search_words;
use mppeep_core::domain::validation::Rule;
use mppeep_core::ports::absence::{AbsenceFilter, AbsenceRow};
use serde::{Deserialize, Serialize};
use utoipa_axum::routes;

use super::answers::{
    ActionProblems, ApiError, ChangeProblems, CreateProblems, IfMatch, ListProblems, OverlapBody,
    ReadProblems, created, versioned, wrong,
};
use super::schema::{
    List, OptionalBody, Query, QueryDate, Text, VersionBody, code, code_schemas, day, days, known_reference,
    list_query, nullable, nullable_code, over, reference, unit_of,
};
use super::settings::HolidayItem;
use crate::app::AppState;
use crate::extract::{CurrentUser, JsonBody, PathId};
use crate::routes::{Needs, RouteTable};

pub(super) fn routes() -> RouteTable {
    let reads = Needs::Right(Resource::Absence, Action::Read);
    let writes = Needs::Right(Resource::Absence, Action::Write);
    RouteTable::api()
        .operation(reads, routes!(list))
        .creation(writes, routes!(record))
        .operation(writes, routes!(preview))
        .operation(reads, routes!(get))
        .operation(writes, routes!(correct))
        .operation(writes, routes!(cancel))
}

code_schemas! {
    kind_codes = AbsenceType, "annual_leave";
}

const HALVES: [&str; 2] = ["am", "pm"];

fn half_codes() -> utoipa::openapi::schema::Object {
    code(HALVES, "am")
}

fn start_half_codes() -> utoipa::openapi::schema::Object {
    nullable_code(HALVES, Some("am"))
}

fn end_half_codes() -> utoipa::openapi::schema::Object {
    nullable_code(HALVES, Some("pm"))
}

/// An absence on record.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Absence)]
pub(super) struct AbsenceItem {
    id: uuid::Uuid,
    /// The agent.
    personnel_id: uuid::Uuid,
    /// The agent's matricule.
    #[serde(skip_serializing_if = "Option::is_none")]
    matricule: Option<String>,
    /// The agent's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    full_name: Option<String>,
    /// Name of the agent's department.
    department_name: Option<String>,
    /// Why the agent is absent.
    #[schema(schema_with = kind_codes)]
    kind: &'static str,
    /// First day.
    #[schema(format = Date)]
    start_date: String,
    /// The half of the first day it starts with: `am` or `pm`.
    #[schema(schema_with = half_codes)]
    start_half: &'static str,
    /// Last day.
    #[schema(format = Date)]
    end_date: String,
    /// The half of the last day it ends with: `am` or `pm`.
    #[schema(schema_with = half_codes)]
    end_half: &'static str,
    /// Why, in words.
    reason: Option<String>,
    /// Half-days counted in the mode of its type.
    counted_half_days: u32,
    /// The same in days.
    counted_days: f64,
    /// When it was cancelled.
    #[schema(format = DateTime)]
    cancelled_at: Option<String>,
    version: i64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<Absence> for AbsenceItem {
    fn from(absence: Absence) -> Self {
        let period = absence.fields.period;
        Self {
            id: absence.id.as_uuid(),
            personnel_id: absence.personnel.as_uuid(),
            matricule: None,
            full_name: None,
            department_name: None,
            kind: absence.fields.kind.code(),
            start_date: period.start().to_string(),
            start_half: period.start_half().code(),
            end_date: period.end().to_string(),
            end_half: period.end_half().code(),
            reason: absence.fields.reason,
            counted_half_days: absence.counted_half_days,
            counted_days: days(absence.counted_half_days),
            cancelled_at: absence.cancelled_at.map(|at| at.to_string()),
            version: absence.version,
            created_at: absence.created_at.to_string(),
            updated_at: absence.updated_at.to_string(),
        }
    }
}

impl From<AbsenceRow> for AbsenceItem {
    fn from(row: AbsenceRow) -> Self {
        Self {
            matricule: Some(row.matricule),
            full_name: Some(row.full_name),
            department_name: row.department_name,
            ..row.absence.into()
        }
    }
}

impl AbsenceItem {
    fn of(absence: Absence, agent: &Personnel, organisation: &Organisation) -> Self {
        let department = agent.fields.department.and_then(|id| organisation.department(id));
        Self {
            matricule: Some(agent.fields.matricule.to_string()),
            full_name: Some(agent.fields.full_name()),
            department_name: department.map(|unit| unit.fields.name.clone()),
            ..absence.into()
        }
    }
}

list_query! {
    /// Conditions on absences; all of them hold together.
    AbsenceParams {
        /// Words that occur in the agent's matricule or names.
        #[param(example = "kone")]
        q: Option<String>,
        /// One agent's.
        #[param(value_type = Option<uuid::Uuid>)]
        personnel_id: Option<Text<PersonnelId>>,
        /// Of agents of this programme.
        #[param(value_type = Option<uuid::Uuid>)]
        programme_id: Option<Text<ProgrammeId>>,
        /// Of agents of this directorate.
        #[param(value_type = Option<uuid::Uuid>)]
        directorate_id: Option<Text<DirectorateId>>,
        /// Of agents of this department.
        #[param(value_type = Option<uuid::Uuid>)]
        department_id: Option<Text<DepartmentId>>,
        /// Of this type.
        #[param(schema_with = kind_codes)]
        kind: Option<AbsenceType>,
        /// Ending on this day or later.
        #[param(value_type = Option<String>, format = Date)]
        from: Option<QueryDate>,
        /// Starting on this day or earlier.
        #[param(value_type = Option<String>, format = Date)]
        to: Option<QueryDate>,
        /// Whether cancelled ones are listed too.
        with_cancelled: Option<bool>,
    }
}

/// The absences the reader may see, the latest start first.
#[utoipa::path(get, path = "/api/v1/absences", tag = "absences", operation_id = "list_absences", params(AbsenceParams),
    responses((status = OK, description = "A page of absences.", body = List<AbsenceItem>), ListProblems))]
pub(super) async fn list(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    Query(params): Query<AbsenceParams>,
) -> Result<Json<List<AbsenceItem>>, ApiError> {
    let page = params.page()?;
    let organisation = state.services.organisation.names().await?;
    let filter = AbsenceFilter {
        personnel: params.personnel_id.map(|id| id.0),
        unit: unit_of(
            &organisation,
            params.programme_id,
            params.directorate_id,
            params.department_id,
        ),
        kind: params.kind,
        from: day(params.from),
        to: day(params.to),
        words: params.q.as_deref().map(search_words).unwrap_or_default(),
        with_cancelled: params.with_cancelled.unwrap_or(false),
        ..AbsenceFilter::default()
    };
    Ok(List::of(
        state.services.absences.list(&actor, filter, &page).await?,
        AbsenceItem::from,
    ))
}

/// An absence to record.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordAbsence {
    /// The agent.
    #[schema(example = "0197a3c0-5e1c-7cc1-8a52-3f1d6c2b9e10", format = Uuid)]
    personnel_id: String,
    /// Why the agent is absent.
    #[schema(schema_with = kind_codes)]
    kind: String,
    /// First day.
    #[schema(example = "2026-08-03", format = Date)]
    start_date: String,
    /// The half of the first day it starts with; `am` when not given.
    #[schema(schema_with = start_half_codes, required = false)]
    start_half: Option<String>,
    /// Last day; the first day when not given.
    #[schema(example = "2026-08-14", format = Date)]
    end_date: Option<String>,
    /// The half of the last day it ends with; `pm` when not given.
    #[schema(schema_with = end_half_codes, required = false)]
    end_half: Option<String>,
    /// Why, in words.
    #[schema(example = "Congé annuel 2026", max_length = 1000)]
    reason: Option<String>,
}

/// A day that is there must be one: only a day that is left out, or null, is none.
fn filled(field: &str, day: Option<String>) -> Result<String, ApiError> {
    match day {
        Some(day) if day.trim().is_empty() => Err(wrong(
            field,
            Rule::Required.code(),
            &crate::catalogue::rule_message(&Rule::Required),
        )
        .into()),
        day => Ok(day.unwrap_or_default()),
    }
}

impl RecordAbsence {
    fn into_input(self) -> Result<AbsenceInput, ApiError> {
        Ok(AbsenceInput {
            kind: self.kind,
            start_date: self.start_date,
            start_half: self.start_half.unwrap_or_default(),
            end_date: filled("end_date", self.end_date)?,
            end_half: self.end_half.unwrap_or_default(),
            reason: self.reason.unwrap_or_default(),
        })
    }
}

/// Records an absence. One that overlaps another of the same agent is refused with that other one.
#[utoipa::path(post, path = "/api/v1/absences", tag = "absences", operation_id = "record_absence",
    request_body = RecordAbsence,
    responses((status = CREATED, description = "The absence, with its address in `Location`.", body = AbsenceItem),
        CreateProblems,
        (status = CONFLICT, description = "Another absence overlaps.", body = OverlapBody,
            content_type = "application/problem+json")))]
pub(super) async fn record(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    JsonBody(body): JsonBody<RecordAbsence>,
) -> Result<Response, ApiError> {
    let agent = reference::<PersonnelId>("personnel_id", &body.personnel_id)?;
    let recorded = state
        .services
        .absences
        .record(&actor, agent, &body.into_input()?)
        .await;
    let absence = known_reference("personnel_id", recorded)?;
    let (id, version) = (absence.id, absence.version);
    Ok(created(
        &state,
        "absences",
        id,
        version,
        item(&state, &actor, id).await?,
    ))
}

/// A period to count.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewAbsence {
    /// Why the agent is absent.
    #[schema(schema_with = kind_codes)]
    kind: String,
    /// First day.
    #[schema(example = "2026-08-03", format = Date)]
    start_date: String,
    /// The half of the first day it starts with; `am` when not given.
    #[schema(schema_with = start_half_codes, required = false)]
    start_half: Option<String>,
    /// Last day; the first day when not given.
    #[schema(example = "2026-08-14", format = Date)]
    end_date: Option<String>,
    /// The half of the last day it ends with; `pm` when not given.
    #[schema(schema_with = end_half_codes, required = false)]
    end_half: Option<String>,
}

/// What a period counts for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AbsenceCount {
    /// Half-days in the mode of the type.
    counted_half_days: u32,
    /// The same in days.
    counted_days: f64,
    /// Half-days when every day counts.
    calendar_half_days: u32,
    /// Half-days when Sundays and holidays do not count.
    workable_half_days: u32,
    /// Half-days when only the days worked in the week count.
    worked_half_days: u32,
    /// The holidays inside the period.
    holidays: Vec<HolidayItem>,
}

/// What a period would count for, without recording it.
#[utoipa::path(post, path = "/api/v1/absences/preview", tag = "absences", operation_id = "preview_absence",
    request_body = PreviewAbsence,
    responses((status = OK, description = "What the period counts for.", body = AbsenceCount), ActionProblems))]
pub(super) async fn preview(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    JsonBody(body): JsonBody<PreviewAbsence>,
) -> Result<Json<AbsenceCount>, ApiError> {
    let input = AbsenceInput {
        kind: body.kind,
        start_date: body.start_date,
        start_half: body.start_half.unwrap_or_default(),
        end_date: filled("end_date", body.end_date)?,
        end_half: body.end_half.unwrap_or_default(),
        reason: String::new(),
    };
    let preview = state.services.absences.preview(&actor, &input).await?;
    Ok(Json(AbsenceCount {
        counted_half_days: preview.half_days,
        counted_days: days(preview.half_days),
        calendar_half_days: preview.counted.calendar,
        workable_half_days: preview.counted.workable,
        worked_half_days: preview.counted.worked,
        holidays: preview.holidays.into_iter().map(HolidayItem::from).collect(),
    }))
}

/// One absence.
#[utoipa::path(get, path = "/api/v1/absences/{id}", tag = "absences", operation_id = "get_absence",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the absence.")),
    responses((status = OK, description = "The absence, with its version in `ETag`.", body = AbsenceItem), ReadProblems))]
pub(super) async fn get(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<AbsenceId>,
) -> Result<Response, ApiError> {
    let item = item(&state, &actor, id).await?;
    Ok(versioned(item.version, item))
}

/// A correction: members that are left out stay as they are.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CorrectAbsence {
    /// The version the client read.
    #[schema(example = 1)]
    version: Option<i64>,
    /// Why the agent is absent.
    #[schema(schema_with = kind_codes, required = false)]
    kind: Option<String>,
    /// First day.
    #[schema(example = "2026-08-03", format = Date)]
    start_date: Option<String>,
    /// The half of the first day it starts with.
    #[schema(schema_with = start_half_codes, required = false)]
    start_half: Option<String>,
    /// Last day.
    #[schema(example = "2026-08-14", format = Date)]
    end_date: Option<String>,
    /// The half of the last day it ends with.
    #[schema(schema_with = end_half_codes, required = false)]
    end_half: Option<String>,
    /// Why, in words; null removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, example = "Congé annuel 2026", max_length = 1000)]
    reason: Option<Option<String>>,
}

/// Corrects an absence: members that are left out stay as they are.
#[utoipa::path(patch, path = "/api/v1/absences/{id}", tag = "absences", operation_id = "correct_absence",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the absence."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    request_body = CorrectAbsence,
    responses((status = OK, description = "The absence as it is now.", body = AbsenceItem), ChangeProblems,
        (status = CONFLICT, description = "Another absence overlaps, or the absence is cancelled.", body = OverlapBody,
            content_type = "application/problem+json")))]
pub(super) async fn correct(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<AbsenceId>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<CorrectAbsence>,
) -> Result<Response, ApiError> {
    let (present, _) = state.services.absences.get(&actor, id).await?;
    let version = if_match.check(body.version, present.version)?;
    let period = present.fields.period;
    let input = AbsenceInput {
        kind: body.kind.unwrap_or_else(|| present.fields.kind.code().to_owned()),
        start_date: body.start_date.unwrap_or_else(|| period.start().to_string()),
        start_half: body
            .start_half
            .unwrap_or_else(|| period.start_half().code().to_owned()),
        end_date: body.end_date.unwrap_or_else(|| period.end().to_string()),
        end_half: body
            .end_half
            .unwrap_or_else(|| period.end_half().code().to_owned()),
        reason: over(body.reason, present.fields.reason),
    };
    let absence = state
        .services
        .absences
        .correct(&actor, id, version, &input)
        .await?;
    Ok(versioned(absence.version, item(&state, &actor, id).await?))
}

/// Cancels an absence: it stays on record and counts for nothing.
#[utoipa::path(post, path = "/api/v1/absences/{id}/cancel", tag = "absences", operation_id = "cancel_absence",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the absence."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    request_body = Option<VersionBody>,
    responses((status = OK, description = "The absence as it is now.", body = AbsenceItem), ChangeProblems))]
pub(super) async fn cancel(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<AbsenceId>,
    if_match: IfMatch,
    OptionalBody(body): OptionalBody<VersionBody>,
) -> Result<Response, ApiError> {
    let (present, _) = state.services.absences.get(&actor, id).await?;
    let version = if_match.check(body.version, present.version)?;
    let absence = state.services.absences.cancel(&actor, id, version).await?;
    Ok(versioned(absence.version, item(&state, &actor, id).await?))
}

async fn item(state: &AppState, actor: &Actor, id: AbsenceId) -> Result<AbsenceItem, ApiError> {
    let (absence, agent) = state.services.absences.get(actor, id).await?;
    let organisation = state.services.organisation.names().await?;
    Ok(AbsenceItem::of(absence, &agent, &organisation))
}
