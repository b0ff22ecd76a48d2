//! The time that judges in this adapter.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use mppeep_core::ports::clock::{Clock, SystemClock, TimeSource};

/// Microseconds of an injected clock, or of the process: the wall clock at the start, moved on by the monotonic clock,
/// so that setting the machine's clock neither ends a lease nor lifts a limit.
pub(crate) struct Timeline {
    source: TimeSource,
    origin: Instant,
    origin_micros: i64,
}

impl Timeline {
    pub(crate) fn new(source: TimeSource) -> Self {
        Self {
            source,
            origin: Instant::now(),
            origin_micros: SystemClock.now().as_microsecond(),
        }
    }

    pub(crate) fn micros(&self) -> i64 {
        match &self.source {
            TimeSource::Backend => self.origin_micros.saturating_add(micros(self.origin.elapsed())),
            TimeSource::Clock(clock) => clock.now().as_microsecond(),
        }
    }
}

/// The wall clock, which instants that people read are judged by.
pub(crate) fn wall_clock(source: &TimeSource) -> Timestamp {
    match source {
        TimeSource::Backend => SystemClock.now(),
        TimeSource::Clock(clock) => clock.now(),
    }
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The time from `now` to `then`; none when that is past.
pub(crate) fn until(then: i64, now: i64) -> Duration {
    Duration::from_micros(u64::try_from(then.saturating_sub(now)).unwrap_or(0))
}
