//! The day of retirement, and how it is derived.

use jiff::Span;
use jiff::civil::Date;

use super::grade::Grade;
use super::settings::{RetirementMode, RetirementSettings};

/// How a day of retirement was found, so that a person can check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetirementDerivation {
    /// The birth date it starts from.
    pub birth_date: Date,
    /// The grade that gives the age, if the file has one.
    pub grade: Option<Grade>,
    /// The age limit, in years.
    pub age_years: u8,
    /// The day on which that age is reached.
    pub reached_on: Date,
    /// How that day becomes the day of departure.
    pub mode: RetirementMode,
    /// Last day of an individual extension, when it decides.
    pub extended_until: Option<Date>,
    /// The last day of service.
    pub date: Date,
}

/// Derives the last day of service from birth date, grade and an individual extension (« maintien en activité »),
/// by the rules in force. None only when the calendar ends before.
pub fn derive(
    birth_date: Date,
    grade: Option<Grade>,
    extension: Option<Date>,
    settings: &RetirementSettings,
) -> Option<RetirementDerivation> {
    let age_years = settings.age_of(grade);
    let reached_on = birth_date.checked_add(Span::new().years(age_years)).ok()?;
    let by_age = match settings.mode {
        RetirementMode::EndOfYear => Date::new(reached_on.year(), 12, 31).ok()?,
        RetirementMode::EndOfMonth => reached_on.last_of_month(),
        RetirementMode::Birthday => reached_on,
    };
    let extended_until = extension.filter(|date| *date > by_age);
    Some(RetirementDerivation {
        birth_date,
        grade,
        age_years,
        reached_on,
        mode: settings.mode,
        extended_until,
        date: extended_until.unwrap_or(by_age),
    })
}

/// Time of service from `start` to `at`: years, months and days; nothing when `at` comes first.
pub fn seniority(start: Date, at: Date) -> (i16, i32, i32) {
    if at <= start {
        return (0, 0, 0);
    }
    start
        .until((jiff::Unit::Year, at))
        .map(|span| (span.get_years(), span.get_months(), span.get_days()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_last_day_follows_the_grade_and_the_mode() {
        let settings = RetirementSettings::default();
        let of = |birth, grade: &str| derive(birth, grade.parse().ok(), None, &settings).unwrap().date;
        assert_eq!(of(date(1966, 3, 14), "A3"), date(2026, 12, 31));
        assert_eq!(of(date(1970, 6, 30), "A5"), date(2035, 12, 31));
        assert_eq!(of(date(1964, 2, 29), "A4"), date(2029, 12, 31));
        let month = RetirementSettings {
            mode: RetirementMode::EndOfMonth,
            ..RetirementSettings::default()
        };
        assert_eq!(
            derive(date(1966, 2, 10), None, None, &month).unwrap().date,
            date(2026, 2, 28)
        );
        let birthday = RetirementSettings {
            mode: RetirementMode::Birthday,
            ..RetirementSettings::default()
        };
        assert_eq!(
            derive(date(1964, 2, 29), None, None, &birthday).unwrap().date,
            date(2024, 2, 29)
        );
    }

    #[test]
    fn an_extension_only_lengthens() {
        let settings = RetirementSettings::default();
        let of = |extension| {
            derive(date(1966, 3, 14), None, Some(extension), &settings)
                .unwrap()
                .date
        };
        assert_eq!(of(date(2028, 6, 30)), date(2028, 6, 30));
        assert_eq!(of(date(2020, 6, 30)), date(2026, 12, 31));
    }

    #[test]
    fn seniority_counts_whole_years_months_and_days() {
        assert_eq!(seniority(date(2010, 1, 31), date(2026, 3, 1)), (16, 1, 1));
        assert_eq!(seniority(date(2026, 3, 1), date(2010, 1, 31)), (0, 0, 0));
    }
}
