//! What is wrong or doubtful in a file, at which cell.

use jiff::civil::Date;

use super::columns::Mapping;
use super::french;
use crate::domain::personnel::PersonnelField;
use crate::domain::validation::Rule;
use crate::ports::spreadsheet::column_letters;

/// Whether a finding keeps the file from being imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is imported while one is left.
    Error,
    /// To be looked at.
    Warning,
}

impl Severity {
    /// A stable English code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// By what another file looks like the same person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateBy {
    /// Folded name and birth date.
    NameAndBirth,
    /// Number of the identity card.
    NationalId,
}

/// What is wrong or doubtful.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The file's rule that the value breaks.
    Rule(Rule),
    /// Not a date.
    UnreadableDate,
    /// A year of two digits.
    TwoDigitYear {
        /// The date with the likely century.
        example: String,
    },
    /// A month above 12 before a possible day.
    MonthFirst {
        /// The date day first.
        example: String,
    },
    /// A day that the month does not have.
    ImpossibleDay,
    /// Only a year, where the day is needed.
    YearOnly,
    /// A year alone beside « Jour » as the precision.
    PrecisionMismatch,
    /// Not a whole number.
    NotWhole,
    /// Not one of the known values.
    UnknownValue {
        /// The nearest ones, or all of a short list, as labels.
        known: Vec<String>,
    },
    /// No department of that name or code.
    UnknownDepartment {
        /// The nearest ones.
        nearest: Vec<String>,
    },
    /// Several departments of that name.
    AmbiguousDepartment {
        /// Their codes, each with its directorate.
        candidates: Vec<String>,
    },
    /// The department is closed.
    ClosedDepartment,
    /// No directorate of that name or code; the department decides.
    UnknownDirectorate {
        /// The nearest ones.
        nearest: Vec<String>,
    },
    /// The department belongs to another directorate, which counts.
    OtherDirectorate {
        /// The directorate of the department.
        actual: String,
    },
    /// A number that a spreadsheet program cut to powers of ten.
    DamagedNumber,
    /// A date where text is expected: a spreadsheet program changed it.
    DateInText,
    /// A formula that failed.
    FormulaError,
    /// The same matricule in other rows of the file.
    DuplicateRow {
        /// These rows, as the file counts them.
        other_rows: Vec<usize>,
    },
    /// The agent left; an archived file is not changed by an import.
    Archived {
        /// Day of departure.
        since: Date,
    },
    /// Probably the same person under another matricule.
    SamePerson {
        /// The other matricule.
        matricule: String,
        /// Its row in this file; none is a file on record.
        row: Option<usize>,
        /// By what.
        by: DuplicateBy,
    },
    /// Recruited unusually young or old.
    AgeAtRecruitment {
        /// The age in whole years.
        years: i16,
    },
    /// A telephone number that lost its leading zero.
    LeadingZero {
        /// The number as it is taken.
        taken: String,
    },
    /// A name in one cell that had to be divided without a sure sign.
    NameDivided {
        /// The family name.
        family: String,
        /// The given names.
        given: String,
    },
}

impl Problem {
    /// Whether it keeps the file from being imported.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::UnknownDirectorate { .. }
            | Self::OtherDirectorate { .. }
            | Self::SamePerson { .. }
            | Self::AgeAtRecruitment { .. }
            | Self::LeadingZero { .. }
            | Self::NameDivided { .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// A stable English code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Rule(rule) => rule.code(),
            Self::UnreadableDate => "unreadable-date",
            Self::TwoDigitYear { .. } => "two-digit-year",
            Self::MonthFirst { .. } => "month-first",
            Self::ImpossibleDay => "impossible-day",
            Self::YearOnly => "year-only",
            Self::PrecisionMismatch => "precision-mismatch",
            Self::NotWhole => "not-a-whole-number",
            Self::UnknownValue { .. } => "unknown-value",
            Self::UnknownDepartment { .. } => "unknown-department",
            Self::AmbiguousDepartment { .. } => "ambiguous-department",
            Self::ClosedDepartment => "closed-department",
            Self::UnknownDirectorate { .. } => "unknown-directorate",
            Self::OtherDirectorate { .. } => "other-directorate",
            Self::DamagedNumber => "damaged-number",
            Self::DateInText => "date-in-text",
            Self::FormulaError => "formula-error",
            Self::DuplicateRow { .. } => "duplicate-row",
            Self::Archived { .. } => "archived",
            Self::SamePerson { .. } => "same-person",
            Self::AgeAtRecruitment { .. } => "age-at-recruitment",
            Self::LeadingZero { .. } => "leading-zero",
            Self::NameDivided { .. } => "name-divided",
        }
    }
}

/// A problem at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The row as the file counts it, from 1.
    pub row: usize,
    /// Index of the column, from 0; none when the file has no column for it.
    pub column: Option<usize>,
    /// The field concerned, if one is.
    pub field: Option<PersonnelField>,
    /// What the cell shows.
    pub given: String,
    /// What is wrong.
    pub problem: Problem,
}

impl Finding {
    /// Whether it keeps the file from being imported.
    pub const fn severity(&self) -> Severity {
        self.problem.severity()
    }

    /// The cell as spreadsheets name it (`C12`), or the row alone.
    pub fn place(&self) -> String {
        match self.column {
            Some(column) => format!("{}{}", column_letters(column), self.row),
            None => self.row.to_string(),
        }
    }

    /// The header of its column, or the name of its field.
    pub fn heading<'a>(&self, mapping: &'a Mapping) -> &'a str {
        self.column
            .and_then(|index| mapping.column_at(index))
            .map(|column| column.header.as_str())
            .filter(|header| !header.is_empty())
            .or_else(|| self.field.map(super::words::field_label))
            .unwrap_or_default()
    }

    /// What is wrong, in French.
    pub fn message(&self) -> String {
        french::message(self)
    }

    /// How to put it right, in French.
    pub fn fix(&self) -> String {
        french::fix(self)
    }
}
