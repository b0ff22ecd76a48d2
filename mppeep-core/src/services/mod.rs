//! The use cases. Each checks the right first, opens one unit of work, writes the change and its line in the journal,
//! bumps the epochs of what it made wrong, and commits.

pub mod absences;
pub mod account_access;
pub mod activity;
pub mod auth;
mod context;
pub mod dashboard;
mod error;
pub mod evaluations;
pub mod holidays;
pub mod mail;
pub mod notices;
pub mod organisation;
pub mod payroll;
pub mod payroll_view;
pub mod personnel;
pub mod personnel_export;
pub mod personnel_import;
pub mod personnel_view;
pub mod queue;
pub mod schedule;
pub mod settings;
pub mod traffic;
pub mod users;

pub use context::{Adapters, CacheTimes, Context};
pub use error::ServiceError;
