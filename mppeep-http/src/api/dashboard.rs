//! Statistics.

use axum::Json;
use axum::extract::State;
use mppeep_core::domain::grade::{Grade, GradeCategory};
use mppeep_core::domain::id::{DepartmentId, DirectorateId, ProgrammeId};
use mppeep_core::domain::organisation::{Organisation, UnitRef};
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::ports::personnel::Tally;
use mppeep_core::services::dashboard::{Dashboard, SMALLEST_SHOWN};
use serde::{Deserialize, Serialize};
use utoipa_axum::routes;

use super::answers::{ApiError, ListProblems};
use super::schema::{Query, QueryDate, Text, day, mark_number, unit_of};
use crate::app::AppState;
use crate::extract::CurrentUser;
use crate::routes::{Needs, RouteTable};

pub(super) fn routes() -> RouteTable {
    RouteTable::api().operation(Needs::Right(Resource::Statistics, Action::Read), routes!(stats))
}

/// Which figures.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StatsParams {
    /// Of agents of this programme.
    #[param(value_type = Option<uuid::Uuid>)]
    programme_id: Option<Text<ProgrammeId>>,
    /// Of agents of this directorate.
    #[param(value_type = Option<uuid::Uuid>)]
    directorate_id: Option<Text<DirectorateId>>,
    /// Of agents of this department.
    #[param(value_type = Option<uuid::Uuid>)]
    department_id: Option<Text<DepartmentId>>,
    /// On this day; today when not given.
    #[param(value_type = Option<String>, format = Date)]
    on: Option<QueryDate>,
}

/// How many agents have one value; a null count is a small one that the reader may not see.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Count {
    /// The value: a code, a letter or a year; null is none.
    of: Option<String>,
    /// Agents.
    count: Option<u64>,
}

/// How many agents a unit has.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct UnitCount {
    /// The unit; null is « sans affectation ».
    id: Option<uuid::Uuid>,
    /// Its name.
    name: Option<String>,
    /// Agents.
    count: Option<u64>,
}

/// Agents of one band of ages.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AgeCount {
    /// Youngest age of the band.
    from_age: u16,
    /// Oldest age of the band.
    to_age: u16,
    women: Option<u64>,
    men: Option<u64>,
    unknown: Option<u64>,
}

/// Absences that begin in one month.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct MonthCount {
    /// The month, as `AAAA-MM`.
    month: String,
    /// Absences.
    count: Option<u64>,
    /// Half-days counted for them.
    half_days: Option<u64>,
}

/// The figures of the dashboard. Small counts are null for readers who may not see the careers behind them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Stats {
    /// The day they are of.
    #[schema(format = Date)]
    on: String,
    /// When they were made.
    #[schema(format = DateTime)]
    made_at: String,
    /// Agents in service.
    total: Option<u64>,
    /// Of these, in the position `active`.
    active: Option<u64>,
    /// Of these, absent on the day.
    absent: Option<u64>,
    /// Of these, without a department.
    unassigned: Option<u64>,
    /// Of these, with an incomplete file.
    incomplete: Option<u64>,
    /// Retirements of the next six months.
    retiring_6_months: Option<u64>,
    /// Retirements of the next twelve months.
    retiring_12_months: Option<u64>,
    /// Mean of the final marks of three years.
    average_mark: Option<f64>,
    by_category: Vec<Count>,
    by_grade: Vec<Count>,
    by_position: Vec<Count>,
    by_sex: Vec<Count>,
    by_department: Vec<UnitCount>,
    by_directorate: Vec<UnitCount>,
    by_programme: Vec<UnitCount>,
    age_pyramid: Vec<AgeCount>,
    /// Retirements by year.
    retirements: Vec<Count>,
    /// Starts of service by year.
    arrivals: Vec<Count>,
    /// Departures by year.
    departures: Vec<Count>,
    /// Absences of the last twelve months.
    absences: Vec<MonthCount>,
}

