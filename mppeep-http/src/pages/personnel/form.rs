//! The form of an agent's file: new, changed, in conflict, and the departure.

use askama::Template;
use axum::extract::State;
use axum::response::{Html, Response};
use http::StatusCode;
use mppeep_core::domain::codes::{AdministrativePosition, AgentStatus, BirthPrecision};
use mppeep_core::domain::grade::Grade;
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::parse::civil_date;
use mppeep_core::domain::personnel::{PersonnelField, PersonnelFields, PersonnelInput};
use mppeep_core::domain::retirement::derive;
use mppeep_core::domain::validation::Rule;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::personnel::PossibleDuplicate;
use mppeep_core::services::ServiceError;
use mppeep_core::services::personnel::Reveal;
use mppeep_core::services::personnel_view::PersonnelView;
use serde::Deserialize;

use super::facts::explain_for;
use super::fields::{YEAR_ONLY, sections};
use crate::app::AppState;
use crate::catalogue;
use crate::extract::{FormFields, PathId, QueryParams};
use crate::pages::frame::Frame;
use crate::pages::ui::{Change, Diff, ErrorSummary, FormErrors, Section};
use crate::pages::visit::{Visit, show, show_with};
use crate::problem::Problem;

struct Duplicate {
    label: String,
    why: &'static str,
    url: String,
}

#[derive(Template)]
#[template(path = "personnel/form.html")]
struct FormTemplate {
    frame: Frame,
    title: String,
    action: String,
    cancel: String,
    preview: String,
    version: Option<i64>,
    summary: ErrorSummary,
    duplicates: Vec<Duplicate>,
    conflict: Option<Conflict>,
    sections: Vec<Section>,
    retirement: String,
}

struct Conflict {
    by: String,
    diff: Diff,
}

/// What a form shows beside its fields.
#[derive(Default)]
struct Around {
    errors: FormErrors,
    duplicates: Vec<PossibleDuplicate>,
    conflict: Option<Conflict>,
}

/// The form of a new file.
pub(super) async fn new(visit: Visit, State(state): State<AppState>) -> Result<Response, Problem> {
    let mut input = PersonnelInput::default();
    input.set(PersonnelField::Status, AgentStatus::CivilServant.code());
    input.set(PersonnelField::Position, AdministrativePosition::Active.code());
    input.set(PersonnelField::Nationality, "Ivoirienne");
    form(&visit, &state, StatusCode::OK, None, &input, Around::default()).await
}

/// Creates a file, or shows the form again.
pub(super) async fn create(
    visit: Visit,
    State(state): State<AppState>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let input = read(&fields)?;
    if fields.get("other_person").is_none() {
        let duplicates = state
            .services
            .personnel
            .possible_duplicates(&visit.actor, None, &input)
            .await?;
        if !duplicates.is_empty() {
            let around = Around {
                duplicates,
                ..Around::default()
            };
            return form(&visit, &state, StatusCode::CONFLICT, None, &input, around).await;
        }
    }
    match state.services.personnel.create(&visit.actor, &input).await {
        Ok(agent) => Ok(visit.go(&format!("/personnel/{}?note=agent-created", agent.id()))),
        Err(error) => {
            let (status, errors) = explain_refusal(error)?;
            let around = Around {
                errors,
                ..Around::default()
            };
            form(&visit, &state, status, None, &input, around).await
        }
    }
}

/// The form of a file to change.
pub(super) async fn edit(
    visit: Visit,
    State(state): State<AppState>,
    PathId(id): PathId<PersonnelId>,
) -> Result<Response, Problem> {
    let agent = state
        .services
        .personnel
        .get(&visit.actor, id, Reveal::Shown)
        .await?;
    if agent.is_archived() {
        return Ok(visit.go(&format!("/personnel/{id}")));
    }
    let input = PersonnelInput::from_fields(editable(&agent)?);
    form(
        &visit,
        &state,
        StatusCode::OK,
        Some(&agent),
        &input,
        Around::default(),
    )
    .await
}

