//! An agent's sheet, by tabs, and its printed form.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::civil::Date;
use mppeep_core::domain::activity::EntityKind;
use mppeep_core::domain::evaluation::appraise;
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::personnel::{FieldGroup, PersonnelField};
use mppeep_core::ports::absence::AbsenceFilter;
use mppeep_core::ports::evaluation::EvaluationFilter;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::services::activity::ActivityView;
use mppeep_core::services::personnel::Reveal;
use mppeep_core::services::personnel_view::PersonnelView;
use serde::Deserialize;

use super::facts::{career_facts, civil_facts, contact_facts, fact, private_facts};
use super::header::{Header, header};
use crate::app::AppState;
use crate::catalogue::{self, Label};
use crate::extract::{PathId, QueryParams};
use crate::pages::document::AgentDocuments;
use crate::pages::frame::Frame;
use crate::pages::payroll::AgentSlips;
use crate::pages::ui::{Badge, Diff, Event, Fact, Facts, Tab, Tabs, Timeline};
use crate::pages::visit::{Visit, show};
use crate::problem::Problem;

/// Lines of a tab at most; the pages of their own have them all.
const LINES: u32 = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SheetParams {
    onglet: Option<String>,
    prive: Option<String>,
    note: Option<String>,
}

struct AbsenceLine {
    kind: &'static str,
    period: String,
    counted: String,
    reason: String,
    cancelled: bool,
    url: String,
}

struct EvaluationLine {
    year: i16,
    mark: String,
    badge: Option<Badge>,
    observations: String,
    url: String,
}

struct HistoryLine {
    when: String,
    who: String,
    badge: Badge,
    label: String,
    diff: Option<Diff>,
    hidden: String,
}

enum Content {
    Identity {
        civil: Facts,
        contact: Facts,
        private: Facts,
        reveal_url: Option<String>,
        revealed: bool,
    },
    Career {
        facts: Facts,
        timeline: Timeline,
    },
    Absences {
        lines: Vec<AbsenceLine>,
        total: u64,
        add_url: Option<String>,
        all_url: String,
    },
    Evaluations {
        lines: Vec<EvaluationLine>,
        add_url: Option<String>,
    },
    Slips(Box<AgentSlips>),
    Documents(Box<AgentDocuments>),
    Account {
        facts: Option<Facts>,
        open_url: Option<String>,
        create_url: Option<String>,
    },
    History {
        lines: Vec<HistoryLine>,
        total: u64,
    },
}

#[derive(Template)]
#[template(path = "personnel/sheet.html")]
struct SheetTemplate {
    frame: Frame,
    header: Header,
    tabs: Tabs,
    content: Content,
    edit_url: Option<String>,
    leave_url: Option<String>,
    restore: Option<(String, i64)>,
    print_url: String,
}

