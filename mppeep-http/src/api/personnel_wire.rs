//! Bodies and answers about personnel files, made after the table of their fields.

use std::borrow::Cow;

use jiff::civil::Date;
use mppeep_core::domain::codes::DepartureReason;
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::personnel::{FieldGroup, PersonnelField, PersonnelInput};
use mppeep_core::services::personnel_view::PersonnelView;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{ArrayBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::answers::all_wrong;
use super::personnel_fields::{FIELDS, Form, Line, REQUIRED, form_of, property, value_of};
use super::schema::{mark_number, with_example};
use crate::problem::{FieldError, Problem};

/// What a body says about a file.
#[derive(Debug)]
pub(super) struct PersonnelBody {
    /// The fields that are present; an empty text removes a value.
    pub(super) input: PersonnelInput,
    /// The version the client read.
    pub(super) version: Option<i64>,
}

impl PersonnelBody {
    /// Reads the members of a body; `version` is one of them where a file is changed. Everything of a wrong type and
    /// every unknown name is told at once; what values mean is checked by the domain.
    pub(super) fn read(members: Map<String, Value>, takes_version: bool) -> Result<Self, Problem> {
        let mut body = Self {
            input: PersonnelInput::default(),
            version: None,
        };
        let mut errors = Vec::new();
        for (name, value) in members {
            if takes_version && name == "version" {
                match value {
                    Value::Null => {}
                    value => match value.as_i64() {
                        Some(version) => body.version = Some(version),
                        None => errors.push(not_of_type(name)),
                    },
                }
                continue;
            }
            let field = PersonnelField::by_code(&name);
            let (Some(field), Some(form)) = (field, field.and_then(form_of)) else {
                errors.push(field_error(name, "unknown-field", "Ce champ est inconnu."));
                continue;
            };
            match (form, value) {
                (_, Value::Null) => body.input.set(field, ""),
                (Form::Whole(..), Value::Number(number)) if number.is_i64() || number.is_u64() => {
                    body.input.set(field, number.to_string());
                }
                (Form::Whole(..), _) => errors.push(not_of_type(name)),
                (_, Value::String(text)) => body.input.set(field, text),
                _ => errors.push(not_of_type(name)),
            }
        }
        if errors.is_empty() {
            Ok(body)
        } else {
            Err(all_wrong(errors))
        }
    }
}

fn not_of_type(field: String) -> FieldError {
    field_error(field, "type", "Cette valeur n’est pas du type attendu.")
}

fn field_error(field: String, code: &'static str, message: &str) -> FieldError {
    FieldError {
        field,
        code: Cow::Borrowed(code),
        message: message.to_owned(),
    }
}

/// A file to create: only `matricule`, `family_name`, `given_names` and `birth_date` are needed.
pub(super) struct CreatePersonnel;

impl PartialSchema for CreatePersonnel {
    fn schema() -> RefOr<Schema> {
        let empty = ObjectBuilder::new()
            .description(Some("A file to create. An empty or null value is no value."))
            .additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::FreeForm(
                false,
            )));
        let object = FIELDS.iter().fold(empty, |object, line| {
            object.property(line.0.code(), property(line, !REQUIRED.contains(&line.0), true))
        });
        RefOr::T(
            REQUIRED
                .iter()
                .fold(object, |object, field| object.required(field.code()))
                .build()
                .into(),
        )
    }
}

impl ToSchema for CreatePersonnel {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("CreatePersonnel")
    }
}

/// A change of a file: the members that are present change, null removes a value.
pub(super) struct UpdatePersonnel;

impl PartialSchema for UpdatePersonnel {
    fn schema() -> RefOr<Schema> {
        let version = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
            .description(Some(
                "The version the client read; the change is refused when it is no longer the present one.",
            ));
        let object = ObjectBuilder::new()
            .description(Some(
                "A change of a file: members that are left out stay as they are, null removes a value.",
            ))
            .additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::FreeForm(
                false,
            )))
            .property("version", with_example(version, json!(1)));
        let object = FIELDS.iter().fold(object, |object, line| {
            object.property(line.0.code(), property(line, !REQUIRED.contains(&line.0), true))
        });
        RefOr::T(object.build().into())
    }
}

impl ToSchema for UpdatePersonnel {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("UpdatePersonnel")
    }
}

/// A file as its reader may see it. Values that he may not see are left out, those that are empty are null.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct PersonnelItem(Map<String, Value>);

impl PersonnelItem {
    /// A file by itself.
    pub(super) fn of(view: &PersonnelView, organisation: &Organisation, today: Date) -> Self {
        let department = view.department().and_then(|id| organisation.department(id));
        let mut item = Self::common(view, today);
        item.set(
            "department_name",
            department.map(|unit| unit.fields.name.as_str()),
        );
        item
    }

    /// A row of a list, with what lists count.
    pub(super) fn row(view: &PersonnelView, today: Date) -> Self {
        let mut item = Self::common(view, today);
        item.set("department_name", view.department_name());
        if view.shows_absences() {
            item.set("absence_count", view.absence_count());
            item.set("absence_count_year", view.absence_count_year());
        }
        if view.shows_evaluations() {
            item.set("average_mark", view.average_mark_hundredths().map(mark_number));
            item.set("mark_count", view.mark_count());
        }
        item
    }

