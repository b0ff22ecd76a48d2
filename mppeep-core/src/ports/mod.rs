//! The ports: what the core asks of databases, caches and clocks, one file each.

pub mod absence;
pub mod activity;
pub mod cache;
pub mod clock;
pub mod epochs;
pub mod error;
pub mod evaluation;
pub mod import;
pub mod login_attempts;
pub mod maintain;
pub mod organisation;
pub mod page;
pub mod password;
pub mod personnel;
pub mod rate_limiter;
pub mod session;
pub mod setting;
pub mod spreadsheet;
pub mod store;
pub mod user;
