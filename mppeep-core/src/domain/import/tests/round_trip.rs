//! An export that comes back, and tables of any content.

use proptest::prelude::*;

use super::*;

fn optional(values: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    proptest::option::of(proptest::sample::select(values).prop_map(str::to_owned))
}

fn any_person() -> impl Strategy<Value = Personnel> {
    let names = "[A-ZÉÈ][a-zéèç' -]{0,12}[a-z]";
    let days = (0_i64..14_000).prop_map(|days| {
        date(1950, 1, 1)
            .checked_add(jiff::Span::new().days(days))
            .unwrap()
    });
    let first = (
        1_u32..999_999,
        names,
        names,
        days,
        proptest::option::of("[0-9=+@'-]{0,3}[A-Za-z0-9 ;,\"]{0,20}[a-z]"),
    );
    let lists = (
        optional(&["female", "male"]),
        optional(&["single", "married", "divorced", "widowed", "common_law"]),
        optional(&["civil_servant", "contractual", "trainee", "assigned"]),
        optional(&["active", "secondment", "retired", "out_of_cadre", "suspension"]),
        optional(&["A4", "B2", "D1"]),
        proptest::option::of(21_u128..=25),
    );
    let numbers = (
        proptest::option::of(0_u8..=30),
        proptest::option::of(1_u8..=20),
        proptest::option::of(1_u16..=9_999),
        any::<bool>(),
        optional(&["+225 07 01 02 03 04", "2720304050", "(00225) 01.02.03.04.05"]),
        optional(&[
            "Cocody\nRue 12 ; lot \"4\"",
            "=1+1",
            "-",
            "Yopougon, Siporex",
            "'=x",
            "néant",
        ]),
    );
    (first, lists, numbers).prop_map(
        |(
            (matricule, family, given, birth, job),
            (sex, marital, status, position, grade, department),
            (children, step, index, year_only, phone, address),
        )| {
            let mut input = PersonnelInput::default();
            let mut set = |field, value: Option<String>| {
                if let Some(value) = value {
                    input.set(field, value);
                }
            };
            let birth = if year_only {
                date(birth.year(), 12, 31)
            } else {
                birth
            };
            set(F::Matricule, Some(format!("{matricule:06}")));
            set(F::FamilyName, Some(family));
            set(F::GivenNames, Some(given));
            set(F::BirthDate, Some(birth.to_string()));
            set(F::BirthPrecision, year_only.then(|| "year".to_owned()));
            set(F::JobTitle, job);
            set(F::Sex, sex);
            set(F::MaritalStatus, marital);
            set(F::Status, status);
            set(F::Position, position);
            set(F::Grade, grade);
            set(F::Department, department.map(|number| id(number).to_string()));
            set(F::Children, children.map(|number| number.to_string()));
            set(F::Step, step.map(|number| number.to_string()));
            set(F::SalaryIndex, index.map(|number| number.to_string()));
            set(F::PersonalPhone, phone);
            set(F::Notes, address.clone());
            set(F::Address, address);
            let values: Vec<(F, &str)> = input
                .0
                .iter()
                .map(|(field, value)| (*field, value.as_str()))
                .collect();
            person(u128::from(matricule) + 1_000, &values)
        },
    )
}

/// A table as CSV text brings it back: every cell as it shows.
fn as_text(sheet: &Sheet) -> Sheet {
    let rows = sheet
        .rows
        .iter()
        .map(|row| row.iter().map(|cell| Cell::text(cell.display())).collect());
    Sheet::of(rows.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn an_import_of_an_export_changes_nothing(people in proptest::collection::vec(any_person(), 1..6)) {
        let mut seen = BTreeSet::new();
        let people: Vec<Personnel> =
            people.into_iter().filter(|file| seen.insert(file.fields.matricule.clone())).collect();
        let sheet = personnel_sheet(F::ALL, &people, &organisation());
        for sheet in [as_text(&sheet), sheet] {
            let (mapping, plan) = plan_of(&sheet, &people);
            prop_assert_eq!(mapping.ignored().count(), 0);
            for row in &plan.rows {
                prop_assert_eq!(&row.outcome, &Outcome::Unchanged, "{:?}", plan.findings);
            }
            prop_assert_eq!(plan.rows.len(), people.len());
        }
    }

    #[test]
    fn an_export_makes_the_same_files_elsewhere(file in any_person()) {
        let mut file = file;
        // A closed department takes nobody new.
        if file.fields.department == Some(DepartmentId::from_uuid(id(25))) {
            file.fields.department = None;
        }
        let sheet = personnel_sheet(F::ALL, [&file], &organisation());
        let (_, plan) = plan_of(&as_text(&sheet), &[]);
        let Outcome::Create(created) = &plan.rows[0].outcome else {
            return Err(TestCaseError::fail(format!("{:?}", plan.findings)));
        };
        prop_assert_eq!(&**created, &file.fields);
    }

    #[test]
    fn any_table_is_judged(rows in proptest::collection::vec(proptest::collection::vec("\\PC{0,12}", 4), 1..8)) {
        let mut all = vec![["Matricule", "Nom", "Né le", "Service"].map(Cell::text).to_vec()];
        all.extend(rows.iter().map(|row| row.iter().map(|text| Cell::text(text.as_str())).collect::<Vec<_>>()));
        let sheet = Sheet::of(all);
        if let Ok(mapping) = Mapping::detect(&sheet) && mapping.check().is_ok() {
            let (mapping, plan) = plan_of(&sheet, &[awa()]);
            for finding in &plan.findings {
                prop_assert!(!finding.message().is_empty() && !finding.fix().is_empty());
                prop_assert!(!finding.heading(&mapping).is_empty());
            }
            let refused = plan.counts().refused;
            prop_assert_eq!(refused_sheet(&sheet, &mapping, &plan).rows.len(), refused + 1);
        }
    }
}
