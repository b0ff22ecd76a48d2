//! Wire forms that several aggregates share: pages of lists, values of the query, dates, codes, marks, and members that
//! may be removed.

use std::str::FromStr;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::header;
use http::request::Parts;
use jiff::civil::Date;
use mppeep_core::domain::activity::EntityKind;
use mppeep_core::domain::evaluation::Mark;
use mppeep_core::domain::id::{DepartmentId, DirectorateId, ProgrammeId};
use mppeep_core::domain::organisation::{Organisation, UnitRef};
use mppeep_core::domain::parse::civil_date;
use mppeep_core::domain::validation::Rule;
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart};
use mppeep_core::services::ServiceError;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

use super::answers::{ApiError, wrong};
use crate::extract::{JsonBody, QueryParams};
use crate::middleware::body;
use crate::problem::Problem;

/// Most rows of one page.
pub(super) const MAX_ROWS: u32 = 200;

/// Highest number of a page; the offset of its rows then always fits.
pub(super) const MAX_PAGE: u32 = 1_000_000;

/// Rows of a page when the client does not say.
const USUAL_ROWS: u32 = 50;

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct List<T> {
    /// The rows.
    items: Vec<T>,
    /// Sent back as `cursor`, it leads to the next page; null on the last one.
    next_cursor: Option<String>,
    /// Rows of the whole list.
    #[schema(example = 1)]
    total: u64,
}

impl<T> List<T> {
    /// A page with its rows in their wire form.
    pub(super) fn of<R>(page: Page<R>, convert: impl FnMut(R) -> T) -> Json<Self> {
        let next_cursor = page.next.as_ref().map(Cursor::encode);
        Json(Self {
            total: page.total,
            next_cursor,
            items: page.rows.into_iter().map(convert).collect(),
        })
    }

    /// A list that comes whole.
    pub(super) fn whole(items: Vec<T>) -> Json<Self> {
        let total = u64::try_from(items.len()).unwrap_or(u64::MAX);
        Json(Self {
            items,
            next_cursor: None,
            total,
        })
    }
}

/// The query of an operation. A parameter that is there has a value; only the words of a search may be none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<T>(pub(super) T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let QueryParams(params) = QueryParams::from_request_parts(parts, state).await?;
        let pairs = parts.uri.query().unwrap_or_default().split('&');
        let blank = pairs
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(name, value)| *name != WORDS && value.is_empty());
        if let Some((name, _)) = blank {
            let rule = Rule::Required;
            return Err(wrong(name, rule.code(), &crate::catalogue::rule_message(&rule)));
        }
        Ok(Self(params))
    }
}

/// The parameter with the words of a search.
const WORDS: &str = "q";

/// The page that a query asks for: `limit` goes before `size`, and a cursor before a number.
pub(super) fn page_request(
    limit: Option<u32>,
    cursor: Option<&str>,
    page: Option<u32>,
    size: Option<u32>,
) -> Result<PageRequest, Problem> {
    let field = if limit.is_some() { "limit" } else { "size" };
    let rows = limit.or(size).unwrap_or(USUAL_ROWS);
    if !(1..=MAX_ROWS).contains(&rows) {
        return Err(out_of_range(field, 1, MAX_ROWS));
    }
    let start = match (cursor, page) {
        (Some(text), _) => PageStart::After(
            Cursor::decode(text).ok_or_else(|| wrong("cursor", "format", "Ce curseur n’est pas valide."))?,
        ),
        (None, None) => PageStart::First,
        (None, Some(page)) if !(1..=MAX_PAGE).contains(&page) => {
            return Err(out_of_range("page", 1, MAX_PAGE));
        }
        (None, Some(1)) => PageStart::First,
        (None, Some(page)) => PageStart::Offset((page - 1) * rows),
    };
    Ok(PageRequest { limit: rows, start })
}

/// What is wrong with a number outside its range.
pub(super) fn out_of_range(field: &str, min: u32, max: u32) -> Problem {
    let rule = Rule::OutOfRange {
        min: min.to_string(),
        max: max.to_string(),
    };
    wrong(field, rule.code(), &crate::catalogue::rule_message(&rule))
}

