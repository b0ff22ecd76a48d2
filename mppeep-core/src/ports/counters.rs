//! Counters by day.

use async_trait::async_trait;
use jiff::civil::Date;
use uuid::Uuid;

use super::error::BackendError;
use crate::domain::codes::codes;

codes! {
    /// What is counted.
    CounterSet {
        /// Pages shown; a member is the page's route.
        PageViews = "page_views",
        /// Changes made; a member is the identifier of the user who made them.
        Actions = "actions",
    }
}

/// Names a batch of additions, so that one that is sent again counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchId(pub Uuid);

/// An addition to one bucket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delta {
    /// Which set.
    pub set: CounterSet,
    /// Which day, in UTC.
    pub day: Date,
    /// Which member, at most [`MEMBER_MAX_BYTES`] long.
    pub member: String,
    /// How much; may be negative. Sums stop at the ends of `i64` and never wrap.
    pub by: i64,
}

/// Length of the longest member.
pub const MEMBER_MAX_BYTES: usize = 200;

/// Days, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayRange {
    /// The first.
    pub first: Date,
    /// The last; before the first, the range is empty.
    pub last: Date,
}

/// Adds and reads counters.
#[async_trait]
pub trait Counters: Send + Sync {
    /// Adds all deltas or none. A batch that was added before is not added again; batches are remembered for a day.
    ///
    /// # Errors
    /// `Invalid` for a member that is too long; otherwise `BackendError` when the store cannot be reached.
    async fn add(&self, batch: BatchId, deltas: &[Delta]) -> Result<(), BackendError>;

    /// What a member counted on each day of a range on which it was counted, the earliest first; the sum over all
    /// members when none is named.
    ///
    /// # Errors
    /// `BackendError` when the store cannot be reached.
    async fn series(
        &self,
        set: CounterSet,
        member: Option<&str>,
        days: DayRange,
    ) -> Result<Vec<(Date, i64)>, BackendError>;

    /// The `n` members that counted most over a range, the greatest first, equal ones by the bytes of their names.
    ///
    /// # Errors
    /// As `series`.
    async fn top(&self, set: CounterSet, days: DayRange, n: u32) -> Result<Vec<(String, i64)>, BackendError>;
}
