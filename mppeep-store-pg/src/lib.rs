//! mppeep's store on PostgreSQL: many processes, one database.
//!
//! [`PgStore`] implements the core's ports [`Store`](mppeep_core::ports::store::Store),
//! [`SessionStore`](mppeep_core::ports::session::SessionStore),
//! [`LoginAttempts`](mppeep_core::ports::login_attempts::LoginAttempts),
//! [`Epochs`](mppeep_core::ports::epochs::Epochs) and [`Maintain`](mppeep_core::ports::maintain::Maintain). It knows
//! nothing of HTTP, of the other adapters, or of the rules of the domain: it stores what services give it.
//!
//! # Invariants
//! - A unit that writes is one transaction in which each write sees what was committed before it; a refusal that the
//!   caller can act on undoes that write only. Lost updates are excluded by versions, overlaps and doubles by
//!   constraints.
//! - A unit that only reads is on one snapshot, and can neither write nor wait for a writer.
//! - A unit whose statement failed, or whose future was dropped half way, cannot be committed, and its connection is
//!   lent to nobody before the transaction on it is over.
//! - What lives and what has expired is judged inside the statement, by this database's clock (or the test's), and never
//!   by the time at which a transaction began.
//! - Every call ends: acquiring a connection, a statement, a lock and an idle transaction each have a limit, the first
//!   two also when the server no longer answers.

mod absence;
mod account_token;
mod activity;
mod cache;
mod codec;
mod counters;
mod document;
mod document_list;
mod ear;
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
mod message;
mod notice;
mod open;
mod organisation;
mod outbox;
mod payroll;
mod personnel;
mod personnel_figures;
mod personnel_list;
mod personnel_record;
mod photo;
mod pubsub;
mod rate_limiter;
mod session;
mod setting;
mod shared_file;
mod status;
mod store;
mod stored_file;
mod unit;
mod user;

pub use error::OpenError;
pub use store::{PgOptions, PgPoolStatus, PgStatus, PgStore};
