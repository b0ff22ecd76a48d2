//! The form of a unit.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::organisation::{Organisation, UnitRef};
use mppeep_core::domain::personnel::PersonnelField;
use mppeep_core::domain::text;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::personnel::{PersonnelFilter, PersonnelSort};
use mppeep_core::services::ServiceError;
use mppeep_core::services::organisation::UnitInput;
use mppeep_core::services::personnel::{ListPersonnel, Reveal};
use serde::Deserialize;

use crate::app::AppState;
use crate::extract::{FormFields, PathIds, QueryParams};
use crate::pages::frame::Frame;
use crate::pages::personnel::form::{explain_refusal, version};
use crate::pages::ui::{Choice, ErrorSummary, Field, FormErrors, Notice, Tone};
use crate::pages::visit::{Visit, show, show_with};
use crate::problem::Problem;

/// Agents offered as head of a unit, at most.
const CANDIDATES: u32 = 100;

#[derive(Template)]
#[template(path = "organisation/form.html")]
struct UnitTemplate {
    frame: Frame,
    title: String,
    action: String,
    cancel: String,
    version: Option<i64>,
    summary: ErrorSummary,
    notice: Option<Notice>,
    fields: Vec<Field>,
    search: Option<(String, String)>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UnitParams {
    parent: Option<String>,
    responsable: Option<String>,
}

/// The unit that a form is about.
enum About {
    New { level: &'static str },
    Known { unit: UnitRef, version: i64 },
}

const fn level_name(level: &str) -> &'static str {
    match level.as_bytes() {
        b"programme" => "programme",
        b"directorate" => "direction",
        _ => "service",
    }
}

/// The level of a new unit, by the unit above it.
fn level_below(parent: Option<UnitRef>) -> &'static str {
    match parent {
        None => "programme",
        Some(UnitRef::Programme(_)) => "directorate",
        Some(UnitRef::Directorate(_) | UnitRef::Department(_)) => "department",
    }
}

pub(super) async fn new(
    visit: Visit,
    State(state): State<AppState>,
    QueryParams(params): QueryParams<UnitParams>,
) -> Result<Response, Problem> {
    let parent = params.parent.as_deref().and_then(UnitRef::parse);
    let input = UnitInput {
        parent: parent.map(|unit| unit.as_uuid().to_string()).unwrap_or_default(),
        active: true,
        ..UnitInput::default()
    };
    let about = About::New {
        level: level_below(parent),
    };
    form(
        &visit,
        &state,
        StatusCode::OK,
        &about,
        &input,
        Form::searching(params.responsable),
    )
    .await
}

pub(super) async fn create(
    visit: Visit,
    State(state): State<AppState>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let level = match fields.single("level")? {
        "programme" => "programme",
        "directorate" => "directorate",
        "department" => "department",
        _ => return Err(Problem::unreadable("Le niveau de l’unité n’est pas connu.")),
    };
    let input = read(&fields)?;
    match state
        .services
        .organisation
        .create(&visit.actor, level, &input)
        .await
    {
        Ok(_) => Ok(visit.go("/organigramme?note=unit-created")),
        Err(error) => {
            let (status, errors) = explain(error)?;
            form(
                &visit,
                &state,
                status,
                &About::New { level },
                &input,
                Form::refused(errors),
            )
            .await
        }
    }
}

pub(super) async fn edit(
    visit: Visit,
    State(state): State<AppState>,
    PathIds(level, id): PathIds<String, uuid::Uuid>,
    QueryParams(params): QueryParams<UnitParams>,
) -> Result<Response, Problem> {
    let unit = UnitRef::from_parts(&level, id).ok_or_else(Problem::not_found)?;
    let units = state.services.organisation.load(&visit.actor).await?;
    let fields = units.unit(unit).ok_or_else(Problem::not_found)?;
    let (version, parent) = standing(&units, unit).ok_or_else(Problem::not_found)?;
    let input = UnitInput {
        code: fields.code.clone(),
        name: fields.name.clone(),
        head: fields.head.map(|id| id.to_string()).unwrap_or_default(),
        active: fields.active,
        parent,
    };
    let about = About::Known { unit, version };
    form(
        &visit,
        &state,
        StatusCode::OK,
        &about,
        &input,
        Form::searching(params.responsable),
    )
    .await
}

