//! French words and formats: labels of codes, names of fields, messages, dates and numbers.
//!
//! Codes are English everywhere else; nothing outside this module and the templates speaks French.

mod admin;
mod api;
mod countries;
mod fields;
mod files;
mod format;
mod jobs;
mod labels;
mod notes;
mod payroll;
mod rules;

pub(crate) use admin::*;
pub(crate) use api::{API_GROUPS, operation_title, status_meaning};
pub(crate) use countries::country;
pub(crate) use fields::{changes, field_name, field_value, personnel_field};
pub(crate) use files::*;
pub(crate) use format::*;
pub(crate) use jobs::*;
pub(crate) use labels::{
    Label, action_tone, appraisal_badge, category, choices, period, position_badge, role_short,
};
pub(crate) use notes::note;
pub(crate) use payroll::*;
pub(crate) use rules::{form_errors, rule_message};
