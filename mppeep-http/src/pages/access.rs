//! Opening an account without its password: the forgotten password, and the page that the link of a mail leads to.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mppeep_core::domain::validation::{Rule, Violations};
use mppeep_core::ports::account_token::TokenPurpose;
use mppeep_core::services::ServiceError;
use mppeep_core::services::account_access::{Asked, Opening};
use serde::Deserialize;

use super::frame::Frame;
use super::login::{bare_frame, notice, too_many};
use super::ui::{ErrorSummary, Field, FormErrors, Notice, Section, Tone};
use super::visit::show_with;
use crate::app::AppState;
use crate::catalogue;
use crate::extract::{Client, FormFields, QueryParams};
use crate::letters::CHOOSE_PATH;
use crate::middleware::{ShowsSecret, limits};
use crate::problem::Problem;
use crate::routes::{RouteTable, get, post, see_other};

/// The same whether there is such an account or not.
const ASKED: &str = "Si un compte existe pour cette adresse, un courriel vient d’être envoyé.";

/// The page's address holds the secret of the link: pages that it leads to are told the site only. Nothing at all would
/// make browsers hide where the form comes from, and it would be refused as forged.
const REFERRER: HeaderValue = HeaderValue::from_static("strict-origin");

/// The limit on requests for a new password, as answers name it.
const LIMIT: &str = "password-reset";

/// Longest token that is looked at.
const TOKEN_MAX: usize = 200;

pub(super) fn routes() -> RouteTable {
    RouteTable::pages()
        .route("/mot-de-passe/oublie", get(forgotten).public())
        .route("/mot-de-passe/oublie", post(ask).public())
        .route(CHOOSE_PATH, get(choose_form).public())
        .route(CHOOSE_PATH, post(choose).public())
}

#[derive(Template)]
#[template(path = "access/forgotten.html")]
struct ForgottenPage {
    frame: Frame,
    message: Option<Notice>,
    asked: bool,
    email: String,
}

async fn forgotten_page(
    state: &AppState,
    headers: &HeaderMap,
    status: StatusCode,
    message: Option<Notice>,
    email: &str,
) -> Result<Response, Problem> {
    let page = ForgottenPage {
        frame: bare_frame(state, headers, "Mot de passe oublié").await,
        message,
        asked: false,
        email: email.to_owned(),
    };
    show_with(status, &page)
}

