//! One evaluation: recorded, looked at, corrected.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use mppeep_core::domain::evaluation::{Criterion, Evaluation, EvaluationInput, Mark};
use mppeep_core::domain::id::{EvaluationId, PersonnelId};
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::settings::EvaluationSettings;
use mppeep_core::domain::validation::Rule;
use mppeep_core::services::ServiceError;
use mppeep_core::services::evaluations::may_evaluate;
use serde::Deserialize;

use super::shown;
use crate::catalogue::{self, Label};
use crate::extract::{FormFields, PathId, QueryParams};
use crate::pages::frame::Frame;
use crate::pages::office::{AgentBrief, find_agents, given};
use crate::pages::ui::{Badge, Choice, ErrorSummary, Fact, Facts, Field, FormErrors, Section};
use crate::pages::visit::{Visit, show, show_with};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FormQuery {
    personnel: Option<String>,
    year: Option<String>,
    q: Option<String>,
    note: Option<String>,
}

#[derive(Template)]
#[template(path = "evaluation/agent.html")]
struct AgentPage {
    frame: Frame,
    title: &'static str,
    action: String,
    words: String,
    agents: Vec<AgentBrief>,
    searched: bool,
}

#[derive(Template)]
#[template(path = "evaluation/form.html")]
struct FormPage {
    frame: Frame,
    title: &'static str,
    agent: AgentBrief,
    action: String,
    back: String,
    version: Option<i64>,
    errors: ErrorSummary,
    year: Field,
    marks: Section,
    observations: Section,
    thresholds: String,
    live: String,
}

fn input_of(fields: &FormFields) -> Result<EvaluationInput, Problem> {
    let mut marks = BTreeMap::new();
    for criterion in Criterion::ALL {
        marks.insert(*criterion, fields.single(criterion.code())?.to_owned());
    }
    Ok(EvaluationInput {
        year: fields.single("year")?.to_owned(),
        marks,
        observations: fields.single("observations")?.to_owned(),
    })
}

fn input_from(evaluation: &Evaluation) -> EvaluationInput {
    let short = |mark: &Mark| catalogue::hundredths_short(i64::from(mark.hundredths()));
    EvaluationInput {
        year: evaluation.fields.year.to_string(),
        marks: evaluation
            .fields
            .marks
            .iter()
            .map(|(criterion, mark)| (*criterion, short(mark)))
            .collect(),
        observations: evaluation.fields.observations.clone().unwrap_or_default(),
    }
}

/// « 18=Excellent;16=Très bon;… », as the live mean reads it.
fn thresholds(settings: &EvaluationSettings) -> String {
    use mppeep_core::domain::evaluation::Appraisal as A;
    [
        (settings.excellent_from, A::Excellent),
        (settings.very_good_from, A::VeryGood),
        (settings.good_from, A::Good),
        (settings.fair_from, A::Fair),
        (0, A::Insufficient),
    ]
    .map(|(from, appraisal)| format!("{from}={}", appraisal.label()))
    .join(";")
}

/// What the marks typed so far give.
fn live(input: &EvaluationInput, settings: &EvaluationSettings) -> String {
    let marks = input
        .marks
        .iter()
        .filter_map(|(criterion, text)| Some((*criterion, Mark::parse(text).ok()?)))
        .collect();
    let (mark, badge) = shown(
        mppeep_core::domain::evaluation::final_mark(&marks, settings),
        settings,
    );
    if mark == "—" {
        mark
    } else {
        format!("{mark} / 20 · {}", badge.label)
    }
}

fn mark_fields(input: &EvaluationInput, errors: &FormErrors, settings: &EvaluationSettings) -> Vec<Field> {
    Criterion::ALL
        .iter()
        .map(|criterion| {
            let weight = settings.weight_of(*criterion);
            let mut field = Field::text(criterion.code(), criterion.label())
                .value(input.marks.get(criterion).cloned().unwrap_or_default())
                .suffix("/20")
                .width("w4")
                .input_class("mark")
                .attribute("inputmode", "decimal")
                .attribute("maxlength", "5")
                .attribute("data-weight", weight.to_string())
                .errors(errors);
            if settings.weights.iter().any(|other| *other != weight) {
                field = field.help(format!("Coefficient {weight}"));
            }
            field
        })
        .collect()
}

