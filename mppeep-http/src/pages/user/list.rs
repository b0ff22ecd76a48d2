//! The list of accounts, and one of them.

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::id::UserId;
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::text;
use mppeep_core::domain::user::{Role, User, UserStatus};
use mppeep_core::ports::session::SessionSummary;
use mppeep_core::ports::user::UserFilter;
use mppeep_core::services::personnel::Reveal;
use serde::Deserialize;

use crate::catalogue::{self, Label};
use crate::extract::{PathId, QueryParams};
use crate::pages::frame::Frame;
use crate::pages::office::{Paging, given};
use crate::pages::ui::{Badge, Chip, Chips, EmptyState, Fact, Facts, Field, Pager, Query};
use crate::pages::visit::{Visit, show};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    q: Option<String>,
    role: Option<String>,
    status: Option<String>,
    size: Option<String>,
    start: Option<String>,
    cursor: Option<String>,
    note: Option<String>,
}

#[derive(Template)]
#[template(path = "user/list.html")]
struct ListPage {
    frame: Frame,
    may_write: bool,
    words: String,
    filters: Vec<Field>,
    chips: Chips,
    rows: Vec<Row>,
    pager: Pager,
    empty: Option<EmptyState>,
}

struct Row {
    url: String,
    name: String,
    email: String,
    agent: Option<(String, String)>,
    roles: String,
    perimeter: String,
    status: Badge,
    last_login: String,
    sessions: u32,
}

