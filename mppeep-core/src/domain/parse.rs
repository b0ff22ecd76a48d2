//! Dates and whole numbers, read strictly.

use jiff::civil::Date;

use super::validation::Rule;

/// A whole number from `min` to `max`, written in digits only.
pub(crate) fn whole<T>(value: &str, min: T, max: T) -> Result<T, Rule>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display + Copy,
{
    let out_of_range = || Rule::OutOfRange {
        min: min.to_string(),
        max: max.to_string(),
    };
    if value.is_empty() || value.len() > 10 || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(out_of_range());
    }
    value
        .parse()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(out_of_range)
}

/// Earliest date that a file may hold.
pub const EARLIEST: Date = jiff::civil::date(1900, 1, 1);
/// Latest date that a file may hold.
pub const LATEST: Date = jiff::civil::date(2200, 12, 31);

/// A date written `AAAA-MM-JJ`, between 1900 and 2200.
///
/// # Errors
/// `Format` or `OutOfRange`.
pub fn civil_date(value: &str) -> Result<Date, Rule> {
    let plain = value.len() == 10 && value.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let date: Date = value.parse().ok().filter(|_| plain).ok_or_else(|| Rule::Format {
        expected: "2026-12-31".to_owned(),
    })?;
    if (EARLIEST..=LATEST).contains(&date) {
        Ok(date)
    } else {
        Err(Rule::OutOfRange {
            min: EARLIEST.to_string(),
            max: LATEST.to_string(),
        })
    }
}
