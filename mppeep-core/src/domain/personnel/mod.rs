//! An agent's file: its fields, their groups, and the rules that make a file valid.

mod content;
mod field;
mod matricule;
mod private;

use jiff::Timestamp;
use jiff::civil::Date;

pub use content::{PersonnelFields, PersonnelInput, PersonnelRules, changes};
pub use field::{FieldGroup, PersonnelField};
pub use matricule::{Matricule, MatriculePattern};

use super::codes::DepartureReason;
use super::id::PersonnelId;

/// That, when and why an agent left; the file is then in the archive.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Departure {
    /// Day of departure.
    pub date: Date,
    /// Why.
    pub reason: DepartureReason,
}

/// An agent's file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Personnel {
    /// Its identifier.
    pub id: PersonnelId,
    /// Its content.
    pub fields: PersonnelFields,
    /// Set when the agent left.
    pub departure: Option<Departure>,
    /// Day of retirement, by the rules in force when the file or the rules last changed.
    pub retirement_date: Option<Date>,
    /// Counts the changes of the file, from 1.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
