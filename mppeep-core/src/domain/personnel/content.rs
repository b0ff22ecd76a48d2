//! The content of a file: how it is read from text, and what makes it valid.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::field::PersonnelField;
use super::matricule::{Matricule, MatriculePattern};
use crate::domain::activity::FieldChange;
use crate::domain::codes::{AdministrativePosition, AgentStatus, BirthPrecision, MaritalStatus, Sex};
use crate::domain::email::Email;
use crate::domain::grade::Grade;
use crate::domain::id::DepartmentId;
use crate::domain::parse::{civil_date, whole};
use crate::domain::text;
use crate::domain::validation::{Rule, Violations};

/// The content of a file; every value is valid and agrees with the others.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PersonnelFields {
    /// « Matricule ».
    pub matricule: Matricule,
    /// « Nom ».
    pub family_name: String,
    /// « Prénoms ».
    pub given_names: String,
    /// « Nom de jeune fille ».
    pub maiden_name: Option<String>,
    /// « Sexe ».
    pub sex: Option<Sex>,
    /// « Date de naissance ».
    pub birth_date: Date,
    /// How much of it is known.
    pub birth_precision: BirthPrecision,
    /// « Lieu de naissance ».
    pub birth_place: Option<String>,
    /// « Nationalité ».
    pub nationality: Option<String>,
    /// « Situation familiale ».
    pub marital_status: Option<MaritalStatus>,
    /// « Nombre d'enfants ».
    pub children: Option<u8>,
    /// « N° CNI ».
    pub national_id: Option<String>,
    /// « N° de passeport ».
    pub passport: Option<String>,
    /// « Statut ».
    pub status: AgentStatus,
    /// « Position administrative ».
    pub position: AdministrativePosition,
    /// « Date de recrutement ».
    pub recruitment_date: Option<Date>,
    /// « Prise de service ».
    pub service_start_date: Option<Date>,
    /// The department; none is « Sans affectation ».
    pub department: Option<DepartmentId>,
    /// « Fonction ».
    pub job_title: Option<String>,
    /// « Grade ».
    pub grade: Option<Grade>,
    /// « Échelon », from 1.
    pub step: Option<u8>,
    /// « Indice », from 1.
    pub salary_index: Option<u16>,
    /// Last day of an individual « maintien en activité ».
    pub retirement_extension: Option<Date>,
    /// « Téléphone professionnel ».
    pub work_phone: Option<String>,
    /// « Téléphone personnel ».
    pub personal_phone: Option<String>,
    /// E-mail address.
    pub email: Option<Email>,
    /// « Adresse ».
    pub address: Option<String>,
    /// « Notes ».
    pub notes: Option<String>,
}

/// Values as people give them, by field: text, dates as `AAAA-MM-JJ`, lists by code, the department by identifier.
/// An absent or empty value is no value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonnelInput(pub BTreeMap<PersonnelField, String>);

impl PersonnelInput {
    /// Sets a value.
    pub fn set(&mut self, field: PersonnelField, value: impl Into<String>) {
        self.0.insert(field, value.into());
    }

    /// A value, if there is one.
    pub fn get(&self, field: PersonnelField) -> Option<&str> {
        self.0
            .get(&field)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The values of a file.
    pub fn from_fields(fields: &PersonnelFields) -> Self {
        Self(
            PersonnelField::ALL
                .iter()
                .filter_map(|field| Some((*field, fields.get(*field)?)))
                .collect(),
        )
    }

    /// This input, with the values of `changes` over it; an empty text in `changes` removes a value.
    #[must_use]
    pub fn overlaid_with(mut self, changes: &Self) -> Self {
        for (field, value) in &changes.0 {
            self.0.insert(*field, value.clone());
        }
        self
    }
}

/// What the validity of a file depends on besides itself.
#[derive(Debug, Clone, Copy)]
pub struct PersonnelRules<'a> {
    /// The form of a matricule.
    pub matricule: &'a MatriculePattern,
    /// The present day: births, recruitments and starts of service do not lie after it (a start may, by one year).
    pub today: Date,
}