async fn forgotten(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, Problem> {
    forgotten_page(&state, &headers, StatusCode::OK, None, "").await
}

async fn ask(
    State(state): State<AppState>,
    client: Client,
    headers: HeaderMap,
    fields: FormFields,
) -> Result<Response, Problem> {
    let email = fields.single("email")?;
    if email.trim().is_empty() {
        let message = notice(Tone::Danger, "Saisissez votre adresse e-mail.");
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return forgotten_page(&state, &headers, status, Some(message), "").await;
    }
    let asked = state
        .services
        .access
        .ask_reset(
            email,
            &client.limit_key,
            &client.ip.to_string(),
            Some(client.request_id.clone()),
        )
        .await?;
    match asked {
        Asked::Taken => {
            let page = ForgottenPage {
                frame: bare_frame(&state, &headers, "Mot de passe oublié").await,
                message: Some(notice(Tone::Info, ASKED)),
                asked: true,
                email: String::new(),
            };
            show_with(StatusCode::OK, &page)
        }
        Asked::Blocked { retry_after } => {
            tracing::warn!(address = %client.ip, "requests for a new password were blocked");
            blocked(&state, &headers, retry_after, email).await
        }
    }
}

async fn blocked(
    state: &AppState,
    headers: &HeaderMap,
    retry_after: Duration,
    email: &str,
) -> Result<Response, Problem> {
    let message = notice(Tone::Danger, too_many(limits::wait_seconds(retry_after)));
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = forgotten_page(state, headers, status, Some(message), email).await?;
    let rule = &state.services.attempt_limits;
    limits::refuse_attempts(&mut response, LIMIT, rule, retry_after);
    Ok(response)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ChooseQuery {
    jeton: Option<String>,
}

#[derive(Template)]
#[template(path = "access/choose.html")]
struct ChoosePage {
    frame: Frame,
    title: &'static str,
    /// None when the link is over.
    form: Option<ChooseForm>,
}

struct ChooseForm {
    token: String,
    email: String,
    errors: ErrorSummary,
    section: Section,
    action: &'static str,
}

/// What a link opens; nothing for one that cannot be ours.
async fn opened(state: &AppState, token: &str) -> Result<Option<Opening>, Problem> {
    if token.is_empty() || token.len() > TOKEN_MAX {
        return Ok(None);
    }
    Ok(state.services.access.opening(token).await?)
}

async fn choose_page(
    state: &AppState,
    headers: &HeaderMap,
    opening: Option<Opening>,
    token: &str,
    errors: &FormErrors,
) -> Result<Response, Problem> {
    let least = state
        .services
        .settings
        .current()
        .await?
        .security
        .password_min_length;
    let password = |name: &'static str, label: &'static str| {
        Field::input("password", name, label)
            .required()
            .wide()
            .attribute("autocomplete", "new-password")
            .attribute("maxlength", "1000")
            .errors(errors)
    };
    let is_open = opening.is_some();
    let title = match opening.as_ref().map(|opening| opening.purpose) {
        Some(TokenPurpose::Invitation) => "Ouvrir votre compte",
        Some(TokenPurpose::Reset) => "Choisir un nouveau mot de passe",
        None => "Lien non valable",
    };
    let form = opening.map(|opening| {
        let fields = vec![
            password("new_password", "Nouveau mot de passe").help(format!(
                "Au moins {least} caractères. Une phrase de plusieurs mots est facile à retenir et difficile à deviner ; \
                 les mots de passe courants sont refusés."
            )),
            password("confirmation", "Nouveau mot de passe, une seconde fois"),
        ];
        ChooseForm {
            token: token.to_owned(),
            email: opening.email,
            errors: ErrorSummary::of_fields(&fields),
            section: Section::new("Mot de passe", fields),
            action: match opening.purpose {
                TokenPurpose::Invitation => "Ouvrir mon compte",
                TokenPurpose::Reset => "Enregistrer",
            },
        }
    });
    let status = match (is_open, errors.is_empty()) {
        (false, _) => StatusCode::GONE,
        (true, false) => StatusCode::UNPROCESSABLE_ENTITY,
        (true, true) => StatusCode::OK,
    };
    let page = ChoosePage {
        frame: bare_frame(state, headers, title).await,
        title,
        form,
    };
    let mut response = show_with(status, &page)?;
    response.headers_mut().insert(header::REFERRER_POLICY, REFERRER);
    response.extensions_mut().insert(ShowsSecret);
    Ok(response)
}

async fn choose_form(
    State(state): State<AppState>,
    QueryParams(query): QueryParams<ChooseQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let token = query.jeton.unwrap_or_default();
    let opening = opened(&state, &token).await?;
    choose_page(&state, &headers, opening, &token, &FormErrors::new()).await
}

async fn choose(
    State(state): State<AppState>,
    client: Client,
    headers: HeaderMap,
    fields: FormFields,
) -> Result<Response, Problem> {
    let token = fields.single("jeton")?;
    let new = fields.single("new_password")?;
    let confirmation = fields.single("confirmation")?;
    let Some(opening) = opened(&state, token).await? else {
        return choose_page(&state, &headers, None, "", &FormErrors::new()).await;
    };
    let mut errors = FormErrors::new();
    if new.is_empty() {
        errors.add("new_password", catalogue::rule_message(&Rule::Required));
    } else if new != confirmation {
        errors.add(
            "confirmation",
            "Les deux saisies du nouveau mot de passe sont différentes.",
        );
    }
    if !errors.is_empty() {
        return choose_page(&state, &headers, Some(opening), token, &errors).await;
    }
    let chosen = state
        .services
        .access
        .choose_password(
            token,
            new,
            &client.ip.to_string(),
            Some(client.request_id.clone()),
        )
        .await;
    match chosen {
        Ok(()) => Ok(see_other(&state.urls.path("/login?note=password-chosen"))),
        Err(ServiceError::Invalid(violations)) => {
            let errors = password_errors(&violations);
            choose_page(&state, &headers, Some(opening), token, &errors).await
        }
        // Somebody was faster with the same link.
        Err(ServiceError::State("link-over")) => {
            choose_page(&state, &headers, None, "", &FormErrors::new()).await
        }
        Err(other) => Err(other.into()),
    }
}

fn password_errors(violations: &Violations) -> FormErrors {
    let mut errors = FormErrors::new();
    for violation in &violations.0 {
        errors.add(violation.field.clone(), catalogue::rule_message(&violation.rule));
    }
    errors
}
