//! Answers that several aggregates share: records with their version, what was created, and every error that an
//! operation may give, as the description names them.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use mppeep_core::domain::absence::Absence;
use mppeep_core::domain::validation::Violations;
use mppeep_core::services::ServiceError;
use serde::Serialize;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Ref, Type};
use utoipa::openapi::{ContentBuilder, RefOr};

use crate::app::AppState;
use crate::problem::{FieldError, Problem};

/// Why an operation was not carried out.
#[derive(Debug)]
pub(super) enum ApiError {
    /// A problem that says everything.
    Problem(Problem),
    /// The period shares a half-day with this absence.
    Overlap(Box<Absence>),
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Violations> for ApiError {
    fn from(violations: Violations) -> Self {
        Self::Problem(violations.into())
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Overlap(other) => Self::Overlap(other),
            ServiceError::Taken { field } => Self::Problem(taken(field)),
            other => Self::Problem(other.into()),
        }
    }
}

/// 409 of a kind of its own for each unique field.
fn taken(field: &'static str) -> Problem {
    let code = match field {
        "matricule" => "matricule-taken",
        "email" => "email-taken",
        "year" => "year-taken",
        "code" => "code-taken",
        "date" => "date-taken",
        "personnel_id" => "personnel-taken",
        "period" => "absence-overlap",
        _ => "taken",
    };
    Problem::conflict(code).field(field, "taken", "Cette valeur est déjà utilisée.")
}

/// A conflict of absences: when two overlap, the document names the other one.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AbsenceConflict)]
pub(super) struct OverlapBody {
    #[serde(flatten)]
    problem: crate::problem::ProblemBody,
    /// The absence that is there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    absence: Option<super::absences::AbsenceItem>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Overlap(other) => {
                let problem = Problem::conflict("absence-overlap")
                    .detail("La période recouvre une autre absence de cet agent.")
                    .field(
                        "start_date",
                        "overlap",
                        "Une autre absence couvre une partie de cette période.",
                    );
                let body = OverlapBody {
                    problem: problem.body(),
                    absence: Some((*other).into()),
                };
                let mut response = problem.into_response();
                if let Ok(text) = serde_json::to_vec(&body) {
                    *response.body_mut() = text.into();
                }
                response
            }
        }
    }
}

/// The same error with fields called as this operation calls them.
pub(super) fn renamed(error: ServiceError, names: &[(&str, &str)]) -> ApiError {
    match error {
        ServiceError::Invalid(mut violations) => {
            for violation in &mut violations.0 {
                if let Some((_, name)) = names.iter().find(|(from, _)| *from == violation.field) {
                    violation.field = (*name).to_owned();
                }
            }
            violations.into()
        }
        other => other.into(),
    }
}

/// What is wrong with one field, as a problem.
pub(super) fn wrong(field: &str, code: &'static str, message: &str) -> Problem {
    Problem::invalid().field(field, code, message)
}

/// A problem of several fields.
pub(super) fn all_wrong(errors: Vec<FieldError>) -> Problem {
    errors.into_iter().fold(Problem::invalid(), |problem, error| {
        problem.field(error.field, error.code, error.message)
    })
}

