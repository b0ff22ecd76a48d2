//! The use cases. Each checks the right first, opens one unit of work, writes the change and its line in the journal,
//! bumps the epochs of what it made wrong, and commits.

pub mod absences;
pub mod account_access;
pub mod activity;
pub mod auth;
pub mod content_check;
mod context;
pub mod dashboard;
mod document_checking;
pub mod documents;
mod error;
pub mod evaluations;
pub mod file_reading;
pub mod file_tasks;
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
pub mod photos;
pub mod queue;
mod readings;
pub mod schedule;
pub mod settings;
pub mod shared_files;
pub mod traffic;
pub mod uploads;
pub mod users;

pub use context::{Adapters, CacheTimes, Context, carrying_out};
pub use error::ServiceError;
pub use readings::Reading;