/// Declares the query of a list: its own conditions, then those of its pages.
macro_rules! list_query {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
        #[serde(deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub(super) struct $name {
            $($(#[$field_meta])* $field: $type,)*
            /// Rows of a page; 50 when not given.
            #[param(minimum = 1, maximum = 200, example = 50)]
            limit: Option<u32>,
            /// Where the page starts: `next_cursor` of the page before.
            #[param(pattern = "^[A-Za-z0-9_-]+$")]
            cursor: Option<String>,
            /// Number of the page, from 1, when there is no cursor.
            #[param(minimum = 1, maximum = 1000000, example = 1)]
            page: Option<u32>,
            /// Rows of a page, when there is no `limit`.
            #[param(minimum = 1, maximum = 200, example = 50)]
            size: Option<u32>,
        }

        impl $name {
            /// The page asked for.
            fn page(&self) -> Result<mppeep_core::ports::page::PageRequest, crate::problem::Problem> {
                super::schema::page_request(self.limit, self.cursor.as_deref(), self.page, self.size)
            }
        }
    };
}
pub(super) use list_query;

/// Something read from its text form, such as an identifier or a grade.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: FromStr> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map(Self)
            .map_err(|_| D::Error::custom("not of the expected form"))
    }
}

/// A civil date, `AAAA-MM-JJ`, between 1900 and 2200.
#[derive(Debug, Clone, Copy)]
pub(super) struct IsoDate(pub(super) Date);

impl FromStr for IsoDate {
    type Err = Rule;

    fn from_str(text: &str) -> Result<Self, Rule> {
        civil_date(text).map(Self)
    }
}

/// A civil date in the query.
pub(super) type QueryDate = Text<IsoDate>;

/// The day of an optional date of the query.
pub(super) fn day(date: Option<QueryDate>) -> Option<Date> {
    date.map(|date| date.0.0)
}

/// The unit whose agents a query asks for: the narrowest one named, when it lies in the wider ones. Nobody is in two
/// units that do not hold each other; a department that does not exist stands for that.
pub(super) fn unit_of(
    organisation: &Organisation,
    programme: Option<Text<ProgrammeId>>,
    directorate: Option<Text<DirectorateId>>,
    department: Option<Text<DepartmentId>>,
) -> Option<UnitRef> {
    let units = [
        department.map(|id| UnitRef::Department(id.0)),
        directorate.map(|id| UnitRef::Directorate(id.0)),
        programme.map(|id| UnitRef::Programme(id.0)),
    ];
    let mut named = units.into_iter().flatten();
    let narrowest = named.next()?;
    let departments = organisation.departments_of(narrowest);
    let holds = |wider: UnitRef| departments.is_subset(&organisation.departments_of(wider));
    let nobody = UnitRef::Department(DepartmentId::from_uuid(uuid::Uuid::nil()));
    Some(if named.all(holds) { narrowest } else { nobody })
}

/// A member that may be absent (left as it is), null (removed) or a value.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// The text of a member over the present text: absent keeps it, null empties it.
pub(super) fn over(change: Option<Option<String>>, present: Option<String>) -> String {
    change.unwrap_or(present).unwrap_or_default()
}

/// A mark as a JSON number: hundredths are exact in the shortest decimal form of a double.
pub(super) fn mark_number(hundredths: u16) -> f64 {
    f64::from(hundredths) / 100.0
}

/// The text of a number that a client sent for a mark; the mark's own rules then read it.
pub(super) fn mark_text(number: f64) -> String {
    let text = number.to_string();
    // The domain takes a comma or a point and at most two decimals; anything else it refuses.
    if text.len() > 24 {
        "out of range".to_owned()
    } else {
        text
    }
}

/// The present mark as text.
pub(super) fn mark_as_text(mark: Option<&Mark>) -> String {
    mark.map(Mark::to_string).unwrap_or_default()
}

/// Half-days as days, for instance 2.5.
pub(super) fn days(half_days: u32) -> f64 {
    f64::from(half_days) / 2.0
}

/// The identifier that a member of a body names.
pub(super) fn reference<T: FromStr>(field: &str, text: &str) -> Result<T, Problem> {
    text.trim().parse().map_err(|_| unknown(field))
}

fn unknown(field: &str) -> Problem {
    let rule = Rule::Unknown { nearest: Vec::new() };
    wrong(field, rule.code(), &crate::catalogue::rule_message(&rule))
}

