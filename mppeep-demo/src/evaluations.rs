//! Yearly evaluations of up to four years.

use jiff::civil::Date;
use mppeep_core::domain::evaluation::{Criterion, Evaluation, EvaluationFields, Mark, Marks, final_mark};
use mppeep_core::domain::id::EvaluationId;
use mppeep_core::domain::personnel::Personnel;
use mppeep_core::domain::settings::EvaluationSettings;

use crate::random::{Random, later, morning_of, plus_days};

const OBSERVATIONS: &[&str] = &[
    "Agent ponctuel et rigoureux.",
    "Bonne maîtrise de son poste ; peut prendre davantage d'initiatives.",
    "Travail soigné, esprit d'équipe.",
    "Doit améliorer le respect des délais.",
    "Très bonne année, responsabilités élargies.",
    "Assiduité à renforcer.",
    "Résultats conformes aux objectifs fixés.",
];

/// Makes two to four evaluations for each agent who was there, the last years first.
pub(crate) fn make(personnel: &[Personnel], today: Date, random: &mut Random) -> Vec<Evaluation> {
    let settings = EvaluationSettings::default();
    let mut made = Vec::new();
    for file in personnel {
        // An agent is worth about the same each year, between 9 and 18.
        let level = 1_250 + random.between(-250, 250) + random.between(-150, 200);
        let first = file
            .fields
            .service_start_date
            .map_or(today.year(), |start| start.year() + 1);
        let last = file.departure.as_ref().map_or(today.year() - 1, |gone| {
            (gone.date.year() - 1).min(today.year() - 1)
        });
        let years = i16::try_from(random.between(2, 4)).unwrap_or(2);
        for year in (last - years + 1).max(first)..=last {
            let mut marks: Marks = Criterion::ALL
                .iter()
                .filter_map(|criterion| Some((*criterion, quarter_mark(level + random.between(-250, 250))?)))
                .collect();
            if year == today.year() - 1 && random.chance(2) {
                marks.remove(&Criterion::Initiative);
            }
            let observations = random.chance(65).then(|| random.word(OBSERVATIONS).to_owned());
            let day = Date::new(year + 1, 2, 1).map_or(today, |day| plus_days(day, random.between(0, 50)));
            let created_at = later(
                morning_of(day.min(plus_days(today, -1))),
                random.between(0, 30_000),
            );
            made.push(Evaluation {
                id: EvaluationId::from_uuid(random.uuid(created_at)),
                personnel: file.id,
                final_mark: final_mark(&marks, &settings),
                fields: EvaluationFields {
                    year,
                    marks,
                    observations,
                },
                version: 1,
                created_at,
                updated_at: created_at,
            });
        }
    }
    made
}

/// Marks are given in quarters, from 5 to 20.
fn quarter_mark(hundredths: i64) -> Option<Mark> {
    let quarter = (hundredths.clamp(500, 2_000) + 12) / 25 * 25;
    u16::try_from(quarter).ok().and_then(Mark::from_hundredths)
}
