//! Settings by section, and public holidays.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::civil::Date;
use mppeep_core::domain::calendar::Holiday;
use mppeep_core::domain::id::HolidayId;
use mppeep_core::domain::parse::{EARLIEST, LATEST};
use mppeep_core::domain::permission::{Action, Actor, Resource};
use mppeep_core::domain::settings::{Settings, SettingsSection};
use mppeep_core::services::holidays::{HolidayEffect, HolidayInput};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa_axum::routes;

use super::answers::{
    ApiError, ChangeProblems, CreateProblems, IfMatch, ListProblems, ReadProblems, versioned,
};
use super::schema::{List, Query, QueryDate, day};
use super::settings_wire::{
    AbsenceSection, CalendarSection, CharterSection, EvaluationSection, FilesSection, MaintenanceSection,
    MinistrySection, PayrollSection, PersonnelSection, RetirementSection, Section, SecuritySection,
};
use crate::app::AppState;
use crate::extract::{CurrentUser, JsonBody, PathId};
use crate::problem::Problem;
use crate::routes::{Needs, RouteTable};

pub(super) fn routes() -> RouteTable {
    let reads = Needs::Right(Resource::Setting, Action::Read);
    let writes = Needs::Right(Resource::Setting, Action::Write);
    let table = RouteTable::api()
        .operation(reads, routes!(read))
        .operation(Needs::Session, routes!(holidays))
        .creation(writes, routes!(add_holiday))
        .operation(Needs::Session, routes!(holiday))
        .operation(writes, routes!(replace_holiday))
        .operation(writes, routes!(remove_holiday));
    section_routes(table, reads, writes)
}

/// All settings by section.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Settings)]
pub(super) struct AllSettings {
    #[schema(value_type = MinistrySection)]
    ministry: Value,
    #[schema(value_type = PersonnelSection)]
    personnel: Value,
    #[schema(value_type = CalendarSection)]
    calendar: Value,
    #[schema(value_type = AbsenceSection)]
    absences: Value,
    #[schema(value_type = EvaluationSection)]
    evaluations: Value,
    #[schema(value_type = RetirementSection)]
    retirement: Value,
    #[schema(value_type = PayrollSection)]
    payroll: Value,
    #[schema(value_type = FilesSection)]
    files: Value,
    #[schema(value_type = SecuritySection)]
    security: Value,
    #[schema(value_type = CharterSection)]
    charter: Value,
    #[schema(value_type = MaintenanceSection)]
    maintenance: Value,
}

/// All settings.
#[utoipa::path(get, path = "/api/v1/settings", tag = "settings", operation_id = "get_settings",
    responses((status = OK, description = "Every section.", body = AllSettings), ListProblems))]
pub(super) async fn read(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
) -> Result<Json<AllSettings>, ApiError> {
    use SettingsSection as S;
    let settings = state.services.settings.read(&actor).await?;
    let of = |section| shown(&settings, section);
    Ok(Json(AllSettings {
        ministry: of(S::Ministry),
        personnel: of(S::Personnel),
        calendar: of(S::Calendar),
        absences: of(S::Absences),
        evaluations: of(S::Evaluations),
        retirement: of(S::Retirement),
        payroll: of(S::Payroll),
        files: of(S::Files),
        security: of(S::Security),
        charter: of(S::Charter),
        maintenance: of(S::Maintenance),
    }))
}

fn version_of(settings: &Settings, section: SettingsSection) -> i64 {
    settings.versions.get(&section).copied().unwrap_or(0)
}

/// A section with the version of its record. The charter's own number is the server's business.
fn shown(settings: &Settings, section: SettingsSection) -> Value {
    let mut members = match settings.section(section) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    members.insert("version".to_owned(), version_of(settings, section).into());
    members.into()
}

async fn read_section(
    state: &AppState,
    actor: &Actor,
    section: SettingsSection,
) -> Result<Response, ApiError> {
    let settings = state.services.settings.read(actor).await?;
    Ok(versioned(
        version_of(&settings, section),
        shown(&settings, section),
    ))
}

async fn save_section(
    state: &AppState,
    actor: &Actor,
    section: SettingsSection,
    if_match: &IfMatch,
    body: &impl Section,
) -> Result<Response, ApiError> {
    let present = version_of(&*state.services.settings.read(actor).await?, section);
    let version = if_match.check(body.version(), present)?;
    let mut value = serde_json::to_value(body).map_err(Problem::internal)?;
    if let Some(members) = value.as_object_mut() {
        members.remove("version");
    }
    state
        .services
        .settings
        .save(actor, section, version, value)
        .await?;
    read_section(state, actor, section).await
}

