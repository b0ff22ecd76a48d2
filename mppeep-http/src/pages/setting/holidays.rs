//! Public holidays: they move, and absences are counted again when they do.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use jiff::civil::Date;
use mppeep_core::domain::id::HolidayId;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::services::ServiceError;
use mppeep_core::services::holidays::{HolidayEffect, HolidayInput};
use serde::Deserialize;

use super::{HOLIDAYS, tabs};
use crate::catalogue;
use crate::extract::{FormFields, PathId, QueryParams};
use crate::pages::frame::Frame;
use crate::pages::ui::{ErrorSummary, Field, FormErrors, Tabs, Tone};
use crate::pages::visit::{Visit, show, show_with};
use crate::problem::Problem;

const PATH: &str = "/admin/parametres/feries";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HolidayQuery {
    year: Option<String>,
    note: Option<String>,
    absences: Option<String>,
    half_days: Option<String>,
    added: Option<String>,
}

#[derive(Template)]
#[template(path = "setting/holidays.html")]
struct HolidaysPage {
    frame: Frame,
    tabs: Tabs,
    year: i16,
    previous: String,
    next: String,
    may_write: bool,
    lines: Vec<Line>,
    /// The holiday that is changed; none when one is added.
    edited: Option<HolidayId>,
    errors: ErrorSummary,
    fields: Vec<Field>,
    action: String,
}

struct Line {
    id: HolidayId,
    selected: bool,
    date: String,
    day: &'static str,
    label: String,
    estimated: bool,
}

/// What a change did to absences, in words.
fn effect_in_words(absences: u32, half_days: i64) -> String {
    if absences == 0 {
        return "Aucune absence enregistrée n’est concernée.".to_owned();
    }
    let count = catalogue::plural(u64::from(absences), "absence recomptée", "absences recomptées");
    match half_days {
        0 => format!("{count}."),
        returned if returned > 0 => {
            format!("{count} : {} rendus aux agents.", catalogue::half_days(returned))
        }
        taken => format!(
            "{count} : {} décomptés en plus.",
            catalogue::half_days(taken.saturating_neg())
        ),
    }
}

fn year_of(text: Option<&str>, today: Date) -> i16 {
    text.and_then(|text| text.parse().ok())
        .filter(|year| (1960..=2200).contains(year))
        .unwrap_or(today.year())
}

fn fields_of(input: &HolidayInput, errors: &FormErrors) -> Vec<Field> {
    vec![
        Field::date("date", "Date")
            .required()
            .width("w4")
            .value(&input.date)
            .errors(errors),
        Field::text("label", "Libellé")
            .required()
            .width("w8")
            .value(&input.label)
            .attribute("maxlength", "80")
            .errors(errors),
        Field::checkbox("estimated", "Date estimée, à confirmer", input.estimated).wide(),
    ]
}

fn input_of(fields: &FormFields) -> Result<HolidayInput, Problem> {
    Ok(HolidayInput {
        date: fields.single("date")?.to_owned(),
        label: fields.single("label")?.to_owned(),
        estimated: !fields.single("estimated")?.is_empty(),
    })
}

async fn page(
    visit: &Visit,
    year: i16,
    edited: Option<HolidayId>,
    input: &HolidayInput,
    errors: &FormErrors,
) -> Result<HolidaysPage, Problem> {
    let (first, last) = bounds(year)?;
    let holidays = visit.state.services.holidays.between(first, last).await?;
    let fields = fields_of(input, errors);
    let action = match edited {
        Some(id) => visit.url(&format!("{PATH}/{id}")),
        None => visit.url(PATH),
    };
    Ok(HolidaysPage {
        frame: visit
            .frame("Jours fériés")
            .under("Paramètres", "/admin/parametres")
            .here("Jours fériés"),
        tabs: tabs(visit, HOLIDAYS),
        year,
        previous: visit.url(&format!("{PATH}?year={}", year - 1)),
        next: visit.url(&format!("{PATH}?year={}", year + 1)),
        may_write: visit.may(Resource::Setting, Action::Write),
        lines: holidays
            .into_iter()
            .map(|holiday| Line {
                id: holiday.id,
                selected: edited == Some(holiday.id),
                date: catalogue::date(holiday.date),
                day: catalogue::weekday(holiday.date.weekday()),
                label: holiday.label,
                estimated: holiday.estimated,
            })
            .collect(),
        edited,
        errors: ErrorSummary::of_fields(&fields),
        fields,
        action,
    })
}

fn bounds(year: i16) -> Result<(Date, Date), Problem> {
    match (Date::new(year, 1, 1), Date::new(year, 12, 31)) {
        (Ok(first), Ok(last)) => Ok((first, last)),
        _ => Err(Problem::not_found()),
    }
}

