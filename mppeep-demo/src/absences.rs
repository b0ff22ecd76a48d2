//! Absences of three years, which never overlap.

use std::collections::BTreeSet;

use jiff::civil::Date;
use mppeep_core::domain::absence::{Absence, AbsenceFields, AbsenceType};
use mppeep_core::domain::calendar::{Half, Holiday, Period, WeekPattern};
use mppeep_core::domain::codes::{AdministrativePosition, Sex};
use mppeep_core::domain::id::AbsenceId;
use mppeep_core::domain::personnel::Personnel;
use mppeep_core::domain::settings::AbsenceSettings;

use crate::random::{Random, later, morning_of, plus_days};

/// Days of a year in which one absence is looked for.
const SLOT_DAYS: i64 = 121;

/// Makes about eight absences for each agent who was there all three years.
pub(crate) fn make(
    personnel: &[Personnel],
    holidays: &[Holiday],
    today: Date,
    random: &mut Random,
) -> Vec<Absence> {
    let days_off: BTreeSet<Date> = holidays.iter().map(|holiday| holiday.date).collect();
    let settings = AbsenceSettings::default();
    let week = WeekPattern::default();
    let first_day = plus_days(today, -3 * 365);
    // Nine slots of four months, the last of which reaches into the coming weeks.
    let last_day = plus_days(today, 45);
    let mut made = Vec::new();
    for file in personnel {
        let start = file.fields.service_start_date.unwrap_or(today).max(first_day);
        let end = file
            .departure
            .as_ref()
            .map_or(last_day, |gone| gone.date.min(last_day));
        let mut slot = start;
        while slot < end {
            let slot_end = plus_days(slot, SLOT_DAYS - 1).min(end);
            // One slot in ten has none.
            if random.chance(90) {
                let middle = plus_days(slot, 60).min(slot_end);
                if let Some(fields) = one(file, slot, middle, slot_end, random) {
                    let fixed = fields
                        .count(&days_off, &week, &settings)
                        .map(|(_, half_days)| half_days);
                    if let Ok(half_days) = fixed {
                        made.push(record(file, fields, half_days, today, random));
                    }
                }
            }
            slot = plus_days(slot_end, 1);
        }
    }
    made
}

/// An absence that begins from `from` to `middle` and ends before `last`.
fn one(file: &Personnel, from: Date, middle: Date, last: Date, random: &mut Random) -> Option<AbsenceFields> {
    let kind = kind(file, random);
    let length = match kind {
        AbsenceType::AnnualLeave => *[10, 15, 20, 30]
            .get(random.weighted(&[3, 4, 2, 2]))
            .unwrap_or(&15),
        AbsenceType::SickLeave => random.between(2, 12),
        AbsenceType::MaternityLeave => 98,
        AbsenceType::PaternityLeave => 3,
        AbsenceType::Training => random.between(3, 10),
        AbsenceType::Mission => random.between(2, 6),
        AbsenceType::ShortLeave => random.between(1, 3),
        AbsenceType::Unjustified | AbsenceType::Other => 1,
    };
    let mut start = random.day(from, middle);
    if kind == AbsenceType::MaternityLeave {
        start = from;
    }
    // A leave begins on a working day.
    while matches!(
        start.weekday(),
        jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday
    ) {
        start = plus_days(start, 1);
    }
    let end = plus_days(start, length - 1);
    if end > last {
        return None;
    }
    let (start_half, end_half) = match kind {
        AbsenceType::ShortLeave if length == 1 && random.chance(40) => (Half::Am, Half::Am),
        AbsenceType::ShortLeave if length == 1 && random.chance(30) => (Half::Pm, Half::Pm),
        _ => (Half::Am, Half::Pm),
    };
    let period = Period::new(start, start_half, end, end_half)?;
    let reason = reason(kind, random).map(str::to_owned);
    Some(AbsenceFields { kind, period, reason })
}

fn kind(file: &Personnel, random: &mut Random) -> AbsenceType {
    if file.fields.position == AdministrativePosition::LongTermLeave {
        return AbsenceType::SickLeave;
    }
    let mother = file.fields.sex == Some(Sex::Female) && file.fields.birth_date.year() >= 1982;
    let kinds = [
        (AbsenceType::AnnualLeave, 42),
        (AbsenceType::ShortLeave, 26),
        (AbsenceType::SickLeave, 12),
        (AbsenceType::MaternityLeave, if mother { 3 } else { 0 }),
        (
            AbsenceType::PaternityLeave,
            if file.fields.sex == Some(Sex::Male) { 2 } else { 0 },
        ),
        (AbsenceType::Training, 7),
        (AbsenceType::Mission, 8),
        (AbsenceType::Unjustified, 1),
        (AbsenceType::Other, 1),
    ];
    let chosen = random.weighted(&kinds.map(|(_, weight)| weight));
    kinds
        .get(chosen)
        .map_or(AbsenceType::AnnualLeave, |(kind, _)| *kind)
}

fn reason(kind: AbsenceType, random: &mut Random) -> Option<&'static str> {
    let reasons: &[&'static str] = match kind {
        AbsenceType::ShortLeave => &[
            "Démarches administratives",
            "Événement familial",
            "Rendez-vous médical",
            "Funérailles",
            "Déménagement",
        ],
        AbsenceType::Training => &[
            "Formation en marchés publics",
            "Séminaire sur la gouvernance",
            "Formation au tableur",
        ],
        AbsenceType::Mission => &[
            "Mission de contrôle à Bouaké",
            "Mission à San-Pédro",
            "Mission de suivi à Korhogo",
        ],
        AbsenceType::SickLeave => &["Certificat médical fourni"],
        _ => return None,
    };
    random.chance(70).then(|| random.word(reasons))
}

fn record(
    file: &Personnel,
    fields: AbsenceFields,
    counted_half_days: u32,
    today: Date,
    random: &mut Random,
) -> Absence {
    let day = plus_days(fields.period.start(), -random.between(1, 20)).min(plus_days(today, -1));
    let created_at = later(morning_of(day), random.between(0, 30_000));
    let cancelled_at = random.chance(2).then(|| later(created_at, 3_600));
    Absence {
        id: AbsenceId::from_uuid(random.uuid(created_at)),
        personnel: file.id,
        fields,
        counted_half_days,
        version: if cancelled_at.is_some() { 2 } else { 1 },
        cancelled_at,
        created_at,
        updated_at: cancelled_at.unwrap_or(created_at),
    }
}
