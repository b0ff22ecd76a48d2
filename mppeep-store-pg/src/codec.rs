//! Between columns and the values of the domain.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use mppeep_core::domain::calendar::Half;
use mppeep_core::ports::error::BackendError;

use crate::error::ADAPTER;

/// An instant as a parameter.
pub(crate) fn stored(at: Timestamp) -> jiff_sqlx::Timestamp {
    at.to_sqlx()
}

/// A civil date as a parameter.
pub(crate) fn stored_date(date: Date) -> jiff_sqlx::Date {
    date.to_sqlx()
}

/// Microseconds since 1970, as cursors carry instants.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The instant that a cursor carries.
pub(crate) fn from_micros(micros: i64) -> Result<Timestamp, BackendError> {
    Timestamp::from_microsecond(micros).map_err(|_| BackendError::Invalid {
        adapter: ADAPTER,
        what: "a cursor without an instant".to_owned(),
    })
}

/// A half-day's number since 1970, as `absence.start_slot` and `absence.end_slot` count them.
pub(crate) fn slot(day: Date, half: Half) -> i32 {
    const DAY: i64 = 86_400;
    let seconds = day
        .at(0, 0, 0, 0)
        .duration_since(Date::constant(1970, 1, 1).at(0, 0, 0, 0));
    let days = i32::try_from(seconds.as_secs() / DAY).unwrap_or(i32::MAX / 4);
    days * 2 + i32::from(half == Half::Pm)
}

/// A duration in microseconds; what does not fit is a thousand years, so that sums with an instant have a date.
pub(crate) fn span_micros(span: std::time::Duration) -> i64 {
    const MILLENNIUM: i64 = 365_250 * 86_400 * 1_000_000;
    i64::try_from(span.as_micros())
        .unwrap_or(MILLENNIUM)
        .min(MILLENNIUM)
}

/// A stored code, read by its list.
pub(crate) fn code<T>(
    text: &str,
    by_code: impl Fn(&str) -> Option<T>,
    what: &str,
) -> Result<T, BackendError> {
    by_code(text).ok_or_else(|| BackendError::corrupt(ADAPTER, what))
}

/// A stored code, if there is one.
pub(crate) fn optional_code<T>(
    text: Option<&str>,
    by_code: impl Fn(&str) -> Option<T>,
    what: &str,
) -> Result<Option<T>, BackendError> {
    text.map(|text| code(text, by_code, what)).transpose()
}

/// A stored number in another type.
pub(crate) fn number<T: TryFrom<i64>>(stored: impl Into<i64>, what: &str) -> Result<T, BackendError> {
    T::try_from(stored.into()).map_err(|_| BackendError::corrupt(ADAPTER, what))
}

/// A stored number in another type, if there is one.
pub(crate) fn optional_number<T: TryFrom<i64>>(
    stored: Option<impl Into<i64>>,
    what: &str,
) -> Result<Option<T>, BackendError> {
    stored.map(|stored| number(stored, what)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_days_are_counted_as_the_schema_counts_them() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(slot(day("1970-01-01"), Half::Am), 0);
        assert_eq!(slot(day("1969-12-31"), Half::Pm), -1);
        assert_eq!(slot(day("2026-11-22"), Half::Pm), 41_559);
        assert!(slot(day("9999-12-31"), Half::Pm) < i32::MAX / 4);
    }

    #[test]
    fn endless_durations_stay_within_the_calendar() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let end = micros(now) + span_micros(std::time::Duration::MAX);
        assert_eq!(from_micros(end).unwrap().strftime("%Y").to_string(), "3026");
    }
}
