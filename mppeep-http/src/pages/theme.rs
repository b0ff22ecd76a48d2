//! The ministry's colours as a style sheet, and the theme a reader prefers.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mppeep_core::domain::settings::MinistrySettings;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::visit::THEME_COOKIE;
use crate::app::AppState;
use crate::extract::{FormFields, QueryParams};
use crate::problem::Problem;
use crate::routes::{RouteTable, get, post, see_other};
use crate::urls::Urls;

/// Longest wait for the settings: without them the page has the colours of the house.
const PATIENCE: Duration = Duration::from_millis(250);

/// A year.
const MAX_AGE_SECONDS: u32 = 31_536_000;

pub(super) fn routes() -> RouteTable {
    RouteTable::pages()
        .route("/theme.css", get(style_sheet).public())
        .route("/preferences/theme", post(prefer).session())
}

/// The address of the style sheet of these colours; it changes with them, so that it may be kept for ever.
pub(super) fn address(urls: &Urls, ministry: &MinistrySettings) -> String {
    urls.path(&format!("/theme.css?v={}", hash(&text(ministry))))
}

/// Custom properties and nothing else. A colour that is not six hexadecimal digits is left out.
fn text(ministry: &MinistrySettings) -> String {
    let mut properties = String::new();
    for (name, colour) in [
        ("--brand-primary", &ministry.brand_colour),
        ("--brand-accent", &ministry.accent_colour),
    ] {
        let digits = colour.strip_prefix('#').unwrap_or_default();
        if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            properties.push_str(&format!("{name}:#{digits};"));
        }
    }
    format!(":root{{{properties}}}\n")
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StyleQuery {
    v: Option<String>,
}

async fn style_sheet(
    State(state): State<AppState>,
    QueryParams(query): QueryParams<StyleQuery>,
    headers: HeaderMap,
) -> Response {
    let settings = tokio::time::timeout(PATIENCE, state.services.settings.current()).await;
    let Ok(Ok(settings)) = settings else {
        return answer(StatusCode::OK, "no-store", None, ":root{}\n".to_owned());
    };
    let text = text(&settings.ministry);
    let hash = hash(&text);
    let caching = if query.v.as_deref() == Some(hash.as_str()) {
        format!("public, max-age={MAX_AGE_SECONDS}, immutable")
    } else {
        "no-cache".to_owned()
    };
    let tag = format!("W/\"{hash}\"");
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag || one.trim() == "*")) {
        return answer(StatusCode::NOT_MODIFIED, &caching, Some(&tag), String::new());
    }
    answer(StatusCode::OK, &caching, Some(&tag), text)
}

fn answer(status: StatusCode, caching: &str, tag: Option<&str>, text: String) -> Response {
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/css; charset=utf-8"),
    );
    if let Ok(value) = HeaderValue::from_str(caching) {
        headers.insert(header::CACHE_CONTROL, value);
    }
    if let Some(value) = tag.and_then(|tag| HeaderValue::from_str(tag).ok()) {
        headers.insert(header::ETAG, value);
    }
    response
}

async fn prefer(
    State(state): State<AppState>,
    headers: HeaderMap,
    fields: FormFields,
) -> Result<Response, Problem> {
    let theme = match fields.single("theme")? {
        theme @ ("light" | "dark") => Some(theme),
        _ => None,
    };
    let mut response = see_other(&back(&state.urls, &headers));
    if let Ok(cookie) = HeaderValue::from_str(&cookie(&state.urls, theme)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn cookie(urls: &Urls, theme: Option<&str>) -> String {
    let age = if theme.is_some() { MAX_AGE_SECONDS } else { 0 };
    let theme = theme.unwrap_or_default();
    format!(
        "{THEME_COOKIE}={theme}; Max-Age={age}; HttpOnly; SameSite=Lax; Path={}",
        urls.cookie_path()
    )
}

/// The page the reader came from, if it is one of ours; only its path is believed.
fn back(urls: &Urls, headers: &HeaderMap) -> String {
    let referer = headers
        .get(header::REFERER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let path = referer
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)))
        .filter(|path| !path.contains("//") && !path.contains('\\'));
    let known = path.filter(|path| {
        urls.below_root(path.split('?').next().unwrap_or_default())
            .is_some_and(|below| below.len() > 1)
    });
    known.map_or_else(|| urls.path("/profil"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheet_holds_valid_colours_only() {
        let mut ministry = MinistrySettings::default();
        assert_eq!(
            text(&ministry),
            ":root{--brand-primary:#0b5d3b;--brand-accent:#e07a1f;}\n"
        );
        ministry.brand_colour = "#fff;}body{display:none".to_owned();
        assert_eq!(text(&ministry), ":root{--brand-accent:#e07a1f;}\n");
        let before = address(&Urls::new("/m"), &MinistrySettings::default());
        assert!(before.starts_with("/m/theme.css?v="), "{before}");
        assert_ne!(before, address(&Urls::new("/m"), &ministry));
    }

    #[test]
    fn the_way_back_stays_here() {
        let urls = Urls::new("/mppeep");
        let from = |referer: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::REFERER, HeaderValue::from_str(referer).unwrap());
            back(&urls, &headers)
        };
        assert_eq!(from("http://localhost:9000/mppeep/rh?x=1"), "/mppeep/rh?x=1");
        for referer in [
            "http://evil.example/x",
            "http://h//evil.example",
            "nonsense",
            "http://h/mppeep//e",
            "http://h",
        ] {
            assert_eq!(from(referer), "/mppeep/profil", "{referer}");
        }
    }

    #[test]
    fn the_preference_is_a_cookie_without_secrets() {
        let urls = Urls::new("/mppeep");
        assert!(cookie(&urls, Some("dark")).starts_with("mppeep_theme=dark; Max-Age=31536000; HttpOnly;"));
        assert!(cookie(&urls, None).starts_with("mppeep_theme=; Max-Age=0;"));
    }
}