/// Changes a file, or shows the form again.
pub(super) async fn update(
    visit: Visit,
    State(state): State<AppState>,
    PathId(id): PathId<PersonnelId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let input = read(&fields)?;
    let version = version(&fields)?;
    let agent = state
        .services
        .personnel
        .get(&visit.actor, id, Reveal::Shown)
        .await?;
    match state
        .services
        .personnel
        .update(&visit.actor, id, version, &input)
        .await
    {
        Ok(after) if after.version() == version => {
            Ok(visit.go(&format!("/personnel/{id}?note=agent-unchanged")))
        }
        Ok(_) => Ok(visit.go(&format!("/personnel/{id}?note=agent-updated"))),
        Err(ServiceError::Stale) => {
            let conflict = conflict(&visit, &state, &agent, &input).await?;
            let around = Around {
                conflict: Some(conflict),
                ..Around::default()
            };
            form(&visit, &state, StatusCode::CONFLICT, Some(&agent), &input, around).await
        }
        Err(error) => {
            let (status, errors) = explain_refusal(error)?;
            let around = Around {
                errors,
                ..Around::default()
            };
            form(&visit, &state, status, Some(&agent), &input, around).await
        }
    }
}

/// What somebody else made of the file since, beside what this form would make of it.
async fn conflict(
    visit: &Visit,
    state: &AppState,
    agent: &PersonnelView,
    input: &PersonnelInput,
) -> Result<Conflict, Problem> {
    let units = state.services.organisation.names().await?;
    let stored = editable(agent)?;
    let said = |field: PersonnelField, value: Option<String>| {
        value
            .map(|value| catalogue::field_value(field.code(), &value, Some(&units)))
            .unwrap_or_default()
    };
    let changes = PersonnelField::ALL
        .iter()
        .filter(|field| input.0.contains_key(field))
        .filter(|field| stored.get(**field).as_deref() != input.get(**field))
        .map(|field| Change {
            field: catalogue::personnel_field(*field).to_owned(),
            before: said(*field, stored.get(*field)),
            after: said(*field, input.get(*field).map(str::to_owned)),
        })
        .collect();
    // The journal says who; where it may not be read, the time must do.
    let latest = state
        .services
        .activity
        .history(&visit.actor, agent.id(), &PageRequest::first(1))
        .await
        .ok()
        .and_then(|page| page.rows.into_iter().next());
    let when = catalogue::instant(agent.updated_at());
    let by = match latest {
        Some(line) => format!("par {}, le {when}", line.activity.actor_name),
        None => format!("le {when}"),
    };
    let diff = Diff {
        changes,
        before: "Valeur enregistrée".to_owned(),
        after: "Votre valeur".to_owned(),
    };
    Ok(Conflict { by, diff })
}

/// A refusal that the form can show; others are problems of their own.
pub(crate) fn explain_refusal(error: ServiceError) -> Result<(StatusCode, FormErrors), Problem> {
    match error {
        ServiceError::Invalid(violations) => Ok((
            StatusCode::UNPROCESSABLE_ENTITY,
            catalogue::form_errors(&violations),
        )),
        ServiceError::Taken { field } => {
            let mut errors = FormErrors::new();
            let message = if field == "matricule" {
                "Ce matricule est déjà attribué à un autre agent.".to_owned()
            } else {
                catalogue::rule_message(&Rule::Taken)
            };
            errors.add(field, message);
            Ok((StatusCode::CONFLICT, errors))
        }
        other => Err(other.into()),
    }
}

fn editable(agent: &PersonnelView) -> Result<&PersonnelFields, Problem> {
    agent.editable().ok_or_else(Problem::forbidden)
}

pub(crate) fn version(fields: &FormFields) -> Result<i64, Problem> {
    fields
        .single("version")?
        .parse()
        .map_err(|_| Problem::unreadable("Le formulaire ne dit pas quelle version il modifie."))
}

/// The fields of the form. A box that is not ticked does not come, so the precision is always set.
fn read(fields: &FormFields) -> Result<PersonnelInput, Problem> {
    let mut input = PersonnelInput::default();
    for field in PersonnelField::ALL {
        if *field != PersonnelField::BirthPrecision && fields.get(field.code()).is_some() {
            input.set(*field, fields.single(field.code())?);
        }
    }
    let precision = if fields.get(YEAR_ONLY).is_some() {
        BirthPrecision::Year
    } else {
        BirthPrecision::Day
    };
    input.set(PersonnelField::BirthPrecision, precision.code());
    Ok(input)
}

