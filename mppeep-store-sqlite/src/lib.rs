//! mppeep's store on SQLite: one file, one writer, several readers.
//!
//! [`SqliteStore`] implements the core's ports [`Store`](mppeep_core::ports::store::Store),
//! [`SessionStore`](mppeep_core::ports::session::SessionStore),
//! [`LoginAttempts`](mppeep_core::ports::login_attempts::LoginAttempts),
//! [`Epochs`](mppeep_core::ports::epochs::Epochs), [`JobQueue`](mppeep_core::ports::job_queue::JobQueue),
//! [`Locks`](mppeep_core::ports::locks::Locks), [`Counters`](mppeep_core::ports::counters::Counters),
//! [`IdempotencyKeys`](mppeep_core::ports::idempotency::IdempotencyKeys) and
//! [`Maintain`](mppeep_core::ports::maintain::Maintain). It knows nothing of HTTP, of the other adapters, or of the rules
//! of the domain: it stores what services give it.
//!
//! # Invariants
//! - Writes go through one connection, in `BEGIN IMMEDIATE`: a unit that has begun never fails for a lock later on.
//! - Reads go through connections that refuse to write, each unit on one snapshot, and never wait for the writer.
//! - A unit whose statement failed, or whose future was dropped half way, cannot be committed.
//! - A job, a lock and a counter change in one statement, or in one unit that has the write lock from its start; whoever
//!   asks for a job in vain takes no lock.
//! - What lives and what has expired is judged inside the statement, by this database's clock (or the test's).

mod absence;
mod account_token;
mod activity;
mod codec;
mod counters;
mod document;
mod epochs;
mod error;
mod evaluation;
mod filter;
mod holiday;
mod idempotency;
mod import;
mod job_queue;
mod link;
mod locks;
mod login_attempts;
mod maintain;
mod notice;
mod organisation;
mod outbox;
mod payroll;
mod personnel;
mod personnel_figures;
mod personnel_list;
mod personnel_record;
mod photo;
mod session;
mod setting;
mod shared_file;
mod status;
mod store;
mod stored_file;
mod unit;
mod user;

pub use error::OpenError;
pub use status::SqlitePoolStatus;
pub use store::{SqliteOptions, SqliteStore};
