//! Types that cannot hold an invalid value, and rules that are pure functions.

pub mod absence;
pub mod activity;
pub mod calendar;
pub mod codes;
pub mod email;
pub mod evaluation;
pub mod grade;
pub mod id;
pub mod import;
pub mod mail;
pub mod notice;
pub mod organisation;
pub mod parse;
pub mod password;
pub mod payroll;
pub mod permission;
pub mod personnel;
pub mod retirement;
pub mod session;
pub mod settings;
pub mod text;
pub mod user;
pub mod validation;
