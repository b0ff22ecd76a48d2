//! Every row judged: what would be created, changed, left, refused.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::cells::{self, Reading};
use super::columns::{Mapping, Target};
use super::findings::{Finding, Severity};
use super::planner::Planner;
use crate::domain::activity::FieldChange;
use crate::domain::organisation::Organisation;
use crate::domain::personnel::{Matricule, MatriculePattern, Personnel, PersonnelField, PersonnelFields};
use crate::ports::personnel::PersonnelIdentity;
use crate::ports::spreadsheet::Sheet;

/// Rows between two reports of progress.
const PROGRESS_ROWS: usize = 250;
/// What a file is judged against.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The units of the ministry.
    pub organisation: &'a Organisation,
    /// The form of a matricule.
    pub pattern: &'a MatriculePattern,
    /// The present day.
    pub today: Date,
    /// The files on record that bear a matricule of the import (see [`matricules`]).
    pub existing: &'a [Personnel],
    /// What every file on record is recognised by.
    pub identities: &'a [PersonnelIdentity],
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A new file.
    Create(Box<PersonnelFields>),
    /// A changed file.
    Update {
        /// The file as it is.
        before: Box<Personnel>,
        /// Its content as it would be.
        after: Box<PersonnelFields>,
        /// The fields in which they differ, never none.
        changes: Vec<FieldChange>,
    },
    /// The file is already so.
    Unchanged,
    /// The row has errors.
    Refused,
}

/// A row that holds an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRow {
    /// The row as the file counts it, from 1.
    pub row: usize,
    /// The matricule as written, in capitals.
    pub matricule: String,
    /// The name, as far as it is known.
    pub name: String,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// Rows by outcome, and findings by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Rows that hold an agent.
    pub rows: usize,
    /// New files.
    pub created: usize,
    /// Changed files.
    pub updated: usize,
    /// Files already so.
    pub unchanged: usize,
    /// Rows with errors.
    pub refused: usize,
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
}

/// What an import would do, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The rows in their order.
    pub rows: Vec<PlannedRow>,
    /// Everything wrong or doubtful, in the order of rows and columns.
    pub findings: Vec<Finding>,
}

impl Plan {
    /// Whether it may be carried out: rows, and no error.
    pub fn may_run(&self) -> bool {
        !self.rows.is_empty()
            && self
                .findings
                .iter()
                .all(|finding| finding.severity() == Severity::Warning)
    }

    /// Rows and findings counted.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            rows: self.rows.len(),
            ..Counts::default()
        };
        for row in &self.rows {
            *match row.outcome {
                Outcome::Create(_) => &mut counts.created,
                Outcome::Update { .. } => &mut counts.updated,
                Outcome::Unchanged => &mut counts.unchanged,
                Outcome::Refused => &mut counts.refused,
            } += 1;
        }
        counts.warnings = self
            .findings
            .iter()
            .filter(|finding| finding.severity() == Severity::Warning)
            .count();
        counts.errors = self.findings.len() - counts.warnings;
        counts
    }
}

/// The matricules a file names, to look their files up before planning.
pub fn matricules(sheet: &Sheet, mapping: &Mapping) -> Vec<Matricule> {
    let Some(column) = mapping.column_of(Target::Field(PersonnelField::Matricule)) else {
        return Vec::new();
    };
    let texts: BTreeSet<String> = (mapping.header_row + 1..sheet.rows.len())
        .filter_map(|row| written_matricule(sheet, row, column.index))
        .collect();
    texts.into_iter().map(Matricule::from_stored).collect()
}

pub(super) fn written_matricule(sheet: &Sheet, row: usize, column: usize) -> Option<String> {
    match cells::read(
        PersonnelField::Matricule,
        sheet.cell(row, column),
        sheet.date_system,
    ) {
        Ok(Reading::Value(text)) => Some(
            text.split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .to_uppercase(),
        ),
        _ => None,
    }
}

/// Judges a file. `progress` is told the rows done and all rows, now and then.
pub fn plan(
    sheet: &Sheet,
    mapping: &Mapping,
    context: &Context<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Plan {
    let mut planner = Planner::new(sheet, mapping, context);
    let first = mapping.header_row + 1;
    let total = sheet.rows.len().saturating_sub(first);
    for row in first..sheet.rows.len() {
        planner.row(row);
        let done = row + 1 - first;
        if done.is_multiple_of(PROGRESS_ROWS) || done == total {
            progress(done, total);
        }
    }
    planner.finish()
}
