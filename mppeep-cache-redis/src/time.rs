//! Times as the scripts take them: whole numbers of microseconds that a double holds exactly.

use std::time::Duration;

use mppeep_core::ports::clock::TimeSource;

/// What a key outlives its meaning by, in milliseconds. Ends are compared; the server's own expiry only sweeps, and a
/// clock that is set back a little finds everything as it was.
pub(crate) const SLACK_MILLIS: &str = "60000";

/// The longest time that is told apart: a hundred years.
pub(crate) const LONGEST_MICROS: i64 = 100 * 366 * 86_400 * 1_000_000;

/// Microseconds, a hundred years at most.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).map_or(LONGEST_MICROS, |micros| micros.min(LONGEST_MICROS))
}

/// The present as the scripts are told it: empty when the server's own clock judges.
pub(crate) fn now(time: &TimeSource) -> String {
    match time {
        TimeSource::Backend => String::new(),
        TimeSource::Clock(clock) => clock.now().as_microsecond().to_string(),
    }
}
