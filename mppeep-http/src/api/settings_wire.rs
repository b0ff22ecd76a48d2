//! Sections of the settings on the wire. Members that are left out take their defaults, unknown ones are refused.

use std::collections::BTreeMap;

use mppeep_core::domain::absence::AbsenceType;
use mppeep_core::domain::calendar::CountingMode;
use mppeep_core::domain::document::DocumentKind;
use mppeep_core::domain::grade::{Grade, GradeCategory};
use mppeep_core::domain::settings::RetirementMode;
use mppeep_core::domain::stored_file::FilesSettings;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, Type};

use super::schema::{code, nullable_code, with_example};

/// Gives each section its `version` member, which the domain does not know.
macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident as $schema:ident { $($(#[$meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        #[schema(as = $schema)]
        pub(super) struct $name {
            /// The version the client read; 0 when the section was never saved.
            #[schema(example = 0)]
            pub(super) version: Option<i64>,
            $(
                $(#[$meta])*
                #[serde(skip_serializing_if = "Option::is_none")]
                $field: Option<$type>,
            )*
        }

        impl Section for $name {
            fn version(&self) -> Option<i64> {
                self.version
            }
        }
    )*};
}

/// A section in a body.
pub(super) trait Section: Serialize {
    /// The version the client read.
    fn version(&self) -> Option<i64>;
}

fn counting_mode() -> Object {
    code(CountingMode::ALL.into_iter().map(CountingMode::code), "calendar")
}

fn modes() -> Object {
    let example: serde_json::Map<String, serde_json::Value> = AbsenceType::ALL
        .iter()
        .map(|kind| {
            let counts_every_day = matches!(kind, AbsenceType::AnnualLeave | AbsenceType::MaternityLeave);
            let mode = if counts_every_day {
                CountingMode::Calendar
            } else {
                CountingMode::Worked
            };
            (kind.code().to_owned(), mode.code().into())
        })
        .collect();
    let object = AbsenceType::ALL
        .iter()
        .fold(ObjectBuilder::new(), |object, kind| {
            object.property(kind.code(), counting_mode())
        })
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    with_example(object, example.into())
}

fn ages() -> Object {
    let high = |grade: &Grade| grade.category() == GradeCategory::A && grade.number() >= 4;
    let limit = |grade: &Grade| if high(grade) { 65 } else { 60 };
    let example: serde_json::Map<String, serde_json::Value> = Grade::all()
        .iter()
        .map(|grade| (grade.to_string(), limit(grade).into()))
        .collect();
    let object = Grade::all().iter().fold(ObjectBuilder::new(), |object, grade| {
        let age = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(40))
            .maximum(Some(80));
        object.property(grade.to_string(), with_example(age, limit(grade).into()))
    });
    with_example(
        object.additional_properties(Some(AdditionalProperties::FreeForm(false))),
        example.into(),
    )
}

fn mandatory_documents() -> Object {
    let usual = FilesSettings::default().mandatory();
    let example: serde_json::Map<String, serde_json::Value> = DocumentKind::ALL
        .iter()
        .map(|kind| (kind.code().to_owned(), usual.contains(kind).into()))
        .collect();
    let object = DocumentKind::ALL
        .iter()
        .fold(ObjectBuilder::new(), |object, kind| {
            let needed = ObjectBuilder::new().schema_type(Type::Boolean);
            object.property(kind.code(), with_example(needed, usual.contains(kind).into()))
        });
    with_example(
        object.additional_properties(Some(AdditionalProperties::FreeForm(false))),
        example.into(),
    )
}

fn retirement_mode() -> Object {
    nullable_code(["end_of_year", "end_of_month", "birthday"], Some("end_of_year"))
}