pub(super) async fn show_holidays(
    visit: Visit,
    QueryParams(asked): QueryParams<HolidayQuery>,
) -> Result<Response, Problem> {
    let year = year_of(asked.year.as_deref(), visit.today);
    let mut page = page(&visit, year, None, &HolidayInput::default(), &FormErrors::new()).await?;
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<i64>().ok());
    page.frame = match asked.note.as_deref() {
        Some("added") => {
            let added = u64::try_from(number(&asked.added).unwrap_or(0)).unwrap_or(0);
            let text = match added {
                0 => "Tous les jours fériés connus de cette année étaient déjà enregistrés.".to_owned(),
                count => format!(
                    "{} : vérifiez les dates estimées.",
                    catalogue::plural(count, "jour férié ajouté", "jours fériés ajoutés")
                ),
            };
            page.frame.say(Tone::Success, text)
        }
        Some(note @ ("saved" | "deleted")) => {
            let done = if note == "saved" {
                "Le jour férié est enregistré."
            } else {
                "Le jour férié est supprimé."
            };
            let absences = number(&asked.absences)
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(0);
            let effect = effect_in_words(absences, number(&asked.half_days).unwrap_or(0));
            page.frame.say(Tone::Success, format!("{done} {effect}"))
        }
        _ => page.frame,
    };
    show(&page)
}

pub(super) async fn edit_form(visit: Visit, PathId(id): PathId<HolidayId>) -> Result<Response, Problem> {
    let input = find(&visit, id).await?;
    let year = year_of(input.date.get(..4), visit.today);
    show(&page(&visit, year, Some(id), &input, &FormErrors::new()).await?)
}

/// The holiday of an identifier, which is looked for in the years one may set.
async fn find(visit: &Visit, id: HolidayId) -> Result<HolidayInput, Problem> {
    let (first, last) = (bounds(1960)?.0, bounds(2200)?.1);
    let holidays = visit.state.services.holidays.between(first, last).await?;
    let holiday = holidays
        .into_iter()
        .find(|holiday| holiday.id == id)
        .ok_or_else(Problem::not_found)?;
    Ok(HolidayInput {
        date: holiday.date.to_string(),
        label: holiday.label,
        estimated: holiday.estimated,
    })
}

/// To the list, with what was done.
fn done(visit: &Visit, date: &str, note: &str, effect: HolidayEffect) -> Response {
    let year = year_of(date.get(..4), visit.today);
    let HolidayEffect {
        absences,
        half_days_returned,
    } = effect;
    visit.go(&format!(
        "{PATH}?year={year}&note={note}&absences={absences}&half_days={half_days_returned}"
    ))
}

fn refusal(error: ServiceError) -> Result<FormErrors, Problem> {
    match error {
        ServiceError::Invalid(violations) => Ok(catalogue::form_errors(&violations)),
        ServiceError::Taken { .. } => {
            let mut errors = FormErrors::new();
            errors.add("date", "Ce jour est déjà férié.");
            Ok(errors)
        }
        other => Err(other.into()),
    }
}

pub(super) async fn add(visit: Visit, fields: FormFields) -> Result<Response, Problem> {
    let input = input_of(&fields)?;
    match visit.state.services.holidays.add(&visit.actor, &input).await {
        Ok(effect) => Ok(done(&visit, &input.date, "saved", effect)),
        Err(error) => {
            let errors = refusal(error)?;
            let year = year_of(input.date.get(..4), visit.today);
            show_with(
                StatusCode::UNPROCESSABLE_ENTITY,
                &page(&visit, year, None, &input, &errors).await?,
            )
        }
    }
}

pub(super) async fn update(
    visit: Visit,
    PathId(id): PathId<HolidayId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let input = input_of(&fields)?;
    match visit
        .state
        .services
        .holidays
        .update(&visit.actor, id, &input)
        .await
    {
        Ok(effect) => Ok(done(&visit, &input.date, "saved", effect)),
        Err(error) => {
            let errors = refusal(error)?;
            let year = year_of(input.date.get(..4), visit.today);
            show_with(
                StatusCode::UNPROCESSABLE_ENTITY,
                &page(&visit, year, Some(id), &input, &errors).await?,
            )
        }
    }
}

pub(super) async fn remove(visit: Visit, PathId(id): PathId<HolidayId>) -> Result<Response, Problem> {
    let input = find(&visit, id).await?;
    let effect = visit.state.services.holidays.remove(&visit.actor, id).await?;
    Ok(done(&visit, &input.date, "deleted", effect))
}

pub(super) async fn add_known(visit: Visit, fields: FormFields) -> Result<Response, Problem> {
    let year = year_of(Some(fields.single("year")?), visit.today);
    let added = visit
        .state
        .services
        .holidays
        .add_known(&visit.actor, year)
        .await?;
    Ok(visit.go(&format!("{PATH}?year={year}&note=added&added={added}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_effect_is_told() {
        assert_eq!(
            effect_in_words(0, 0),
            "Aucune absence enregistrée n’est concernée."
        );
        assert_eq!(
            effect_in_words(14, 28),
            "14 absences recomptées : 14 jours rendus aux agents."
        );
        assert_eq!(
            effect_in_words(2, -4),
            "2 absences recomptées : 2 jours décomptés en plus."
        );
    }

    #[test]
    fn years_are_bounded() {
        let today = date(2026, 11, 22);
        assert_eq!(year_of(Some("2027"), today), 2027);
        for text in [None, Some("1"), Some("99999"), Some("-5"), Some("x")] {
            assert_eq!(year_of(text, today), 2026);
        }
    }
}