impl PersonnelFields {
    /// Longest name, in characters.
    pub const NAME_MAX: usize = 100;
    /// Longest note, in characters.
    pub const NOTES_MAX: usize = 4_000;

    /// Makes valid content of an input.
    ///
    /// # Errors
    /// Every rule the input breaks.
    pub fn parse(input: &PersonnelInput, rules: &PersonnelRules<'_>) -> Result<Self, Violations> {
        use PersonnelField as F;
        let mut reader = Reader {
            input,
            violations: Violations::default(),
        };
        let matricule = reader.required(F::Matricule, |value| Matricule::parse(value, rules.matricule));
        let family_name = reader.required(F::FamilyName, |value| text::line(value, Self::NAME_MAX));
        let given_names = reader.required(F::GivenNames, |value| text::line(value, Self::NAME_MAX));
        let birth_date = reader.required(F::BirthDate, civil_date);
        let line = |max| move |value: &str| text::line(value, max);
        let maiden_name = reader.optional(F::MaidenName, line(Self::NAME_MAX));
        let sex = reader.optional(F::Sex, |value| code(value, Sex::by_code, Sex::ALL, Sex::code));
        let birth_precision = reader
            .optional(F::BirthPrecision, |value| {
                code(
                    value,
                    BirthPrecision::by_code,
                    BirthPrecision::ALL,
                    BirthPrecision::code,
                )
            })
            .unwrap_or(BirthPrecision::Day);
        let birth_place = reader.optional(F::BirthPlace, line(120));
        let nationality = reader.optional(F::Nationality, line(60));
        let marital_status = reader.optional(F::MaritalStatus, |value| {
            code(
                value,
                MaritalStatus::by_code,
                MaritalStatus::ALL,
                MaritalStatus::code,
            )
        });
        let children = reader.optional(F::Children, |value| whole(value, 0u8, 30));
        let national_id = reader.optional(F::NationalId, |value| identity_number(value, 30));
        let passport = reader.optional(F::Passport, |value| identity_number(value, 20));
        let status = reader
            .optional(F::Status, |value| {
                code(value, AgentStatus::by_code, AgentStatus::ALL, AgentStatus::code)
            })
            .unwrap_or(AgentStatus::CivilServant);
        let position = reader
            .optional(F::Position, |value| {
                code(
                    value,
                    AdministrativePosition::by_code,
                    AdministrativePosition::ALL,
                    AdministrativePosition::code,
                )
            })
            .unwrap_or(AdministrativePosition::Active);
        let recruitment_date = reader.optional(F::RecruitmentDate, civil_date);
        let service_start_date = reader.optional(F::ServiceStartDate, civil_date);
        let department = reader.optional(F::Department, |value| {
            value
                .parse::<DepartmentId>()
                .map_err(|_| Rule::Unknown { nearest: Vec::new() })
        });
        let job_title = reader.optional(F::JobTitle, line(120));
        let grade = reader.optional(F::Grade, str::parse::<Grade>);
        let step = reader.optional(F::Step, |value| whole(value, 1u8, 20));
        let salary_index = reader.optional(F::SalaryIndex, |value| whole(value, 1u16, 9_999));
        let retirement_extension = reader.optional(F::RetirementExtension, civil_date);
        let work_phone = reader.optional(F::WorkPhone, phone);
        let personal_phone = reader.optional(F::PersonalPhone, phone);
        let email = reader.optional(F::Email, Email::parse);
        let address = reader.optional(F::Address, |value| text::paragraph(value, 300));
        let notes = reader.optional(F::Notes, |value| text::paragraph(value, Self::NOTES_MAX));
        let mut violations = reader.violations;
        check_dates(
            &mut violations,
            rules.today,
            birth_date,
            recruitment_date,
            service_start_date,
        );
        if let (Some(birth), Some(extension)) = (birth_date, retirement_extension)
            && extension <= birth
        {
            let rule = Rule::MustFollow {
                other: F::BirthDate.code(),
                or_equal: false,
            };
            violations.push(F::RetirementExtension.code(), rule);
        }
        match (matricule, family_name, given_names, birth_date) {
            (Some(matricule), Some(family_name), Some(given_names), Some(birth_date))
                if violations.is_empty() =>
            {
                Ok(Self {
                    matricule,
                    family_name: family_name.to_uppercase(),
                    given_names,
                    maiden_name: maiden_name.map(|name| name.to_uppercase()),
                    sex,
                    birth_date,
                    birth_precision,
                    birth_place,
                    nationality,
                    marital_status,
                    children,
                    national_id,
                    passport,
                    status,
                    position,
                    recruitment_date,
                    service_start_date,
                    department,
                    job_title,
                    grade,
                    step,
                    salary_index,
                    retirement_extension,
                    work_phone,
                    personal_phone,
                    email,
                    address,
                    notes,
                })
            }
            _ => Err(violations),
        }
    }