async fn form(
    visit: &Visit,
    state: &AppState,
    status: StatusCode,
    agent: Option<&PersonnelView>,
    input: &PersonnelInput,
    around: Around,
) -> Result<Response, Problem> {
    let units = state.services.organisation.names().await?;
    let sections = sections(input, &around.errors, &units);
    let title = agent.map_or_else(
        || "Nouvel agent".to_owned(),
        |agent| format!("Modifier {}", agent.full_name()),
    );
    let frame = visit
        .frame(title.clone())
        .under("Accueil", "/accueil")
        .under("Personnel", "/personnel");
    let (frame, path) = match agent {
        Some(agent) => {
            let path = format!("/personnel/{}", agent.id());
            (frame.under(agent.full_name(), &path).here("Modifier"), path)
        }
        None => (frame.here("Nouvel agent"), "/personnel".to_owned()),
    };
    let duplicates = around
        .duplicates
        .into_iter()
        .map(|found| Duplicate {
            label: format!("{} · {}", found.full_name, found.matricule),
            why: if found.same_national_id {
                "même numéro de CNI"
            } else {
                "mêmes nom, prénoms et date de naissance"
            },
            url: visit.url(&format!("/personnel/{}", found.id)),
        })
        .collect();
    let template = FormTemplate {
        frame,
        title,
        action: visit.url(&if agent.is_some() {
            format!("{path}/modifier")
        } else {
            path.clone()
        }),
        cancel: visit.url(&path),
        preview: visit.url("/personnel/retraite"),
        version: agent.map(PersonnelView::version),
        summary: ErrorSummary::of_fields(sections.iter().flat_map(|section| &section.fields)),
        duplicates,
        conflict: around.conflict,
        sections,
        retirement: retirement_text(visit, input),
    };
    if status == StatusCode::OK {
        show(&template)
    } else {
        show_with(status, &template)
    }
}

/// What the day of retirement would be, with its derivation.
fn retirement_text(visit: &Visit, input: &PersonnelInput) -> String {
    let day = |field| input.get(field).and_then(|text| civil_date(text).ok());
    let grade = input
        .get(PersonnelField::Grade)
        .and_then(|text| text.parse::<Grade>().ok());
    let by_year = input.get(PersonnelField::BirthPrecision) == Some(BirthPrecision::Year.code());
    let born = if input.get(PersonnelField::Sex) == Some("female") {
        "Née"
    } else {
        "Né"
    };
    let extension = day(PersonnelField::RetirementExtension);
    day(PersonnelField::BirthDate)
        .and_then(|birth| derive(birth, grade, extension, &visit.settings.retirement))
        .map_or_else(
            || "La date de départ se calcule dès que la date de naissance est connue.".to_owned(),
            |derived| explain_for(&derived, by_year, born),
        )
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RetirementParams {
    birth_date: Option<String>,
    birth_year_only: Option<String>,
    grade: Option<String>,
    sex: Option<String>,
    retirement_extension: Option<String>,
}

#[derive(Template)]
#[template(source = "{{ text }}", ext = "html")]
struct Fragment {
    text: String,
}

/// The derivation of a retirement that is being typed.
pub(super) async fn retirement(
    visit: Visit,
    QueryParams(params): QueryParams<RetirementParams>,
) -> Result<Html<String>, Problem> {
    use PersonnelField as F;
    let mut input = PersonnelInput::default();
    for (field, value) in [
        (F::BirthDate, params.birth_date),
        (F::Grade, params.grade),
        (F::Sex, params.sex),
        (F::RetirementExtension, params.retirement_extension),
    ] {
        input.set(field, value.unwrap_or_default());
    }
    if params.birth_year_only.is_some() {
        input.set(F::BirthPrecision, BirthPrecision::Year.code());
    }
    let fragment = Fragment {
        text: retirement_text(&visit, &input),
    };
    fragment.render().map(Html).map_err(Problem::internal)
}
