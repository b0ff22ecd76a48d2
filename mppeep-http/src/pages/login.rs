//! Logging in and out. The form needs no database: what it would like to know of one, it waits a moment for.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use mppeep_core::domain::session::SessionToken;
use mppeep_core::services::auth::{LoginOutcome, LoginRequest};
use serde::Deserialize;

use super::frame::{Frame, Ministry};
use super::ui::{Notice, Tone};
use super::visit::{show_with, theme_of};
use crate::app::AppState;
use crate::catalogue;
use crate::extract::{Client, CurrentUser, FormFields, MaybeUser, QueryParams, session_cookie};
use crate::middleware::{ShowsSecret, limits};
use crate::problem::Problem;
use crate::routes::{RouteTable, get, post, see_other};
use crate::urls::Urls;

/// Longest wait for what the form would like to show and can do without.
const PATIENCE: Duration = Duration::from_millis(250);

/// The limit on attempts to log in, as answers name it.
pub(super) const LIMIT: &str = "login";

pub(super) fn routes() -> RouteTable {
    RouteTable::pages()
        .route("/login", get(form).public())
        .route("/login", post(answer).public())
        .route("/logout", post(log_out).session().while_restricted())
}

#[derive(Template)]
#[template(path = "login/login.html")]
struct LoginPage {
    frame: Frame,
    message: Option<Notice>,
    next: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LoginQuery {
    next: Option<String>,
    note: Option<String>,
}

/// The page with a message, as the ministry looks if the settings are at hand.
async fn page(state: &AppState, headers: &HeaderMap, message: Option<Notice>, next: &str) -> LoginPage {
    LoginPage {
        frame: bare_frame(state, headers, "Connexion").await,
        message,
        next: next.to_owned(),
    }
}

/// The frame of a page for everybody, as the ministry looks if the settings are at hand.
pub(super) async fn bare_frame(state: &AppState, headers: &HeaderMap, title: &str) -> Frame {
    let mut frame = Frame::bare(&state.urls, title, theme_of(headers));
    if let Ok(Ok(settings)) = tokio::time::timeout(PATIENCE, state.services.settings.current()).await {
        frame.ministry = Ministry {
            short: settings.ministry.short_name.clone(),
            name: settings.ministry.name.clone(),
            footer: settings.ministry.footer.clone(),
        };
        frame.banner.clone_from(&settings.maintenance.banner);
    }
    frame
}

pub(super) fn notice(tone: Tone, text: impl Into<String>) -> Notice {
    Notice {
        tone,
        title: String::new(),
        text: text.into(),
        action: None,
    }
}

async fn form(
    State(state): State<AppState>,
    MaybeUser(reader): MaybeUser,
    QueryParams(query): QueryParams<LoginQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let next = query
        .next
        .as_deref()
        .and_then(|next| local(&state.urls, next))
        .unwrap_or_default();
    if reader.is_some() {
        return Ok(see_other(&destination(&state.urls, next)));
    }
    let message = query
        .note
        .as_deref()
        .and_then(catalogue::note)
        .map(|(tone, text)| notice(tone, text));
    show_with(StatusCode::OK, &page(&state, &headers, message, next).await)
}

/// The answer to a login is not compressed: its length must not tell anything of what was typed.
async fn answer(
    State(state): State<AppState>,
    client: Client,
    QueryParams(query): QueryParams<LoginQuery>,
    headers: HeaderMap,
    fields: FormFields,
) -> Response {
    let mut response = log_in(&state, &client, &query, &headers, &fields)
        .await
        .unwrap_or_else(IntoResponse::into_response);
    response.extensions_mut().insert(ShowsSecret);
    response
}

async fn log_in(
    state: &AppState,
    client: &Client,
    query: &LoginQuery,
    headers: &HeaderMap,
    fields: &FormFields,
) -> Result<Response, Problem> {
    let (email, password) = (fields.single("username")?, fields.single("password")?);
    let asked = match fields.single("next")? {
        "" => query.next.as_deref().unwrap_or_default(),
        next => next,
    };
    let next = local(&state.urls, asked).unwrap_or_default();
    if email.trim().is_empty() || password.is_empty() {
        let message = notice(
            Tone::Danger,
            "Saisissez votre adresse e-mail et votre mot de passe.",
        );
        return show_with(
            StatusCode::UNPROCESSABLE_ENTITY,
            &page(state, headers, Some(message), next).await,
        );
    }
    let old_token = session_cookie::read(headers).and_then(SessionToken::parse);
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let request = LoginRequest {
        email: email.to_owned(),
        password: password.to_owned(),
        limit_key: client.limit_key.clone(),
        address: client.ip.to_string(),
        country: client.country.clone(),
        device: catalogue::device(agent),
        old_token,
        request_id: Some(client.request_id.clone()),
    };
    match state.services.auth.login(request).await? {
        LoginOutcome::In { token, .. } => {
            let mut response = see_other(&destination(&state.urls, next));
            let cookie = session_cookie::set(&state.urls, state.cookie_security, token.expose())
                .ok_or_else(|| Problem::internal("the session cookie cannot be written"))?;
            response.headers_mut().append(header::SET_COOKIE, cookie);
            Ok(response)
        }
        LoginOutcome::Wrong { remaining } => {
            tracing::warn!(address = %client.ip, cf_ray = client.cf_ray, "a login failed");
            let text = wrong(remaining);
            if wants_document(headers) {
                return Ok(Problem::new(StatusCode::UNAUTHORIZED, "wrong-credentials")
                    .detail(text)
                    .into_response());
            }
            show_with(
                StatusCode::UNAUTHORIZED,
                &page(state, headers, Some(notice(Tone::Danger, text)), next).await,
            )
        }
        LoginOutcome::Blocked { retry_after } => {
            tracing::warn!(address = %client.ip, cf_ray = client.cf_ray, "a login was blocked");
            blocked(state, headers, retry_after, next).await
        }
    }
}

async fn blocked(
    state: &AppState,
    headers: &HeaderMap,
    retry_after: Duration,
    next: &str,
) -> Result<Response, Problem> {
    let text = too_many(limits::wait_seconds(retry_after));
    let mut response = if wants_document(headers) {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts")
            .detail(text)
            .into_response()
    } else {
        let page = page(state, headers, Some(notice(Tone::Danger, text)), next).await;
        show_with(StatusCode::TOO_MANY_REQUESTS, &page)?
    };
    let rule = &state.services.attempt_limits;
    limits::refuse_attempts(&mut response, LIMIT, rule, retry_after);
    Ok(response)
}

async fn log_out(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(token) = session_cookie::read(&headers).and_then(SessionToken::parse) {
        state.services.auth.logout(&actor, &token).await?;
    }
    let mut response = see_other(&state.urls.path("/login?note=logged-out"));
    if let Some(cookie) = session_cookie::clear(&state.urls, state.cookie_security) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response.headers_mut().insert(
        HeaderName::from_static("clear-site-data"),
        HeaderValue::from_static("\"cache\", \"storage\""),
    );
    Ok(response)
}

/// What a refused login says.
fn wrong(remaining: u32) -> String {
    let rest = match remaining {
        0 => "Il ne reste aucun essai.".to_owned(),
        1 => "Il reste 1 essai.".to_owned(),
        n => format!("Il reste {n} essais."),
    };
    format!("Adresse ou mot de passe incorrect. {rest}")
}

/// What a blocked login says.
pub(super) fn too_many(seconds: u64) -> String {
    let minutes = catalogue::plural(seconds.div_ceil(60).max(1), "minute", "minutes");
    format!("Trop de tentatives. Réessayez dans {minutes}.")
}

fn wants_document(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accepted.contains("json") && !accepted.contains("text/html")
}

fn destination(urls: &Urls, next: &str) -> String {
    if next.is_empty() {
        urls.path("/accueil")
    } else {
        next.to_owned()
    }
}

/// `next` if it is a path of this application and nothing that a browser could read as another site.
fn local<'a>(urls: &Urls, next: &'a str) -> Option<&'a str> {
    let printable = next
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'#'));
    if !printable || next.len() > 500 || !next.starts_with('/') {
        return None;
    }
    let path = next.split('?').next().unwrap_or_default();
    let odd = path.contains("//") || path.contains(['%', ':', '@']);
    if odd || path.split('/').any(|part| part == "." || part == "..") {
        return None;
    }
    let below = urls.below_root(path)?;
    (below.len() > 1 && below != "/login" && below != "/logout").then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_leads_nowhere_else() {
        let urls = Urls::new("/mppeep");
        for next in [
            "/mppeep/personnel",
            "/mppeep/personnel?q=kon%C3%A9&unit=a:b",
            "/mppeep/rh/absences",
        ] {
            assert_eq!(local(&urls, next), Some(next));
        }
        for next in [
            "",
            "/",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "///evil.example",
            "/mppeep//evil.example",
            "/mppeep/../../evil",
            "/mppeep/%2e%2e/x",
            "/%2fevil.example",
            "javascript:alert(1)",
            "/mppeep/\r\nSet-Cookie: a=b",
            " /mppeep/personnel",
            "/mppeep/\tx",
            "http:/mppeep/x",
            "/mppeepx/y",
            "/mppeep@evil.example/x",
            "mppeep/personnel",
            "/mppeep/login",
            "/mppeep/logout",
            "/mppeep/é",
        ] {
            assert_eq!(local(&urls, next), None, "{next:?}");
        }
        assert_eq!(local(&Urls::new(""), "//evil.example"), None);
        assert_eq!(local(&Urls::new(""), "/personnel"), Some("/personnel"));
    }

    #[test]
    fn the_remaining_tries_are_counted_in_french() {
        assert_eq!(wrong(3), "Adresse ou mot de passe incorrect. Il reste 3 essais.");
        assert_eq!(wrong(1), "Adresse ou mot de passe incorrect. Il reste 1 essai.");
        assert_eq!(
            wrong(0),
            "Adresse ou mot de passe incorrect. Il ne reste aucun essai."
        );
        assert_eq!(too_many(900), "Trop de tentatives. Réessayez dans 15 minutes.");
        assert_eq!(too_many(61), "Trop de tentatives. Réessayez dans 2 minutes.");
        assert_eq!(too_many(5), "Trop de tentatives. Réessayez dans 1 minute.");
    }
}