impl Stats {
    fn of(dashboard: &Dashboard, organisation: &Organisation) -> Self {
        let figures = &dashboard.figures;
        let shown = |count: u64| dashboard.shown(count);
        let small = dashboard.hides_small && figures.total < SMALLEST_SHOWN;
        let years = |tallies: &[Tally<i16>]| counts(dashboard, tallies, |year| Some(year.to_string()));
        let unit = |unit: UnitRef, count: u64| UnitCount {
            id: Some(unit.as_uuid()),
            name: organisation.unit(unit).map(|fields| fields.name.clone()),
            count: shown(count),
        };
        let none = |count: u64| UnitCount {
            id: None,
            name: None,
            count: shown(count),
        };
        Self {
            on: dashboard.on.to_string(),
            made_at: figures.made_at.to_string(),
            total: shown(figures.total),
            active: shown(figures.active),
            absent: shown(figures.absent),
            unassigned: shown(figures.unassigned),
            incomplete: shown(figures.incomplete),
            retiring_6_months: shown(figures.retiring_6_months),
            retiring_12_months: shown(figures.retiring_12_months),
            average_mark: figures
                .average_mark_hundredths
                .filter(|_| !small)
                .map(mark_number),
            by_category: counts(dashboard, &figures.by_category, |of| {
                of.map(|category: GradeCategory| category.code().to_owned())
            }),
            by_grade: counts(dashboard, &figures.by_grade, |of| {
                of.map(|grade: Grade| grade.to_string())
            }),
            by_position: counts(dashboard, &figures.by_position, |of| Some(of.code().to_owned())),
            by_sex: counts(dashboard, &figures.by_sex, |of| {
                of.map(|sex| sex.code().to_owned())
            }),
            by_department: figures
                .by_department
                .iter()
                .map(|tally| {
                    tally.of.map_or_else(
                        || none(tally.count),
                        |id| unit(UnitRef::Department(id), tally.count),
                    )
                })
                .collect(),
            by_directorate: figures
                .by_directorate
                .iter()
                .map(|tally| {
                    tally.of.map_or_else(
                        || none(tally.count),
                        |id| unit(UnitRef::Directorate(id), tally.count),
                    )
                })
                .collect(),
            by_programme: figures
                .by_programme
                .iter()
                .map(|tally| {
                    tally.of.map_or_else(
                        || none(tally.count),
                        |id| unit(UnitRef::Programme(id), tally.count),
                    )
                })
                .collect(),
            age_pyramid: figures
                .age_pyramid
                .iter()
                .map(|band| AgeCount {
                    from_age: band.from_age,
                    to_age: band.to_age,
                    women: shown(band.women),
                    men: shown(band.men),
                    unknown: shown(band.unknown),
                })
                .collect(),
            retirements: years(&figures.retirements),
            arrivals: years(&figures.arrivals),
            departures: years(&figures.departures),
            absences: figures
                .absences
                .iter()
                .map(|month| MonthCount {
                    month: format!("{:04}-{:02}", month.month.year(), month.month.month()),
                    count: shown(month.count),
                    half_days: shown(month.count).map(|_| month.half_days),
                })
                .collect(),
        }
    }
}

fn counts<T: Copy>(
    dashboard: &Dashboard,
    tallies: &[Tally<T>],
    name: impl Fn(T) -> Option<String>,
) -> Vec<Count> {
    tallies
        .iter()
        .map(|tally| Count {
            of: name(tally.of),
            count: dashboard.shown(tally.count),
        })
        .collect()
}

/// The figures of the files in the reader's scope.
#[utoipa::path(get, path = "/api/v1/dashboard/stats", tag = "dashboard", operation_id = "get_dashboard_stats",
    params(StatsParams), responses((status = OK, description = "The figures.", body = Stats), ListProblems))]
pub(super) async fn stats(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    Query(params): Query<StatsParams>,
) -> Result<Json<Stats>, ApiError> {
    let organisation = state.services.organisation.names().await?;
    let unit = unit_of(
        &organisation,
        params.programme_id,
        params.directorate_id,
        params.department_id,
    );
    let dashboard = state
        .services
        .dashboard
        .figures(&actor, unit, day(params.on))
        .await?;
    Ok(Json(Stats::of(&dashboard, &organisation)))
}