/// An outcome in which an agent who is not found is one that the body named, not the address.
pub(super) fn known_reference<T>(field: &str, outcome: Result<T, ServiceError>) -> Result<T, ApiError> {
    outcome.map_err(|error| match error {
        ServiceError::NotFound(EntityKind::Personnel) => unknown(field).into(),
        other => other.into(),
    })
}

/// A JSON body that may be left out altogether.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OptionalBody<T>(pub(super) T);

impl<T, S> FromRequest<S> for OptionalBody<T>
where
    T: DeserializeOwned + Default,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = body::read(body).await?;
        if bytes.is_empty() && !parts.headers.contains_key(header::CONTENT_TYPE) {
            return Ok(Self(T::default()));
        }
        // As in the description: null is no body either.
        let bytes = if bytes.trim_ascii() == b"null" {
            Bytes::from_static(b"{}")
        } else {
            bytes
        };
        let request = Request::from_parts(parts, Body::from(bytes));
        JsonBody::from_request(request, state)
            .await
            .map(|JsonBody(body)| Self(body))
    }
}

/// The version that a change without other members starts from.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionBody {
    /// The version the client read; the change is refused when it is no longer the present one.
    #[schema(example = 1)]
    pub(super) version: Option<i64>,
}

/// A schema with the `example` that the contract promises. OpenAPI 3.1 knows the word, and prefers `examples`.
pub(super) fn with_example(object: ObjectBuilder, example: Value) -> Object {
    let mut object = object.build();
    object.example = Some(example);
    object
}

/// The schema of a closed list of codes.
pub(super) fn code(codes: impl IntoIterator<Item = &'static str>, example: &str) -> Object {
    let object = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(codes.into_iter().map(Value::from)));
    with_example(object, example.into())
}

/// The same, for a member that may be null.
pub(super) fn nullable_code(codes: impl IntoIterator<Item = &'static str>, example: Option<&str>) -> Object {
    let object = ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(codes.into_iter().map(Value::from).chain([Value::Null])));
    with_example(object, example.into())
}

/// Names schema functions for closed lists of the core.
macro_rules! code_schemas {
    ($($name:ident = $type:ty, $example:literal;)*) => {$(
        pub(super) fn $name() -> utoipa::openapi::schema::Object {
            super::schema::code(<$type>::ALL.iter().map(|value| value.code()), $example)
        }
    )*};
}
pub(super) use code_schemas;

#[cfg(test)]
mod tests {
    use super::*;

    fn status(result: Result<PageRequest, Problem>) -> Result<(u32, PageStart), (u16, String)> {
        result.map(|page| (page.limit, page.start)).map_err(|problem| {
            (
                problem.status().as_u16(),
                problem
                    .errors()
                    .first()
                    .map(|error| error.field.clone())
                    .unwrap_or_default(),
            )
        })
    }

    #[test]
    fn pages_are_asked_for_by_cursor_or_by_number() {
        assert_eq!(
            status(page_request(None, None, None, None)),
            Ok((50, PageStart::First))
        );
        assert_eq!(
            status(page_request(Some(200), None, Some(1), None)),
            Ok((200, PageStart::First))
        );
        assert_eq!(
            status(page_request(None, None, Some(3), Some(20))),
            Ok((20, PageStart::Offset(40)))
        );
        for (limit, cursor, page, size, field) in [
            (Some(0), None, None, None, "limit"),
            (Some(201), None, None, None, "limit"),
            (None, None, None, Some(201), "size"),
            (None, Some("?"), None, None, "cursor"),
            (None, Some("e30"), Some(1), None, "cursor"),
            (Some(201), None, None, Some(1), "limit"),
            (None, None, Some(0), None, "page"),
            (None, None, Some(u32::MAX), Some(200), "page"),
            (None, None, Some(MAX_PAGE + 1), None, "page"),
        ] {
            assert_eq!(
                status(page_request(limit, cursor, page, size)),
                Err((422, field.to_owned()))
            );
        }
    }

    #[test]
    fn marks_go_both_ways_without_loss() {
        for hundredths in 0..=2_000 {
            let text = mark_text(mark_number(hundredths));
            assert_eq!(Mark::parse(&text).map(Mark::hundredths), Ok(hundredths), "{text}");
        }
        for number in [20.01, -1.0, -0.01, 12.345, 1e300, 1e-9, 20.000_001] {
            assert!(Mark::parse(&mark_text(number)).is_err(), "{number}");
        }
    }
}
