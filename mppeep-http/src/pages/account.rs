//! What somebody may have to do before anything else: choose a password of his own, accept the charter.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use mppeep_core::domain::validation::{Rule, Violations};
use mppeep_core::services::ServiceError;

use super::frame::Frame;
use super::login::LIMIT;
use super::ui::{ErrorSummary, Field, FormErrors, Section};
use super::visit::{Visit, show, show_with};
use crate::catalogue;
use crate::extract::{Client, FormFields};
use crate::middleware::limits;
use crate::problem::Problem;
use crate::routes::{RouteTable, get, post};

pub(super) fn routes() -> RouteTable {
    RouteTable::pages()
        .route("/mot-de-passe", get(password_form).session().while_restricted())
        .route(
            "/mot-de-passe",
            post(change_password).session().while_restricted(),
        )
        .route("/charte", get(charter).session().while_restricted())
        .route("/charte", post(accept_charter).session().while_restricted())
}

#[derive(Template)]
#[template(path = "account/password.html")]
struct PasswordPage {
    frame: Frame,
    email: String,
    forced: bool,
    errors: ErrorSummary,
    section: Section,
}

/// A frame with the menu, or without it while the reader may go nowhere else.
fn frame(visit: &Visit, title: &str) -> Frame {
    let mut frame = visit.frame(title);
    if visit.actor.must_change_password || visit.actor.must_accept_charter {
        frame.reader = None;
        return frame;
    }
    frame.under("Mon profil", "/profil").here(title)
}

fn password_page(visit: &Visit, errors: &FormErrors) -> PasswordPage {
    let password = |name: &'static str, label: &'static str, autocomplete: &'static str| {
        Field::input("password", name, label)
            .required()
            .wide()
            .attribute("autocomplete", autocomplete)
            .attribute("maxlength", "1000")
            .errors(errors)
    };
    let least = visit.settings.security.password_min_length;
    let fields = vec![
        password("old_password", "Mot de passe actuel", "current-password"),
        password("new_password", "Nouveau mot de passe", "new-password").help(format!(
            "Au moins {least} caractères. Une phrase de plusieurs mots est facile à retenir et difficile à deviner ; \
             les mots de passe courants sont refusés."
        )),
        password("confirmation", "Nouveau mot de passe, une seconde fois", "new-password"),
    ];
    PasswordPage {
        frame: frame(visit, "Changer le mot de passe"),
        email: visit.actor.email.clone(),
        forced: visit.actor.must_change_password,
        errors: ErrorSummary::of_fields(&fields),
        section: Section::new("Mot de passe", fields),
    }
}

async fn password_form(visit: Visit) -> Result<Response, Problem> {
    show(&password_page(&visit, &FormErrors::new()))
}

async fn change_password(visit: Visit, client: Client, fields: FormFields) -> Result<Response, Problem> {
    let (old, new) = (fields.single("old_password")?, fields.single("new_password")?);
    let confirmation = fields.single("confirmation")?;
    let mut errors = FormErrors::new();
    if old.is_empty() {
        errors.add("old_password", catalogue::rule_message(&Rule::Required));
    }
    if new.is_empty() {
        errors.add("new_password", catalogue::rule_message(&Rule::Required));
    } else if new != confirmation {
        errors.add(
            "confirmation",
            "Les deux saisies du nouveau mot de passe sont différentes.",
        );
    }
    if !errors.is_empty() {
        return show_with(StatusCode::UNPROCESSABLE_ENTITY, &password_page(&visit, &errors));
    }
    match visit
        .state
        .services
        .auth
        .change_password(&visit.actor, &client.limit_key, old, new)
        .await
    {
        Ok(()) if visit.actor.must_change_password => Ok(visit.go("/accueil?note=password-changed")),
        Ok(()) => Ok(visit.go("/profil?note=password-changed")),
        Err(ServiceError::Invalid(violations)) => {
            let errors = password_errors(&violations);
            show_with(StatusCode::UNPROCESSABLE_ENTITY, &password_page(&visit, &errors))
        }
        Err(ServiceError::TooManyAttempts { retry_after }) => {
            let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts")
                .detail("Trop de tentatives avec un mot de passe actuel incorrect.")
                .retry_after(limits::wait_seconds(retry_after))
                .into_response();
            let rule = &visit.state.services.attempt_limits;
            limits::refuse_attempts(&mut response, LIMIT, rule, retry_after);
            Ok(response)
        }
        Err(other) => Err(other.into()),
    }
}

fn password_errors(violations: &Violations) -> FormErrors {
    let mut errors = FormErrors::new();
    for violation in &violations.0 {
        let message = match (violation.field.as_str(), &violation.rule) {
            ("old_password", Rule::Mismatch { .. }) => "Le mot de passe actuel n’est pas le bon.".to_owned(),
            ("new_password", Rule::Mismatch { .. }) => {
                "Le nouveau mot de passe doit être différent de l’actuel.".to_owned()
            }
            (_, rule) => catalogue::rule_message(rule),
        };
        errors.add(violation.field.clone(), message);
    }
    errors
}

#[derive(Template)]
#[template(path = "account/charter.html")]
struct CharterPage {
    frame: Frame,
    version: u32,
    paragraphs: Vec<String>,
    to_accept: bool,
    missed: bool,
}

fn charter_page(visit: &Visit, missed: bool) -> CharterPage {
    let charter = &visit.settings.charter;
    CharterPage {
        frame: frame(visit, "Charte de confidentialité"),
        version: charter.version,
        paragraphs: charter
            .text
            .split("\n\n")
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect(),
        to_accept: visit.actor.must_accept_charter,
        missed,
    }
}

async fn charter(visit: Visit) -> Result<Response, Problem> {
    if visit.settings.charter.text.is_empty() {
        return Err(Problem::not_found());
    }
    show(&charter_page(&visit, false))
}

async fn accept_charter(visit: Visit, fields: FormFields) -> Result<Response, Problem> {
    if visit.settings.charter.text.is_empty() {
        return Err(Problem::not_found());
    }
    if fields.single("accepted")?.is_empty() {
        return show_with(StatusCode::UNPROCESSABLE_ENTITY, &charter_page(&visit, true));
    }
    visit.state.services.auth.accept_charter(&visit.actor).await?;
    Ok(visit.go("/accueil?note=charter-accepted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_passwords_are_explained_by_field() {
        let errors = password_errors(&Violations::one(
            "old_password",
            Rule::Mismatch { other: "password" },
        ));
        assert_eq!(
            errors.get("old_password"),
            Some("Le mot de passe actuel n’est pas le bon.")
        );
        let errors = password_errors(&Violations::one(
            "new_password",
            Rule::Mismatch {
                other: "old_password",
            },
        ));
        assert!(
            errors
                .get("new_password")
                .is_some_and(|text| text.contains("différent"))
        );
        let errors = password_errors(&Violations::one("new_password", Rule::TooShort { min: 12 }));
        assert!(errors.get("new_password").is_some_and(|text| text.contains("12")));
    }
}
