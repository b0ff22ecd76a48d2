//! The list of absences.

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::absence::AbsenceType;
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::text;
use mppeep_core::ports::absence::AbsenceFilter;
use serde::Deserialize;

use super::Row;
use crate::catalogue::{self, Label};
use crate::extract::QueryParams;
use crate::pages::frame::Frame;
use crate::pages::office::{AgentBrief, Paging, day_of, given, unit_choices, unit_of};
use crate::pages::ui::{Chip, Chips, EmptyState, Field, Pager, Query};
use crate::pages::visit::{Visit, show};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    q: Option<String>,
    unit: Option<String>,
    kind: Option<String>,
    from: Option<String>,
    to: Option<String>,
    cancelled: Option<String>,
    personnel: Option<String>,
    size: Option<String>,
    start: Option<String>,
    cursor: Option<String>,
    note: Option<String>,
}

#[derive(Template)]
#[template(path = "absence/list.html")]
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
}

pub(super) async fn show_list(
    visit: Visit,
    QueryParams(asked): QueryParams<ListQuery>,
) -> Result<Response, Problem> {
    let organisation = visit.state.services.organisation.names().await?;
    let path = visit.url("/rh/absences");
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
    let kind = asked.kind.as_deref().and_then(AbsenceType::by_code);
    let (from, to) = (day_of(asked.from.as_deref()), day_of(asked.to.as_deref()));
    let with_cancelled = asked.cancelled.is_some();

    let text_of = |day: Option<jiff::civil::Date>| day.map(|day| day.to_string()).unwrap_or_default();
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
        .and("kind", kind.map(AbsenceType::code).unwrap_or_default())
        .and("from", text_of(from))
        .and("to", text_of(to))
        .and("cancelled", if with_cancelled { "1" } else { "" });

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
    if let Some(fields) = unit.and_then(|unit| organisation.unit(unit)) {
        chip(format!("Unité : {}", fields.name), "unit");
    }
    if let Some(kind) = kind {
        chip(format!("Type : {}", kind.label()), "kind");
    }
    if let Some(day) = from {
        chip(format!("À partir du {}", catalogue::date(day)), "from");
    }
    if let Some(day) = to {
        chip(format!("Jusqu’au {}", catalogue::date(day)), "to");
    }
    if with_cancelled {
        chip("Avec les annulées".to_owned(), "cancelled");
    }

    let filter = AbsenceFilter {
        personnel: agent.as_ref().map(|agent| agent.id),
        unit,
        kind,
        from,
        to,
        words: text::search_words(words.unwrap_or_default()),
        with_cancelled,
        ..AbsenceFilter::default()
    };
    let paging = Paging::read(
        asked.size.as_deref(),
        asked.start.as_deref(),
        asked.cursor.as_deref(),
    );
    let page = visit
        .state
        .services
        .absences
        .list(&visit.actor, filter, &paging.request())
        .await?;
    let may_write = visit.may_all(Resource::Absence, Action::Write);
    let scope = visit.actor.scope(Resource::Absence, Action::Read);
    let new_url = match &agent {
        Some(agent) => visit.url(&format!("/rh/absences/nouvelle?personnel={}", agent.id)),
        None => visit.url("/rh/absences/nouvelle"),
    };
    let empty = page
        .rows
        .is_empty()
        .then(|| empty(chips.is_empty(), may_write, &new_url, &path));
    let units = unit_choices(&organisation, &scope);
    let mut filters = Vec::new();
    if units.len() > 1 {
        filters
            .push(Field::select("unit", "Unité", Some("Toutes"), units).value(query_value(&query, "unit")));
    }
    let kinds = catalogue::choices(AbsenceType::ALL, AbsenceType::code);
    filters.push(Field::select("kind", "Type", Some("Tous"), kinds).value(query_value(&query, "kind")));
    let more = vec![
        Field::date("from", "Présente à partir du").value(query_value(&query, "from")),
        Field::date("to", "et jusqu’au").value(query_value(&query, "to")),
        Field::checkbox("cancelled", "Montrer aussi les annulées", with_cancelled),
    ];
    let pager = paging.pager(
        &query,
        &path,
        page.rows.len(),
        page.total,
        page.next.as_ref(),
        ("absence", "absences"),
    );
    show(&ListPage {
        frame: visit
            .frame("Absences")
            .under("Congés et absences", "/rh")
            .here("Absences")
            .note(asked.note.as_deref()),
        lead: agent
            .as_ref()
            .map(|agent| format!("{} · {}", agent.name, agent.matricule))
            .unwrap_or_default(),
        may_write,
        new_url,
        agent,
        words: query_value(&query, "q"),
        filters,
        more_open: from.is_some() || to.is_some() || with_cancelled,
        more,
        chips: Chips {
            chips,
            clear: path.clone(),
        },
        rows: page.rows.iter().map(|row| Row::of(&visit, row)).collect(),
        pager,
        empty,
    })
}

fn query_value(query: &Query, name: &str) -> String {
    query
        .pairs()
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.clone())
        .unwrap_or_default()
}

fn empty(unfiltered: bool, may_write: bool, new_url: &str, path: &str) -> EmptyState {
    let mut actions = Vec::new();
    if may_write {
        actions.push(("Enregistrer une absence".to_owned(), new_url.to_owned()));
    }
    if !unfiltered {
        actions.push(("Retirer les filtres".to_owned(), path.to_owned()));
    }
    EmptyState {
        icon: "calendar",
        title: "Aucune absence".to_owned(),
        text: if unfiltered {
            "Aucune absence n’est encore enregistrée.".to_owned()
        } else {
            "Aucune absence ne répond à ces critères.".to_owned()
        },
        actions,
    }
}