    /// A field's value as text, in the form that [`PersonnelFields::parse`] reads.
    pub fn get(&self, field: PersonnelField) -> Option<String> {
        use PersonnelField as F;
        match field {
            F::Matricule => Some(self.matricule.as_str().to_owned()),
            F::FamilyName => Some(self.family_name.clone()),
            F::GivenNames => Some(self.given_names.clone()),
            F::MaidenName => self.maiden_name.clone(),
            F::Sex => self.sex.map(|value| value.code().to_owned()),
            F::BirthDate => Some(self.birth_date.to_string()),
            F::BirthPrecision => Some(self.birth_precision.code().to_owned()),
            F::BirthPlace => self.birth_place.clone(),
            F::Nationality => self.nationality.clone(),
            F::MaritalStatus => self.marital_status.map(|value| value.code().to_owned()),
            F::Children => self.children.map(|value| value.to_string()),
            F::NationalId => self.national_id.clone(),
            F::Passport => self.passport.clone(),
            F::Status => Some(self.status.code().to_owned()),
            F::Position => Some(self.position.code().to_owned()),
            F::RecruitmentDate => self.recruitment_date.map(|value| value.to_string()),
            F::ServiceStartDate => self.service_start_date.map(|value| value.to_string()),
            F::Department => self.department.map(|value| value.to_string()),
            F::JobTitle => self.job_title.clone(),
            F::Grade => self.grade.map(|value| value.to_string()),
            F::Step => self.step.map(|value| value.to_string()),
            F::SalaryIndex => self.salary_index.map(|value| value.to_string()),
            F::RetirementExtension => self.retirement_extension.map(|value| value.to_string()),
            F::WorkPhone => self.work_phone.clone(),
            F::PersonalPhone => self.personal_phone.clone(),
            F::Email => self.email.as_ref().map(|value| value.as_str().to_owned()),
            F::Address => self.address.clone(),
            F::Notes => self.notes.clone(),
        }
    }

    /// « NOM Prénoms ».
    pub fn full_name(&self) -> String {
        format!("{} {}", self.family_name, self.given_names)
    }

    /// The part of the file that is filled, in percent.
    pub fn completeness_percent(&self) -> u8 {
        let counted: Vec<PersonnelField> = PersonnelField::ALL
            .iter()
            .copied()
            .filter(|field| field.counts_for_completeness())
            .collect();
        let filled = counted.iter().filter(|field| self.get(**field).is_some()).count();
        u8::try_from(filled * 100 / counted.len().max(1)).unwrap_or(100)
    }

    /// The counted fields that are empty.
    pub fn missing(&self) -> Vec<PersonnelField> {
        PersonnelField::ALL
            .iter()
            .copied()
            .filter(|field| field.counts_for_completeness() && self.get(*field).is_none())
            .collect()
    }

