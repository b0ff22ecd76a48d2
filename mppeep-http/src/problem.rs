//! One error for pages and API: a problem document (RFC 9457), or the French error page of the same problem.
//!
//! A `Problem` answers as JSON and travels in the response's extensions; the negotiation layer turns it into a page
//! where a page was asked for.

use std::borrow::Cow;
use std::error::Error;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use mppeep_core::domain::validation::{Rule, Violations};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::services::ServiceError;
use serde::Serialize;

use crate::middleware::limits::wait_seconds;
use crate::urls::Urls;

/// Media type of problem documents.
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Seconds after which a client may ask again when a backend did not answer.
const UNAVAILABLE_RETRY_SECONDS: u64 = 5;

/// The same while somebody maintains the site.
const READ_ONLY_RETRY_SECONDS: u64 = 300;

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// The field, as the API names it; nested ones with dots.
    #[schema(example = "matricule")]
    pub field: String,
    /// A stable English code.
    #[schema(example = "required")]
    pub code: Cow<'static, str>,
    /// The same for a reader, in French.
    #[schema(example = "Ce champ est obligatoire.")]
    pub message: String,
}

/// The document that is sent (RFC 9457 §3), as the API's description names it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(title = "Problem")]
pub struct ProblemBody {
    /// Stable identifier of the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "/problems/not-found")]
    pub kind: String,
    /// Short French title of that kind.
    #[schema(example = "Introuvable")]
    pub title: String,
    /// The status of the answer, repeated.
    #[schema(example = 404)]
    pub status: u16,
    /// What happened this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// One entry for each field that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Number of the request, for whoever reads the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "8f1e2d3c4b5a6978-ABJ")]
    pub request_id: Option<String>,
}

/// An answer that is an error.
#[derive(Debug, Clone)]
pub struct Problem(Box<Content>);

#[derive(Debug, Clone)]
struct Content {
    status: StatusCode,
    code: &'static str,
    title: Cow<'static, str>,
    detail: Option<String>,
    errors: Vec<FieldError>,
    retry_after: Option<u64>,
    allow: Option<HeaderValue>,
    close: bool,
}

/// What an error page shows.
#[derive(Debug)]
pub struct ErrorPage<'a> {
    /// The status of the answer.
    pub status: StatusCode,
    /// The problem's title.
    pub title: &'a str,
    /// What happened this time, where there is more to say.
    pub detail: Option<&'a str>,
    /// What is wrong with single fields.
    pub errors: &'a [FieldError],
    /// Number of the request, for the person who reads the log.
    pub request_id: &'a str,
    /// Seconds to wait, when waiting helps.
    pub retry_after: Option<u64>,
    /// Addresses of this server.
    pub urls: &'a Urls,
}

