//! The rules of an import as an HR office meets them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::date;
use uuid::Uuid;

use super::*;
use crate::domain::codes::{BirthPrecision, DepartureReason};
use crate::domain::id::{DepartmentId, DirectorateId, PersonnelId, ProgrammeId};
use crate::domain::organisation::{Department, Directorate, Organisation, Programme, UnitFields};
use crate::domain::personnel::{
    Departure, MatriculePattern, Personnel, PersonnelField as F, PersonnelFields, PersonnelInput,
    PersonnelRules,
};
use crate::ports::personnel::PersonnelIdentity;
use crate::ports::spreadsheet::{Cell, Sheet};

mod round_trip;

const TODAY: jiff::civil::Date = date(2026, 11, 22);

fn fields(code: &str, name: &str) -> UnitFields {
    UnitFields {
        code: code.to_owned(),
        name: name.to_owned(),
        head: None,
        active: true,
    }
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Two directorates with a « Secrétariat » each; one department is closed.
fn organisation() -> Organisation {
    let programme = ProgrammeId::from_uuid(id(1));
    let directorate = |number, code, name| Directorate {
        id: DirectorateId::from_uuid(id(number)),
        programme,
        fields: fields(code, name),
        version: 1,
    };
    let department = |number, parent, code, name| Department {
        id: DepartmentId::from_uuid(id(number)),
        directorate: DirectorateId::from_uuid(id(parent)),
        fields: fields(code, name),
        version: 1,
    };
    let mut departments = vec![
        department(21, 11, "SOLDE", "Service Solde"),
        department(22, 11, "PAIE", "Service de la Paie"),
        department(23, 11, "SEC-RH", "Secrétariat"),
        department(24, 12, "SEC-FI", "Secrétariat"),
        department(25, 12, "CLOS", "Ancien service"),
    ];
    departments[4].fields.active = false;
    Organisation {
        programmes: vec![Programme {
            id: programme,
            fields: fields("AG", "Administration générale"),
            version: 1,
        }],
        directorates: vec![
            directorate(11, "DRH", "Direction des Ressources Humaines"),
            directorate(12, "DAF", "Direction des Affaires Financières"),
        ],
        departments,
    }
}

fn pattern() -> MatriculePattern {
    MatriculePattern::new(MatriculePattern::DEFAULT).unwrap()
}

fn person(number: u128, values: &[(F, &str)]) -> Personnel {
    let mut input = PersonnelInput::default();
    for (field, value) in values {
        input.set(*field, *value);
    }
    let pattern = pattern();
    let fields = PersonnelFields::parse(
        &input,
        &PersonnelRules {
            matricule: &pattern,
            today: TODAY,
        },
    )
    .unwrap();
    Personnel {
        id: PersonnelId::from_uuid(id(number)),
        fields,
        departure: None,
        retirement_date: None,
        version: 1,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

fn awa() -> Personnel {
    person(
        100,
        &[
            (F::Matricule, "345678K"),
            (F::FamilyName, "KONÉ"),
            (F::GivenNames, "Awa"),
            (F::BirthDate, "1980-02-29"),
            (F::NationalId, "C0012345"),
            (F::Grade, "A4"),
            (F::Department, &id(21).to_string()),
        ],
    )
}

fn table(rows: &[&[&str]]) -> Sheet {
    Sheet::of(
        rows.iter()
            .map(|row| row.iter().map(|text| Cell::text(*text)).collect())
            .collect(),
    )
}

fn plan_of(sheet: &Sheet, existing: &[Personnel]) -> (Mapping, Plan) {
    let mapping = Mapping::detect(sheet).unwrap();
    mapping.check().unwrap();
    let organisation = organisation();
    let identities: Vec<PersonnelIdentity> = existing
        .iter()
        .map(|file| PersonnelIdentity {
            id: file.id,
            matricule: file.fields.matricule.clone(),
            name_key: file.fields.name_key(),
            birth_date: file.fields.birth_date,
            national_id: file.fields.national_id.clone(),
        })
        .collect();
    let wanted: BTreeSet<_> = matricules(sheet, &mapping).into_iter().collect();
    let files: Vec<Personnel> = existing
        .iter()
        .filter(|file| wanted.contains(&file.fields.matricule))
        .cloned()
        .collect();
    let pattern = pattern();
    let context = Context {
        organisation: &organisation,
        pattern: &pattern,
        today: TODAY,
        existing: &files,
        identities: &identities,
    };
    let plan = plan(sheet, &mapping, &context, &mut |_, _| {});
    (mapping, plan)
}

fn found(plan: &Plan) -> Vec<(String, &'static str)> {
    plan.findings
        .iter()
        .map(|finding| (finding.place(), finding.problem.code()))
        .collect()
}

fn place(cell: &str, code: &'static str) -> (String, &'static str) {
    (cell.to_owned(), code)
}

#[test]
fn a_new_agent_needs_four_values() {
    let sheet = table(&[
        &[
            "Matricule",
            "Nom",
            "Prénoms",
            "Né(e) le",
            "Service",
            "Grade",
            "Couleur",
        ],
        &[
            "111a",
            "Koné",
            "Aïcha",
            "1/2/1990",
            "service solde",
            "a 4",
            "bleu",
        ],
        &["222B", "", "Yao", "14/03/66", "Servce Solde", "A9", ""],
    ]);
    let (mapping, plan) = plan_of(&sheet, &[]);
    let Outcome::Create(created) = &plan.rows[0].outcome else {
        panic!("{:?}", plan.rows[0])
    };
    assert_eq!(created.full_name(), "KONÉ Aïcha");
    assert_eq!(created.birth_date, date(1990, 2, 1));
    assert_eq!(created.department, Some(DepartmentId::from_uuid(id(21))));
    assert_eq!(plan.rows[1].outcome, Outcome::Refused);
    assert_eq!(
        found(&plan),
        [
            place("B3", "required"),
            place("D3", "two-digit-year"),
            place("E3", "unknown-department"),
            place("F3", "unknown-value"),
        ]
    );
    let department = plan
        .findings
        .iter()
        .find(|finding| finding.field == Some(F::Department))
        .unwrap();
    assert!(department.fix().contains("Service Solde"), "{}", department.fix());
    assert_eq!(department.heading(&mapping), "Service");
    assert!(plan.findings[1].fix().contains("14/03/1966"));
    assert_eq!(
        mapping
            .ignored()
            .map(|column| column.header.as_str())
            .collect::<Vec<_>>(),
        ["Couleur"]
    );
    assert!(!plan.may_run());
    let counts = plan.counts();
    assert_eq!(
        (counts.rows, counts.created, counts.refused, counts.errors),
        (2, 1, 1, 4)
    );
}

#[test]
fn an_empty_cell_and_a_missing_column_change_nothing() {
    let sheet = table(&[
        &["Nom", "Matricule", "Grade", "Service"],
        &["", "345678k", " ", ""],
    ]);
    let (_, plan) = plan_of(&sheet, &[awa()]);
    assert_eq!(plan.rows[0].outcome, Outcome::Unchanged);
    assert!(plan.may_run());
}

#[test]
fn only_what_differs_is_changed() {
    let sheet = table(&[
        &["Matricule", "Nom", "Grade", "Échelon"],
        &["345678K", "Koné", "A5", "3e"],
    ]);
    let (_, plan) = plan_of(&sheet, &[awa()]);
    let Outcome::Update { changes, after, .. } = &plan.rows[0].outcome else {
        panic!("{:?}", plan.rows[0])
    };
    let changed: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(changed, ["grade", "step"]);
    assert_eq!(after.national_id.as_deref(), Some("C0012345"));
}

#[test]
fn a_matricule_stands_once() {
    let sheet = table(&[
        &["Matricule", "Nom", "Prénoms", "Date de naissance"],
        &["1A", "A", "B", "01/01/1990"],
        &["2A", "A", "B", "01/01/1991"],
        &[" 1a ", "C", "D", "01/01/1992"],
    ]);
    let (_, plan) = plan_of(&sheet, &[]);
    assert_eq!(
        found(&plan),
        [place("A2", "duplicate-row"), place("A4", "duplicate-row")]
    );
    assert!(
        plan.findings[0].message().contains("à la ligne 4"),
        "{}",
        plan.findings[0].message()
    );
    assert!(
        plan.findings[1].message().contains("à la ligne 2"),
        "{}",
        plan.findings[1].message()
    );
    assert!(matches!(plan.rows[1].outcome, Outcome::Create(_)));
}

#[test]
fn probable_duplicates_are_warnings() {
    let sheet = table(&[
        &["Matricule", "Nom", "Prénoms", "Date de naissance", "CNI"],
        &["1A", "Kone", "AWA", "29/02/1980", ""],
        &["2A", "Bamba", "Issa", "01/01/1991", "c0012345"],
        &["3A", "Yao", "Koffi", "01/01/1992", ""],
        &["4A", "YAO", "Koffi", "01/01/1992", ""],
    ]);
    let (_, plan) = plan_of(&sheet, &[awa()]);
    assert_eq!(
        found(&plan),
        [
            place("B2", "same-person"),
            place("E3", "same-person"),
            place("B5", "same-person")
        ]
    );
    assert!(plan.findings[0].message().contains("345678K"));
    assert!(
        plan.findings[2].message().contains("ligne 4"),
        "{}",
        plan.findings[2].message()
    );
    assert!(plan.may_run(), "warnings do not stop an import");
    assert_eq!(plan.counts().warnings, 3);
}

#[test]
fn departments_of_one_name_are_told_apart() {
    let sheet = table(&[
        &["Matricule", "Nom", "Prénoms", "Né le", "Service", "Direction"],
        &["1A", "A", "A", "01/01/1990", "Secrétariat", ""],
        &["1B", "B", "B", "01/01/1990", "Secrétariat", "DAF"],
        &[
            "1C",
            "C",
            "C",
            "01/01/1990",
            "sec-rh",
            "Direction des affaires financières",
        ],
        &["1D", "D", "D", "01/01/1990", "Ancien service", ""],
        &[
            "1E",
            "E",
            "E",
            "01/01/1990",
            "Sans affectation",
            "Direction du Vent",
        ],
    ]);
    let (_, plan) = plan_of(&sheet, &[]);
    assert_eq!(
        found(&plan),
        [
            place("E2", "ambiguous-department"),
            place("F4", "other-directorate"),
            place("E5", "closed-department"),
            place("F6", "unknown-directorate"),
        ]
    );
    let Outcome::Create(second) = &plan.rows[1].outcome else {
        panic!()
    };
    assert_eq!(second.department, Some(DepartmentId::from_uuid(id(24))));
    let Outcome::Create(last) = &plan.rows[4].outcome else {
        panic!()
    };
    assert_eq!(last.department, None);
    let ambiguous = &plan.findings[0];
    assert!(
        ambiguous.fix().contains("SEC-RH") && ambiguous.fix().contains("SEC-FI"),
        "{}",
        ambiguous.fix()
    );
}

#[test]
fn an_archived_file_is_not_changed_but_may_stand_in_the_table() {
    let mut left = awa();
    left.departure = Some(Departure {
        date: date(2025, 5, 1),
        reason: DepartureReason::Resignation,
    });
    let same = table(&[&["Matricule", "Nom"], &["345678K", "KONÉ"]]);
    assert_eq!(
        plan_of(&same, &[left.clone()]).1.rows[0].outcome,
        Outcome::Unchanged
    );
    let other = table(&[&["Matricule", "Nom"], &["345678K", "KONE"]]);
    let (_, plan) = plan_of(&other, &[left]);
    assert_eq!(found(&plan), [place("A2", "archived")]);
}

#[test]
fn a_birth_year_alone_is_kept_as_such() {
    let sheet = table(&[
        &["Matricule", "Nom", "Prénoms", "Né le"],
        &["1A", "A", "B", "vers 1966"],
    ]);
    let (_, plan) = plan_of(&sheet, &[]);
    let Outcome::Create(created) = &plan.rows[0].outcome else {
        panic!()
    };
    assert_eq!(
        (created.birth_date, created.birth_precision),
        (date(1966, 12, 31), BirthPrecision::Year)
    );
    let file = Personnel {
        fields: (**created).clone(),
        ..awa()
    };
    let exact = table(&[&["Matricule", "Né le"], &["1A", "14/03/1966"]]);
    let (_, plan) = plan_of(&exact, &[file]);
    let Outcome::Update { after, .. } = &plan.rows[0].outcome else {
        panic!()
    };
    assert_eq!(
        (after.birth_date, after.birth_precision),
        (date(1966, 3, 14), BirthPrecision::Day)
    );
    let contrary = table(&[
        &["Matricule", "Nom", "Prénoms", "Né le", "Précision naissance"],
        &["1A", "A", "B", "1966", "Jour"],
    ]);
    assert_eq!(
        found(&plan_of(&contrary, &[]).1),
        [place("D2", "precision-mismatch")]
    );
}

#[test]
fn full_names_in_one_column_are_divided() {
    let sheet = table(&[
        &["Matricule", "Nom et prénoms", "Né le"],
        &["1A", "N'GUESSAN KOUAMÉ Jean", "01/01/1990"],
        &["1B", "BAMBA ISSA", "01/01/1990"],
        &["1C", "BAMBA", "01/01/1990"],
        &["345678K", "Kone  awa", "29/02/1980"],
    ]);
    let (_, plan) = plan_of(&sheet, &[awa()]);
    assert_eq!(
        found(&plan),
        [place("B3", "name-divided"), place("B4", "required")]
    );
    assert_eq!(plan.rows[0].name, "N'GUESSAN KOUAMÉ Jean");
    assert_eq!(plan.rows[3].outcome, Outcome::Unchanged);
}

#[test]
fn a_missing_column_is_told_without_a_cell() {
    let sheet = table(&[&["Matricule", "Nom"], &["1A", "KONÉ"]]);
    let (mapping, plan) = plan_of(&sheet, &[]);
    assert_eq!(found(&plan), [place("2", "required"), place("2", "required")]);
    assert_eq!(plan.findings[0].heading(&mapping), "Prénoms");
    assert!(
        plan.findings[0].fix().contains("colonne"),
        "{}",
        plan.findings[0].fix()
    );
}

#[test]
fn rows_keep_their_number_and_blank_ones_are_passed_over() {
    let sheet = table(&[
        &["Liste", "du personnel"],
        &[],
        &["Matricule", "Nom", "Prénoms", "Né le", "N°"],
        &["", "", "", "", "1"],
        &[],
        &["1A", "A", "B", "31/02/1990", "2"],
    ]);
    let (_, plan) = plan_of(&sheet, &[]);
    assert_eq!(plan.rows.len(), 1);
    assert_eq!(found(&plan), [place("D6", "impossible-day")]);
}

#[test]
fn dates_that_disagree_are_told_at_their_cell() {
    let sheet = table(&[
        &[
            "Matricule",
            "Nom",
            "Prénoms",
            "Né le",
            "Date de recrutement",
            "Prise de service",
        ],
        &["1A", "A", "B", "01/01/1990", "01/01/1980", "01/01/2015"],
        &["1B", "A", "B", "01/01/1990", "01/01/2015", "01/01/2014"],
        &["1C", "A", "B", "01/01/2030", "", ""],
        &["1D", "A", "C", "01/01/1990", "01/01/2005", ""],
    ]);
    let (_, plan) = plan_of(&sheet, &[]);
    assert_eq!(
        found(&plan),
        [
            place("E2", "must-follow"),
            place("F3", "must-follow"),
            place("D4", "in-future"),
            place("E5", "age-at-recruitment"),
        ]
    );
}

#[test]
fn refused_rows_come_back_with_their_reasons_and_can_be_sent_again() {
    let sheet = table(&[
        &["Effectifs"],
        &["Matricule", "Nom", "Prénoms", "Né le", "Couleur"],
        &["1A", "A", "B", "01/01/1990", "bleu"],
        &["1B", "A", "B", "14/03/66", "vert"],
    ]);
    let (mapping, plan) = plan_of(&sheet, &[]);
    let refused = refused_sheet(&sheet, &mapping, &plan);
    assert_eq!(refused.rows.len(), 2);
    assert_eq!(refused.rows[1][0..5], sheet.rows[3][0..5]);
    assert_eq!(refused.rows[1][5], Cell::Number(4.0));
    let reasons = refused.rows[1][6].display();
    assert!(
        reasons.contains("Né le (D4)") && reasons.contains("14/03/1966"),
        "{reasons}"
    );
    let (again, plan) = plan_of(&refused, &[]);
    assert_eq!(plan.counts().refused, 1);
    assert_eq!(
        refused_sheet(&refused, &again, &plan).rows[0].len(),
        7,
        "reasons do not pile up"
    );
}

#[test]
fn two_hundred_planted_errors_are_all_told() {
    let mut rows = vec![vec![
        Cell::text("Matricule"),
        Cell::text("Nom"),
        Cell::text("Prénoms"),
        Cell::text("Né le"),
        Cell::text("Grade"),
    ]];
    let mut planted = Vec::new();
    for index in 0..10_000_usize {
        let wrong = index % 50 == 7;
        let row = index + 2;
        if wrong {
            planted.push(if index % 100 == 7 {
                place(&format!("D{row}"), "impossible-day")
            } else {
                place(&format!("E{row}"), "unknown-value")
            });
        }
        let birth = if wrong && index % 100 == 7 {
            "31/04/1980"
        } else {
            "30/04/1980"
        };
        let grade = if wrong && index % 100 != 7 { "Z1" } else { "B2" };
        rows.push(vec![
            Cell::text(format!("{index:06}X")),
            Cell::text(format!("FAMILLE{index}")),
            Cell::text("Prénom"),
            Cell::text(birth),
            Cell::text(grade),
        ]);
    }
    let (_, plan) = plan_of(&Sheet::of(rows), &[]);
    assert_eq!(planted.len(), 200);
    assert_eq!(found(&plan), planted);
    assert!(!plan.may_run());
}

#[test]
fn choices_and_reports_survive_storage() {
    let sheet = table(&[&["Code", "Matricule", "Nom"], &["9Z", "1A", "A"]]);
    let mut mapping = Mapping::detect(&sheet).unwrap();
    mapping.correct([("A", "matricule")]).unwrap();
    let kept = serde_json::to_string(&MappingChoice::of(&mapping)).unwrap();
    let choice: MappingChoice = serde_json::from_str(&kept).unwrap();
    assert_eq!(choice.apply(&sheet).unwrap(), mapping);
    let (mapping, plan) = plan_of(&sheet, &[]);
    let report = ImportReport::of(&plan, &mapping, false);
    let again: ImportReport = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(again, report);
    assert_eq!(report.findings.len(), 2);
}
