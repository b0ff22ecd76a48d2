//! Absences of agents: a type, a period of half-days, and how many of them count.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;

use super::calendar::{Counted, Half, Period, WeekPattern};
use super::codes::codes;
use super::id::{AbsenceId, PersonnelId};
use super::parse::civil_date;
use super::settings::AbsenceSettings;
use super::text;
use super::validation::{Rule, Violations};

codes! {
    /// Why an agent is absent. Its counting mode is a setting.
    AbsenceType {
        /// « Congé annuel ».
        AnnualLeave = "annual_leave",
        /// « Permission d'absence ».
        ShortLeave = "short_leave",
        /// « Congé de maladie ».
        SickLeave = "sick_leave",
        /// « Congé de maternité ».
        MaternityLeave = "maternity_leave",
        /// « Congé de paternité ».
        PaternityLeave = "paternity_leave",
        /// « Formation ».
        Training = "training",
        /// « Mission ».
        Mission = "mission",
        /// « Absence non justifiée ».
        Unjustified = "unjustified",
        /// « Autre absence ».
        Other = "other",
    }
}

/// The content of an absence as people give it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AbsenceInput {
    /// Code of the type.
    pub kind: String,
    /// First day, `AAAA-MM-JJ`.
    pub start_date: String,
    /// `am` or `pm`; empty is `am`.
    pub start_half: String,
    /// Last day, `AAAA-MM-JJ`; empty is the first day.
    pub end_date: String,
    /// `am` or `pm`; empty is `pm`.
    pub end_half: String,
    /// Why, in words; may be empty.
    pub reason: String,
}

/// The content of an absence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsenceFields {
    /// Its type.
    pub kind: AbsenceType,
    /// Its half-days.
    pub period: Period,
    /// Why, in words.
    pub reason: Option<String>,
}

impl AbsenceFields {
    /// Makes valid content of an input.
    ///
    /// # Errors
    /// Every rule the input breaks.
    pub fn parse(input: &AbsenceInput) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let kind = violations.take(
            "kind",
            if input.kind.trim().is_empty() {
                Err(Rule::Required)
            } else {
                AbsenceType::by_code(input.kind.trim()).ok_or_else(|| Rule::Unknown {
                    nearest: text::nearest(&input.kind, AbsenceType::ALL.iter().map(|kind| kind.code()), 3),
                })
            },
        );
        let required = |value: &str| match value.trim() {
            "" => Err(Rule::Required),
            text => civil_date(text),
        };
        let start = violations.take("start_date", required(&input.start_date));
        let end_text = if input.end_date.trim().is_empty() {
            &input.start_date
        } else {
            &input.end_date
        };
        let end = violations.take("end_date", required(end_text));
        let half = |value: &str, default| match value.trim() {
            "" => Ok(default),
            text => Half::by_code(text).ok_or_else(|| Rule::Unknown {
                nearest: vec!["am".into(), "pm".into()],
            }),
        };
        let start_half = violations.take("start_half", half(&input.start_half, Half::Am));
        let end_half = violations.take("end_half", half(&input.end_half, Half::Pm));
        let reason = match input.reason.trim() {
            "" => None,
            given => violations.take("reason", text::paragraph(given, 1_000)),
        };
        let (Some(kind), Some(start), Some(end), Some(start_half), Some(end_half)) =
            (kind, start, end, start_half, end_half)
        else {
            return Err(violations);
        };
        match Period::new(start, start_half, end, end_half) {
            Some(period) => violations.into_result(Self { kind, period, reason }),
            None if (end, end_half) < (start, start_half) => {
                violations.push(
                    "end_date",
                    Rule::MustFollow {
                        other: "start_date",
                        or_equal: true,
                    },
                );
                Err(violations)
            }
            None => {
                let last = start.saturating_add(jiff::Span::new().days(Period::MAX_DAYS));
                violations.push(
                    "end_date",
                    Rule::OutOfRange {
                        min: start.to_string(),
                        max: last.to_string(),
                    },
                );
                Err(violations)
            }
        }
    }

    /// Counts the half-days in the three modes, and checks that some count in the mode of the type.
    ///
    /// # Errors
    /// `NoDayCounted` on `end_date`.
    pub fn count(
        &self,
        holidays: &BTreeSet<Date>,
        week: &WeekPattern,
        settings: &AbsenceSettings,
    ) -> Result<(Counted, u32), Violations> {
        let counted = Counted::of(self.period, holidays, week);
        let half_days = counted.in_mode(settings.mode_of(self.kind));
        if half_days == 0 {
            return Err(Violations::one("end_date", Rule::NoDayCounted));
        }
        Ok((counted, half_days))
    }

    /// The content as text by field code, for the journal.
    pub fn describe(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("kind", Some(self.kind.code().to_owned())),
            ("start_date", Some(self.period.start().to_string())),
            ("start_half", Some(self.period.start_half().code().to_owned())),
            ("end_date", Some(self.period.end().to_string())),
            ("end_half", Some(self.period.end_half().code().to_owned())),
            ("reason", self.reason.clone()),
        ]
    }
}

/// An absence on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// Its identifier.
    pub id: AbsenceId,
    /// The agent.
    pub personnel: PersonnelId,
    /// Its content.
    pub fields: AbsenceFields,
    /// Half-days counted in the mode of its type when it was recorded or last counted again.
    pub counted_half_days: u32,
    /// Set when it was cancelled: it then counts for nothing, and stays readable.
    pub cancelled_at: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(start: &str, end: &str) -> AbsenceInput {
        AbsenceInput {
            kind: "short_leave".into(),
            start_date: start.into(),
            end_date: end.into(),
            ..AbsenceInput::default()
        }
    }

    #[test]
    fn a_period_is_ordered_and_some_of_it_counts() {
        assert!(AbsenceFields::parse(&input("2026-05-11", "2026-05-12")).is_ok());
        assert_eq!(
            AbsenceFields::parse(&input("2026-05-12", "2026-05-11"))
                .unwrap_err()
                .0[0]
                .field,
            "end_date"
        );
        assert_eq!(AbsenceFields::parse(&input("", "")).unwrap_err().0.len(), 2);
        let sunday = AbsenceFields::parse(&input("2026-11-22", "")).unwrap();
        let refused = sunday.count(
            &BTreeSet::new(),
            &WeekPattern::default(),
            &AbsenceSettings::default(),
        );
        assert_eq!(refused.unwrap_err().0[0].rule, Rule::NoDayCounted);
    }
}
