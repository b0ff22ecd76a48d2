//! The list of evaluations, and how their marks spread.

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::evaluation::{Appraisal, Mark};
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::settings::EvaluationSettings;
use mppeep_core::domain::text;
use mppeep_core::ports::evaluation::EvaluationFilter;
use mppeep_core::ports::page::PageRequest;
use serde::Deserialize;

use super::Row;
use crate::catalogue::{self, Label};
use crate::extract::QueryParams;
use crate::pages::charts::{BarList, Datum};
use crate::pages::frame::Frame;
use crate::pages::office::{AgentBrief, Paging, given, unit_choices, unit_of};
use crate::pages::ui::{Chip, Chips, Choice, EmptyState, Field, Pager, Query};
use crate::pages::visit::{Visit, show};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    q: Option<String>,
    unit: Option<String>,
    year: Option<String>,
    mark_from: Option<String>,
    mark_to: Option<String>,
    unfinished: Option<String>,
    personnel: Option<String>,
    size: Option<String>,
    start: Option<String>,
    cursor: Option<String>,
    note: Option<String>,
}

#[derive(Template)]
#[template(path = "evaluation/list.html")]
struct ListPage {
    frame: Frame,
    lead: String,
    may_write: bool,
    new_url: String,
    agent: Option<AgentBrief>,
    words: String,
    filters: Vec<Field>,
    more: Vec<Field>,
    more_open: bool,
    chips: Chips,
    rows: Vec<Row>,
    pager: Pager,
    empty: Option<EmptyState>,
    spread: Option<BarList>,
}

pub(super) async fn show_list(
    visit: Visit,
    QueryParams(asked): QueryParams<ListQuery>,
) -> Result<Response, Problem> {
    let organisation = visit.state.services.organisation.names().await?;
    let path = visit.url("/evaluations");
    let agent = match asked
        .personnel
        .as_deref()
        .and_then(|id| id.parse::<PersonnelId>().ok())
    {
        Some(id) => Some(AgentBrief::load(&visit, id).await?),
        None => None,
    };
    let words = given(asked.q.as_ref());
    let unit = unit_of(asked.unit.as_deref(), &organisation);
    let this_year = visit.today.year();
    let year = given(asked.year.as_ref())
        .and_then(|year| year.parse::<i16>().ok())
        .filter(|year| (1960..=this_year).contains(year));
    let mark = |text: Option<&String>| given(text).and_then(|text| Mark::parse(text).ok());
    let (mark_from, mark_to) = (mark(asked.mark_from.as_ref()), mark(asked.mark_to.as_ref()));
    let unfinished = asked.unfinished.is_some();
    let short = |mark: Mark| catalogue::hundredths_short(i64::from(mark.hundredths()));

    let query = Query::new()
        .and(
            "personnel",
            agent
                .as_ref()
                .map(|agent| agent.id.to_string())
                .unwrap_or_default(),
        )
        .and("q", words.unwrap_or_default())
        .and("unit", unit.map(|unit| unit.to_string()).unwrap_or_default())
        .and("year", year.map(|year| year.to_string()).unwrap_or_default())
        .and("mark_from", mark_from.map(short).unwrap_or_default())
        .and("mark_to", mark_to.map(short).unwrap_or_default())
        .and("unfinished", if unfinished { "1" } else { "" });
    let value = |name: &str| {
        query
            .pairs()
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };

    let mut chips = Vec::new();
    let mut chip = |label: String, name: &str| {
        chips.push(Chip {
            label,
            remove: query.without(name).url(&path),
        })
    };
    if let Some(agent) = &agent {
        chip(format!("Agent : {}", agent.name), "personnel");
    }
    if let Some(words) = words {
        chip(format!("Recherche : {words}"), "q");
    }
    if let Some(year) = year {
        chip(format!("Année : {year}"), "year");
    }
    if let Some(fields) = unit.and_then(|unit| organisation.unit(unit)) {
        chip(format!("Unité : {}", fields.name), "unit");
    }
    if let Some(mark) = mark_from {
        chip(format!("Note finale : {} ou plus", short(mark)), "mark_from");
    }
    if let Some(mark) = mark_to {
        chip(format!("Note finale : {} ou moins", short(mark)), "mark_to");
    }
    if unfinished {
        chip("Notes à compléter".to_owned(), "unfinished");
    }

    let filter = EvaluationFilter {
        personnel: agent.as_ref().map(|agent| agent.id),
        unit,
        year,
        mark_from: mark_from.map(Mark::hundredths),
        mark_to: mark_to.map(Mark::hundredths),
        words: text::search_words(words.unwrap_or_default()),
        unfinished,
        ..EvaluationFilter::default()
    };
    let paging = Paging::read(
        asked.size.as_deref(),
        asked.start.as_deref(),
        asked.cursor.as_deref(),
    );
    let page = visit
        .state
        .services
        .evaluations
        .list(&visit.actor, filter.clone(), &paging.request())
        .await?;
    let spread = if agent.is_none() && page.total > 1 {
        Some(spread(&visit, &filter, &query, &path).await?)
    } else {
        None
    };
    let own = agent.as_ref().is_some_and(|agent| visit.is_own(agent.id));
    let may_write = visit.may(Resource::Evaluation, Action::Write) && !own;
    let scope = visit.actor.scope(Resource::Evaluation, Action::Read);
    let new_url = match &agent {
        Some(agent) => visit.url(&format!("/evaluations/nouvelle?personnel={}", agent.id)),
        None => visit.url("/evaluations/nouvelle"),
    };
    let empty = page
        .rows
        .is_empty()
        .then(|| empty(chips.is_empty(), may_write, &new_url, &path));
    let years = (0..10)
        .map(|back| Choice::new((this_year - back).to_string(), (this_year - back).to_string()))
        .collect();
    let mut filters = vec![Field::select("year", "Année", Some("Toutes"), years).value(value("year"))];
    let units = unit_choices(&organisation, &scope);
    if units.len() > 1 {
        filters.push(Field::select("unit", "Unité", Some("Toutes"), units).value(value("unit")));
    }
    let mark_field = |name, label| {
        Field::text(name, label)
            .suffix("/20")
            .attribute("inputmode", "decimal")
            .attribute("maxlength", "5")
    };
    let more = vec![
        mark_field("mark_from", "Note finale d’au moins").value(value("mark_from")),
        mark_field("mark_to", "Note finale d’au plus").value(value("mark_to")),
        Field::checkbox("unfinished", "Seulement les notes à compléter", unfinished),
    ];
    let pager = paging.pager(
        &query,
        &path,
        page.rows.len(),
        page.total,
        page.next.as_ref(),
        ("évaluation", "évaluations"),
    );
    show(&ListPage {
        frame: visit.frame("Évaluations").note(asked.note.as_deref()),
        lead: agent
            .as_ref()
            .map(|agent| format!("{} · {}", agent.name, agent.matricule))
            .unwrap_or_default(),
        may_write,
        new_url,
        agent,
        words: value("q"),
        filters,
        more_open: mark_from.is_some() || mark_to.is_some() || unfinished,
        more,
        chips: Chips {
            chips,
            clear: path.clone(),
        },
        rows: page.rows.iter().map(|row| Row::of(&visit, row)).collect(),
        pager,
        empty,
        spread,
    })
}

