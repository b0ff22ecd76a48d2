//! What only this adapter promises: servers that go and come back, links that break, poolers, zones, plans.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

mod cancellation;
mod faults;
mod messages;
mod opening;
mod outages;
mod plans;
mod pooler;
mod support;
mod zones;
