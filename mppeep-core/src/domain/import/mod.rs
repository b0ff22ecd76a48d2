//! Personnel files from a table as an HR office has it: pure rules, no I/O.
//!
//! The way of a file: [`Mapping::detect`] finds the header row and what each column holds, a person may correct it,
//! [`plan`](plan()) reads every cell and judges every row against the files that exist. The plan says what would be
//! created and changed, and everything that is wrong, at its row and column, with the way to put it right. Nothing of
//! it is applied here.

mod cells;
mod columns;
mod dates;
mod findings;
mod french;
mod kept;
mod names;
mod plan;
mod planner;
mod sheets;
mod units;
mod values;
mod words;

#[cfg(test)]
mod tests;

pub use columns::{Column, Mapping, MappingError, Target};
pub use findings::{DuplicateBy, Finding, Problem, Severity};
pub use kept::{ImportReport, MappingChoice, ReportFinding};
pub use plan::{Context, Counts, Outcome, Plan, PlannedRow, matricules, plan};
pub use sheets::{personnel_sheet, refused_sheet, template_sheet};
pub use values::value_label;
pub use words::field_label;