/// A unit's version and the unit above it.
fn standing(units: &Organisation, unit: UnitRef) -> Option<(i64, String)> {
    match unit {
        UnitRef::Programme(id) => units.programme(id).map(|unit| (unit.version, String::new())),
        UnitRef::Directorate(id) => units
            .directorate(id)
            .map(|unit| (unit.version, unit.programme.to_string())),
        UnitRef::Department(id) => units
            .department(id)
            .map(|unit| (unit.version, unit.directorate.to_string())),
    }
}

pub(super) async fn update(
    visit: Visit,
    State(state): State<AppState>,
    PathIds(level, id): PathIds<String, uuid::Uuid>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let unit = UnitRef::from_parts(&level, id).ok_or_else(Problem::not_found)?;
    let seen = version(&fields)?;
    let input = read(&fields)?;
    match state
        .services
        .organisation
        .update(&visit.actor, unit, seen, &input)
        .await
    {
        Ok(()) => Ok(visit.go("/organigramme?note=unit-updated")),
        Err(ServiceError::Stale) => {
            let units = state.services.organisation.load(&visit.actor).await?;
            let (version, _) = standing(&units, unit).ok_or_else(Problem::not_found)?;
            let about = About::Known { unit, version };
            form(
                &visit,
                &state,
                StatusCode::CONFLICT,
                &about,
                &input,
                Form::stale(),
            )
            .await
        }
        Err(error) => {
            let (status, errors) = explain(error)?;
            let about = About::Known { unit, version: seen };
            form(&visit, &state, status, &about, &input, Form::refused(errors)).await
        }
    }
}

fn explain(error: ServiceError) -> Result<(StatusCode, FormErrors), Problem> {
    if let ServiceError::Taken { field: "code" } = error {
        let mut errors = FormErrors::new();
        errors.add("code", "Ce code est déjà celui d’une autre unité de ce niveau.");
        return Ok((StatusCode::CONFLICT, errors));
    }
    explain_refusal(error)
}

fn read(fields: &FormFields) -> Result<UnitInput, Problem> {
    Ok(UnitInput {
        code: fields.single("code")?.to_owned(),
        name: fields.single("name")?.to_owned(),
        head: fields.single("head")?.to_owned(),
        active: fields.get("active").is_some(),
        parent: fields.single("parent")?.to_owned(),
    })
}

/// What a form shows beside its fields.
#[derive(Default)]
struct Form {
    errors: FormErrors,
    stale: bool,
    search: String,
}

impl Form {
    fn searching(search: Option<String>) -> Self {
        Self {
            search: search.unwrap_or_default(),
            ..Self::default()
        }
    }

    fn refused(errors: FormErrors) -> Self {
        Self {
            errors,
            ..Self::default()
        }
    }

    fn stale() -> Self {
        Self {
            stale: true,
            ..Self::default()
        }
    }
}

