//! Departure of an agent, and the way back.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use mppeep_core::domain::codes::DepartureReason;
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::parse::civil_date;
use mppeep_core::domain::personnel::Departure;
use mppeep_core::domain::validation::{Rule, Violations};
use mppeep_core::services::personnel::Reveal;
use mppeep_core::services::personnel_view::PersonnelView;

use super::form::{explain_refusal, version};
use crate::app::AppState;
use crate::catalogue;
use crate::extract::{FormFields, PathId};
use crate::pages::frame::Frame;
use crate::pages::ui::{ErrorSummary, Field, FormErrors};
use crate::pages::visit::{Visit, show_with};
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "personnel/departure.html")]
struct DepartureTemplate {
    frame: Frame,
    name: String,
    action: String,
    cancel: String,
    version: i64,
    summary: ErrorSummary,
    fields: Vec<Field>,
}

fn departure_page(
    visit: &Visit,
    agent: &PersonnelView,
    status: StatusCode,
    (date, reason): (&str, &str),
    errors: &FormErrors,
) -> Result<Response, Problem> {
    let path = format!("/personnel/{}", agent.id());
    let fields = vec![
        Field::date("departure_date", "Date de départ")
            .required()
            .value(date)
            .help("Dernier jour dans le ministère.")
            .errors(errors),
        Field::select(
            "departure_reason",
            "Motif",
            Some("Choisir…"),
            catalogue::choices(DepartureReason::ALL, DepartureReason::code),
        )
        .required()
        .value(reason)
        .errors(errors),
    ];
    let template = DepartureTemplate {
        frame: visit
            .frame(format!("Départ de {}", agent.full_name()))
            .under("Personnel", "/personnel")
            .under(agent.full_name(), &path)
            .here("Départ"),
        name: agent.full_name(),
        action: visit.url(&format!("{path}/depart")),
        cancel: visit.url(&path),
        version: agent.version(),
        summary: ErrorSummary::of_fields(&fields),
        fields,
    };
    show_with(status, &template)
}

/// The form of a departure.
pub(super) async fn departure(
    visit: Visit,
    State(state): State<AppState>,
    PathId(id): PathId<PersonnelId>,
) -> Result<Response, Problem> {
    let agent = state
        .services
        .personnel
        .get(&visit.actor, id, Reveal::Hidden)
        .await?;
    if agent.is_archived() {
        return Ok(visit.go(&format!("/personnel/{id}")));
    }
    departure_page(
        &visit,
        &agent,
        StatusCode::OK,
        (&visit.today.to_string(), ""),
        &FormErrors::new(),
    )
}

/// Notes a departure.
pub(super) async fn leave(
    visit: Visit,
    State(state): State<AppState>,
    PathId(id): PathId<PersonnelId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version = version(&fields)?;
    let (date_text, reason_text) = (
        fields.single("departure_date")?,
        fields.single("departure_reason")?,
    );
    let mut violations = Violations::default();
    let date = violations.take("departure_date", needed(date_text).and_then(civil_date));
    let reason = violations.take(
        "departure_reason",
        needed(reason_text)
            .and_then(|text| DepartureReason::by_code(text).ok_or(Rule::Unknown { nearest: Vec::new() })),
    );
    let result = match (date, reason) {
        (Some(date), Some(reason)) => {
            state
                .services
                .personnel
                .archive(&visit.actor, id, version, Departure { date, reason })
                .await
        }
        _ => Err(violations.into()),
    };
    match result {
        Ok(_) => Ok(visit.go(&format!("/personnel/{id}?note=agent-archived"))),
        Err(error) => {
            let (status, errors) = explain_refusal(error)?;
            let agent = state
                .services
                .personnel
                .get(&visit.actor, id, Reveal::Hidden)
                .await?;
            departure_page(&visit, &agent, status, (date_text, reason_text), &errors)
        }
    }
}

fn needed(text: &str) -> Result<&str, Rule> {
    Some(text.trim())
        .filter(|text| !text.is_empty())
        .ok_or(Rule::Required)
}

/// Takes a file back from the archive.
pub(super) async fn restore(
    visit: Visit,
    State(state): State<AppState>,
    PathId(id): PathId<PersonnelId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    state
        .services
        .personnel
        .restore(&visit.actor, id, version(&fields)?)
        .await?;
    Ok(visit.go(&format!("/personnel/{id}?note=agent-restored")))
}
