//! One absence: recorded, looked at, corrected, cancelled.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use mppeep_core::domain::absence::{Absence, AbsenceInput, AbsenceType};
use mppeep_core::domain::calendar::CountingMode;
use mppeep_core::domain::id::{AbsenceId, PersonnelId};
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::validation::Rule;
use mppeep_core::ports::absence::AbsenceFilter;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::services::ServiceError;
use mppeep_core::services::absences::AbsencePreview;
use serde::Deserialize;

use super::named;
use crate::catalogue;
use crate::extract::{FormFields, PathId, QueryParams};
use crate::pages::frame::Frame;
use crate::pages::office::{AgentBrief, day_of, find_agents, given};
use crate::pages::ui::{Choice, ErrorSummary, Field, FormErrors, Section};
use crate::pages::visit::{Visit, show, show_with};
use crate::problem::Problem;

/// The fields of the form as an address carries them to have them counted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AbsenceQuery {
    personnel: Option<String>,
    /// The absence that is corrected, so that it is not said to overlap itself.
    absence: Option<String>,
    q: Option<String>,
    kind: Option<String>,
    start_date: Option<String>,
    start_half: Option<String>,
    end_date: Option<String>,
    end_half: Option<String>,
    reason: Option<String>,
    count: Option<String>,
    pub(super) note: Option<String>,
}

impl AbsenceQuery {
    fn input(&self) -> AbsenceInput {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        AbsenceInput {
            kind: text(&self.kind),
            start_date: text(&self.start_date),
            start_half: text(&self.start_half),
            end_date: text(&self.end_date),
            end_half: text(&self.end_half),
            reason: text(&self.reason),
        }
    }

    fn agent(&self) -> Option<PersonnelId> {
        self.personnel.as_deref()?.parse().ok()
    }
}

fn input_of(fields: &FormFields) -> Result<AbsenceInput, Problem> {
    let text = |name| fields.single(name).map(str::to_owned);
    Ok(AbsenceInput {
        kind: text("kind")?,
        start_date: text("start_date")?,
        start_half: text("start_half")?,
        end_date: text("end_date")?,
        end_half: text("end_half")?,
        reason: text("reason")?,
    })
}

fn input_from(absence: &Absence) -> AbsenceInput {
    let period = absence.fields.period;
    AbsenceInput {
        kind: absence.fields.kind.code().to_owned(),
        start_date: period.start().to_string(),
        start_half: period.start_half().code().to_owned(),
        end_date: period.end().to_string(),
        end_half: period.end_half().code().to_owned(),
        reason: absence.fields.reason.clone().unwrap_or_default(),
    }
}

#[derive(Template)]
#[template(path = "absence/agent.html")]
struct AgentPage {
    frame: Frame,
    title: &'static str,
    action: String,
    words: String,
    agents: Vec<AgentBrief>,
    searched: bool,
}

#[derive(Template)]
#[template(path = "absence/form.html")]
struct FormPage {
    frame: Frame,
    title: String,
    agent: AgentBrief,
    action: String,
    back: String,
    /// Identifier and version of the absence that is corrected.
    present: Option<(AbsenceId, i64)>,
    errors: ErrorSummary,
    section: Section,
    preview: Preview,
}

/// What a period counts for, in the three modes.
#[derive(Template, Default)]
#[template(path = "absence/preview.html")]
struct Preview {
    counted: Option<Counted>,
    message: String,
    others: Vec<(String, String)>,
}

