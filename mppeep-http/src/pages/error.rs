//! Error pages.

use askama::Template;
use http::StatusCode;

use super::frame::Frame;
use super::ui::FormErrors;
use crate::catalogue;
use crate::problem::ErrorPage;

#[derive(Template)]
#[template(path = "error/error.html")]
struct ErrorTemplate<'a> {
    frame: Frame,
    code: u16,
    title: &'a str,
    explanation: &'static str,
    detail: Option<&'a str>,
    errors: Vec<(String, String)>,
    retry: Option<String>,
    request_id: &'a str,
    login: bool,
}

/// What a person can do about an answer of this status.
const fn explanation(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "L’adresse ou le formulaire est incomplet ou abîmé. Revenez en arrière et recommencez.",
        401 => "Votre session est terminée. Connectez-vous pour continuer.",
        403 => {
            "Votre compte n’a pas le droit d’ouvrir cette page ou de faire cette action. Si vous en avez besoin, \
                demandez-le à la Sous-Direction des Ressources Humaines ou à l’administrateur."
        }
        404 => "Cette page n’existe pas, n’existe plus, ou n’est pas visible pour votre compte.",
        405 => "Cette adresse ne peut pas être utilisée de cette façon.",
        408 => "L’envoi a pris trop de temps. Vérifiez votre connexion et recommencez.",
        409 => "L’action n’est plus possible dans l’état actuel des données.",
        412 => {
            "Quelqu’un d’autre a modifié ces données depuis que vous les avez ouvertes. Rouvrez la page pour voir \
                leur état actuel."
        }
        413 => "Ce que vous envoyez dépasse la taille acceptée.",
        415 => "Ce format n’est pas accepté.",
        416 => "La partie demandée se trouve après la fin du fichier.",
        422 => "Certaines valeurs ne sont pas acceptées.",
        429 => "Vous avez fait trop de demandes en peu de temps.",
        501 => "Cette adresse ne peut pas être utilisée de cette façon.",
        507 => {
            "Il n’y a plus de place pour enregistrer ce que vous envoyez. Rien n’a été gardé ; prévenez \
                l’administrateur, puis recommencez."
        }
        503 => {
            "Le service est momentanément indisponible. Vos données sont en sécurité ; réessayez dans un instant."
        }
        500..=599 => {
            "Une erreur s’est produite de notre côté. Elle a été enregistrée. Rien n’a été modifié à moitié."
        }
        _ => "La demande n’a pas pu être satisfaite.",
    }
}

/// The page of a problem. It needs nothing but the problem: neither the database nor a session.
#[must_use]
pub(crate) fn error_page(problem: &ErrorPage<'_>) -> String {
    let mut errors = FormErrors::new();
    for error in problem.errors {
        errors.add(catalogue::field_name(&error.field), error.message.clone());
    }
    let template = ErrorTemplate {
        frame: Frame::bare(problem.urls, problem.title, ""),
        code: problem.status.as_u16(),
        title: problem.title,
        explanation: explanation(problem.status),
        detail: problem.detail,
        errors: errors.in_order(&[]),
        retry: problem.retry_after.map(wait),
        request_id: problem.request_id,
        login: problem.status == StatusCode::UNAUTHORIZED,
    };
    template.render().unwrap_or_else(|_| problem.title.to_owned())
}

fn wait(seconds: u64) -> String {
    if seconds < 60 {
        return catalogue::plural(seconds.max(1), "seconde", "secondes");
    }
    catalogue::plural(seconds.div_ceil(60), "minute", "minutes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::urls::Urls;

    #[test]
    fn every_status_that_is_given_is_explained() {
        let known = [
            400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 416, 422, 429, 500, 501, 503, 507,
        ];
        for code in known {
            let text = explanation(StatusCode::from_u16(code).unwrap());
            assert!(
                text.len() > 20 && text != explanation(StatusCode::IM_A_TEAPOT),
                "{code}"
            );
        }
    }

    #[test]
    fn a_page_says_what_happened_and_escapes_it() {
        let urls = Urls::new("/mppeep");
        let html = error_page(&ErrorPage {
            status: StatusCode::TOO_MANY_REQUESTS,
            title: "Trop de requêtes",
            detail: Some("<b>attention</b>"),
            errors: &[],
            request_id: "abc-1",
            retry_after: Some(840),
            urls: &urls,
        });
        assert!(html.contains("14 minutes"), "{html}");
        assert!(html.contains("abc-1") && html.contains("lang=\"fr\""), "{html}");
        assert!(!html.contains("<b>attention"), "{html}");
        assert!(!html.contains("style=") && !html.contains("<script>"), "{html}");
    }
}
