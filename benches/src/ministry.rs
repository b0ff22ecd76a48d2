//! A ministry of ten thousand agents, each with three absences and two evaluations, straight into a store.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use mppeep_core::domain::absence::{Absence, AbsenceFields, AbsenceType};
use mppeep_core::domain::calendar::Period;
use mppeep_core::domain::evaluation::{Criterion, Evaluation, EvaluationFields, Mark};
use mppeep_core::domain::id::{AbsenceId, EvaluationId, PersonnelId};
use mppeep_core::domain::personnel::{
    MatriculePattern, Personnel, PersonnelField, PersonnelFields, PersonnelInput, PersonnelRules,
};
use mppeep_core::domain::retirement;
use mppeep_core::domain::settings::Settings;
use mppeep_core::ports::store::Store;
use mppeep_tests::agents;
use uuid::Uuid;

/// How many agents there are.
pub const AGENTS: usize = 10_000;
/// The day on which the measurements are taken.
pub const TODAY: Date = date(2026, 6, 15);
/// Rows a unit writes at once.
const BATCH: usize = 500;

fn id(kind: u128, number: usize) -> Uuid {
    Uuid::from_u128((kind << 64) + number as u128 + 1)
}

fn file(number: usize, rules: &PersonnelRules<'_>, settings: &Settings) -> Personnel {
    let agent = agents::agent(number);
    let (year, month, day) = agent.birth_date;
    let mut input = PersonnelInput::default();
    input.set(PersonnelField::Matricule, agent.matricule);
    input.set(PersonnelField::FamilyName, agent.family_name);
    input.set(PersonnelField::GivenNames, agent.given_names);
    input.set(
        PersonnelField::BirthDate,
        format!("{year:04}-{month:02}-{day:02}"),
    );
    input.set(PersonnelField::Grade, agent.grade);
    let fields = PersonnelFields::parse(&input, rules).expect("an agent without a fault");
    let retirement_date = retirement::derive(fields.birth_date, fields.grade, None, &settings.retirement);
    Personnel {
        id: PersonnelId::from_uuid(id(1, number)),
        retirement_date: retirement_date.map(|derived| derived.date),
        fields,
        departure: None,
        version: 1,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

fn absence(number: usize, turn: usize) -> Absence {
    let month = 1 + i8::try_from(turn).expect("few") * 2;
    let period = Period::days(date(2026, month, 2), date(2026, month, 6)).expect("a period");
    Absence {
        id: AbsenceId::from_uuid(id(2, number * 10 + turn)),
        personnel: PersonnelId::from_uuid(id(1, number)),
        fields: AbsenceFields {
            kind: AbsenceType::AnnualLeave,
            period,
            reason: None,
        },
        counted_half_days: 10,
        cancelled_at: None,
        version: 1,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

fn evaluation(number: usize, year: i16) -> Evaluation {
    let hundredths = 800 + u16::try_from(number % 1_000).expect("small");
    let mark = Mark::from_hundredths(hundredths).expect("a mark");
    let marks = Criterion::ALL
        .iter()
        .map(|criterion| (*criterion, mark))
        .collect();
    Evaluation {
        id: EvaluationId::from_uuid(id(3, number * 10 + usize::from(year % 10 == 5))),
        personnel: PersonnelId::from_uuid(id(1, number)),
        fields: EvaluationFields {
            year,
            marks,
            observations: None,
        },
        final_mark: Some(mark),
        version: 1,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

/// Writes the ministry into a store.
///
/// # Panics
///
/// When the store refuses something.
pub async fn filled(store: &dyn Store) {
    let settings = Settings::default();
    let pattern = MatriculePattern::new(MatriculePattern::DEFAULT).expect("the default compiles");
    let rules = PersonnelRules {
        matricule: &pattern,
        today: TODAY,
    };
    let numbers: Vec<usize> = (0..AGENTS).collect();
    for batch in numbers.chunks(BATCH) {
        let mut unit = store.begin().await.expect("a unit");
        let files: Vec<Personnel> = batch
            .iter()
            .map(|number| file(*number, &rules, &settings))
            .collect();
        unit.personnel().insert_many(&files).await.expect("agents");
        let absences: Vec<Absence> = batch
            .iter()
            .flat_map(|number| (0..3).map(|turn| absence(*number, turn)))
            .collect();
        unit.absences().insert_many(&absences).await.expect("absences");
        let evaluations: Vec<Evaluation> = batch
            .iter()
            .flat_map(|number| [2024, 2025].map(|year| evaluation(*number, year)))
            .collect();
        unit.evaluations()
            .insert_many(&evaluations)
            .await
            .expect("evaluations");
        unit.commit().await.expect("committed");
    }
}