    /// Folded text in which the list searches: matricule, names, function, telephones of the office.
    pub fn search_key(&self) -> String {
        let parts = [
            Some(self.matricule.as_str()),
            Some(self.family_name.as_str()),
            Some(self.given_names.as_str()),
            self.work_phone.as_deref(),
        ];
        text::fold(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }

    /// Folded text in which those who may see private data search as well.
    pub fn private_search_key(&self) -> String {
        let parts = [
            self.maiden_name.as_deref(),
            self.national_id.as_deref(),
            self.passport.as_deref(),
            self.personal_phone.as_deref(),
        ];
        text::fold(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }

    /// Folded « nom prénoms », by which lists are sorted.
    pub fn name_key(&self) -> String {
        text::fold(&self.full_name())
    }
}

/// The fields in which two contents differ.
pub fn changes(before: Option<&PersonnelFields>, after: &PersonnelFields) -> Vec<FieldChange> {
    PersonnelField::ALL
        .iter()
        .filter_map(|field| {
            let old = before.and_then(|fields| fields.get(*field));
            let new = after.get(*field);
            (old != new).then(|| FieldChange {
                field: field.code().to_owned(),
                before: old,
                after: new,
            })
        })
        .collect()
}

struct Reader<'a> {
    input: &'a PersonnelInput,
    violations: Violations,
}

impl Reader<'_> {
    fn optional<T>(&mut self, field: PersonnelField, parse: impl Fn(&str) -> Result<T, Rule>) -> Option<T> {
        let value = self.input.get(field)?;
        self.violations.take(field.code(), parse(value))
    }

    fn required<T>(&mut self, field: PersonnelField, parse: impl Fn(&str) -> Result<T, Rule>) -> Option<T> {
        if self.input.get(field).is_none() {
            self.violations.push(field.code(), Rule::Required);
            return None;
        }
        self.optional(field, parse)
    }
}

fn code<T: Copy>(
    value: &str,
    by_code: impl Fn(&str) -> Option<T>,
    all: &[T],
    code: impl Fn(T) -> &'static str,
) -> Result<T, Rule> {
    by_code(value).ok_or_else(|| Rule::Unknown {
        nearest: text::nearest(value, all.iter().map(|known| code(*known)), 3),
    })
}

fn identity_number(value: &str, max: usize) -> Result<String, Rule> {
    let line = text::line(value, max)?.to_uppercase();
    if line.chars().all(|c| c.is_alphanumeric() || " -/.".contains(c)) {
        Ok(line)
    } else {
        Err(Rule::Format {
            expected: "CI001234567".to_owned(),
        })
    }
}

fn phone(value: &str) -> Result<String, Rule> {
    let line = text::line(value, 30)?;
    let digits = line.chars().filter(char::is_ascii_digit).count();
    if (6..=15).contains(&digits) && line.chars().all(|c| c.is_ascii_digit() || " +-./()".contains(c)) {
        Ok(line)
    } else {
        Err(Rule::Format {
            expected: "+225 07 01 02 03 04".to_owned(),
        })
    }
}

