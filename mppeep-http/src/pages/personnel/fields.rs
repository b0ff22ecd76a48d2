//! The fields of an agent's form, by section.

use mppeep_core::domain::codes::{AdministrativePosition, AgentStatus, BirthPrecision, MaritalStatus, Sex};
use mppeep_core::domain::grade::{Grade, GradeCategory};
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::personnel::{PersonnelField, PersonnelFields, PersonnelInput};

use crate::catalogue;
use crate::pages::ui::{Choice, Field, FormErrors, Section};

/// The box that says « année seule »; the file has a precision instead.
pub(super) const YEAR_ONLY: &str = "birth_year_only";

/// The sections with their values and errors.
pub(super) fn sections(input: &PersonnelInput, errors: &FormErrors, units: &Organisation) -> Vec<Section> {
    use PersonnelField as F;
    let finish = |field: Field, of: F| {
        let value = input.0.get(&of).cloned().unwrap_or_default();
        field.value(value).errors(errors)
    };
    let text = |of: F| finish(Field::text(of.code(), catalogue::personnel_field(of)), of);
    let date = |of: F| finish(Field::date(of.code(), catalogue::personnel_field(of)), of).width("w4");
    let number = |of: F, max: &'static str| {
        let field = Field::number(of.code(), catalogue::personnel_field(of)).attribute("max", max);
        finish(
            field.attribute("min", if of == F::Children { "0" } else { "1" }),
            of,
        )
        .width("w3")
    };
    let list = |of: F, empty: Option<&str>, choices: Vec<Choice>| {
        finish(
            Field::select(of.code(), catalogue::personnel_field(of), empty, choices),
            of,
        )
        .width("w4")
    };
    let year_only = input
        .0
        .get(&F::BirthPrecision)
        .is_some_and(|code| code == BirthPrecision::Year.code());
    vec![
        Section::new(
            "Identification",
            vec![
                text(F::Matricule)
                    .required()
                    .width("w4")
                    .attribute("autocomplete", "off")
                    .attribute("maxlength", "40"),
                list(
                    F::Status,
                    None,
                    catalogue::choices(AgentStatus::ALL, AgentStatus::code),
                )
                .required(),
                text(F::NationalId).width("w4"),
                text(F::Passport).width("w4"),
            ],
        ),
        Section::new(
            "État civil",
            vec![
                text(F::FamilyName).required(),
                text(F::GivenNames).required(),
                text(F::MaidenName),
                list(
                    F::Sex,
                    Some("Non renseigné"),
                    catalogue::choices(Sex::ALL, Sex::code),
                )
                .width(""),
                date(F::BirthDate).required(),
                Field::checkbox(YEAR_ONLY, "Année seule (« né vers »)", year_only)
                    .help("La date vaut alors au 31 décembre de l’année.")
                    .width("w4"),
                text(F::BirthPlace).width("w4"),
                text(F::Nationality).width("w4"),
                list(
                    F::MaritalStatus,
                    Some("Non renseignée"),
                    catalogue::choices(MaritalStatus::ALL, MaritalStatus::code),
                ),
                number(F::Children, "30").width("w4"),
            ],
        ),
        Section::new(
            "Coordonnées",
            vec![
                text(F::WorkPhone).attribute("inputmode", "tel").width("w4"),
                text(F::PersonalPhone).attribute("inputmode", "tel").width("w4"),
                text(F::Email).attribute("inputmode", "email").width("w4"),
                finish(
                    Field::textarea(F::Address.code(), catalogue::personnel_field(F::Address)),
                    F::Address,
                ),
            ],
        ),
        Section::new(
            "Affectation et carrière",
            vec![
                list(F::Department, Some("Sans affectation"), departments(input, units))
                    .help("La direction et le programme se déduisent du service.")
                    .width("w8"),
                text(F::JobTitle).width("w4"),
                list(F::Grade, Some("Sans grade"), grades()).width("w3"),
                number(F::Step, "20"),
                number(F::SalaryIndex, "9999"),
                list(
                    F::Position,
                    None,
                    catalogue::choices(AdministrativePosition::ALL, AdministrativePosition::code),
                )
                .required()
                .width("w3"),
                date(F::RecruitmentDate),
                date(F::ServiceStartDate),
                date(F::RetirementExtension).help("Décision individuelle seulement."),
            ],
        ),
        Section::new(
            "Notes",
            vec![
                finish(Field::textarea(F::Notes.code(), "Notes internes"), F::Notes)
                    .help("Visibles de la SDRH et de l’agent.")
                    .attribute("maxlength", PersonnelFields::NOTES_MAX.to_string()),
            ],
        ),
    ]
}

/// Departments that agents may be assigned to, and the present one, by directorate.
fn departments(input: &PersonnelInput, units: &Organisation) -> Vec<Choice> {
    let present = input.get(PersonnelField::Department).unwrap_or_default();
    let mut listed = Vec::new();
    for programme in &units.programmes {
        for directorate in units
            .directorates
            .iter()
            .filter(|unit| unit.programme == programme.id)
        {
            let group = format!("{} ▸ {}", programme.fields.name, directorate.fields.name);
            for department in units
                .departments
                .iter()
                .filter(|unit| unit.directorate == directorate.id)
            {
                let id = department.id.to_string();
                if department.fields.active || id == present {
                    listed.push(Choice::new(id, department.fields.name.clone()).in_group(group.clone()));
                }
            }
        }
    }
    listed
}

fn grades() -> Vec<Choice> {
    GradeCategory::ALL
        .into_iter()
        .flat_map(|category| {
            let group = catalogue::category(category);
            Grade::all()
                .into_iter()
                .filter(move |grade| grade.category() == category)
                .map(move |grade| Choice::new(grade.to_string(), grade.to_string()).in_group(group.clone()))
        })
        .collect()
}
