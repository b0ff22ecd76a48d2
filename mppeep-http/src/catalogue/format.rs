//! Dates, numbers and plurals as they are written in French.

use jiff::civil::{Date, Weekday};
use jiff::{Timestamp, tz::TimeZone};

/// Narrow space that does not break, between thousands.
const THOUSANDS: char = '\u{202f}';

const MONTHS: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];

const SHORT_MONTHS: [&str; 12] = [
    "janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc.",
];

/// A date as `05/03/2026`.
#[must_use]
pub(crate) fn date(date: Date) -> String {
    format!("{:02}/{:02}/{:04}", date.day(), date.month(), date.year())
}

/// A date as « 5 mars 2026 ».
#[must_use]
pub(crate) fn date_long(date: Date) -> String {
    let day = if date.day() == 1 {
        "1er".to_owned()
    } else {
        date.day().to_string()
    };
    format!("{day} {} {}", month(date.month()), date.year())
}

/// A date as « jeudi 5 mars 2026 ».
#[must_use]
pub(crate) fn date_full(date: Date) -> String {
    format!("{} {}", weekday(date.weekday()), date_long(date))
}

/// The name of a day.
#[must_use]
pub(crate) fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "lundi",
        Weekday::Tuesday => "mardi",
        Weekday::Wednesday => "mercredi",
        Weekday::Thursday => "jeudi",
        Weekday::Friday => "vendredi",
        Weekday::Saturday => "samedi",
        Weekday::Sunday => "dimanche",
    }
}

/// The name of a month, from 1; empty outside 1 to 12.
#[must_use]
pub(crate) fn month(number: i8) -> &'static str {
    name_of(&MONTHS, number)
}

/// The short name of a month, from 1; empty outside 1 to 12.
#[must_use]
pub(crate) fn month_short(number: i8) -> &'static str {
    name_of(&SHORT_MONTHS, number)
}

fn name_of(names: &'static [&'static str; 12], number: i8) -> &'static str {
    usize::try_from(i16::from(number) - 1)
        .ok()
        .and_then(|index| names.get(index))
        .copied()
        .unwrap_or_default()
}

/// The civil date of an instant in the country: Abidjan and Dakar are at UTC+0 all the year.
#[must_use]
pub(crate) fn day_of(instant: Timestamp) -> Date {
    instant.to_zoned(TimeZone::UTC).date()
}

/// An instant as `05/03/2026 à 10:42`.
#[must_use]
pub(crate) fn instant(instant: Timestamp) -> String {
    let local = instant.to_zoned(TimeZone::UTC);
    format!(
        "{} à {:02}:{:02}",
        date(local.date()),
        local.hour(),
        local.minute()
    )
}

/// The hour of an instant, as `10:42`.
#[must_use]
pub(crate) fn hour(instant: Timestamp) -> String {
    let local = instant.to_zoned(TimeZone::UTC);
    format!("{:02}:{:02}", local.hour(), local.minute())
}

/// An instant as `05/03/2026 10:42:07`.
#[must_use]
pub(crate) fn instant_precise(instant: Timestamp) -> String {
    let local = instant.to_zoned(TimeZone::UTC);
    format!(
        "{} {:02}:{:02}:{:02}",
        date(local.date()),
        local.hour(),
        local.minute(),
        local.second()
    )
}

/// How long ago an instant is, as « il y a 5 min », « hier à 10:42 », then its date.
#[must_use]
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second());
    let local = then.to_zoned(TimeZone::UTC);
    let days = (day_of(now) - local.date()).get_days();
    match (days, seconds) {
        (_, ..60) => "à l’instant".to_owned(),
        (_, ..3600) => format!("il y a {} min", seconds / 60),
        (0, _) => format!("aujourd’hui à {:02}:{:02}", local.hour(), local.minute()),
        (1, _) => format!("hier à {:02}:{:02}", local.hour(), local.minute()),
        _ => instant(then),
    }
}