    fn common(view: &PersonnelView, today: Date) -> Self {
        let mut item = Self(Map::new());
        item.set("id", view.id().to_string());
        item.set("version", view.version());
        item.set("full_name", view.full_name());
        for Line(field, form, ..) in FIELDS {
            if view.shows(field.group()) {
                item.set(field.code(), value_of(*form, view.get(*field).as_deref()));
            }
        }
        item.set("archived", view.is_archived());
        if view.shows(FieldGroup::Career) {
            let departure = view.departure();
            item.set(
                "departure_date",
                departure.map(|departure| departure.date.to_string()),
            );
            item.set(
                "departure_reason",
                departure.map(|departure| departure.reason.code()),
            );
            item.set(
                "retirement_date",
                view.retirement_date().map(|date| date.to_string()),
            );
            let seniority = view.seniority(today);
            item.set(
                "seniority",
                seniority
                    .map(|(years, months, days)| json!({ "years": years, "months": months, "days": days })),
            );
            item.set("completeness_percent", view.completeness_percent());
            item.set(
                "missing",
                view.missing()
                    .into_iter()
                    .map(PersonnelField::code)
                    .collect::<Vec<_>>(),
            );
            item.set("created_at", view.created_at().to_string());
            item.set("updated_at", view.updated_at().to_string());
        }
        item
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

impl PartialSchema for PersonnelItem {
    fn schema() -> RefOr<Schema> {
        let of = |kind: Type| ObjectBuilder::new().schema_type(kind);
        let or_null =
            |kind: Type| ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]));
        let known = |format: KnownFormat| Some(SchemaFormat::KnownFormat(format));
        let reasons = DepartureReason::ALL
            .iter()
            .map(|reason| Value::from(reason.code()));
        let whole = |name: &'static str| (name, of(Type::Integer).minimum(Some(0)).build());
        let seniority = [whole("years"), whole("months"), whole("days")]
            .into_iter()
            .fold(or_null(Type::Object), |object, (name, schema)| {
                object.property(name, schema)
            })
            .description(Some("Time of service today."));
        let object = ObjectBuilder::new()
            .description(Some(
                "A file. Groups of values that the reader may not see are left out; empty values are null. Lists add \
                 the counts of absences and marks.",
            ))
            .property("id", of(Type::String).format(known(KnownFormat::Uuid)))
            .property("version", of(Type::Integer))
            .property("full_name", of(Type::String));
        let object = FIELDS.iter().fold(object, |object, line| {
            object.property(line.0.code(), property(line, !is_always_there(line.0), false))
        });
        let object = object
            .property("department_name", or_null(Type::String))
            .property("archived", of(Type::Boolean))
            .property(
                "departure_date",
                or_null(Type::String).format(known(KnownFormat::Date)),
            )
            .property(
                "departure_reason",
                or_null(Type::String).enum_values(Some(reasons.chain([Value::Null]))),
            )
            .property(
                "retirement_date",
                or_null(Type::String).format(known(KnownFormat::Date)),
            )
            .property("seniority", seniority)
            .property(
                "completeness_percent",
                of(Type::Integer).minimum(Some(0)).maximum(Some(100)),
            )
            .property("missing", ArrayBuilder::new().items(of(Type::String)))
            .property(
                "created_at",
                of(Type::String).format(known(KnownFormat::DateTime)),
            )
            .property(
                "updated_at",
                of(Type::String).format(known(KnownFormat::DateTime)),
            )
            .property("absence_count", of(Type::Integer).minimum(Some(0)))
            .property("absence_count_year", of(Type::Integer).minimum(Some(0)))
            .property(
                "average_mark",
                or_null(Type::Number).minimum(Some(0)).maximum(Some(20)),
            )
            .property("mark_count", of(Type::Integer).minimum(Some(0)));
        let always = [
            "id",
            "version",
            "full_name",
            "matricule",
            "family_name",
            "given_names",
            "archived",
        ];
        RefOr::T(
            always
                .iter()
                .fold(object, |object, name| object.required(*name))
                .build()
                .into(),
        )
    }
}

/// Whether a file that shows the field's group always has a value for it.
fn is_always_there(field: PersonnelField) -> bool {
    use PersonnelField as F;
    REQUIRED.contains(&field) || matches!(field, F::BirthPrecision | F::Status | F::Position)
}

impl ToSchema for PersonnelItem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Personnel")
    }
}

#[cfg(test)]
mod tests {
    use mppeep_core::domain::personnel::{MatriculePattern, PersonnelFields, PersonnelRules};

    use super::*;

    #[test]
    fn the_table_has_each_field_once_and_its_examples_are_a_file() {
        let named: Vec<PersonnelField> = FIELDS.iter().map(|line| line.0).collect();
        assert_eq!(named, PersonnelField::ALL);
        let members: Map<String, Value> = FIELDS
            .iter()
            .map(|line| (line.0.code().to_owned(), value_of(line.1, line.2)))
            .collect();
        let body = PersonnelBody::read(members, false).unwrap();
        let pattern = MatriculePattern::new(MatriculePattern::DEFAULT).unwrap();
        let rules = PersonnelRules {
            matricule: &pattern,
            today: jiff::civil::date(2026, 11, 22),
        };
        assert!(PersonnelFields::parse(&body.input, &rules).is_ok());
    }

    #[test]
    fn everything_of_a_wrong_type_is_told_at_once() {
        let members = json!({ "matricule": 3, "children": "2", "step": 1.5, "grade": ["A4"], "admin": true, "notes": null, "version": 1 });
        let Value::Object(members) = members else {
            unreachable!()
        };
        let problem = PersonnelBody::read(members, false).unwrap_err();
        let mut fields: Vec<(&str, &str)> = problem
            .errors()
            .iter()
            .map(|error| (error.field.as_str(), error.code.as_ref()))
            .collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                ("admin", "unknown-field"),
                ("children", "type"),
                ("grade", "type"),
                ("matricule", "type"),
                ("step", "type"),
                ("version", "unknown-field"),
            ]
        );
    }
}
