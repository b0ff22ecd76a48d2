//! What is kept of an import between the steps of the assistant, as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::columns::{Mapping, MappingError};
use super::plan::{Counts, Plan};
use crate::ports::spreadsheet::{Sheet, column_letters};

/// Findings kept in a report.
const FINDINGS_MAX: usize = 5_000;

/// The columns as a person left them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingChoice {
    /// Codes of targets by letters of columns; an empty code ignores the column.
    pub columns: BTreeMap<String, String>,
}

impl MappingChoice {
    /// What a mapping says.
    pub fn of(mapping: &Mapping) -> Self {
        let code = |target: Option<super::columns::Target>| target.map_or("", super::columns::Target::code);
        Self {
            columns: mapping
                .columns
                .iter()
                .map(|column| (column.letters(), code(column.target).to_owned()))
                .collect(),
        }
    }

    /// The mapping of a file with this choice.
    ///
    /// # Errors
    /// As [`Mapping::detect`] and [`Mapping::correct`].
    pub fn apply(&self, sheet: &Sheet) -> Result<Mapping, MappingError> {
        let mut mapping = Mapping::detect(sheet)?;
        mapping.correct(
            self.columns
                .iter()
                .map(|(letters, code)| (letters.as_str(), code.as_str())),
        )?;
        Ok(mapping)
    }
}

/// A finding in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFinding {
    /// The row as the file counts it.
    pub row: usize,
    /// Letters of the column; none when the file has no column for it.
    pub column: Option<String>,
    /// The cell, as spreadsheets name it.
    pub place: String,
    /// The header of the column.
    pub heading: String,
    /// `error` or `warning`.
    pub severity: String,
    /// Code of the problem.
    pub code: String,
    /// What is wrong, in French.
    pub message: String,
    /// How to put it right, in French.
    pub fix: String,
}

/// The outcome of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// Whether it was written.
    pub written: bool,
    /// Rows by outcome, findings by severity.
    pub counts: Counts,
    /// The first findings.
    pub findings: Vec<ReportFinding>,
}

impl ImportReport {
    /// The report of a plan.
    pub fn of(plan: &Plan, mapping: &Mapping, written: bool) -> Self {
        let findings = plan
            .findings
            .iter()
            .take(FINDINGS_MAX)
            .map(|finding| ReportFinding {
                row: finding.row,
                column: finding.column.map(column_letters),
                place: finding.place(),
                heading: finding.heading(mapping).to_owned(),
                severity: finding.severity().code().to_owned(),
                code: finding.problem.code().to_owned(),
                message: finding.message(),
                fix: finding.fix(),
            })
            .collect();
        Self {
            written,
            counts: plan.counts(),
            findings,
        }
    }
}
