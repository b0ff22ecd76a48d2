//! What only this adapter promises: files, locks, sudden death, backups.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

mod faults;
mod killed_work;
mod opening;
mod operation;
mod revocation;
mod support;
