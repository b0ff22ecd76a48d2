//! The API as programs meet it: the whole router with its layers, over a real SQLite database in a temporary folder.
//! Every answer of every test is held against the description: a status that it does not name fails the test.

#![expect(
    clippy::unwrap_used,
    reason = "a test says what went wrong by panicking, its helpers as well"
)]

mod app;
mod description;
mod examples;
mod flows;
mod hostile;
mod payroll;
mod rights;
mod statuses;