#[derive(Template)]
#[template(path = "personnel/print.html")]
struct PrintTemplate {
    frame: Frame,
    header: Header,
    sections: Vec<(&'static str, Facts)>,
    printed: String,
    back: String,
}

/// Shows one tab of the sheet.
pub(super) async fn sheet(
    visit: Visit,
    State(state): State<AppState>,
    PathId(id): PathId<PersonnelId>,
    QueryParams(params): QueryParams<SheetParams>,
) -> Result<Response, Problem> {
    let tab = params.onglet.as_deref().unwrap_or("identite");
    let wants_private = params.prive.is_some() || visit.is_own(id);
    let reveal = if tab == "identite" && wants_private {
        Reveal::Shown
    } else {
        Reveal::Hidden
    };
    let agent = state.services.personnel.get(&visit.actor, id, reveal).await?;
    let units = state.services.organisation.names().await?;
    let tabs = tabs(&visit, &agent, tab);
    // A tab that the reader has no right to is not there: the first one is shown.
    let tab = if tabs.tabs.iter().any(|tab| tab.current) {
        tab
    } else {
        "identite"
    };
    let content = match tab {
        "carriere" => career(&visit, &agent, &units),
        "absences" => absences(&visit, &state, &agent).await?,
        "evaluations" => evaluations(&visit, &state, &agent).await?,
        "bulletins" => Content::Slips(Box::new(AgentSlips::load(&visit, &agent).await?)),
        "documents" => Content::Documents(Box::new(AgentDocuments::load(&visit, &agent).await?)),
        "compte" => account(&visit, &state, id).await?,
        "historique" => history(&visit, &state, id, &units).await?,
        _ => identity(&visit, &agent),
    };
    let path = format!("/personnel/{id}");
    let writable = agent.may_write();
    let template = SheetTemplate {
        frame: visit
            .frame(agent.full_name())
            .under("Accueil", "/accueil")
            .under("Personnel", "/personnel")
            .here(agent.full_name())
            .note(params.note.as_deref()),
        header: header(&visit, &state, &agent, &units).await?,
        tabs,
        content,
        edit_url: (writable && !agent.is_archived()).then(|| visit.url(&format!("{path}/modifier"))),
        leave_url: (writable && !agent.is_archived()).then(|| visit.url(&format!("{path}/depart"))),
        restore: (writable && agent.is_archived())
            .then(|| (visit.url(&format!("{path}/restauration")), agent.version())),
        print_url: visit.url(&format!("{path}/imprimer")),
    };
    show(&template)
}

/// Shows the sheet as it is printed: « fiche individuelle ».
pub(super) async fn print(
    visit: Visit,
    State(state): State<AppState>,
    PathId(id): PathId<PersonnelId>,
    QueryParams(params): QueryParams<SheetParams>,
) -> Result<Response, Problem> {
    let wants_private = params.prive.is_some() || visit.is_own(id);
    let reveal = if wants_private {
        Reveal::Shown
    } else {
        Reveal::Hidden
    };
    let agent = state.services.personnel.get(&visit.actor, id, reveal).await?;
    let units = state.services.organisation.names().await?;
    let grid = |facts: Facts| Facts { rows: false, ..facts };
    let mut sections = vec![
        ("État civil", grid(civil_facts(&agent))),
        ("Coordonnées", grid(contact_facts(&agent, &units))),
    ];
    if agent.shows(FieldGroup::Career) {
        sections.push((
            "Carrière",
            Facts {
                facts: career_facts(&visit, &agent, &units, false),
                rows: false,
            },
        ));
    }
    if agent.shows(FieldGroup::Private) {
        sections.push(("Données privées", grid(private_facts(&agent))));
    }
    let template = PrintTemplate {
        frame: visit
            .frame(format!("Fiche individuelle – {}", agent.full_name()))
            .under("Personnel", "/personnel")
            .under(agent.full_name(), &format!("/personnel/{id}"))
            .here("Fiche individuelle"),
        header: header(&visit, &state, &agent, &units).await?,
        sections,
        printed: catalogue::instant(visit.now),
        back: visit.url(&format!("/personnel/{id}")),
    };
    show(&template)
}

fn tabs(visit: &Visit, agent: &PersonnelView, current: &str) -> Tabs {
    let path = visit.url(&format!("/personnel/{}", agent.id()));
    let own = visit.is_own(agent.id());
    let all = [
        ("identite", "Identité", true),
        ("carriere", "Carrière", agent.shows(FieldGroup::Career)),
        ("absences", "Absences", agent.shows_absences()),
        ("evaluations", "Évaluations", agent.shows_evaluations()),
        ("documents", "Documents", AgentDocuments::shown_to(visit, agent)),
        ("bulletins", "Bulletins", AgentSlips::shown_to(visit, agent)),
        (
            "compte",
            "Compte",
            own || visit.may_all(Resource::User, Action::Read),
        ),
        (
            "historique",
            "Historique",
            visit.may(Resource::Journal, Action::Read),
        ),
    ];
    Tabs {
        label: "Parties de la fiche".to_owned(),
        tabs: all
            .into_iter()
            .filter(|(_, _, shown)| *shown)
            .map(|(code, label, _)| Tab {
                label: label.to_owned(),
                url: if code == "identite" {
                    path.clone()
                } else {
                    format!("{path}?onglet={code}")
                },
                current: code == current,
                count: None,
            })
            .collect(),
    }
}

fn identity(visit: &Visit, agent: &PersonnelView) -> Content {
    use PersonnelField as F;
    let revealed = agent.shows(FieldGroup::Private);
    let path = visit.url(&format!("/personnel/{}?prive=1", agent.id()));
    Content::Identity {
        civil: civil_facts(agent),
        contact: Facts {
            facts: vec![
                fact(agent, F::WorkPhone),
                fact(agent, F::Email),
                fact(agent, F::JobTitle),
            ],
            rows: true,
        },
        private: private_facts(agent),
        reveal_url: (agent.may_reveal() && !revealed).then_some(path),
        revealed,
    }
}

fn career(visit: &Visit, agent: &PersonnelView, units: &Organisation) -> Content {
    use PersonnelField as F;
    let date = |field| agent.get(field).and_then(|text| text.parse::<Date>().ok());
    let mut events = Vec::new();
    let mut event = |date: Option<Date>, title: &str, text: String| {
        if let Some(date) = date {
            events.push((date, title.to_owned(), text));
        }
    };
    event(date(F::RecruitmentDate), "Recrutement", String::new());
    event(date(F::ServiceStartDate), "Prise de service", String::new());
    if let Some(departure) = agent.departure() {
        event(
            Some(departure.date),
            "Départ",
            departure.reason.label().to_owned(),
        );
    } else {
        event(agent.retirement_date(), "Départ à la retraite", String::new());
    }
    events.sort_by_key(|event| std::cmp::Reverse(event.0));
    let events = events
        .into_iter()
        .map(|(date, title, text)| Event {
            when: catalogue::date(date),
            datetime: date.to_string(),
            title,
            text,
            future: date > visit.today,
        })
        .collect();
    let facts = Facts {
        facts: career_facts(visit, agent, units, true),
        rows: true,
    };
    Content::Career {
        facts,
        timeline: Timeline { events },
    }
}

async fn absences(visit: &Visit, state: &AppState, agent: &PersonnelView) -> Result<Content, Problem> {
    let filter = AbsenceFilter {
        personnel: Some(agent.id()),
        with_cancelled: true,
        ..AbsenceFilter::default()
    };
    let page = state
        .services
        .absences
        .list(&visit.actor, filter, &PageRequest::first(LINES))
        .await?;
    let may_add = visit.may_all(Resource::Absence, Action::Write) && !agent.is_archived();
    let lines = page
        .rows
        .into_iter()
        .map(|row| {
            let period = row.absence.fields.period;
            AbsenceLine {
                kind: row.absence.fields.kind.label(),
                period: catalogue::period(period),
                counted: catalogue::half_days(i64::from(row.absence.counted_half_days)),
                reason: row.absence.fields.reason.unwrap_or_default(),
                cancelled: row.absence.cancelled_at.is_some(),
                url: visit.url(&format!("/rh/absences/{}", row.absence.id)),
            }
        })
        .collect();
    Ok(Content::Absences {
        lines,
        total: page.total,
        add_url: may_add.then(|| visit.url(&format!("/rh/absences/nouvelle?personnel={}", agent.id()))),
        all_url: visit.url(&format!("/rh/absences?personnel={}", agent.id())),
    })
}

async fn evaluations(visit: &Visit, state: &AppState, agent: &PersonnelView) -> Result<Content, Problem> {
    let filter = EvaluationFilter {
        personnel: Some(agent.id()),
        ..EvaluationFilter::default()
    };
    let page = state
        .services
        .evaluations
        .list(&visit.actor, filter, &PageRequest::first(LINES))
        .await?;
    let may_add = !visit.is_own(agent.id())
        && !agent.is_archived()
        && visit.actor.may_on(
            Resource::Evaluation,
            Action::Write,
            agent.id(),
            agent.department(),
        );
    let lines = page
        .rows
        .into_iter()
        .map(|row| EvaluationLine {
            year: row.evaluation.fields.year,
            mark: row.evaluation.final_mark.map_or_else(
                || "—".to_owned(),
                |mark| catalogue::hundredths(i64::from(mark.hundredths())),
            ),
            badge: row
                .evaluation
                .final_mark
                .map(|mark| catalogue::appraisal_badge(appraise(mark, &visit.settings.evaluations))),
            observations: row.evaluation.fields.observations.unwrap_or_default(),
            url: visit.url(&format!("/evaluations/{}", row.evaluation.id)),
        })
        .collect();
    let add_url = may_add.then(|| visit.url(&format!("/evaluations/nouvelle?personnel={}", agent.id())));
    Ok(Content::Evaluations { lines, add_url })
}

async fn account(visit: &Visit, state: &AppState, id: PersonnelId) -> Result<Content, Problem> {
    let runs_accounts = visit.may_all(Resource::User, Action::Read);
    let user = if runs_accounts {
        state.services.users.of_personnel(&visit.actor, id).await?
    } else {
        Some(state.services.users.own(&visit.actor).await?)
    };
    let roles = |user: &mppeep_core::domain::user::User| {
        user.fields
            .roles
            .iter()
            .map(|role| role.label())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let open_url = match &user {
        Some(user) if runs_accounts => Some(visit.url(&format!("/admin/utilisateurs/{}", user.id))),
        Some(_) => Some(visit.url("/profil")),
        None => None,
    };
    let creates = user.is_none() && visit.may_all(Resource::User, Action::Write);
    Ok(Content::Account {
        facts: user.as_ref().map(|user| Facts {
            facts: vec![
                Fact::new("Adresse e-mail", user.fields.email.to_string()),
                Fact::new("Nom affiché", user.fields.display_name.clone()),
                Fact::new("Rôles", roles(user)),
                Fact::new("Statut", user.fields.status.label()),
                Fact::new(
                    "Dernière connexion",
                    user.last_login_at.map(catalogue::instant).unwrap_or_default(),
                ),
            ],
            rows: true,
        }),
        open_url,
        create_url: creates.then(|| visit.url(&format!("/admin/utilisateurs/nouveau?personnel={id}"))),
    })
}

async fn history(
    visit: &Visit,
    state: &AppState,
    id: PersonnelId,
    units: &Organisation,
) -> Result<Content, Problem> {
    let page = state
        .services
        .activity
        .history(&visit.actor, id, &PageRequest::first(LINES))
        .await?;
    let lines = page
        .rows
        .into_iter()
        .map(|line| history_line(line, units))
        .collect();
    Ok(Content::History {
        lines,
        total: page.total,
    })
}

fn history_line(line: ActivityView, units: &Organisation) -> HistoryLine {
    let ActivityView {
        activity,
        hidden_fields,
    } = line;
    let shown: Vec<_> = activity
        .changes
        .iter()
        .filter(|change| !hidden_fields.contains(&change.field))
        .cloned()
        .collect();
    let changes = catalogue::changes(&shown, Some(units));
    let hidden: Vec<&str> = hidden_fields
        .iter()
        .map(|field| catalogue::field_name(field))
        .collect();
    HistoryLine {
        when: catalogue::instant(activity.at),
        who: activity.actor_name,
        badge: Badge::new(activity.entity.label(), catalogue::action_tone(activity.action)),
        label: if activity.entity == EntityKind::Personnel {
            activity.action.label().to_owned()
        } else {
            format!("{} · {}", activity.action.label(), activity.label)
        },
        diff: (!changes.is_empty()).then(|| Diff {
            changes,
            before: "Avant".to_owned(),
            after: "Après".to_owned(),
        }),
        hidden: hidden.join(", "),
    }
}
