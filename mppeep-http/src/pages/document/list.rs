//! The list of documents, and who lacks which.

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::document::{DocumentKind, DocumentState};
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::text;
use mppeep_core::ports::document::DocumentFilter;
use mppeep_core::ports::page::PageRequest;
use serde::Deserialize;

use super::{PATH, Row, kinds};
use crate::catalogue::{self, Label};
use crate::extract::QueryParams;
use crate::pages::frame::Frame;
use crate::pages::office::{Paging, given, unit_choices, unit_of};
use crate::pages::ui::{Chip, Chips, EmptyState, Field, Pager, Query, Tab, Tabs};
use crate::pages::visit::{Visit, show};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    vue: Option<String>,
    q: Option<String>,
    unit: Option<String>,
    kind: Option<String>,
    state: Option<String>,
    size: Option<String>,
    start: Option<String>,
    cursor: Option<String>,
    note: Option<String>,
}

/// A way to look at the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    All,
    ToCheck,
    Expiring,
    Missing,
}

impl View {
    const fn code(self) -> &'static str {
        match self {
            Self::All => "",
            Self::ToCheck => "a-verifier",
            Self::Expiring => "echeances",
            Self::Missing => "manquants",
        }
    }

    fn read(text: Option<&str>, sees_all: bool) -> Self {
        [Self::ToCheck, Self::Expiring, Self::Missing]
            .into_iter()
            .find(|view| Some(view.code()) == text)
            .filter(|view| sees_all || *view != Self::Missing)
            .unwrap_or(Self::All)
    }
}

/// An agent whose file lacks documents.
struct MissingRow {
    agent: String,
    url: String,
    matricule: String,
    department: String,
    missing: Vec<&'static str>,
}

#[derive(Template)]
#[template(path = "document/list.html")]
struct ListPage {
    frame: Frame,
    tabs: Tabs,
    view: &'static str,
    words: String,
    filters: Vec<Field>,
    chips: Chips,
    rows: Vec<Row>,
    missing: Vec<MissingRow>,
    is_missing: bool,
    pager: Pager,
    empty: Option<EmptyState>,
    own_url: Option<String>,
    action: String,
}

async fn count(visit: &Visit, filter: DocumentFilter) -> Result<u64, Problem> {
    let service = &visit.state.services.documents;
    let page = service.list(&visit.actor, filter, &PageRequest::first(1)).await?;
    Ok(page.total)
}

fn of_view(visit: &Visit, view: View) -> DocumentFilter {
    let days = i64::from(visit.settings.files.expiry_notice_days);
    DocumentFilter {
        state: (view == View::ToCheck).then_some(DocumentState::ToCheck),
        expires_until: (view == View::Expiring)
            .then(|| visit.today.saturating_add(jiff::Span::new().days(days))),
        ..DocumentFilter::default()
    }
}

async fn tabs(visit: &Visit, present: View, sees_all: bool) -> Result<Tabs, Problem> {
    let days = visit.settings.files.expiry_notice_days;
    let mut tabs = Vec::new();
    for (view, label) in [
        (View::All, "Tous".to_owned()),
        (View::ToCheck, "À vérifier".to_owned()),
        (View::Expiring, format!("Expirent sous {days} jours")),
    ] {
        tabs.push(Tab {
            label,
            url: Query::new().and("vue", view.code()).url(&visit.url(PATH)),
            current: view == present,
            count: Some(count(visit, of_view(visit, view)).await?),
        });
    }
    if sees_all {
        let missing = visit
            .state
            .services
            .documents
            .missing(&visit.actor, DocumentFilter::default(), &PageRequest::first(1))
            .await?;
        tabs.push(Tab {
            label: "Pièces manquantes".to_owned(),
            url: Query::new()
                .and("vue", View::Missing.code())
                .url(&visit.url(PATH)),
            current: present == View::Missing,
            count: Some(missing.total),
        });
    }
    Ok(Tabs {
        label: "Vues des documents".to_owned(),
        tabs,
    })
}

