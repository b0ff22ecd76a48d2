//! The first page: what matters to this reader today.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::Span;
use mppeep_core::domain::evaluation::appraise;
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::personnel::PersonnelField;
use mppeep_core::ports::absence::AbsenceFilter;
use mppeep_core::ports::activity::ActivityFilter;
use mppeep_core::ports::evaluation::EvaluationFilter;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::services::personnel::Reveal;
use serde::Deserialize;

use super::dashboard::View;
use super::frame::Frame;
use super::links::Links;
use super::personnel::columns;
use super::ui::{Badge, Fact, Facts, Kpi, Tone};
use super::visit::{Visit, show};
use crate::app::AppState;
use crate::catalogue::{self, Label};
use crate::extract::QueryParams;
use crate::problem::Problem;
use crate::routes::{RouteTable, get};

/// Lines of a card at most.
const LINES: u32 = 8;

pub(super) fn routes() -> RouteTable {
    RouteTable::pages().route("/accueil", get(home).session())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HomeParams {
    note: Option<String>,
}

/// A line of a card: who or what, a remark, a badge.
struct Line {
    title: String,
    url: Option<String>,
    text: String,
    badge: Option<Badge>,
}

/// A card with lines.
struct Card {
    title: &'static str,
    lines: Vec<Line>,
    nothing: &'static str,
    more: Option<(String, String)>,
}

struct Shortcut {
    icon: &'static str,
    label: &'static str,
    url: String,
}

#[derive(Template)]
#[template(path = "accueil/accueil.html")]
struct HomeTemplate {
    frame: Frame,
    hello: String,
    today: String,
    holiday: String,
    kpis: Vec<Kpi>,
    alerts: Vec<Line>,
    own: Option<(String, Facts)>,
    cards: Vec<Card>,
    shortcuts: Vec<Shortcut>,
}

async fn home(
    visit: Visit,
    State(state): State<AppState>,
    QueryParams(params): QueryParams<HomeParams>,
) -> Result<Response, Problem> {
    let units = state.services.organisation.names().await?;
    let (kpis, alerts) = figures(&visit, &state, &units).await?;
    let own = own_file(&visit, &state, &units).await?;
    let mut cards = Vec::new();
    cards.extend(own_absences(&visit, &state).await?);
    cards.extend(own_evaluations(&visit, &state).await?);
    cards.extend(absent_today(&visit, &state).await?);
    cards.extend(recent(&visit, &state).await?);
    let template = HomeTemplate {
        frame: visit.frame("Accueil").note(params.note.as_deref()),
        hello: hello(&visit, &state).await,
        today: catalogue::date_full(visit.today),
        holiday: next_holiday(&visit, &state).await?,
        kpis,
        alerts,
        own,
        cards,
        shortcuts: shortcuts(&visit),
    };
    show(&template)
}

/// « Bonjour » and the first given name of the file, else the name of the account.
async fn hello(visit: &Visit, state: &AppState) -> String {
    let file = match visit.actor.personnel {
        Some(id) => state
            .services
            .personnel
            .get(&visit.actor, id, Reveal::Hidden)
            .await
            .ok(),
        None => None,
    };
    let given = file
        .and_then(|agent| agent.get(PersonnelField::GivenNames))
        .and_then(|names| names.split_whitespace().next().map(str::to_owned));
    format!(
        "Bonjour {}",
        given.unwrap_or_else(|| visit.actor.display_name.clone())
    )
}

async fn next_holiday(visit: &Visit, state: &AppState) -> Result<String, Problem> {
    let until = visit.today.saturating_add(Span::new().months(6));
    let next = state
        .services
        .holidays
        .between(visit.today, until)
        .await?
        .into_iter()
        .next();
    Ok(next.map_or_else(String::new, |holiday| {
        let days = (holiday.date - visit.today).get_days();
        let when = match days {
            0 => "aujourd’hui".to_owned(),
            1 => "demain".to_owned(),
            days => format!("dans {days} jours"),
        };
        let estimated = if holiday.estimated { ", date estimée" } else { "" };
        format!(
            "{} : {} ({when}{estimated})",
            holiday.label,
            catalogue::date_full(holiday.date)
        )
    }))
}

/// Figures and alerts of those who read statistics.
async fn figures(
    visit: &Visit,
    state: &AppState,
    units: &Organisation,
) -> Result<(Vec<Kpi>, Vec<Line>), Problem> {
    if !visit.may(Resource::Statistics, Action::Read) {
        return Ok((Vec::new(), Vec::new()));
    }
    let board = state.services.dashboard.figures(&visit.actor, None, None).await?;
    let view = View {
        visit,
        board: &board,
        links: Links::new(visit.urls(), &visit.actor, None),
    };
    let mut kpis = view.headcount_kpis();
    kpis.push(view.retirement_kpi());
    kpis.extend(view.file_kpis());
    let mut alerts = Vec::new();
    let shown = |count| {
        board
            .shown(count)
            .map_or_else(|| "moins de 5".to_owned(), catalogue::number)
    };
    let figures = &board.figures;
    if figures.retiring_6_months > 0 {
        alerts.push(Line {
            title: format!(
                "{} {} à la retraite dans les six mois",
                shown(figures.retiring_6_months),
                catalogue::agree(figures.retiring_6_months, "départ", "départs"),
            ),
            url: view.links.retiring(board.on, 6),
            text: "Préparer les décisions de radiation et les remplacements.".to_owned(),
            badge: Some(Badge::new("Retraite", Tone::Warning)),
        });
    }
    if figures.unassigned > 0 {
        alerts.push(Line {
            title: format!(
                "{} {} sans affectation",
                shown(figures.unassigned),
                catalogue::agree(figures.unassigned, "agent", "agents"),
            ),
            url: view.links.unassigned(&visit.actor),
            text: "Aucun chef de service ne les voit.".to_owned(),
            badge: Some(Badge::new("Affectation", Tone::Warning)),
        });
    }
    if visit.may_all(Resource::Statistics, Action::Read) {
        alerts.extend(headless(visit, units));
    }
    if figures.incomplete > 0 {
        alerts.push(Line {
            title: format!(
                "{} {}",
                shown(figures.incomplete),
                catalogue::agree(figures.incomplete, "dossier incomplet", "dossiers incomplets"),
            ),
            url: view.links.career("incomplete", "1"),
            text: "Des informations obligatoires manquent dans ces fiches.".to_owned(),
            badge: Some(Badge::new("Dossiers", Tone::Info)),
        });
    }
    Ok((kpis, alerts))
}

/// Active units without a head, in one line.
fn headless(visit: &Visit, units: &Organisation) -> Option<Line> {
    let without =
        |fields: &mppeep_core::domain::organisation::UnitFields| fields.active && fields.head.is_none();
    let count = units
        .programmes
        .iter()
        .filter(|unit| without(&unit.fields))
        .count()
        + units
            .directorates
            .iter()
            .filter(|unit| without(&unit.fields))
            .count()
        + units
            .departments
            .iter()
            .filter(|unit| without(&unit.fields))
            .count();
    (count > 0).then(|| Line {
        title: catalogue::plural_of(count, "unité sans responsable", "unités sans responsable"),
        url: Some(visit.url("/organigramme?sans_responsable=1")),
        text: "Leurs agents n’ont pas de supérieur direct.".to_owned(),
        badge: Some(Badge::new("Organigramme", Tone::Warning)),
    })
}

async fn own_file(
    visit: &Visit,
    state: &AppState,
    units: &Organisation,
) -> Result<Option<(String, Facts)>, Problem> {
    let Some(id) = visit.actor.personnel else {
        return Ok(None);
    };
    let Ok(agent) = state
        .services
        .personnel
        .get(&visit.actor, id, Reveal::Hidden)
        .await
    else {
        return Ok(None);
    };
    let department = agent.department().and_then(|id| units.department(id));
    let service = department.map_or_else(|| "Sans affectation".to_owned(), |unit| unit.fields.name.clone());
    let mut facts = vec![
        Fact::new("Matricule", agent.matricule()),
        Fact::new(
            "Fonction",
            agent.get(PersonnelField::JobTitle).unwrap_or_default(),
        ),
        Fact::new("Service", service),
    ];
    if let Some(grade) = agent.grade() {
        facts.push(Fact::new("Grade", grade.to_string()));
    }
    if let Some(served) = agent.seniority(visit.today) {
        facts.push(Fact::new("Ancienneté", columns::seniority(served)));
    }
    if let Some(date) = agent.retirement_date() {
        facts.push(Fact::new("Départ à la retraite", catalogue::date(date)));
    }
    Ok(Some((
        visit.url(&format!("/personnel/{id}")),
        Facts { facts, rows: false },
    )))
}

async fn own_absences(visit: &Visit, state: &AppState) -> Result<Option<Card>, Problem> {
    let Some(id) = visit
        .actor
        .personnel
        .filter(|_| visit.may(Resource::Absence, Action::Read))
    else {
        return Ok(None);
    };
    let filter = AbsenceFilter {
        personnel: Some(id),
        ..AbsenceFilter::default()
    };
    let page = state
        .services
        .absences
        .list(&visit.actor, filter, &PageRequest::first(5))
        .await?;
    let lines = page
        .rows
        .into_iter()
        .map(|row| Line {
            title: row.absence.fields.kind.label().to_owned(),
            url: Some(visit.url(&format!("/rh/absences/{}", row.absence.id))),
            text: catalogue::period(row.absence.fields.period),
            badge: Some(Badge::new(
                catalogue::half_days(i64::from(row.absence.counted_half_days)),
                Tone::Neutral,
            )),
        })
        .collect();
    Ok(Some(Card {
        title: "Mes absences",
        lines,
        nothing: "Aucune absence n’est enregistrée à votre nom.",
        more: Some((
            "Toutes mes absences".to_owned(),
            visit.url(&format!("/personnel/{id}?onglet=absences")),
        )),
    }))
}

async fn own_evaluations(visit: &Visit, state: &AppState) -> Result<Option<Card>, Problem> {
    let Some(id) = visit
        .actor
        .personnel
        .filter(|_| visit.may(Resource::Evaluation, Action::Read))
    else {
        return Ok(None);
    };
    let filter = EvaluationFilter {
        personnel: Some(id),
        ..EvaluationFilter::default()
    };
    let page = state
        .services
        .evaluations
        .list(&visit.actor, filter, &PageRequest::first(5))
        .await?;
    let lines = page
        .rows
        .into_iter()
        .map(|row| Line {
            title: format!("Évaluation {}", row.evaluation.fields.year),
            url: Some(visit.url(&format!("/evaluations/{}", row.evaluation.id))),
            text: row.evaluation.final_mark.map_or_else(
                || "Notes incomplètes".to_owned(),
                |mark| format!("{} / 20", catalogue::hundredths(i64::from(mark.hundredths()))),
            ),
            badge: row
                .evaluation
                .final_mark
                .map(|mark| catalogue::appraisal_badge(appraise(mark, &visit.settings.evaluations))),
        })
        .collect();
    Ok(Some(Card {
        title: "Mes évaluations",
        lines,
        nothing: "Aucune évaluation n’est encore enregistrée.",
        more: Some((
            "Toutes mes évaluations".to_owned(),
            visit.url(&format!("/personnel/{id}?onglet=evaluations")),
        )),
    }))
}

/// Agents absent today, for those who see the absences of others.
async fn absent_today(visit: &Visit, state: &AppState) -> Result<Option<Card>, Problem> {
    let scope = visit.actor.scope(Resource::Absence, Action::Read);
    if !scope.everything && scope.departments.is_empty() {
        return Ok(None);
    }
    let filter = AbsenceFilter {
        from: Some(visit.today),
        to: Some(visit.today),
        ..AbsenceFilter::default()
    };
    let page = state
        .services
        .absences
        .list(&visit.actor, filter, &PageRequest::first(LINES))
        .await?;
    let total = page.total;
    let lines = page
        .rows
        .into_iter()
        .map(|row| Line {
            title: row.full_name,
            url: Some(visit.url(&format!("/personnel/{}", row.absence.personnel))),
            text: row
                .department_name
                .unwrap_or_else(|| "Sans affectation".to_owned()),
            badge: Some(Badge::new(
                format!(
                    "{} jusqu’au {}",
                    row.absence.fields.kind.label(),
                    catalogue::date(row.absence.fields.period.end())
                ),
                Tone::Neutral,
            )),
        })
        .collect();
    let more = (total > u64::from(LINES)).then(|| {
        let url = visit.url(&format!("/personnel?absent_on={}", visit.today));
        (
            format!("Voir les {} agents absents", catalogue::number(total)),
            url,
        )
    });
    Ok(Some(Card {
        title: "Absents aujourd’hui",
        lines,
        nothing: "Personne n’est absent aujourd’hui.",
        more,
    }))
}

/// The latest lines of the journal, for its readers.
async fn recent(visit: &Visit, state: &AppState) -> Result<Option<Card>, Problem> {
    if !visit.may(Resource::Journal, Action::Read) {
        return Ok(None);
    }
    let page = state
        .services
        .activity
        .list(
            &visit.actor,
            ActivityFilter::default(),
            &PageRequest::first(LINES),
        )
        .await?;
    let lines = page
        .rows
        .into_iter()
        .map(|line| {
            let activity = line.activity;
            let url = activity
                .subject
                .filter(|_| visit.may(Resource::Directory, Action::Read))
                .map(|id| visit.url(&format!("/personnel/{id}")));
            Line {
                title: activity.label,
                url,
                text: format!(
                    "{} · {}",
                    activity.actor_name,
                    catalogue::ago(activity.at, visit.now)
                ),
                badge: Some(Badge::new(
                    activity.action.label(),
                    catalogue::action_tone(activity.action),
                )),
            }
        })
        .collect();
    Ok(Some(Card {
        title: "Activité récente",
        lines,
        nothing: "Le journal est encore vide.",
        more: Some(("Ouvrir le journal".to_owned(), visit.url("/journal"))),
    }))
}

fn shortcuts(visit: &Visit) -> Vec<Shortcut> {
    use Action::{Read, Write};
    let all = [
        (
            visit.may_all(Resource::Career, Write),
            "plus",
            "Nouvel agent",
            "/personnel/nouveau",
        ),
        (
            visit.may(Resource::Import, Write),
            "upload",
            "Importer un fichier",
            "/personnel/importer",
        ),
        (
            visit.may_all(Resource::Absence, Write),
            "calendar",
            "Enregistrer une absence",
            "/rh/absences/nouvelle",
        ),
        (
            visit.may(Resource::Evaluation, Write),
            "star",
            "Évaluer un agent",
            "/evaluations/nouvelle",
        ),
        (
            visit.may_all(Resource::User, Write),
            "users",
            "Créer un compte",
            "/admin/utilisateurs/nouveau",
        ),
        (
            visit.may(Resource::Directory, Read),
            "people",
            "Consulter l’annuaire",
            "/personnel",
        ),
        (
            visit.may(Resource::Organisation, Read),
            "tree",
            "Voir l’organigramme",
            "/organigramme",
        ),
    ];
    all.into_iter()
        .filter(|(shown, ..)| *shown)
        .map(|(_, icon, label, path)| Shortcut {
            icon,
            label,
            url: visit.url(path),
        })
        .take(5)
        .collect()
}