/// A record with its version.
pub(super) fn versioned(version: i64, body: impl Serialize) -> Response {
    let mut response = Json(body).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// A record that was just made, with its address.
pub(super) fn created(
    state: &AppState,
    collection: &str,
    id: impl std::fmt::Display,
    version: i64,
    body: impl Serialize,
) -> Response {
    let mut response = versioned(version, body);
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::from_str(&state.urls.api(collection, id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// The versions a client accepts to change, from `If-Match` (RFC 9110 §13.1.1). A tag that was marked weak on its way,
/// as proxies that compress do, names the same version.
#[derive(Debug, Clone)]
pub(super) struct IfMatch(Option<Vec<i64>>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut tags = Vec::new();
        let mut sent = false;
        for value in parts.headers.get_all(header::IF_MATCH) {
            let text = value
                .to_str()
                .map_err(|_| Problem::unreadable("If-Match n’est pas lisible."))?;
            if text.trim() == "*" {
                return Ok(Self(None));
            }
            sent = true;
            tags.extend(text.split(',').filter_map(tag));
        }
        Ok(Self(sent.then_some(tags)))
    }
}

/// The version that a tag names; none for tags that are not of ours.
fn tag(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = text.strip_prefix("W/").unwrap_or(text);
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    text.parse().ok()
}

impl IfMatch {
    /// The version to change: the present one, if header and body accept it.
    pub(super) fn check(&self, in_body: Option<i64>, present: i64) -> Result<i64, Problem> {
        let by_header = self.0.as_ref().is_none_or(|tags| tags.contains(&present));
        let by_body = in_body.is_none_or(|version| version == present);
        if by_header && by_body {
            Ok(present)
        } else {
            Err(Problem::stale())
        }
    }
}

/// Statuses with what they mean here.
const MEANINGS: &[(u16, &str)] = &[
    (400, "The request cannot be read."),
    (401, "Nobody is logged in."),
    (
        403,
        "The reader may not do this, or must first change the password or accept the charter.",
    ),
    (404, "There is no such record, or the reader may not know of it."),
    (408, "The body did not arrive in time."),
    (
        409,
        "A unique value is taken, or the state of the record does not allow this.",
    ),
    (412, "Somebody else changed the record since it was read."),
    (413, "The body is too large."),
    (415, "The body is not of the type that is described."),
    (416, "The range lies outside the file."),
    (422, "Values are wrong; `errors` names them."),
    (429, "Too many requests; `Retry-After` says how long to wait."),
    (
        503,
        "Something the answer needs does not answer, or the site is in read-only mode.",
    ),
    (507, "There is no room for the file."),
];

/// The name in a reference to a schema of the description.
pub(super) fn schema_name(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/components/schemas/")
}

/// The description of one problem.
pub(super) fn problem_response(status: u16) -> serde_json::Value {
    let described = problems(&[status]).remove(&status.to_string());
    serde_json::to_value(described).unwrap_or_default()
}

fn problems(statuses: &[u16]) -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
    let described = |(status, meaning): &(u16, &str)| {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("ProblemBody")))
            .build();
        let mut response = ResponseBuilder::new()
            .description(*meaning)
            .content("application/problem+json", content);
        if matches!(status, 429 | 503) {
            let seconds = ObjectBuilder::new()
                .schema_type(Type::Integer)
                .description(Some("Seconds to wait."))
                .build();
            response = response.header("Retry-After", HeaderBuilder::new().schema(Some(seconds)).build());
        }
        (status.to_string(), RefOr::T(response.build()))
    };
    MEANINGS
        .iter()
        .filter(|(status, _)| statuses.contains(status))
        .map(described)
        .collect()
}

macro_rules! problem_sets {
    ($($(#[$doc:meta])* $name:ident $statuses:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
                problems(&$statuses)
            }
        }
    )*};
}

problem_sets! {
    /// Of reading a list.
    ListProblems [400, 401, 403, 422, 429, 503];
    /// Of reading one record.
    ReadProblems [400, 401, 403, 404, 422, 429, 503];
    /// Of making a record.
    CreateProblems [400, 401, 403, 408, 409, 413, 415, 422, 429, 503];
    /// Of changing a record.
    ChangeProblems [400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 429, 503];
    /// Of an operation with a body that makes nothing anybody else could have made.
    ActionProblems [400, 401, 403, 408, 413, 415, 422, 429, 503];
    /// Of receiving a file.
    UploadProblems [400, 401, 403, 408, 409, 413, 415, 422, 429, 503, 507];
    /// Of handing out a file.
    DownloadProblems [400, 401, 403, 404, 416, 429, 503];
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn if_match(values: &[&str]) -> Result<IfMatch, Problem> {
        let mut request = http::Request::get("/");
        for value in values {
            request = request.header(header::IF_MATCH, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        IfMatch::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn header_and_body_must_both_accept_the_present_version() {
        for (values, in_body, accepted) in [
            (vec![], None, true),
            (vec![], Some(3), true),
            (vec![], Some(2), false),
            (vec!["\"3\""], None, true),
            (vec!["W/\"3\""], None, true),
            (vec!["3"], None, true),
            (vec!["*"], None, true),
            (vec!["\"2\""], None, false),
            (vec!["\"2\", \"3\""], None, true),
            (vec!["\"2\"", "\"3\""], None, true),
            (vec!["\"x\""], None, false),
            (vec![""], None, false),
            (vec!["\"99999999999999999999\""], None, false),
            (vec!["\"3\""], Some(2), false),
            (vec!["\"2\""], Some(3), false),
        ] {
            let check = if_match(&values).await.unwrap().check(in_body, 3);
            assert_eq!(
                check.map_err(|problem| problem.status().as_u16()),
                if accepted { Ok(3) } else { Err(412) },
                "{values:?}"
            );
        }
    }

    #[test]
    fn every_documented_status_has_a_meaning() {
        use utoipa::IntoResponses as _;
        assert_eq!(ListProblems::responses().len(), 6);
        assert_eq!(ReadProblems::responses().len(), 7);
        assert_eq!(CreateProblems::responses().len(), 10);
        assert_eq!(ChangeProblems::responses().len(), 12);
        assert_eq!(ActionProblems::responses().len(), 9);
        assert_eq!(UploadProblems::responses().len(), 11);
        assert_eq!(DownloadProblems::responses().len(), 7);
    }
}