/// The marks of each appraisal, in hundredths, the best first.
fn bands(settings: &EvaluationSettings) -> [(Appraisal, u16, u16); 5] {
    let from = |whole: u8| u16::from(whole) * 100;
    let below = |whole: u8| from(whole).saturating_sub(1);
    [
        (
            Appraisal::Excellent,
            from(settings.excellent_from),
            Mark::MAX.hundredths(),
        ),
        (
            Appraisal::VeryGood,
            from(settings.very_good_from),
            below(settings.excellent_from),
        ),
        (
            Appraisal::Good,
            from(settings.good_from),
            below(settings.very_good_from),
        ),
        (
            Appraisal::Fair,
            from(settings.fair_from),
            below(settings.good_from),
        ),
        (Appraisal::Insufficient, 0, below(settings.fair_from)),
    ]
}

/// How many of the listed evaluations have each appraisal; a bar leads to them.
async fn spread(
    visit: &Visit,
    filter: &EvaluationFilter,
    query: &Query,
    path: &str,
) -> Result<BarList, Problem> {
    let mut items = Vec::new();
    for (appraisal, from, to) in bands(&visit.settings.evaluations) {
        let narrower = EvaluationFilter {
            mark_from: Some(filter.mark_from.map_or(from, |asked| asked.max(from))),
            mark_to: Some(filter.mark_to.map_or(to, |asked| asked.min(to))),
            ..filter.clone()
        };
        let page = visit
            .state
            .services
            .evaluations
            .list(&visit.actor, narrower, &PageRequest::total_only())
            .await?;
        let mark = |hundredths: u16| catalogue::hundredths_short(i64::from(hundredths));
        let url = query
            .set("mark_from", mark(from))
            .set("mark_to", mark(to))
            .url(path);
        items.push(Datum::new(appraisal.label(), Some(page.total), Some(url)));
    }
    Ok(BarList {
        heading: "Appréciation".to_owned(),
        items,
        narrow: false,
        colour: "s1",
    })
}

fn empty(unfiltered: bool, may_write: bool, new_url: &str, path: &str) -> EmptyState {
    let mut actions = Vec::new();
    if may_write {
        actions.push(("Enregistrer une évaluation".to_owned(), new_url.to_owned()));
    }
    if !unfiltered {
        actions.push(("Retirer les filtres".to_owned(), path.to_owned()));
    }
    let text = if unfiltered {
        "Aucune évaluation n’est encore enregistrée."
    } else {
        "Aucune évaluation ne répond à ces critères."
    };
    EmptyState {
        icon: "star",
        title: "Aucune évaluation".to_owned(),
        text: text.to_owned(),
        actions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mppeep_core::domain::evaluation::appraise;

    #[test]
    fn every_mark_falls_into_one_band_of_its_appraisal() {
        let settings = EvaluationSettings::default();
        for hundredths in 0..=Mark::MAX.hundredths() {
            let mark = Mark::from_hundredths(hundredths).unwrap();
            let found: Vec<Appraisal> = bands(&settings)
                .into_iter()
                .filter(|(_, from, to)| (*from..=*to).contains(&hundredths))
                .map(|(appraisal, _, _)| appraisal)
                .collect();
            assert_eq!(found, vec![appraise(mark, &settings)], "{hundredths}");
        }
    }
}
