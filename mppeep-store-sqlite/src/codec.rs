//! Between columns and the values of the domain.

use jiff::Timestamp;
use jiff::civil::Date;
use mppeep_core::ports::clock::TimeSource;
use mppeep_core::ports::error::BackendError;
use uuid::Uuid;

use crate::error::ADAPTER;

/// Microseconds since 1970, as instants are stored.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The present instant as a parameter of statements: none when the database's own clock judges.
pub(crate) fn present(time: &TimeSource) -> Option<i64> {
    match time {
        TimeSource::Backend => None,
        TimeSource::Clock(clock) => Some(micros(clock.now())),
    }
}

/// A duration in microseconds; what does not fit is for ever.
pub(crate) fn span_micros(span: std::time::Duration) -> i64 {
    // A quarter of the range, so that sums with an instant stay inside it.
    i64::try_from(span.as_micros())
        .unwrap_or(i64::MAX)
        .min(i64::MAX / 4)
}

/// A stored instant.
pub(crate) fn instant(micros: i64, what: &str) -> Result<Timestamp, BackendError> {
    Timestamp::from_microsecond(micros).map_err(|_| BackendError::corrupt(ADAPTER, what))
}

/// A stored instant, if there is one.
pub(crate) fn optional_instant(micros: Option<i64>, what: &str) -> Result<Option<Timestamp>, BackendError> {
    micros.map(|micros| instant(micros, what)).transpose()
}

/// A stored civil date.
pub(crate) fn date(text: &str, what: &str) -> Result<Date, BackendError> {
    text.parse().map_err(|_| BackendError::corrupt(ADAPTER, what))
}

/// A stored civil date, if there is one.
pub(crate) fn optional_date(text: Option<&str>, what: &str) -> Result<Option<Date>, BackendError> {
    text.map(|text| date(text, what)).transpose()
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

/// A stored number in a smaller type.
pub(crate) fn number<T: TryFrom<i64>>(stored: i64, what: &str) -> Result<T, BackendError> {
    T::try_from(stored).map_err(|_| BackendError::corrupt(ADAPTER, what))
}

/// A stored number in a smaller type, if there is one.
pub(crate) fn optional_number<T: TryFrom<i64>>(
    stored: Option<i64>,
    what: &str,
) -> Result<Option<T>, BackendError> {
    stored.map(|stored| number(stored, what)).transpose()
}

/// Identifiers as a JSON array of hexadecimal texts: one parameter for `json_each` and `unhex`.
pub(crate) fn id_array(ids: impl IntoIterator<Item = Uuid>) -> String {
    let mut json = String::from("[");
    for (index, id) in ids.into_iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        json.push('"');
        json.push_str(id.simple().encode_lower(&mut Uuid::encode_buffer()));
        json.push('"');
    }
    json.push(']');
    json
}

/// Texts as a JSON array: one parameter for `json_each`.
pub(crate) fn text_array<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<serde_json::Value> = texts.into_iter().map(serde_json::Value::from).collect();
    serde_json::Value::from(texts).to_string()
}