/// Roles in words, one after the other.
pub(super) fn roles_in_words(user: &User) -> String {
    user.fields
        .roles
        .iter()
        .map(|role| catalogue::role_short(*role))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Name of the unit an account answers for.
pub(super) fn perimeter(user: &User, organisation: &Organisation) -> String {
    user.fields
        .perimeter
        .and_then(|unit| organisation.unit(unit))
        .map(|unit| unit.name.clone())
        .unwrap_or_default()
}

pub(super) async fn show_list(
    visit: Visit,
    QueryParams(asked): QueryParams<ListQuery>,
) -> Result<Response, Problem> {
    let organisation = visit.state.services.organisation.names().await?;
    let path = visit.url("/admin/utilisateurs");
    let words = given(asked.q.as_ref());
    let role = asked.role.as_deref().and_then(Role::by_code);
    let status = asked.status.as_deref().and_then(UserStatus::by_code);
    let query = Query::new()
        .and("q", words.unwrap_or_default())
        .and("role", role.map(Role::code).unwrap_or_default())
        .and("status", status.map(UserStatus::code).unwrap_or_default());
    let mut chips = Vec::new();
    let mut chip = |label: String, name: &str| {
        chips.push(Chip {
            label,
            remove: query.without(name).url(&path),
        })
    };
    if let Some(words) = words {
        chip(format!("Recherche : {words}"), "q");
    }
    if let Some(role) = role {
        chip(format!("Rôle : {}", catalogue::role_short(role)), "role");
    }
    if let Some(status) = status {
        chip(format!("Statut : {}", status.label()), "status");
    }
    let filter = UserFilter {
        words: text::search_words(words.unwrap_or_default()),
        role,
        status,
    };
    let paging = Paging::read(
        asked.size.as_deref(),
        asked.start.as_deref(),
        asked.cursor.as_deref(),
    );
    let page = visit
        .state
        .services
        .users
        .list(&visit.actor, &filter, &paging.request())
        .await?;
    let rows = page
        .rows
        .iter()
        .map(|row| Row {
            url: visit.url(&format!("/admin/utilisateurs/{}", row.user.id)),
            name: row.user.fields.display_name.clone(),
            email: row.user.fields.email.to_string(),
            agent: row.user.fields.personnel.map(|id| {
                (
                    row.personnel_name.clone().unwrap_or_default(),
                    visit.url(&format!("/personnel/{id}")),
                )
            }),
            roles: roles_in_words(&row.user),
            perimeter: perimeter(&row.user, &organisation),
            status: catalogue::status_badge(row.user.fields.status),
            last_login: row
                .user
                .last_login_at
                .map(|at| catalogue::ago(at, visit.now))
                .unwrap_or_else(|| "jamais".to_owned()),
            sessions: row.session_count,
        })
        .collect();
    let role_code = role.map(Role::code).unwrap_or_default();
    let status_code = status.map(UserStatus::code).unwrap_or_default();
    let filters = vec![
        Field::select(
            "role",
            "Rôle",
            Some("Tous"),
            catalogue::choices(Role::ALL, Role::code),
        )
        .value(role_code),
        Field::select(
            "status",
            "Statut",
            Some("Tous"),
            catalogue::choices(UserStatus::ALL, UserStatus::code),
        )
        .value(status_code),
    ];
    let empty = page.rows.is_empty().then(|| EmptyState {
        icon: "users",
        title: "Aucun compte".to_owned(),
        text: "Aucun compte ne répond à ces critères.".to_owned(),
        actions: vec![("Retirer les filtres".to_owned(), path.clone())],
    });
    let pager = paging.pager(
        &query,
        &path,
        page.rows.len(),
        page.total,
        page.next.as_ref(),
        ("compte", "comptes"),
    );
    show(&ListPage {
        frame: visit.frame("Utilisateurs").note(asked.note.as_deref()),
        may_write: visit.may(Resource::User, Action::Write),
        words: words.unwrap_or_default().to_owned(),
        filters,
        chips: Chips {
            chips,
            clear: path.clone(),
        },
        rows,
        pager,
        empty,
    })
}

#[derive(Template)]
#[template(path = "user/detail.html")]
struct DetailPage {
    frame: Frame,
    id: UserId,
    version: i64,
    name: String,
    email: String,
    status: Badge,
    active: bool,
    own: bool,
    may_write: bool,
    may_invite: bool,
    facts: Facts,
    sessions: Vec<SessionLine>,
    journal: Option<String>,
}

/// One session, as its owner and administrators see it.
pub(in crate::pages) struct SessionLine {
    pub(in crate::pages) handle: String,
    pub(in crate::pages) device: String,
    pub(in crate::pages) address: String,
    /// Empty where it is not known.
    pub(in crate::pages) country: String,
    pub(in crate::pages) started: String,
    pub(in crate::pages) last_used: String,
    pub(in crate::pages) expires: String,
    pub(in crate::pages) current: bool,
}

impl SessionLine {
    pub(in crate::pages) fn of(visit: &Visit, session: &SessionSummary) -> Self {
        Self {
            handle: session.handle.to_string(),
            device: if session.device.is_empty() {
                "Appareil inconnu".to_owned()
            } else {
                session.device.clone()
            },
            address: session.address.clone(),
            country: session
                .country
                .as_deref()
                .map(|code| catalogue::country(code).into_owned())
                .unwrap_or_default(),
            started: catalogue::instant(session.created_at),
            last_used: catalogue::ago(session.last_used_at, visit.now),
            expires: catalogue::instant(session.expires_at),
            current: visit.actor.session == Some(session.handle),
        }
    }
}

pub(super) async fn detail(
    visit: Visit,
    PathId(id): PathId<UserId>,
    QueryParams(asked): QueryParams<ListQuery>,
) -> Result<Response, Problem> {
    let services = &visit.state.services;
    let user = services.users.get(&visit.actor, id).await?;
    let organisation = services.organisation.names().await?;
    let sessions = services.users.sessions(&visit.actor, id).await?;
    let mut facts = vec![
        Fact::new("Adresse e-mail", user.fields.email.as_str()),
        Fact::new("Nom affiché", user.fields.display_name.clone()),
        Fact::new(
            "Rôles",
            user.fields
                .roles
                .iter()
                .map(|role| role.label())
                .collect::<Vec<_>>()
                .join(", "),
        ),
        Fact::new("Périmètre", perimeter(&user, &organisation)),
    ];
    if let Some(agent) = user.fields.personnel {
        // The file may be out of the reader's sight: then the link is left out.
        if let Ok(view) = services.personnel.get(&visit.actor, agent, Reveal::Hidden).await {
            facts.push(
                Fact::new(
                    "Agent lié",
                    format!("{} · {}", view.full_name(), view.matricule()),
                )
                .link(visit.url(&format!("/personnel/{agent}"))),
            );
        }
    } else {
        facts.push(Fact::new("Agent lié", ""));
    }
    let password = if user.must_change_password {
        "à changer à la prochaine connexion"
    } else {
        "choisi par l’utilisateur"
    };
    facts.extend([
        Fact::new("Mot de passe", password),
        Fact::new(
            "Dernière connexion",
            user.last_login_at
                .map(catalogue::instant)
                .unwrap_or_else(|| "jamais".to_owned()),
        ),
        Fact::new("Compte créé le", catalogue::instant(user.created_at)),
    ]);
    let name = user.fields.display_name.clone();
    show(&DetailPage {
        frame: visit
            .frame(name.clone())
            .under("Utilisateurs", "/admin/utilisateurs")
            .here(name.clone())
            .note(asked.note.as_deref()),
        id,
        version: user.version,
        email: user.fields.email.to_string(),
        status: catalogue::status_badge(user.fields.status),
        active: user.fields.status == UserStatus::Active,
        own: visit.actor.user == Some(id),
        may_write: visit.may(Resource::User, Action::Write),
        may_invite: visit.state.mail_configured
            && user.last_login_at.is_none()
            && matches!(user.fields.status, UserStatus::Active | UserStatus::Pending),
        facts: Facts { facts, rows: true },
        sessions: sessions
            .iter()
            .map(|session| SessionLine::of(&visit, session))
            .collect(),
        journal: visit.may(Resource::Journal, Action::Read).then(|| {
            Query::new()
                .and("user", id.to_string())
                .url(&visit.url("/journal"))
        }),
        name,
    })
}