macro_rules! sections {
    ($($module:ident $section:ident $body:ident $path:literal $get_id:literal $put_id:literal;)*) => {
        $(mod $module {
            use super::*;

            /// One section of the settings.
            #[utoipa::path(get, path = $path, tag = "settings", operation_id = $get_id,
                responses((status = OK, description = "The section, with its version in `ETag`.", body = $body), ListProblems))]
            pub(super) async fn read(
                State(state): State<AppState>,
                CurrentUser(actor): CurrentUser,
            ) -> Result<Response, ApiError> {
                read_section(&state, &actor, SettingsSection::$section).await
            }

            /// Replaces a section of the settings. Members that are left out take their defaults.
            #[utoipa::path(put, path = $path, tag = "settings", operation_id = $put_id,
                params(("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
                request_body = $body,
                responses((status = OK, description = "The section as it is now.", body = $body), ChangeProblems))]
            pub(super) async fn save(
                State(state): State<AppState>,
                CurrentUser(actor): CurrentUser,
                if_match: IfMatch,
                JsonBody(body): JsonBody<$body>,
            ) -> Result<Response, ApiError> {
                save_section(&state, &actor, SettingsSection::$section, &if_match, &body).await
            }
        })*

        fn section_routes(table: RouteTable, reads: Needs, writes: Needs) -> RouteTable {
            table$(.operation(reads, routes!($module::read)).operation(writes, routes!($module::save)))*
        }
    };
}

sections! {
    ministry Ministry MinistrySection "/api/v1/settings/ministry" "get_ministry_settings" "save_ministry_settings";
    personnel Personnel PersonnelSection "/api/v1/settings/personnel" "get_personnel_settings" "save_personnel_settings";
    calendar Calendar CalendarSection "/api/v1/settings/calendar" "get_calendar_settings" "save_calendar_settings";
    absences Absences AbsenceSection "/api/v1/settings/absences" "get_absence_settings" "save_absence_settings";
    evaluations Evaluations EvaluationSection "/api/v1/settings/evaluations" "get_evaluation_settings" "save_evaluation_settings";
    retirement Retirement RetirementSection "/api/v1/settings/retirement" "get_retirement_settings" "save_retirement_settings";
    payroll Payroll PayrollSection "/api/v1/settings/payroll" "get_payroll_settings" "save_payroll_settings";
    files Files FilesSection "/api/v1/settings/files" "get_files_settings" "save_files_settings";
    security Security SecuritySection "/api/v1/settings/security" "get_security_settings" "save_security_settings";
    charter Charter CharterSection "/api/v1/settings/charter" "get_charter_settings" "save_charter_settings";
    maintenance Maintenance MaintenanceSection "/api/v1/settings/maintenance" "get_maintenance_settings" "save_maintenance_settings";
}

/// A public holiday.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Holiday)]
pub(super) struct HolidayItem {
    id: uuid::Uuid,
    /// The day.
    #[schema(format = Date)]
    date: String,
    /// What is celebrated.
    label: String,
    /// Whether the date is not confirmed yet.
    estimated: bool,
}

impl From<Holiday> for HolidayItem {
    fn from(holiday: Holiday) -> Self {
        Self {
            id: holiday.id.as_uuid(),
            date: holiday.date.to_string(),
            label: holiday.label,
            estimated: holiday.estimated,
        }
    }
}

/// The days of which the holidays are asked.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HolidayParams {
    /// The first day; the first of this year when not given.
    #[param(value_type = Option<String>, format = Date)]
    from: Option<QueryDate>,
    /// The last day; the last of next year when not given.
    #[param(value_type = Option<String>, format = Date)]
    to: Option<QueryDate>,
}

/// The public holidays, by date.
#[utoipa::path(get, path = "/api/v1/settings/holidays", tag = "settings", operation_id = "list_holidays",
    params(HolidayParams),
    responses((status = OK, description = "The holidays.", body = List<HolidayItem>), ListProblems))]
pub(super) async fn holidays(
    State(state): State<AppState>,
    _user: CurrentUser,
    Query(params): Query<HolidayParams>,
) -> Result<Json<List<HolidayItem>>, ApiError> {
    let today = state.services.context.today();
    let last = Date::new(today.year().saturating_add(1), 12, 31).unwrap_or(LATEST);
    let from = day(params.from).unwrap_or_else(|| today.first_of_year());
    let found = state
        .services
        .holidays
        .between(from, day(params.to).unwrap_or(last))
        .await?;
    Ok(List::whole(found.into_iter().map(HolidayItem::from).collect()))
}