async fn form_page(
    visit: &Visit,
    agent: PersonnelId,
    present: Option<(EvaluationId, i64)>,
    input: &EvaluationInput,
    errors: &FormErrors,
) -> Result<FormPage, Problem> {
    let settings = &visit.settings.evaluations;
    let this_year = visit.today.year();
    let years: Vec<Choice> = (0..12)
        .map(|back| (this_year - back).to_string())
        .map(|year| Choice::new(year.clone(), year))
        .collect();
    let known = years.iter().any(|choice| choice.value == input.year);
    let mut choices = years;
    if !known && !input.year.is_empty() {
        choices.push(Choice::new(input.year.clone(), input.year.clone()));
    }
    let year = Field::select("year", "Année évaluée", Some("Choisir…"), choices)
        .required()
        .value(&input.year)
        .width("w4")
        .errors(errors);
    let fields = mark_fields(input, errors, settings);
    let title = if present.is_some() {
        "Corriger une évaluation"
    } else {
        "Enregistrer une évaluation"
    };
    let (action, back) = match present {
        Some((id, _)) => (
            visit.url(&format!("/evaluations/{id}")),
            visit.url(&format!("/evaluations/{id}")),
        ),
        None => (
            visit.url("/evaluations"),
            visit.url(&format!("/evaluations?personnel={agent}")),
        ),
    };
    let mut summary = ErrorSummary::of_fields(std::iter::once(&year).chain(&fields));
    for name in ["", "marks"] {
        if let Some(message) = errors.get(name) {
            summary.errors.insert(0, (String::new(), message.to_owned()));
        }
    }
    let observations = Field::textarea("observations", "Observations")
        .value(&input.observations)
        .help("Points forts, axes de progrès, objectifs de l’année suivante.")
        .attribute("maxlength", "4000")
        .errors(errors);
    Ok(FormPage {
        frame: visit.frame(title).under("Évaluations", "/evaluations").here(title),
        title,
        agent: AgentBrief::load(visit, agent).await?,
        action,
        back,
        version: present.map(|(_, version)| version),
        errors: summary,
        year,
        marks: Section::new("Notes", fields).help(
            "Chaque critère est noté de 0 à 20. La note finale n’est calculée que si les cinq critères sont notés ; \
             une évaluation peut être enregistrée incomplète et terminée plus tard.",
        ),
        observations: Section::new("Observations", vec![observations]),
        thresholds: thresholds(settings),
        live: live(input, settings),
    })
}

pub(super) async fn new_form(
    visit: Visit,
    QueryParams(asked): QueryParams<FormQuery>,
) -> Result<Response, Problem> {
    let title = "Enregistrer une évaluation";
    let Some(agent) = asked
        .personnel
        .as_deref()
        .and_then(|id| id.parse::<PersonnelId>().ok())
    else {
        let words = given(asked.q.as_ref());
        let agents = match words {
            Some(words) => {
                find_agents(&visit, words, Resource::Evaluation, Action::Write)
                    .await?
                    .0
            }
            None => Vec::new(),
        };
        return show(&AgentPage {
            frame: visit
                .frame(title)
                .under("Évaluations", "/evaluations")
                .here(title),
            title,
            action: visit.url("/evaluations/nouvelle"),
            words: words.unwrap_or_default().to_owned(),
            searched: words.is_some(),
            agents: agents
                .into_iter()
                .filter(|agent| !visit.is_own(agent.id))
                .collect(),
        });
    };
    if visit.is_own(agent) {
        return Err(Problem::forbidden().detail("Personne ne s’évalue soi-même."));
    }
    let year = given(asked.year.as_ref()).map_or_else(|| visit.today.year().to_string(), str::to_owned);
    let input = EvaluationInput {
        year,
        ..EvaluationInput::default()
    };
    show(&form_page(&visit, agent, None, &input, &FormErrors::new()).await?)
}

/// What the form says when the service refuses.
fn refusal(error: ServiceError, year: &str) -> Result<FormErrors, Problem> {
    let mut errors = FormErrors::new();
    match error {
        ServiceError::Invalid(violations) => {
            for violation in &violations.0 {
                let message = match (violation.field.as_str(), &violation.rule) {
                    ("marks", Rule::Required) => "Notez au moins un critère.".to_owned(),
                    (_, rule) => catalogue::rule_message(rule),
                };
                errors.add(violation.field.clone(), message);
            }
        }
        ServiceError::Taken { .. } => {
            errors.add(
                "year",
                format!("Cet agent a déjà une évaluation pour {year}. Corrigez-la plutôt."),
            );
        }
        ServiceError::State("archived") => {
            errors.add("", "Cet agent a quitté le ministère : sa fiche est archivée.");
        }
        other => return Err(other.into()),
    }
    Ok(errors)
}

pub(super) async fn record(visit: Visit, fields: FormFields) -> Result<Response, Problem> {
    let agent: PersonnelId = fields.single("personnel")?.parse().map_err(|_| {
        Problem::invalid().field(
            "personnel_id",
            "required",
            catalogue::rule_message(&Rule::Required),
        )
    })?;
    let input = input_of(&fields)?;
    match visit
        .state
        .services
        .evaluations
        .record(&visit.actor, agent, &input)
        .await
    {
        Ok(evaluation) => Ok(visit.go(&format!("/evaluations/{}?note=evaluation-created", evaluation.id))),
        Err(error) => {
            let errors = refusal(error, &input.year)?;
            show_with(
                StatusCode::UNPROCESSABLE_ENTITY,
                &form_page(&visit, agent, None, &input, &errors).await?,
            )
        }
    }
}

