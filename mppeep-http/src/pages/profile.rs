//! The reader's own account: who he is here, his password, his sessions, his preferences.

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::id::SessionHandle;
use serde::Deserialize;

use super::frame::Frame;
use super::ui::{Choice, Fact, Facts, Field, FieldKind};
use super::user::SessionLine;
use super::visit::{Visit, show};
use crate::catalogue::{self, Label};
use crate::extract::{PathId, QueryParams};
use crate::problem::Problem;
use crate::routes::{RouteTable, get, post};

pub(super) fn routes() -> RouteTable {
    RouteTable::pages()
        .route("/profil", get(profile).session())
        .route("/profil/sessions/{handle}/fermer", post(end_session).session())
        .route("/profil/sessions/fermer", post(end_others).session())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ProfileQuery {
    note: Option<String>,
}

#[derive(Template)]
#[template(path = "profile/profile.html")]
struct ProfilePage {
    frame: Frame,
    file: Option<String>,
    facts: Facts,
    sessions: Vec<SessionLine>,
    others: usize,
    theme: Field,
    charter: bool,
    initials: String,
    photo: Option<String>,
}

async fn profile(visit: Visit, QueryParams(asked): QueryParams<ProfileQuery>) -> Result<Response, Problem> {
    let services = &visit.state.services;
    let user = services.users.own(&visit.actor).await?;
    let organisation = services.organisation.names().await?;
    let sessions = services.auth.sessions(&visit.actor).await?;
    let mut facts = vec![
        Fact::new("Nom", user.fields.display_name.clone()),
        Fact::new("Adresse e-mail", user.fields.email.as_str()),
        Fact::new(
            "Rôles",
            user.fields
                .roles
                .iter()
                .map(|role| role.label())
                .collect::<Vec<_>>()
                .join(", "),
        ),
    ];
    let perimeter = user.fields.perimeter.and_then(|unit| organisation.unit(unit));
    if let Some(unit) = perimeter {
        facts.push(Fact::new("Périmètre", unit.name.clone()));
    }
    if let Some(at) = user.last_login_at {
        facts.push(Fact::new("Dernière connexion", catalogue::instant(at)));
    }
    let mut sessions: Vec<SessionLine> = sessions
        .iter()
        .map(|session| SessionLine::of(&visit, session))
        .collect();
    sessions.sort_by_key(|session| !session.current);
    let frame = visit.frame("Mon profil").note(asked.note.as_deref());
    let themes = vec![
        Choice::new("auto", "Comme l’appareil"),
        Choice::new("light", "Clair"),
        Choice::new("dark", "Sombre"),
    ];
    let chosen = if frame.theme.is_empty() {
        "auto"
    } else {
        frame.theme
    };
    show(&ProfilePage {
        file: user
            .fields
            .personnel
            .map(|id| visit.url(&format!("/personnel/{id}"))),
        facts: Facts { facts, rows: true },
        others: sessions.iter().filter(|session| !session.current).count(),
        sessions,
        theme: Field::new("theme", "Thème", FieldKind::Radio(themes))
            .value(chosen)
            .wide(),
        initials: frame
            .reader
            .as_ref()
            .map(|reader| reader.initials.clone())
            .unwrap_or_default(),
        photo: frame.reader.as_ref().and_then(|reader| reader.photo.clone()),
        charter: !visit.settings.charter.text.is_empty(),
        frame,
    })
}

async fn end_session(visit: Visit, PathId(handle): PathId<SessionHandle>) -> Result<Response, Problem> {
    if visit.actor.session == Some(handle) {
        return Err(Problem::conflict("current-session")
            .detail("Pour fermer cette session, utilisez « Déconnexion »."));
    }
    // Ended a moment ago, or never there: what was wanted is so.
    visit
        .state
        .services
        .auth
        .end_session(&visit.actor, handle)
        .await?;
    Ok(visit.go("/profil?note=session-ended"))
}

async fn end_others(visit: Visit) -> Result<Response, Problem> {
    visit.state.services.auth.end_other_sessions(&visit.actor).await?;
    Ok(visit.go("/profil?note=sessions-ended"))
}
