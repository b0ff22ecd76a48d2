//! How much the site is used: pages and actions by day.

use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::Date;

use super::context::{Context, require_all};
use super::error::ServiceError;
use crate::domain::id::UserId;
use crate::domain::permission::{Action, Actor, Resource};
use crate::layered::buffered_counters::BufferedCounters;
use crate::ports::counters::{CounterSet, DayRange};

/// Days that the series shows, today included.
const SERIES_DAYS: i32 = 30;

/// Days that the tables sum up, today included.
const TOP_DAYS: i32 = 7;

/// Rows of a table.
const TOP_ROWS: u32 = 10;

/// How much the site was used lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// The present day, in UTC.
    pub today: Date,
    /// Pages by day over the last thirty days, every day named, the earliest first.
    pub pages_by_day: Vec<(Date, i64)>,
    /// The ten pages shown most in the last seven days, by route.
    pub top_pages: Vec<(String, i64)>,
    /// The ten users who changed most in the last seven days, by name.
    pub top_users: Vec<(String, i64)>,
    /// Changes by day over the last thirty days.
    pub actions_by_day: Vec<(Date, i64)>,
}

/// Counts and tells how much the site is used.
pub struct TrafficService {
    context: Arc<Context>,
    counters: Arc<BufferedCounters>,
}

impl TrafficService {
    /// The service over its ports.
    pub fn new(context: Arc<Context>, counters: Arc<BufferedCounters>) -> Self {
        Self { context, counters }
    }

    /// Counts a page that was shown. `route` names its kind (`/personnel/{id}`), never one record.
    pub fn page_shown(&self, route: &str) {
        self.counters.count(CounterSet::PageViews, route);
    }

    /// Counts a change that a user made.
    pub fn action_done(&self, user: UserId) {
        self.counters.count(CounterSet::Actions, &user.to_string());
    }

    /// How much the site was used lately, to the second before.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn lately(&self, actor: &Actor) -> Result<Traffic, ServiceError> {
        require_all(actor, Resource::Journal, Action::Read)?;
        let today = self.context.today();
        let last = |days: i32| DayRange {
            first: today.saturating_sub((days - 1).days()),
            last: today,
        };
        let counters = self.counters.counters();
        let pages = counters
            .series(CounterSet::PageViews, None, last(SERIES_DAYS))
            .await?;
        let actions = counters
            .series(CounterSet::Actions, None, last(SERIES_DAYS))
            .await?;
        let top_pages = counters
            .top(CounterSet::PageViews, last(TOP_DAYS), TOP_ROWS)
            .await?;
        let users = counters
            .top(CounterSet::Actions, last(TOP_DAYS), TOP_ROWS)
            .await?;
        let mut unit = self.context.store().begin_read().await?;
        let mut top_users = Vec::new();
        for (member, count) in users {
            let user = match member.parse() {
                Ok(id) => unit.users().find(id).await?,
                Err(_) => None,
            };
            top_users.push((user.map_or(member, |user| user.fields.display_name), count));
        }
        Ok(Traffic {
            today,
            pages_by_day: every_day(last(SERIES_DAYS), &pages),
            top_pages,
            top_users,
            actions_by_day: every_day(last(SERIES_DAYS), &actions),
        })
    }
}

/// Every day of a range, with its count or none.
fn every_day(days: DayRange, counted: &[(Date, i64)]) -> Vec<(Date, i64)> {
    days.first
        .series(1.day())
        .take_while(|day| *day <= days.last)
        .map(|day| {
            let count = counted.iter().find(|(of, _)| *of == day);
            (day, count.map_or(0, |(_, count)| *count))
        })
        .collect()
}