fn check_dates(
    violations: &mut Violations,
    today: Date,
    birth: Option<Date>,
    recruitment: Option<Date>,
    start: Option<Date>,
) {
    use PersonnelField as F;
    let next_year = today.saturating_add(jiff::Span::new().years(1));
    if birth.is_some_and(|birth| birth > today) {
        violations.push(F::BirthDate.code(), Rule::InFuture);
    }
    for (field, date) in [(F::RecruitmentDate, recruitment), (F::ServiceStartDate, start)] {
        if date.is_some_and(|date| date > next_year) {
            violations.push(field.code(), Rule::InFuture);
        }
    }
    let pairs = [
        (F::RecruitmentDate, recruitment, F::BirthDate, birth, false),
        (F::ServiceStartDate, start, F::RecruitmentDate, recruitment, true),
        (F::ServiceStartDate, start, F::BirthDate, birth, false),
    ];
    for (field, later, other, earlier, or_equal) in pairs {
        if let (Some(later), Some(earlier)) = (later, earlier)
            && (later < earlier || (!or_equal && later == earlier))
        {
            violations.push(
                field.code(),
                Rule::MustFollow {
                    other: other.code(),
                    or_equal,
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn pattern() -> MatriculePattern {
        MatriculePattern::new(MatriculePattern::DEFAULT).unwrap()
    }

    fn parse(values: &[(PersonnelField, &str)]) -> Result<PersonnelFields, Violations> {
        let mut input = PersonnelInput::default();
        for (field, value) in [
            (PersonnelField::Matricule, "aa-001"),
            (PersonnelField::FamilyName, "Koné"),
            (PersonnelField::GivenNames, "Awa"),
            (PersonnelField::BirthDate, "1980-02-29"),
        ]
        .iter()
        .chain(values)
        {
            input.set(*field, *value);
        }
        PersonnelFields::parse(
            &input,
            &PersonnelRules {
                matricule: &pattern(),
                today: date(2026, 11, 22),
            },
        )
    }

    #[test]
    fn four_fields_are_enough_and_a_file_reads_back() {
        let fields = parse(&[]).unwrap();
        assert_eq!(fields.matricule.as_str(), "AA-001");
        assert_eq!(fields.family_name, "KONÉ");
        assert_eq!(fields.search_key(), "aa-001 kone awa");
        let rules = PersonnelRules {
            matricule: &pattern(),
            today: date(2026, 11, 22),
        };
        assert_eq!(
            PersonnelFields::parse(&PersonnelInput::from_fields(&fields), &rules),
            Ok(fields)
        );
    }

    #[test]
    fn every_broken_rule_is_named() {
        let violations = parse(&[
            (PersonnelField::Matricule, "a"),
            (PersonnelField::BirthDate, "29/02/1980"),
            (PersonnelField::Grade, "Z9"),
            (PersonnelField::Children, "-1"),
            (PersonnelField::Email, "nobody"),
            (PersonnelField::WorkPhone, "call me"),
        ])
        .unwrap_err();
        let fields: Vec<&str> = violations
            .0
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        assert_eq!(
            fields,
            [
                "matricule",
                "birth_date",
                "children",
                "grade",
                "work_phone",
                "email"
            ]
        );
    }

    #[test]
    fn dates_agree_with_each_other() {
        let broken = |values: &[(PersonnelField, &str)]| parse(values).unwrap_err().0[0].field.clone();
        assert_eq!(broken(&[(PersonnelField::BirthDate, "2027-01-01")]), "birth_date");
        assert_eq!(
            broken(&[(PersonnelField::RecruitmentDate, "1979-01-01")]),
            "recruitment_date"
        );
        let swapped = [
            (PersonnelField::RecruitmentDate, "2010-02-01"),
            (PersonnelField::ServiceStartDate, "2010-01-31"),
        ];
        assert_eq!(broken(&swapped), "service_start_date");
        assert_eq!(
            broken(&[(PersonnelField::ServiceStartDate, "9999-12-31")]),
            "service_start_date"
        );
        for text in [
            "infinity",
            "2026-13-01",
            "2026-02-30",
            "20260101",
            "-000001-01-01",
            "0000-01-01",
        ] {
            assert!(civil_date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn changes_are_told_field_by_field() {
        let before = parse(&[]).unwrap();
        let after = parse(&[(PersonnelField::Grade, "A4")]).unwrap();
        let changed = changes(Some(&before), &after);
        assert_eq!(changed.len(), 1);
        assert_eq!(
            (changed[0].field.as_str(), changed[0].after.as_deref()),
            ("grade", Some("A4"))
        );
    }
}