pub(super) async fn show_list(
    visit: Visit,
    QueryParams(asked): QueryParams<ListQuery>,
) -> Result<Response, Problem> {
    let organisation = visit.state.services.organisation.names().await?;
    let sees_all = visit.may_all(Resource::Document, Action::Read);
    let view = View::read(asked.vue.as_deref(), sees_all);
    let path = visit.url(PATH);
    let words = given(asked.q.as_ref());
    let unit = unit_of(asked.unit.as_deref(), &organisation);
    let kind = asked
        .kind
        .as_deref()
        .and_then(DocumentKind::by_code)
        .filter(|_| view != View::Missing);
    let state = asked
        .state
        .as_deref()
        .and_then(DocumentState::by_code)
        .filter(|_| matches!(view, View::All | View::Expiring));
    let query = Query::new()
        .and("vue", view.code())
        .and("q", words.unwrap_or_default())
        .and("unit", unit.map(|unit| unit.to_string()).unwrap_or_default())
        .and("kind", kind.map(DocumentKind::code).unwrap_or_default())
        .and("state", state.map(DocumentState::code).unwrap_or_default());
    let mut chips = Vec::new();
    let mut chip = |label: String, name: &str| {
        chips.push(Chip {
            label,
            remove: query.without(name).url(&path),
        });
    };
    if let Some(words) = words {
        chip(format!("Recherche : {words}"), "q");
    }
    if let Some(fields) = unit.and_then(|unit| organisation.unit(unit)) {
        chip(format!("Unité : {}", fields.name), "unit");
    }
    if let Some(kind) = kind {
        chip(format!("Type : {}", kind.label()), "kind");
    }
    if let Some(state) = state {
        chip(format!("État : {}", state.label()), "state");
    }
    let base = of_view(&visit, view);
    let filter = DocumentFilter {
        unit,
        kind,
        state: base.state.or(state),
        words: text::search_words(words.unwrap_or_default()),
        ..base
    };
    let paging = Paging::read(
        asked.size.as_deref(),
        asked.start.as_deref(),
        asked.cursor.as_deref(),
    );
    let service = &visit.state.services.documents;
    let (rows, missing, total, next) = if view == View::Missing {
        let page = service.missing(&visit.actor, filter, &paging.request()).await?;
        let rows = page.rows.iter().map(|row| MissingRow {
            agent: row.full_name.clone(),
            url: visit.url(&format!("/personnel/{}?onglet=documents", row.personnel)),
            matricule: row.matricule.clone(),
            department: row
                .department_name
                .clone()
                .unwrap_or_else(|| "Sans affectation".to_owned()),
            missing: row.missing.iter().map(|kind| kind.label()).collect(),
        });
        (Vec::new(), rows.collect::<Vec<_>>(), page.total, page.next)
    } else {
        let page = service.list(&visit.actor, filter, &paging.request()).await?;
        let rows = page.rows.iter().map(|row| Row::of(&visit, row));
        (rows.collect::<Vec<_>>(), Vec::new(), page.total, page.next)
    };
    let shown = rows.len() + missing.len();
    let nouns = if view == View::Missing {
        ("dossier incomplet", "dossiers incomplets")
    } else {
        ("document", "documents")
    };
    let pager = paging.pager(&query, &path, shown, total, next.as_ref(), nouns);
    let own_url = visit
        .actor
        .personnel
        .map(|id| visit.url(&format!("/personnel/{id}?onglet=documents")));
    let mut filters = Vec::new();
    let scope = visit.actor.scope(Resource::Document, Action::Read);
    let units = unit_choices(&organisation, &scope);
    let value = |name: &str| {
        let found = query.pairs().iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    if units.len() > 1 {
        filters.push(Field::select("unit", "Unité", Some("Toutes"), units).value(value("unit")));
    }
    if view != View::Missing {
        filters.push(Field::select("kind", "Type", Some("Tous"), kinds()).value(value("kind")));
    }
    if matches!(view, View::All | View::Expiring) {
        let states = catalogue::choices(DocumentState::ALL, DocumentState::code);
        filters.push(Field::select("state", "État", Some("Tous"), states).value(value("state")));
    }
    show(&ListPage {
        frame: visit
            .frame("Documents")
            .under("Accueil", "/accueil")
            .here("Documents")
            .note(asked.note.as_deref()),
        tabs: tabs(&visit, view, sees_all).await?,
        view: view.code(),
        words: words.unwrap_or_default().to_owned(),
        filters,
        empty: (shown == 0).then(|| empty(view, chips.is_empty(), own_url.as_deref(), &path)),
        chips: Chips {
            chips,
            clear: Query::new().and("vue", view.code()).url(&path),
        },
        rows,
        missing,
        is_missing: view == View::Missing,
        pager,
        own_url,
        action: path,
    })
}

fn empty(view: View, unfiltered: bool, own_url: Option<&str>, path: &str) -> EmptyState {
    let (title, text) = match (view, unfiltered) {
        (_, false) => ("Aucun résultat", "Aucun document ne répond à ces critères."),
        (View::All, true) => (
            "Aucun document",
            "Les documents se déposent dans l’onglet « Documents » de la fiche d’un agent.",
        ),
        (View::ToCheck, true) => ("Rien à vérifier", "Tous les documents déposés ont été regardés."),
        (View::Expiring, true) => ("Aucune échéance proche", "Aucun document n’expire dans ce délai."),
        (View::Missing, true) => (
            "Tous les dossiers sont complets",
            "Chaque agent en service a les pièces obligatoires.",
        ),
    };
    let mut actions = Vec::new();
    if !unfiltered {
        actions.push((
            "Retirer les filtres".to_owned(),
            Query::new().and("vue", view.code()).url(path),
        ));
    } else if let (View::All, Some(url)) = (view, own_url) {
        actions.push(("Mes documents".to_owned(), url.to_owned()));
    }
    EmptyState {
        icon: "document",
        title: title.to_owned(),
        text: text.to_owned(),
        actions,
    }
}