async fn form(
    visit: &Visit,
    state: &AppState,
    status: StatusCode,
    about: &About,
    input: &UnitInput,
    around: Form,
) -> Result<Response, Problem> {
    let units = state.services.organisation.load(&visit.actor).await?;
    let (level, path, version, title) = match about {
        About::New { level } => {
            let name = level_name(level);
            let title = if *level == "directorate" {
                "Nouvelle direction".to_owned()
            } else {
                format!("Nouveau {name}")
            };
            (*level, "/organigramme/nouveau".to_owned(), None, title)
        }
        About::Known { unit, version } => {
            let path = format!("/organigramme/{}/{}", unit.level(), unit.as_uuid());
            let name = units
                .unit(*unit)
                .map(|fields| fields.name.clone())
                .unwrap_or_default();
            (unit.level(), path, Some(*version), format!("Modifier {name}"))
        }
    };
    let candidates = candidates(visit, state, about, input, &around.search).await?;
    let mut fields = vec![
        Field::text("code", "Code")
            .required()
            .value(input.code.clone())
            .width("w4")
            .errors(&around.errors),
        Field::text("name", "Nom complet")
            .required()
            .value(input.name.clone())
            .width("w8")
            .errors(&around.errors),
    ];
    match level {
        "directorate" => {
            let programmes = units
                .programmes
                .iter()
                .map(|unit| Choice::new(unit.id.to_string(), unit.fields.name.clone()))
                .collect();
            fields.push(
                Field::select("parent", "Programme", Some("Choisir…"), programmes)
                    .required()
                    .value(input.parent.clone())
                    .errors(&around.errors),
            );
        }
        "department" => {
            let directorates = units
                .programmes
                .iter()
                .flat_map(|programme| {
                    units
                        .directorates
                        .iter()
                        .filter(move |unit| unit.programme == programme.id)
                        .map(move |unit| {
                            Choice::new(unit.id.to_string(), unit.fields.name.clone())
                                .in_group(programme.fields.name.clone())
                        })
                })
                .collect();
            fields.push(
                Field::select("parent", "Direction", Some("Choisir…"), directorates)
                    .required()
                    .value(input.parent.clone())
                    .errors(&around.errors),
            );
        }
        _ => {}
    }
    fields.push(
        Field::select("head", "Responsable", Some("Aucun responsable"), candidates)
            .value(input.head.clone())
            .help("Un agent en service. Cherchez-le ci-dessous s’il n’est pas dans la liste.")
            .errors(&around.errors),
    );
    fields.push(
        Field::checkbox(
            "active",
            "Unité active : des agents peuvent y être affectés",
            input.active,
        )
        .wide()
        .errors(&around.errors),
    );
    if version.is_none() {
        fields.push(Field::input("hidden", "level", "Niveau").value(level));
    }
    let template = UnitTemplate {
        frame: visit.frame(title.clone()).under("Organigramme", "/organigramme").here(title.clone()),
        title,
        action: visit.url(&path),
        cancel: visit.url("/organigramme"),
        version,
        summary: ErrorSummary::of_fields(&fields),
        notice: around.stale.then(|| Notice {
            tone: Tone::Warning,
            title: "Cette unité a été modifiée entre-temps".to_owned(),
            text: "Rien n’a été enregistré. Vos valeurs sont ci-dessous ; enregistrez de nouveau pour les appliquer."
                .to_owned(),
            action: None,
        }),
        fields,
        search: Some((visit.url(&path), around.search)),
    };
    if status == StatusCode::OK {
        show(&template)
    } else {
        show_with(status, &template)
    }
}

/// Agents who may be chosen as head: those found, else those of the unit, and the present one.
async fn candidates(
    visit: &Visit,
    state: &AppState,
    about: &About,
    input: &UnitInput,
    search: &str,
) -> Result<Vec<Choice>, Problem> {
    let unit = match about {
        About::Known { unit, .. } if search.trim().is_empty() => Some(*unit),
        _ => None,
    };
    let filter = PersonnelFilter {
        words: text::search_words(search),
        unit,
        ..PersonnelFilter::default()
    };
    let list = ListPersonnel {
        filter,
        sort: PersonnelSort::Name,
        descending: false,
        page: PageRequest::first(CANDIDATES),
    };
    let page = state.services.personnel.list(&visit.actor, list).await?;
    let label = |agent: &mppeep_core::services::personnel_view::PersonnelView| match agent
        .get(PersonnelField::JobTitle)
    {
        Some(title) => format!("{} · {} · {title}", agent.full_name(), agent.matricule()),
        None => format!("{} · {}", agent.full_name(), agent.matricule()),
    };
    let mut choices: Vec<Choice> = page
        .rows
        .iter()
        .map(|agent| Choice::new(agent.id().to_string(), label(agent)))
        .collect();
    if !input.head.is_empty()
        && !choices.iter().any(|choice| choice.value == input.head)
        && let Ok(id) = input.head.parse::<PersonnelId>()
        && let Ok(agent) = state
            .services
            .personnel
            .get(&visit.actor, id, Reveal::Hidden)
            .await
    {
        choices.insert(0, Choice::new(id.to_string(), label(&agent)));
    }
    Ok(choices)
}
