//! Reproducible chance (SplitMix64, Steele and others 2014). Not for secrets.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use uuid::Uuid;

/// A sequence that its seed names.
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included; `low` when they are the wrong way round.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low).unwrap_or(0).saturating_add(1);
        low + i64::try_from(self.next() % span).unwrap_or(0)
    }

    /// True `percent` times in a hundred.
    pub(crate) fn chance(&mut self, percent: i64) -> bool {
        self.between(1, 100) <= percent
    }

    /// One word of a list.
    pub(crate) fn word(&mut self, list: &[&'static str]) -> &'static str {
        let last = i64::try_from(list.len()).unwrap_or(1) - 1;
        let index = usize::try_from(self.between(0, last)).unwrap_or(0);
        list.get(index).copied().unwrap_or_default()
    }

    /// An index of `weights`, each as likely as its weight.
    pub(crate) fn weighted(&mut self, weights: &[i64]) -> usize {
        let mut left = self.between(1, weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left <= 0 {
                return index;
            }
        }
        0
    }

    /// A day from `low` to `high`, both included.
    pub(crate) fn day(&mut self, low: Date, high: Date) -> Date {
        let days = low.until(high).map_or(0, |span| span.get_days());
        plus_days(low, self.between(0, i64::from(days.max(0))))
    }

    /// That many decimal digits.
    pub(crate) fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b'0' + u8::try_from(self.between(0, 9)).unwrap_or(0)))
            .collect()
    }

    /// A UUID of version 7 made at an instant.
    pub(crate) fn uuid(&mut self, at: Timestamp) -> Uuid {
        let bytes = [self.next().to_be_bytes(), self.next().to_be_bytes()].concat();
        let mut random = [0_u8; 10];
        for (to, from) in random.iter_mut().zip(bytes) {
            *to = from;
        }
        let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

/// The day that many days later (or earlier).
pub(crate) fn plus_days(day: Date, days: i64) -> Date {
    day.saturating_add(Span::new().days(days.clamp(-100_000, 100_000)))
}

/// Seven o'clock of a day, in UTC as in Abidjan.
pub(crate) fn morning_of(day: Date) -> Timestamp {
    day.at(7, 0, 0, 0)
        .to_zoned(TimeZone::UTC)
        .map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp())
}

/// Some seconds later.
pub(crate) fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(Span::new().seconds(seconds)).unwrap_or(at)
}
