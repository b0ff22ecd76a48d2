//! How much the site is used: the journal's tab « Fréquentation ».

use askama::Template;
use axum::response::Response;
use jiff::civil::Date;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::services::traffic::Traffic;

use super::charts::{BarList, Column, Columns, Datum};
use super::frame::Frame;
use super::ui::Kpi;
use super::visit::{Visit, show};
use crate::catalogue;
use crate::problem::Problem;
use crate::routes::{RouteTable, get};

/// Days that the chart shows: as many as have room on a telephone.
const CHART_DAYS: usize = 14;

/// Days that « sur sept jours » sums up.
const WEEK: usize = 7;

pub(super) fn routes() -> RouteTable {
    RouteTable::pages().route(
        "/journal/frequentation",
        get(lately).needs(Resource::Journal, Action::Read),
    )
}

#[derive(Template)]
#[template(path = "traffic/traffic.html")]
struct TrafficPage {
    frame: Frame,
    figures: Vec<Kpi>,
    days: Columns,
    pages: BarList,
    users: BarList,
}

async fn lately(visit: Visit) -> Result<Response, Problem> {
    let traffic = visit.state.services.traffic.lately(&visit.actor).await?;
    let sum = |days: &[(Date, i64)], last: usize| {
        let counts = days.iter().rev().take(last).map(|(_, count)| *count);
        u64::try_from(counts.sum::<i64>()).unwrap_or(0)
    };
    show(&TrafficPage {
        figures: vec![
            Kpi::count("Pages vues aujourd’hui", sum(&traffic.pages_by_day, 1)),
            Kpi::count("Pages vues sur sept jours", sum(&traffic.pages_by_day, WEEK)),
            Kpi::count("Modifications aujourd’hui", sum(&traffic.actions_by_day, 1)),
            Kpi::count("Modifications sur sept jours", sum(&traffic.actions_by_day, WEEK)),
        ],
        days: by_day(&traffic),
        pages: bars(
            "Page",
            traffic
                .top_pages
                .iter()
                .map(|(route, count)| (page_name(route), *count)),
        ),
        users: bars("Utilisateur", traffic.top_users.iter().cloned()),
        frame: visit
            .frame("Fréquentation")
            .under("Journal d’activité", "/journal")
            .here("Fréquentation"),
    })
}

fn by_day(traffic: &Traffic) -> Columns {
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    let columns = traffic
        .pages_by_day
        .iter()
        .zip(&traffic.actions_by_day)
        .skip(traffic.pages_by_day.len().saturating_sub(CHART_DAYS))
        .map(|((day, pages), (_, actions))| Column {
            label: day.day().to_string(),
            title: catalogue::date_long(*day),
            values: vec![count(*pages), count(*actions)],
            url: None,
        })
        .collect();
    Columns {
        heading: "Jour".to_owned(),
        series: vec!["Pages vues".to_owned(), "Modifications".to_owned()],
        columns,
        grouped: true,
    }
}

fn bars(heading: &str, counted: impl Iterator<Item = (String, i64)>) -> BarList {
    BarList {
        heading: heading.to_owned(),
        items: counted
            .map(|(label, count)| Datum::new(label, u64::try_from(count).ok(), None))
            .collect(),
        narrow: false,
        colour: "s1",
    }
}

/// What a page is called, by its route; the route itself where it has no better name.
fn page_name(route: &str) -> String {
    let name = match route {
        "/accueil" => "Accueil",
        "/dashboard" => "Tableau de bord",
        "/personnel" => "Personnel",
        "/personnel/{id}" => "Fiche d’un agent",
        "/organigramme" => "Organigramme",
        "/rh" => "Congés et absences",
        "/rh/absences" => "Liste des absences",
        "/rh/calendrier" => "Calendrier des absences",
        "/evaluations" => "Évaluations",
        "/paie" => "Paie",
        "/paie/{month}" => "Bulletins d’un mois",
        "/paie/bulletins/{id}" => "Bulletin de solde",
        "/journal" => "Journal d’activité",
        "/journal/frequentation" => "Fréquentation",
        "/profil" => "Mon profil",
        "/avis" => "Mes avis",
        "/login" => "Connexion",
        "/mot-de-passe/oublie" => "Mot de passe oublié",
        "/mot-de-passe/choisir" => "Choix d’un mot de passe",
        "/admin/utilisateurs" => "Utilisateurs",
        "/admin/utilisateurs/{id}" => "Compte d’un utilisateur",
        "/admin/files" => "Files d’attente et courriels",
        "/admin/parametres" => "Paramètres",
        "/admin/parametres/{section}" => "Paramètres d’une section",
        other => return other.to_owned(),
    };
    name.to_owned()
}