/// A public holiday to add, or as it should be.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HolidayBody {
    /// The day; each day is a holiday once.
    #[schema(example = "2027-08-07", format = Date)]
    date: String,
    /// What is celebrated.
    #[schema(example = "Fête de l’Indépendance", min_length = 1, max_length = 80)]
    label: String,
    /// Whether the date is not confirmed yet; false when not given.
    #[schema(example = false)]
    estimated: Option<bool>,
}

impl From<HolidayBody> for HolidayInput {
    fn from(body: HolidayBody) -> Self {
        Self {
            date: body.date,
            label: body.label,
            estimated: body.estimated.unwrap_or(false),
        }
    }
}

/// A holiday that was added, changed or removed, and what that did to absences.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct HolidayOutcome {
    /// The holiday; null when it was removed.
    holiday: Option<HolidayItem>,
    /// Absences that are now counted differently.
    recounted_absences: u32,
    /// Half-days given back to agents; negative when they were taken.
    half_days_returned: i64,
}

impl HolidayOutcome {
    fn of(holiday: Option<Holiday>, effect: HolidayEffect) -> Self {
        Self {
            holiday: holiday.map(HolidayItem::from),
            recounted_absences: effect.absences,
            half_days_returned: effect.half_days_returned,
        }
    }
}

/// Adds a public holiday. Absences that it touches and that have not ended are counted again.
#[utoipa::path(post, path = "/api/v1/settings/holidays", tag = "settings", operation_id = "add_holiday",
    request_body = HolidayBody,
    responses((status = CREATED, description = "The holiday.", body = HolidayOutcome), CreateProblems))]
pub(super) async fn add_holiday(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    JsonBody(body): JsonBody<HolidayBody>,
) -> Result<(StatusCode, [(http::HeaderName, String); 1], Json<HolidayOutcome>), ApiError> {
    let input = HolidayInput::from(body);
    let effect = state.services.holidays.add(&actor, &input).await?;
    let holiday = on_day(&state, input.date.trim()).await?;
    let id = holiday
        .as_ref()
        .map(|holiday| holiday.id.to_string())
        .unwrap_or_default();
    let location = [(http::header::LOCATION, state.urls.api("settings/holidays", id))];
    Ok((
        StatusCode::CREATED,
        location,
        Json(HolidayOutcome::of(holiday, effect)),
    ))
}

/// The holiday of a day that was just written.
async fn on_day(state: &AppState, date: &str) -> Result<Option<Holiday>, ApiError> {
    let date: Date = date.parse().unwrap_or(EARLIEST);
    Ok(state
        .services
        .holidays
        .between(date, date)
        .await?
        .into_iter()
        .next())
}

/// One public holiday.
#[utoipa::path(get, path = "/api/v1/settings/holidays/{id}", tag = "settings", operation_id = "get_holiday",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the holiday.")),
    responses((status = OK, description = "The holiday.", body = HolidayItem), ReadProblems))]
pub(super) async fn holiday(
    State(state): State<AppState>,
    _user: CurrentUser,
    PathId(id): PathId<HolidayId>,
) -> Result<Json<HolidayItem>, ApiError> {
    let all = state.services.holidays.between(EARLIEST, LATEST).await?;
    let found = all.into_iter().find(|holiday| holiday.id == id);
    Ok(Json(found.ok_or_else(Problem::not_found)?.into()))
}

/// Changes or moves a public holiday.
#[utoipa::path(put, path = "/api/v1/settings/holidays/{id}", tag = "settings", operation_id = "replace_holiday",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the holiday.")),
    request_body = HolidayBody,
    responses((status = OK, description = "The holiday as it is now.", body = HolidayOutcome), CreateProblems))]
pub(super) async fn replace_holiday(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<HolidayId>,
    JsonBody(body): JsonBody<HolidayBody>,
) -> Result<Json<HolidayOutcome>, ApiError> {
    let input = HolidayInput::from(body);
    let effect = state.services.holidays.update(&actor, id, &input).await?;
    Ok(Json(HolidayOutcome::of(
        on_day(&state, input.date.trim()).await?,
        effect,
    )))
}

/// Removes a public holiday.
#[utoipa::path(delete, path = "/api/v1/settings/holidays/{id}", tag = "settings", operation_id = "remove_holiday",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the holiday.")),
    responses((status = OK, description = "The holiday is removed.", body = HolidayOutcome), ReadProblems))]
pub(super) async fn remove_holiday(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<HolidayId>,
) -> Result<Json<HolidayOutcome>, ApiError> {
    let effect = state.services.holidays.remove(&actor, id).await?;
    Ok(Json(HolidayOutcome::of(None, effect)))
}
