//! The fields of a personnel file on the wire: one table says for each its JSON form, its example and its meaning. The
//! reading of bodies and the description both follow it, so that they cannot differ.

use std::borrow::Cow;

use mppeep_core::domain::codes::{AdministrativePosition, AgentStatus, BirthPrecision, MaritalStatus, Sex};
use mppeep_core::domain::grade::Grade;
use mppeep_core::domain::personnel::PersonnelField;
use serde_json::Value;
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, SchemaType, Type};

use super::schema::with_example;

/// The JSON form of a field.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// Text of at most that many characters.
    Line(usize),
    /// A civil date.
    Day,
    /// A whole number in a range.
    Whole(i64, i64),
    /// One of some codes.
    Code(fn() -> Vec<Cow<'static, str>>),
    /// An identifier.
    Id,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
}

/// One line of the table: the field, its form, an example as text (none is null), and what it is.
pub(super) struct Line(
    pub(super) PersonnelField,
    pub(super) Form,
    pub(super) Option<&'static str>,
    pub(super) &'static str,
);

macro_rules! codes_of {
    ($type:ident) => {
        Form::Code(|| {
            $type::ALL
                .iter()
                .map(|value| Cow::Borrowed(value.code()))
                .collect()
        })
    };
}

fn grades() -> Vec<Cow<'static, str>> {
    Grade::all()
        .iter()
        .map(|grade| Cow::Owned(grade.to_string()))
        .collect()
}

/// The table. All examples together are a valid file.
pub(super) const FIELDS: &[Line] = {
    use Form::{Code, Day, Email, Id, Phone, Whole};
    use PersonnelField as F;
    &[
        Line(
            F::Matricule,
            Form::Line(40),
            Some("MP-104512"),
            "Number by which the State knows the agent; unique.",
        ),
        Line(
            F::FamilyName,
            Form::Line(100),
            Some("KONÉ"),
            "Family name; kept in upper case.",
        ),
        Line(F::GivenNames, Form::Line(100), Some("Awa Mariam"), "Given names."),
        Line(
            F::MaidenName,
            Form::Line(100),
            Some("TRAORÉ"),
            "Name before marriage.",
        ),
        Line(
            F::Sex,
            codes_of!(Sex),
            Some("female"),
            "Sex, as the civil status has it.",
        ),
        Line(F::BirthDate, Day, Some("1985-03-14"), "Birth date."),
        Line(
            F::BirthPrecision,
            codes_of!(BirthPrecision),
            Some("day"),
            "How much of the birth date is known.",
        ),
        Line(F::BirthPlace, Form::Line(120), Some("Bouaké"), "Place of birth."),
        Line(F::Nationality, Form::Line(60), Some("Ivoirienne"), "Nationality."),
        Line(
            F::MaritalStatus,
            codes_of!(MaritalStatus),
            Some("married"),
            "Family situation.",
        ),
        Line(F::Children, Whole(0, 30), Some("2"), "Number of children."),
        Line(
            F::NationalId,
            Form::Line(30),
            Some("CI002413577"),
            "Number of the identity card.",
        ),
        Line(
            F::Passport,
            Form::Line(20),
            Some("19AB12345"),
            "Number of the passport.",
        ),
        Line(
            F::Status,
            codes_of!(AgentStatus),
            Some("civil_servant"),
            "Legal ground on which the agent serves.",
        ),
        Line(
            F::Position,
            codes_of!(AdministrativePosition),
            Some("active"),
            "Administrative position.",
        ),
        Line(F::RecruitmentDate, Day, Some("2010-09-01"), "Day of recruitment."),
        Line(
            F::ServiceStartDate,
            Day,
            Some("2010-10-04"),
            "First day of service; not before recruitment.",
        ),
        Line(
            F::Department,
            Id,
            None,
            "Department the agent is assigned to; null is unassigned.",
        ),
        Line(
            F::JobTitle,
            Form::Line(120),
            Some("Chargée d’études"),
            "Function.",
        ),
        Line(F::Grade, Code(grades), Some("A4"), "Grade of the civil service."),
        Line(F::Step, Whole(1, 20), Some("3"), "Step within the grade."),
        Line(F::SalaryIndex, Whole(1, 9_999), Some("1460"), "Salary index."),
        Line(
            F::RetirementExtension,
            Day,
            Some("2051-12-31"),
            "Last day of an individual extension of service.",
        ),
        Line(
            F::WorkPhone,
            Phone,
            Some("+225 27 20 21 22 23"),
            "Telephone at the office.",
        ),
        Line(
            F::PersonalPhone,
            Phone,
            Some("+225 07 01 02 03 04"),
            "Private telephone.",
        ),
        Line(F::Email, Email, Some("awa.kone@exemple.ci"), "E-mail address."),
        Line(
            F::Address,
            Form::Line(300),
            Some("Cocody, Riviera 3, Abidjan"),
            "Private address.",
        ),
        Line(
            F::Notes,
            Form::Line(4_000),
            Some("Dossier complet."),
            "Notes of those in charge of personnel.",
        ),
    ]
};

/// The JSON form of a field.
pub(super) fn form_of(field: PersonnelField) -> Option<Form> {
    FIELDS.iter().find(|line| line.0 == field).map(|line| line.1)
}

/// The fields without which there is no file.
pub(super) const REQUIRED: [PersonnelField; 4] = [
    PersonnelField::Matricule,
    PersonnelField::FamilyName,
    PersonnelField::GivenNames,
    PersonnelField::BirthDate,
];

/// A text as its field's JSON form has it.
pub(super) fn value_of(form: Form, text: Option<&str>) -> Value {
    match (form, text) {
        (_, None) => Value::Null,
        (Form::Whole(..), Some(text)) => text.parse::<i64>().map_or(Value::Null, Value::from),
        (_, Some(text)) => Value::from(text),
    }
}

/// The schema of a field.
pub(super) fn property(line: &Line, may_be_null: bool, has_example: bool) -> Object {
    let Line(_, form, example, about) = line;
    let plain = if matches!(form, Form::Whole(..)) {
        Type::Integer
    } else {
        Type::String
    };
    let kind = if may_be_null {
        SchemaType::from_iter([plain, Type::Null])
    } else {
        SchemaType::new(plain)
    };
    let object = ObjectBuilder::new().schema_type(kind).description(Some(*about));
    let object = match form {
        Form::Line(max) => object
            .max_length(Some(*max))
            .min_length((!may_be_null).then_some(1)),
        Form::Day => object.format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))),
        Form::Id => object.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))),
        Form::Phone => object
            .pattern(Some("^[ ()./-]*\\+?([0-9][ ()./-]*){6,15}$"))
            .max_length(Some(30)),
        Form::Email => object
            .max_length(Some(254))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email))),
        Form::Whole(min, max) => object.minimum(Some(*min)).maximum(Some(*max)),
        Form::Code(codes) => {
            let known = codes().into_iter().map(Value::from);
            object.enum_values(Some(known.chain(may_be_null.then_some(Value::Null))))
        }
    };
    if has_example {
        with_example(object, value_of(*form, *example))
    } else {
        object.build()
    }
}