struct Counted {
    modes: Vec<(String, &'static str, bool)>,
    kept: String,
    holidays: Vec<String>,
}

impl Counted {
    fn of(preview: &AbsencePreview, kept: CountingMode) -> Self {
        let adjective = |mode| match mode {
            CountingMode::Calendar => "calendaires",
            CountingMode::Workable => "ouvrables",
            CountingMode::Worked => "ouvrés",
        };
        let modes = CountingMode::ALL
            .into_iter()
            .map(|mode| {
                let days = catalogue::half_days(i64::from(preview.counted.in_mode(mode)));
                (days, adjective(mode), mode == kept)
            })
            .collect();
        let holidays = preview
            .holidays
            .iter()
            .map(|holiday| {
                let estimated = if holiday.estimated { " (date estimée)" } else { "" };
                format!("{} – {}{estimated}", catalogue::date(holiday.date), holiday.label)
            })
            .collect();
        Self {
            modes,
            kept: catalogue::half_days(i64::from(preview.half_days)),
            holidays,
        }
    }
}

/// Counts what the form says so far.
async fn preview(
    visit: &Visit,
    agent: Option<PersonnelId>,
    present: Option<AbsenceId>,
    input: &AbsenceInput,
) -> Result<Preview, Problem> {
    if input.kind.is_empty() || input.start_date.is_empty() {
        return Ok(Preview {
            message: "Choisissez un type et des dates : le décompte s’affiche ici.".to_owned(),
            ..Preview::default()
        });
    }
    let service = &visit.state.services.absences;
    let counted = match service.preview(&visit.actor, input).await {
        Ok(preview) => preview,
        Err(ServiceError::Invalid(violations)) => {
            let message = violations
                .0
                .first()
                .map(|violation| catalogue::rule_message(&violation.rule));
            return Ok(Preview {
                message: message.unwrap_or_default(),
                ..Preview::default()
            });
        }
        Err(other) => return Err(other.into()),
    };
    let kind = AbsenceType::by_code(input.kind.trim()).unwrap_or(AbsenceType::Other);
    let mode = visit.settings.absences.mode_of(kind);
    let mut others = Vec::new();
    if let Some(agent) = agent {
        let filter = AbsenceFilter {
            personnel: Some(agent),
            from: day_of(Some(&input.start_date)),
            to: day_of(Some(&input.end_date)).or_else(|| day_of(Some(&input.start_date))),
            ..AbsenceFilter::default()
        };
        let page = service.list(&visit.actor, filter, &PageRequest::first(4)).await?;
        others = page
            .rows
            .iter()
            .filter(|row| Some(row.absence.id) != present)
            .map(|row| {
                (
                    named(&row.absence),
                    visit.url(&format!("/rh/absences/{}", row.absence.id)),
                )
            })
            .collect();
    }
    Ok(Preview {
        counted: Some(Counted::of(&counted, mode)),
        message: String::new(),
        others,
    })
}

fn section(input: &AbsenceInput, errors: &FormErrors) -> Section {
    let kinds = catalogue::choices(AbsenceType::ALL, AbsenceType::code);
    let or = |value: &str, usual: &str| {
        if value.is_empty() {
            usual.to_owned()
        } else {
            value.to_owned()
        }
    };
    let starts = vec![Choice::new("am", "Dès le matin"), Choice::new("pm", "À midi")];
    let ends = vec![Choice::new("am", "À midi"), Choice::new("pm", "Le soir")];
    let fields = vec![
        Field::select("kind", "Type d’absence", Some("Choisir…"), kinds)
            .required()
            .wide()
            .value(&input.kind)
            .errors(errors),
        Field::date("start_date", "Premier jour")
            .required()
            .width("w3")
            .value(&input.start_date)
            .errors(errors),
        Field::select("start_half", "Commence", None, starts)
            .width("w3")
            .value(or(&input.start_half, "am"))
            .errors(errors),
        Field::date("end_date", "Dernier jour")
            .width("w3")
            .value(&input.end_date)
            .errors(errors)
            .help("Vide : un seul jour."),
        Field::select("end_half", "Se termine", None, ends)
            .width("w3")
            .value(or(&input.end_half, "pm"))
            .errors(errors),
        Field::textarea("reason", "Motif")
            .value(&input.reason)
            .errors(errors)
            .attribute("maxlength", "1000"),
    ];
    Section::new("Absence", fields)
}

async fn form_page(
    visit: &Visit,
    agent: PersonnelId,
    present: Option<(AbsenceId, i64)>,
    input: &AbsenceInput,
    errors: &FormErrors,
) -> Result<FormPage, Problem> {
    let section = section(input, errors);
    let title = if present.is_some() {
        "Corriger une absence"
    } else {
        "Enregistrer une absence"
    };
    let base = "/rh/absences";
    let (action, back) = match present {
        Some((id, _)) => (
            visit.url(&format!("{base}/{id}")),
            visit.url(&format!("{base}/{id}")),
        ),
        None => (visit.url(base), visit.url(&format!("{base}?personnel={agent}"))),
    };
    let mut summary = ErrorSummary::of_fields(&section.fields);
    if let Some(message) = errors.get("") {
        summary.errors.insert(0, (String::new(), message.to_owned()));
    }
    Ok(FormPage {
        frame: visit
            .frame(title)
            .under("Congés et absences", "/rh")
            .under("Absences", base)
            .here(title),
        title: title.to_owned(),
        agent: AgentBrief::load(visit, agent).await?,
        action,
        back,
        preview: preview(visit, Some(agent), present.map(|(id, _)| id), input).await?,
        present,
        errors: summary,
        section,
    })
}

pub(super) async fn new_form(
    visit: Visit,
    QueryParams(asked): QueryParams<AbsenceQuery>,
) -> Result<Response, Problem> {
    let Some(agent) = asked.agent() else {
        let words = given(asked.q.as_ref());
        let agents = match words {
            Some(words) => {
                find_agents(&visit, words, Resource::Absence, Action::Write)
                    .await?
                    .0
            }
            None => Vec::new(),
        };
        let title = "Enregistrer une absence";
        return show(&AgentPage {
            frame: visit
                .frame(title)
                .under("Congés et absences", "/rh")
                .under("Absences", "/rh/absences")
                .here(title),
            title,
            action: visit.url("/rh/absences/nouvelle"),
            words: words.unwrap_or_default().to_owned(),
            searched: words.is_some(),
            agents,
        });
    };
    show(&form_page(&visit, agent, None, &asked.input(), &FormErrors::new()).await?)
}

pub(super) async fn count(
    visit: Visit,
    QueryParams(asked): QueryParams<AbsenceQuery>,
) -> Result<Response, Problem> {
    let present = asked.absence.as_deref().and_then(|id| id.parse().ok());
    show(&preview(&visit, asked.agent(), present, &asked.input()).await?)
}

/// What the form says when the service refuses.
fn refusal(error: ServiceError) -> Result<FormErrors, Problem> {
    let mut errors = FormErrors::new();
    match error {
        ServiceError::Invalid(violations) => return Ok(catalogue::form_errors(&violations)),
        ServiceError::Overlap(other) => {
            errors.add("start_date", format!("Chevauche l’absence {}.", named(&other)));
        }
        ServiceError::Taken { .. } => errors.add("start_date", "Chevauche une autre absence de cet agent."),
        ServiceError::State("archived") => {
            errors.add("", "Cet agent a quitté le ministère : sa fiche est archivée.");
        }
        ServiceError::State("cancelled") => errors.add("", "Cette absence a été annulée entre-temps."),
        other => return Err(other.into()),
    }
    Ok(errors)
}

pub(super) async fn record(visit: Visit, fields: FormFields) -> Result<Response, Problem> {
    let agent: PersonnelId = fields.single("personnel")?.parse().map_err(|_| {
        Problem::invalid().field(
            "personnel_id",
            "unknown",
            catalogue::rule_message(&Rule::Required),
        )
    })?;
    let input = input_of(&fields)?;
    match visit
        .state
        .services
        .absences
        .record(&visit.actor, agent, &input)
        .await
    {
        Ok(absence) => Ok(visit.go(&format!("/rh/absences/{}?note=absence-created", absence.id))),
        Err(error) => {
            let errors = refusal(error)?;
            show_with(
                StatusCode::UNPROCESSABLE_ENTITY,
                &form_page(&visit, agent, None, &input, &errors).await?,
            )
        }
    }
}

pub(super) async fn edit_form(
    visit: Visit,
    PathId(id): PathId<AbsenceId>,
    QueryParams(asked): QueryParams<AbsenceQuery>,
) -> Result<Response, Problem> {
    let (absence, agent) = visit.state.services.absences.get(&visit.actor, id).await?;
    if absence.cancelled_at.is_some() {
        return Ok(visit.go(&format!("/rh/absences/{id}")));
    }
    let input = if asked.count.is_some() {
        asked.input()
    } else {
        input_from(&absence)
    };
    show(
        &form_page(
            &visit,
            agent.id,
            Some((id, absence.version)),
            &input,
            &FormErrors::new(),
        )
        .await?,
    )
}

pub(super) fn version_of(fields: &FormFields) -> Result<i64, Problem> {
    fields
        .single("version")?
        .parse()
        .map_err(|_| Problem::unreadable("La version manque."))
}

pub(super) async fn correct(
    visit: Visit,
    PathId(id): PathId<AbsenceId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version = version_of(&fields)?;
    let input = input_of(&fields)?;
    match visit
        .state
        .services
        .absences
        .correct(&visit.actor, id, version, &input)
        .await
    {
        Ok(_) => Ok(visit.go(&format!("/rh/absences/{id}?note=absence-updated"))),
        Err(error) => {
            let errors = refusal(error)?;
            let (absence, _) = visit.state.services.absences.get(&visit.actor, id).await?;
            let page = form_page(&visit, absence.personnel, Some((id, version)), &input, &errors).await?;
            show_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use mppeep_core::domain::calendar::{Holiday, Period, WeekPattern};
    use mppeep_core::domain::id::HolidayId;

    #[test]
    fn a_preview_shows_the_three_counts_and_the_holidays() {
        let ascension = Holiday {
            id: HolidayId::from_uuid(uuid::Uuid::nil()),
            date: date(2026, 5, 14),
            label: "Ascension".to_owned(),
            estimated: false,
        };
        let period = Period::days(date(2026, 5, 11), date(2026, 5, 16)).unwrap();
        let counted = mppeep_core::domain::calendar::Counted::of(
            period,
            &[ascension.date].into(),
            &WeekPattern::default(),
        );
        let preview = AbsencePreview {
            counted,
            half_days: counted.worked,
            holidays: vec![ascension],
        };
        let shown = Preview {
            counted: Some(Counted::of(&preview, CountingMode::Worked)),
            ..Preview::default()
        };
        let html = shown.to_string();
        for text in [
            "6 jours",
            "5 jours",
            "4 jours",
            "14/05/2026 – Ascension",
            "ouvrés",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
    }

    #[test]
    fn a_refusal_names_the_other_absence() {
        let nothing = refusal(ServiceError::State("archived")).unwrap();
        assert!(nothing.get("").is_some_and(|text| text.contains("archivée")));
        assert!(refusal(ServiceError::Stale).is_err());
    }
}