pub(super) async fn edit_form(visit: Visit, PathId(id): PathId<EvaluationId>) -> Result<Response, Problem> {
    let (evaluation, agent) = visit.state.services.evaluations.get(&visit.actor, id).await?;
    if !may_evaluate(&visit.actor, &agent) {
        return Err(Problem::forbidden());
    }
    let input = input_from(&evaluation);
    show(
        &form_page(
            &visit,
            agent.id,
            Some((id, evaluation.version)),
            &input,
            &FormErrors::new(),
        )
        .await?,
    )
}

pub(super) async fn correct(
    visit: Visit,
    PathId(id): PathId<EvaluationId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version: i64 = fields
        .single("version")?
        .parse()
        .map_err(|_| Problem::unreadable("La version manque."))?;
    let input = input_of(&fields)?;
    match visit
        .state
        .services
        .evaluations
        .correct(&visit.actor, id, version, &input)
        .await
    {
        Ok(_) => Ok(visit.go(&format!("/evaluations/{id}?note=evaluation-updated"))),
        Err(error) => {
            let errors = refusal(error, &input.year)?;
            let (evaluation, _) = visit.state.services.evaluations.get(&visit.actor, id).await?;
            let page = form_page(&visit, evaluation.personnel, Some((id, version)), &input, &errors).await?;
            show_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
    }
}

#[derive(Template)]
#[template(path = "evaluation/detail.html")]
struct DetailPage {
    frame: Frame,
    title: String,
    agent: String,
    agent_url: String,
    others: String,
    edit: Option<String>,
    mark: String,
    badge: Badge,
    marks: Vec<(String, String, String, u8)>,
    weighted: bool,
    observations: String,
    facts: Facts,
}

pub(super) async fn detail(
    visit: Visit,
    PathId(id): PathId<EvaluationId>,
    QueryParams(asked): QueryParams<FormQuery>,
) -> Result<Response, Problem> {
    let (evaluation, agent) = visit.state.services.evaluations.get(&visit.actor, id).await?;
    let settings = &visit.settings.evaluations;
    let (mark, badge) = shown(evaluation.final_mark, settings);
    let marks = Criterion::ALL
        .iter()
        .map(|criterion| {
            let given = evaluation
                .fields
                .marks
                .get(criterion)
                .map(|mark| mark.hundredths());
            let text = given.map_or_else(|| "—".to_owned(), |mark| catalogue::hundredths(i64::from(mark)));
            let percent = given.map_or_else(|| "0".to_owned(), |mark| (mark / 20).to_string());
            (
                criterion.label().to_owned(),
                text,
                percent,
                settings.weight_of(*criterion),
            )
        })
        .collect();
    let mut facts = vec![Fact::new(
        "Enregistrée le",
        catalogue::instant(evaluation.created_at),
    )];
    if evaluation.version > 1 {
        facts.push(Fact::new(
            "Modifiée le",
            catalogue::instant(evaluation.updated_at),
        ));
    }
    let title = format!("Évaluation {}", evaluation.fields.year);
    show(&DetailPage {
        frame: visit
            .frame(title.clone())
            .under("Évaluations", "/evaluations")
            .here(format!(
                "{} · {}",
                agent.fields.full_name(),
                evaluation.fields.year
            ))
            .note(asked.note.as_deref()),
        title,
        agent: format!("{} · {}", agent.fields.full_name(), agent.fields.matricule),
        agent_url: visit.url(&format!("/personnel/{}", agent.id)),
        others: visit.url(&format!("/evaluations?personnel={}", agent.id)),
        edit: may_evaluate(&visit.actor, &agent).then(|| visit.url(&format!("/evaluations/{id}/modifier"))),
        mark,
        badge,
        marks,
        weighted: settings
            .weights
            .iter()
            .any(|weight| *weight != settings.weights[0]),
        observations: evaluation.fields.observations.clone().unwrap_or_default(),
        facts: Facts { facts, rows: false },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mppeep_core::domain::validation::Violations;

    #[test]
    fn the_mean_shows_only_when_all_is_marked() {
        let settings = EvaluationSettings::default();
        let marks = ["12", "13", "12,5", "14", "11"];
        let mut input = EvaluationInput {
            marks: Criterion::ALL
                .iter()
                .copied()
                .zip(marks.map(str::to_owned))
                .collect(),
            ..EvaluationInput::default()
        };
        assert_eq!(live(&input, &settings), "12,50 / 20 · Bon");
        input.marks.insert(Criterion::Initiative, String::new());
        assert_eq!(live(&input, &settings), "—");
        assert_eq!(
            thresholds(&settings),
            "18=Excellent;16=Très bon;12=Bon;10=Passable;0=Insuffisant"
        );
    }

    #[test]
    fn refusals_are_said_in_french() {
        let taken = refusal(ServiceError::Taken { field: "year" }, "2025").unwrap();
        assert!(taken.get("year").is_some_and(|text| text.contains("2025")));
        let none = refusal(Violations::one("marks", Rule::Required).into(), "").unwrap();
        assert_eq!(none.get("marks"), Some("Notez au moins un critère."));
    }
}