/// A whole number with its thousands apart: `1 234 567`.
#[must_use]
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(THOUSANDS);
        }
        text.push(digit);
    }
    text
}

/// The same, of a borrowed number, as templates hold them.
#[must_use]
pub(crate) fn number_of(value: &u64) -> String {
    number(*value)
}

/// Hundredths as `12,50`.
#[must_use]
pub(crate) fn hundredths(value: i64) -> String {
    let sign = if value < 0 { "−" } else { "" };
    let value = value.unsigned_abs();
    format!("{sign}{},{:02}", number(value / 100), value % 100)
}

/// Hundredths as short as they can be: `12`, `12,5`, `12,25`.
#[must_use]
pub(crate) fn hundredths_short(value: i64) -> String {
    let text = hundredths(value);
    text.trim_end_matches('0').trim_end_matches(',').to_owned()
}

/// Half-days as days: `0,5 jour`, `12 jours`.
#[must_use]
pub(crate) fn half_days(value: i64) -> String {
    let days = value.unsigned_abs() / 2;
    let half = if value % 2 == 0 { "" } else { ",5" };
    let sign = if value < 0 { "−" } else { "" };
    let noun = if value.unsigned_abs() >= 4 {
        "jours"
    } else {
        "jour"
    };
    format!("{sign}{}{half} {noun}", number(days))
}

/// `1 agent`, `0 agent`, `12 agents`: in French zero and one are singular.
#[must_use]
pub(crate) fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count < 2 { one } else { many })
}

/// `plural` of a length, as templates have them.
#[must_use]
pub(crate) fn plural_of(count: usize, one: &str, many: &str) -> String {
    plural(u64::try_from(count).unwrap_or(u64::MAX), one, many)
}

/// The noun alone, agreeing with `count`.
#[must_use]
pub(crate) fn agree<'a>(count: u64, one: &'a str, many: &'a str) -> &'a str {
    if count < 2 { one } else { many }
}

/// A length of service as « 12 ans 3 mois ».
#[must_use]
pub(crate) fn years_months(years: u32, months: u32) -> String {
    match (years, months) {
        (0, 0) => "moins d’un mois".to_owned(),
        (0, months) => format!("{months} mois"),
        (years, 0) => plural(u64::from(years), "an", "ans"),
        (years, months) => format!("{} {months} mois", plural(u64::from(years), "an", "ans")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date as civil;

    #[test]
    fn numbers_are_written_in_french() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(hundredths(1250), "12,50");
        assert_eq!(hundredths_short(1250), "12,5");
        assert_eq!(hundredths_short(1000), "10");
        assert_eq!(half_days(25), "12,5 jours");
        assert_eq!(half_days(1), "0,5 jour");
        assert_eq!(half_days(2), "1 jour");
    }

    #[test]
    fn dates_are_written_day_first() {
        assert_eq!(date(civil(2026, 3, 5)), "05/03/2026");
        assert_eq!(date_full(civil(2026, 5, 1)), "vendredi 1er mai 2026");
        assert_eq!(month(13), "");
        assert_eq!(month_short(12), "déc.");
    }

    #[test]
    fn zero_and_one_are_singular() {
        assert_eq!(plural(0, "agent", "agents"), "0 agent");
        assert_eq!(plural(2, "agent", "agents"), "2 agents");
        assert_eq!(years_months(12, 3), "12 ans 3 mois");
        assert_eq!(years_months(1, 0), "1 an");
    }

    #[test]
    fn what_is_near_is_said_so() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let at = |text: &str| ago(text.parse().unwrap(), now);
        assert_eq!(at("2026-11-22T09:59:30Z"), "à l’instant");
        assert_eq!(at("2026-11-22T09:55:00Z"), "il y a 5 min");
        assert_eq!(at("2026-11-22T08:05:00Z"), "aujourd’hui à 08:05");
        assert_eq!(at("2026-11-21T08:05:00Z"), "hier à 08:05");
        assert_eq!(at("2026-11-01T08:05:00Z"), "01/11/2026 à 08:05");
    }
}
