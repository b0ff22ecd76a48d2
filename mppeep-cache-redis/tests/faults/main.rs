//! Redis refusing, hanging, dying, forgetting, full, out of step; and the adapter in front of it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints what it measured"
)]

mod answers;
mod deadlines;
mod leases;
mod memory;
mod mixing;
mod pubsub;
mod recovery;
mod security;
mod support;
mod toxic;