sections! {
    /// Name and colours of the ministry, shown on every page.
    MinistrySection as MinistrySettings {
        /// Full name.
        #[schema(example = "Ministère du Patrimoine", max_length = 160)]
        name: String,
        /// Short name, shown in the menu.
        #[schema(example = "MPPEEP", max_length = 24)]
        short_name: String,
        /// The minister's name; may be empty.
        #[schema(example = "Mme la Ministre", max_length = 120)]
        minister: String,
        /// Text at the foot of every page; may be empty.
        #[schema(example = "Plateau, Abidjan", max_length = 200)]
        footer: String,
        /// Main colour, dark enough for white text on it.
        #[schema(example = "#0b5d3b", pattern = "^#[0-9a-fA-F]{6}$")]
        brand_colour: String,
        /// Accent colour.
        #[schema(example = "#e07a1f", pattern = "^#[0-9a-fA-F]{6}$")]
        accent_colour: String,
    }
    /// Rules of the personnel file.
    PersonnelSection as PersonnelSettings {
        /// Regular expression that a whole matricule matches.
        #[schema(example = "[A-Z0-9-]{2,20}", max_length = 100)]
        matricule_pattern: String,
    }
    /// The working week.
    CalendarSection as CalendarSettings {
        /// Whether each day is worked, Monday first; seven values.
        #[schema(example = json!([true, true, true, true, true, false, false]), min_items = 7, max_items = 7, value_type = Option<Vec<bool>>)]
        week: [bool; 7],
    }
    /// Counting of absences.
    AbsenceSection as AbsenceSettings {
        /// The mode in which each type counts its days.
        #[schema(schema_with = modes, required = false)]
        modes: BTreeMap<AbsenceType, CountingMode>,
    }
    /// Weights and thresholds of evaluations.
    EvaluationSection as EvaluationSettings {
        /// Weights of the five criteria in their order; not all zero.
        #[schema(example = json!([1, 1, 1, 1, 1]), min_items = 5, max_items = 5, value_type = Option<Vec<u8>>)]
        weights: [u8; 5],
        /// From this mark on, excellent.
        #[schema(example = 18, maximum = 20)]
        excellent_from: u8,
        /// From this mark on, very good.
        #[schema(example = 16, maximum = 20)]
        very_good_from: u8,
        /// From this mark on, good.
        #[schema(example = 12, maximum = 20)]
        good_from: u8,
        /// From this mark on, fair; below, insufficient.
        #[schema(example = 10, maximum = 20)]
        fair_from: u8,
    }
    /// Ages and day of retirement.
    RetirementSection as RetirementSettings {
        /// Age limit by grade, in years.
        #[schema(schema_with = ages, required = false)]
        ages: BTreeMap<String, u8>,
        /// Age limit where the grade is not known, in years.
        #[schema(example = 60, minimum = 40, maximum = 80)]
        default_age: u8,
        /// How the day on which the age is reached becomes the day of departure.
        #[schema(schema_with = retirement_mode, required = false)]
        mode: RetirementMode,
    }
    /// What salary slips are computed by.
    PayrollSection as PayrollSettings {
        /// Monthly value of one point of the index, in thousandths of a franc.
        #[schema(example = 233457, minimum = 1, maximum = 100000000)]
        point_value_millifrancs: u32,
        /// What the allowance is called.
        #[schema(example = "Indemnité de transport", min_length = 1, max_length = 80)]
        allowance_label: String,
        /// The allowance, in francs a month.
        #[schema(example = 30000, maximum = 100000000)]
        allowance_francs: u32,
        /// What the deduction is called.
        #[schema(example = "Retenue pour pension", min_length = 1, max_length = 80)]
        deduction_label: String,
        /// The deduction, in hundredths of a per cent of the base.
        #[schema(example = 833, maximum = 10000)]
        deduction_basis_points: u16,
    }
    /// Sizes and times of documents and files.
    FilesSection as FilesSettings {
        /// Size of the largest upload, in mebibytes.
        #[schema(example = 10, minimum = 1, maximum = 100)]
        max_upload_mib: u16,
        /// Room for all contents together, in gibibytes.
        #[schema(example = 20, minimum = 1, maximum = 10000)]
        quota_gib: u16,
        /// After how many days an archived file is removed; 0 keeps it for ever.
        #[schema(example = 365, maximum = 3650)]
        retention_days: u16,
        /// Whether every file should hold a document of that kind.
        #[schema(schema_with = mandatory_documents, required = false)]
        mandatory_documents: BTreeMap<DocumentKind, bool>,
        /// A document that expires within so many days is shown as such.
        #[schema(example = 90, minimum = 1, maximum = 730)]
        expiry_notice_days: u16,
    }
    /// Passwords and sessions.
    SecuritySection as SecuritySettings {
        /// Least number of characters of a new password.
        #[schema(example = 12, minimum = 8, maximum = 64)]
        password_min_length: u8,
        /// Minutes without use after which a session ends; 0 is never.
        #[schema(example = 60, maximum = 10080)]
        idle_minutes: u16,
    }
    /// The privacy charter; off while its text is empty. A new text must be accepted by everybody.
    CharterSection as CharterSettings {
        /// The text.
        #[schema(example = "Les données du personnel sont confidentielles.", max_length = 20000)]
        text: String,
    }
    /// Banner and read-only mode.
    MaintenanceSection as MaintenanceSettings {
        /// Shown at the top of every page; may be empty.
        #[schema(example = "Maintenance samedi de 8 h à 10 h.", max_length = 300)]
        banner: String,
        /// Whether every write but logins and settings is refused.
        #[schema(example = false)]
        read_only: bool,
    }
}
