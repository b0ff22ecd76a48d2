//! What every page of a logged-in reader starts from.

use std::sync::Arc;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::{Html, IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::civil::Date;
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::permission::{Action, Actor, Resource};
use mppeep_core::domain::settings::Settings;

use super::frame::{Frame, FrameReader, MenuGroup, MenuItem, Ministry};
use super::ui;
use crate::app::AppState;
use crate::catalogue;
use crate::extract::CurrentUser;
use crate::problem::Problem;
use crate::routes::see_other;
use crate::urls::Urls;

/// Name of the cookie that holds the reader's theme.
pub(crate) const THEME_COOKIE: &str = "mppeep_theme";

/// A page asked for by somebody who is logged in.
pub(crate) struct Visit {
    /// The application.
    pub(crate) state: AppState,
    /// Who asks.
    pub(crate) actor: Arc<Actor>,
    /// The settings in force.
    pub(crate) settings: Arc<Settings>,
    /// The present day.
    pub(crate) today: Date,
    /// The present instant.
    pub(crate) now: Timestamp,
    /// The path asked for, below the root.
    path: String,
    theme: &'static str,
    unread: u64,
    /// When the reader's photograph was taken over; none where there is none.
    pub(crate) portrait: Option<Timestamp>,
}

impl FromRequestParts<AppState> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let CurrentUser(actor) = CurrentUser::from_request_parts(parts, state).await?;
        let settings = state.services.settings.current().await?;
        // The bell is no reason for a page to fail.
        let unread = state.live.unread(&state.services, &actor).await.unwrap_or(0);
        let portrait = state.portraits.of(&state.services, &actor).await.unwrap_or(None);
        Ok(Self {
            unread,
            portrait,
            actor,
            settings,
            today: state.services.context.today(),
            now: state.services.context.now(),
            path: state
                .urls
                .below_root(parts.uri.path())
                .unwrap_or_default()
                .to_owned(),
            theme: theme_of(&parts.headers),
            state: state.clone(),
        })
    }
}

/// The theme the reader chose earlier: `light`, `dark`, or empty.
pub(crate) fn theme_of(headers: &HeaderMap) -> &'static str {
    match cookie(headers, THEME_COOKIE) {
        Some("dark") => "dark",
        Some("light") => "light",
        _ => "",
    }
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

impl Visit {
    /// Addresses.
    pub(crate) fn urls(&self) -> &Urls {
        &self.state.urls
    }

    /// An address below the root.
    pub(crate) fn url(&self, path: &str) -> String {
        self.state.urls.path(path)
    }

    /// Whether the reader may do this somewhere.
    pub(crate) fn may(&self, resource: Resource, action: Action) -> bool {
        self.actor.may(resource, action)
    }

    /// Whether the reader may do this everywhere.
    pub(crate) fn may_all(&self, resource: Resource, action: Action) -> bool {
        self.actor.may_all(resource, action)
    }

    /// Sends the reader to another page; `path` is below the root.
    pub(crate) fn go(&self, path: &str) -> Response {
        see_other(&self.url(path))
    }

    /// Whether this file is the reader's own.
    pub(crate) fn is_own(&self, id: PersonnelId) -> bool {
        self.actor.personnel == Some(id)
    }

    /// The frame of a page with this title.
    pub(crate) fn frame(&self, title: impl Into<String>) -> Frame {
        let actor = &self.actor;
        let mut names = actor.display_name.split_whitespace();
        let first = names.next().unwrap_or_default();
        let last = names.next_back().unwrap_or_default();
        let roles: Vec<&str> = actor
            .roles
            .iter()
            .map(|role| catalogue::role_short(*role))
            .collect();
        Frame {
            title: title.into(),
            ministry: Ministry {
                short: self.settings.ministry.short_name.clone(),
                name: self.settings.ministry.name.clone(),
                footer: self.settings.ministry.footer.clone(),
            },
            theme_url: super::theme::address(&self.state.urls, &self.settings.ministry),
            theme: self.theme,
            reader: Some(FrameReader {
                name: actor.display_name.clone(),
                initials: ui::initials(first, last),
                photo: self.portrait.map(|since| super::photo::own_url(self, since)),
                role: roles.join(", "),
                unread: self.unread,
                file_url: actor.personnel.map(|id| self.url(&format!("/personnel/{id}"))),
                may_search: self.may(Resource::Directory, Action::Read),
            }),
            menu: self.menu(),
            banner: self.settings.maintenance.banner.clone(),
            read_only: self.settings.maintenance.read_only,
            demonstration: actor.demonstration,
            crumbs: Vec::new(),
            flash: None,
            urls: self.state.urls.clone(),
        }
    }

    fn menu(&self) -> Vec<MenuGroup> {
        use Action::Read;
        let entries = [
            ("", "Accueil", "home", "/accueil", None),
            (
                "",
                "Tableau de bord",
                "dashboard",
                "/dashboard",
                Some(Resource::Statistics),
            ),
            ("", "Personnel", "people", "/personnel", Some(Resource::Directory)),
            (
                "",
                "Organigramme",
                "tree",
                "/organigramme",
                Some(Resource::Organisation),
            ),
            (
                "",
                "Congés et absences",
                "calendar",
                "/rh",
                Some(Resource::Absence),
            ),
            (
                "",
                "Évaluations",
                "star",
                "/evaluations",
                Some(Resource::Evaluation),
            ),
            (
                "",
                "Documents",
                "document",
                "/documents",
                Some(Resource::Document),
            ),
            ("", "Paie", "wallet", "/paie", Some(Resource::Payroll)),
            ("", "Fichiers", "archive", "/fichiers", Some(Resource::SharedFile)),
            (
                "Administration",
                "Utilisateurs",
                "users",
                "/admin/utilisateurs",
                Some(Resource::User),
            ),
            (
                "Administration",
                "Journal d’activité",
                "journal",
                "/journal",
                Some(Resource::Journal),
            ),
            (
                "Administration",
                "Files d’attente",
                "mail",
                "/admin/files",
                Some(Resource::Queue),
            ),
            (
                "Administration",
                "Paramètres",
                "settings",
                "/admin/parametres",
                Some(Resource::Setting),
            ),
        ];
        let mut groups: Vec<MenuGroup> = Vec::new();
        for (title, label, icon, path, needed) in entries {
            if needed.is_some_and(|resource| !self.may(resource, Read)) {
                continue;
            }
            let below = self
                .path
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            let item = MenuItem {
                label,
                icon,
                url: self.url(path),
                current: below,
            };
            match groups.last_mut().filter(|group| group.title == title) {
                Some(group) => group.items.push(item),
                None => groups.push(MenuGroup {
                    title,
                    items: vec![item],
                }),
            }
        }
        groups
    }
}

/// A page.
pub(crate) fn show(page: &impl Template) -> Result<Response, Problem> {
    show_with(StatusCode::OK, page)
}

/// A page with another status than 200.
pub(crate) fn show_with(status: StatusCode, page: &impl Template) -> Result<Response, Problem> {
    let html = page.render().map_err(Problem::internal)?;
    Ok((status, Html(html)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_theme_is_one_of_ours() {
        let mut headers = HeaderMap::new();
        assert_eq!(theme_of(&headers), "");
        headers.insert(
            header::COOKIE,
            HeaderValue::from_static("session_id=x; mppeep_theme=dark"),
        );
        assert_eq!(theme_of(&headers), "dark");
        headers.insert(
            header::COOKIE,
            HeaderValue::from_static("mppeep_theme=\"><script>"),
        );
        assert_eq!(theme_of(&headers), "");
    }
}
