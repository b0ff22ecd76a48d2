//! The use cases. Each checks the right first, opens one unit of work, writes the change and its line in the journal,
//! bumps the epochs of what it made wrong, and commits.

pub mod absences;
pub mod activity;
pub mod auth;
mod context;
pub mod dashboard;
mod error;
pub mod evaluations;
pub mod holidays;
pub mod organisation;
pub mod personnel;
pub mod personnel_export;
pub mod personnel_import;
pub mod personnel_view;
pub mod settings;
pub mod users;

pub use context::{Adapters, Context};
pub use error::ServiceError;