/// Writes an error page.
pub type ErrorPageRenderer = fn(&ErrorPage<'_>) -> String;

impl Problem {
    /// A problem of kind `/problems/<code>`, with the usual title of its status.
    pub fn new(status: StatusCode, code: &'static str) -> Self {
        Self(Box::new(Content {
            status,
            code,
            title: Cow::Borrowed(title_of(status)),
            detail: None,
            errors: Vec::new(),
            retry_after: None,
            allow: None,
            close: false,
        }))
    }

    /// The problem of a bare status, for answers made by a library.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        Self::new(status, code_of(status))
    }

    /// 404.
    pub fn not_found() -> Self {
        Self::of_status(StatusCode::NOT_FOUND)
    }

    /// 403.
    pub fn forbidden() -> Self {
        Self::of_status(StatusCode::FORBIDDEN)
    }

    /// 401: nobody is logged in.
    pub fn unauthenticated() -> Self {
        Self::of_status(StatusCode::UNAUTHORIZED)
    }

    /// 400: the request cannot be read.
    pub fn unreadable(detail: impl Into<String>) -> Self {
        Self::of_status(StatusCode::BAD_REQUEST).detail(detail)
    }

    /// 409 of kind `/problems/<code>`.
    pub fn conflict(code: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, code)
    }

    /// 412: the version that the client read is no longer the present one.
    pub fn stale() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "stale-version")
            .detail("Ces données ont été modifiées entre-temps. Rechargez-les avant de recommencer.")
    }

    /// 422 with nothing said about fields yet.
    pub fn invalid() -> Self {
        Self::of_status(StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// 503: something the answer needs does not answer.
    pub fn unavailable() -> Self {
        Self::of_status(StatusCode::SERVICE_UNAVAILABLE).retry_after(UNAVAILABLE_RETRY_SECONDS)
    }

    /// 500. The cause is logged with its own causes, and never shown.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        tracing::error!(error = %chain(&*source), "a request failed");
        Self::of_status(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// A problem of a multipart body.
    pub fn from_multipart(error: axum::extract::multipart::MultipartError) -> Self {
        if let Some(problem) = crate::middleware::body::problem_of(&error) {
            return problem;
        }
        let status = error.status();
        if status.is_server_error() {
            Self::internal(error)
        } else {
            Self::of_status(status)
        }
    }

    /// Replaces the title.
    #[must_use]
    pub fn title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.0.title = title.into();
        self
    }

    /// Says what happened this time, in French.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds what is wrong with one field.
    #[must_use]
    pub fn field(
        mut self,
        field: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        self.0.errors.push(FieldError {
            field: field.into(),
            code: code.into(),
            message: message.into(),
        });
        self
    }

    /// Says after how many seconds asking again makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// Names the methods that the address has.
    #[must_use]
    pub(crate) fn allow(mut self, methods: &'static str) -> Self {
        self.0.allow = Some(HeaderValue::from_static(methods));
        self
    }

    /// Ends the connection after the answer.
    #[must_use]
    pub(crate) fn close(mut self) -> Self {
        self.0.close = true;
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code, without its `/problems/`.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What is wrong with single fields.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The document that is sent.
    pub fn body(&self) -> ProblemBody {
        ProblemBody {
            kind: format!("/problems/{}", self.0.code),
            title: self.0.title.to_string(),
            status: self.0.status.as_u16(),
            detail: self.0.detail.clone(),
            errors: self.0.errors.clone(),
            request_id: None,
        }
    }

    /// The document with the number of the request, as it is sent.
    pub(crate) fn document(&self, request_id: &str) -> Vec<u8> {
        let body = ProblemBody {
            request_id: Some(request_id.to_owned()),
            ..self.body()
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// The same as a page.
    pub(crate) fn page(&self, render: ErrorPageRenderer, request_id: &str, urls: &Urls) -> String {
        render(&ErrorPage {
            status: self.0.status,
            title: &self.0.title,
            detail: self.0.detail.as_deref(),
            errors: &self.0.errors,
            request_id,
            retry_after: self.0.retry_after,
            urls,
        })
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = &self.0.allow {
            headers.insert(header::ALLOW, methods.clone());
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Session realm=\"mppeep\""),
            );
        }
        if self.0.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<BackendError> for Problem {
    fn from(err: BackendError) -> Self {
        match err {
            BackendError::Unavailable { .. }
            | BackendError::Indeterminate { .. }
            | BackendError::Contention { .. } => {
                tracing::warn!(error = %chain(&err), "a backend did not serve a request");
                Self::unavailable()
            }
            other => Self::internal(other),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(err: StoreError) -> Self {
        match err {
            StoreError::Backend(source) => source.into(),
            StoreError::StaleVersion => Self::stale(),
            StoreError::Conflict { .. } => Self::conflict("conflict"),
            StoreError::DanglingReference { .. } => Self::conflict("dangling-reference"),
            other => Self::internal(other),
        }
    }
}

impl From<Violations> for Problem {
    fn from(violations: Violations) -> Self {
        violations
            .0
            .into_iter()
            .fold(Self::invalid(), |problem, violation| {
                let message = rule_message(&violation.rule);
                problem.field(violation.field, violation.rule.code(), message)
            })
    }
}

impl From<ServiceError> for Problem {
    fn from(err: ServiceError) -> Self {
        match err {
            ServiceError::Forbidden { .. } => Self::forbidden(),
            ServiceError::NotFound(_) => Self::not_found(),
            ServiceError::Invalid(violations) => violations.into(),
            ServiceError::Taken { field } => {
                let code = match field {
                    "matricule" => "matricule-taken",
                    "email" => "email-taken",
                    _ => "taken",
                };
                Self::conflict(code).field(field, Rule::Taken.code(), rule_message(&Rule::Taken))
            }
            ServiceError::Stale => Self::stale(),
            ServiceError::Overlap(_) => Self::conflict("absence-overlap")
                .detail("La période recouvre une autre absence de cet agent."),
            ServiceError::TooManyAttempts { retry_after } => Self::of_status(StatusCode::TOO_MANY_REQUESTS)
                .detail("Trop de tentatives. Réessayez plus tard.")
                .retry_after(wait_seconds(retry_after)),
            ServiceError::State(code) => {
                let problem = Self::conflict(code);
                match crate::catalogue::file_refusal(code) {
                    Some(text) => problem.detail(text),
                    None => problem,
                }
            }
            ServiceError::TooLarge { limit_bytes } => Self::of_status(StatusCode::PAYLOAD_TOO_LARGE)
                .detail(crate::catalogue::too_large(limit_bytes)),
            ServiceError::QuotaReached => Self::new(StatusCode::INSUFFICIENT_STORAGE, "quota-reached")
                .detail(crate::catalogue::QUOTA_REACHED),
            ServiceError::StorageFull => {
                Self::of_status(StatusCode::INSUFFICIENT_STORAGE).detail(crate::catalogue::STORAGE_FULL)
            }
            ServiceError::ReadOnlyMode => Self::new(StatusCode::SERVICE_UNAVAILABLE, "read-only")
                .detail("Le site est en lecture seule pendant une maintenance.")
                .retry_after(READ_ONLY_RETRY_SECONDS),
            ServiceError::Store(source) => source.into(),
            other => Self::internal(other),
        }
    }
}

fn rule_message(rule: &Rule) -> String {
    crate::catalogue::rule_message(rule)
}

/// An error with its causes, for the log.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "unreadable",
        StatusCode::UNAUTHORIZED => "unauthenticated",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not-found",
        StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
        StatusCode::REQUEST_TIMEOUT => "request-timeout",
        StatusCode::CONFLICT => "conflict",
        StatusCode::PRECONDITION_FAILED => "precondition-failed",
        StatusCode::PAYLOAD_TOO_LARGE => "too-large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported-media-type",
        StatusCode::RANGE_NOT_SATISFIABLE => "range-not-satisfiable",
        StatusCode::UNPROCESSABLE_ENTITY => "invalid",
        StatusCode::PRECONDITION_REQUIRED => "precondition-required",
        StatusCode::TOO_MANY_REQUESTS => "too-many-requests",
        StatusCode::NOT_IMPLEMENTED => "not-implemented",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        StatusCode::INSUFFICIENT_STORAGE => "storage-full",
        status if status.is_server_error() => "internal",
        _ => "refused",
    }
}

fn title_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "Requête illisible",
        StatusCode::UNAUTHORIZED => "Connexion requise",
        StatusCode::FORBIDDEN => "Accès refusé",
        StatusCode::NOT_FOUND => "Introuvable",
        StatusCode::METHOD_NOT_ALLOWED => "Méthode non autorisée",
        StatusCode::REQUEST_TIMEOUT => "Délai dépassé",
        StatusCode::CONFLICT => "Conflit avec l’état actuel",
        StatusCode::PRECONDITION_FAILED => "Données modifiées entre-temps",
        StatusCode::PAYLOAD_TOO_LARGE => "Contenu trop volumineux",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "Format de contenu non accepté",
        StatusCode::RANGE_NOT_SATISFIABLE => "Partie de fichier introuvable",
        StatusCode::UNPROCESSABLE_ENTITY => "Données non valides",
        StatusCode::PRECONDITION_REQUIRED => "Version requise",
        StatusCode::TOO_MANY_REQUESTS => "Trop de requêtes",
        StatusCode::NOT_IMPLEMENTED => "Méthode inconnue",
        StatusCode::SERVICE_UNAVAILABLE => "Service momentanément indisponible",
        StatusCode::INSUFFICIENT_STORAGE => "Espace de stockage insuffisant",
        status if status.is_server_error() => "Erreur interne",
        _ => "Requête refusée",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_a_problem_document() {
        let problem = Problem::invalid()
            .field("matricule", "taken", "Déjà pris.")
            .detail("Voir les champs.");
        let response = problem.clone().into_response();
        assert_eq!(response.status(), 422);
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        let document = serde_json::to_value(problem.body()).unwrap();
        assert_eq!(document["type"], "/problems/invalid");
        assert_eq!(document["status"], 422);
        assert_eq!(document["errors"][0]["field"], "matricule");
        assert_eq!(document["errors"][0]["code"], "taken");
    }

    #[test]
    fn causes_are_not_shown() {
        let problem = Problem::internal(std::io::Error::other("SELECT secret FROM users"));
        let text = serde_json::to_string(&problem.body()).unwrap();
        assert!(!text.contains("SELECT"), "{text}");
        assert_eq!(problem.status(), 500);
    }

    #[test]
    fn a_lost_backend_asks_to_wait() {
        let problem = Problem::from(BackendError::Unavailable {
            adapter: "sqlite",
            source: None,
        });
        let response = problem.into_response();
        assert_eq!(response.status(), 503);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
    }

    #[test]
    fn a_taken_value_and_a_stale_version_are_told_apart() {
        let taken = Problem::from(StoreError::Conflict {
            entity: "personnel",
            field: "matricule",
        });
        assert_eq!(taken.status(), 409);
        assert_eq!(Problem::from(StoreError::StaleVersion).status(), 412);
    }
}
