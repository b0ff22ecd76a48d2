//! Files of the « Fichiers » page: what the ministry's services hand in, and what became of it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::codes::codes;
use super::id::{SharedFileId, UserId};
use super::stored_file::{FileName, FileType, StoredFile};
use super::text;
use super::validation::{Rule, Violations};

codes! {
    /// What a file holds.
    SharedFileKind {
        /// « Fiche synthétique ».
        SummarySheet = "summary_sheet",
        /// « Données budgétaires ».
        BudgetData = "budget_data",
        /// « Fiche personnel ».
        PersonnelSheet = "personnel_sheet",
        /// « Rapport d'activité ».
        ActivityReport = "activity_report",
        /// « Liste des bénéficiaires ».
        BeneficiaryList = "beneficiary_list",
        /// « Indicateurs ».
        Indicators = "indicators",
        /// « Autre ».
        Other = "other",
    }
}

codes! {
    /// Where a file stands.
    SharedFileStatus {
        /// « Téléchargé »: received, and waiting to be read.
        Uploaded = "uploaded",
        /// « En traitement ».
        Processing = "processing",
        /// « Traité ».
        Processed = "processed",
        /// « Erreur »: it could not be read.
        Failed = "failed",
        /// « Archivé ».
        Archived = "archived",
    }
}

/// Types of content that a file may have.
pub const ACCEPTED_TYPES: &[FileType] = &[
    FileType::Xlsx,
    FileType::Csv,
    FileType::Ods,
    FileType::Pdf,
    FileType::Docx,
    FileType::Odt,
    FileType::Txt,
    FileType::Png,
    FileType::Jpeg,
];

/// The time that a file speaks of: a year, a quarter or a month, written `2026`, `2026-T3` or `2026-11`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReportingPeriod(String);

impl ReportingPeriod {
    /// Reads it.
    ///
    /// # Errors
    /// `Format`.
    pub fn parse(given: &str) -> Result<Self, Rule> {
        let wrong = || Rule::Format {
            expected: "2026, 2026-T3, 2026-11".to_owned(),
        };
        let text = given.trim().to_ascii_uppercase();
        let (year, part) = match text.split_once('-') {
            Some((year, part)) => (year, Some(part)),
            None => (text.as_str(), None),
        };
        let year_is_one = year.len() == 4
            && year.bytes().all(|byte| byte.is_ascii_digit())
            && ("1960"..="2100").contains(&year);
        let part_is_one = part.is_none_or(|part| match part.strip_prefix('T') {
            Some(quarter) => matches!(quarter, "1" | "2" | "3" | "4"),
            None => {
                part.len() == 2
                    && part.parse::<u8>().is_ok_and(|month| (1..=12).contains(&month))
                    && part.bytes().all(|byte| byte.is_ascii_digit())
            }
        });
        if year_is_one && part_is_one {
            Ok(Self(text))
        } else {
            Err(wrong())
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReportingPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What people tell of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedFileInput {
    /// Code of the kind.
    pub kind: String,
    /// The time it speaks of; may be empty.
    pub period: String,
    /// A remark; may be empty.
    pub note: String,
}

/// What is known of a file beside its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFileFields {
    /// What it holds.
    pub kind: SharedFileKind,
    /// The time it speaks of.
    pub period: Option<ReportingPeriod>,
    /// A remark.
    pub note: Option<String>,
}

impl SharedFileFields {
    /// Makes valid fields of an input.
    ///
    /// # Errors
    /// Every rule the input breaks.
    pub fn parse(input: &SharedFileInput) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let kind = violations.take(
            "kind",
            match input.kind.trim() {
                "" => Err(Rule::Required),
                code => SharedFileKind::by_code(code).ok_or_else(|| Rule::Unknown {
                    nearest: text::nearest(code, SharedFileKind::ALL.iter().map(|kind| kind.code()), 3),
                }),
            },
        );
        let period = match input.period.trim() {
            "" => None,
            given => violations.take("period", ReportingPeriod::parse(given)),
        };
        let note = match input.note.trim() {
            "" => None,
            given => violations.take("note", text::paragraph(given, 500)),
        };
        match kind {
            Some(kind) => violations.into_result(Self { kind, period, note }),
            None => Err(violations),
        }
    }

    /// The fields as text by code, for the journal.
    pub fn describe(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("kind", Some(self.kind.code().to_owned())),
            ("period", self.period.as_ref().map(ToString::to_string)),
            ("note", self.note.clone()),
        ]
    }
}

/// Something wrong in one row of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowFault {
    /// The row, counted from 1 as spreadsheets show it.
    pub row: u32,
    /// The heading of the column, if one cell is wrong.
    pub column: Option<String>,
    /// What is wrong, in French, without the value.
    pub message: String,
}

/// What reading a file found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Rows that are right; none where the file is no table.
    pub rows_ok: Option<u32>,
    /// Rows that are wrong.
    pub rows_wrong: Option<u32>,
    /// What is wrong, the first thousand faults.
    pub faults: Vec<RowFault>,
    /// Why the file could not be read at all, in French.
    pub refusal: Option<String>,
}

/// A file that somebody handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFile {
    /// Its identifier.
    pub id: SharedFileId,
    /// What is known of it.
    pub fields: SharedFileFields,
    /// The content.
    pub file: StoredFile,
    /// The file's name as its owner knows it.
    pub file_name: FileName,
    /// Where it stands.
    pub status: SharedFileStatus,
    /// What reading it found, once it was read.
    pub reading: Option<Reading>,
    /// Who handed it in.
    pub uploaded_by: Option<UserId>,
    /// His name at that time.
    pub uploaded_by_name: String,
    /// When it was archived.
    pub archived_at: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was handed in.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_years_quarters_and_months() {
        for text in ["2026", "2026-T1", "2026-t4", "2026-01", "2026-12"] {
            assert!(ReportingPeriod::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "26",
            "2026-",
            "2026-00",
            "2026-13",
            "2026-T5",
            "2026-1",
            "2026-+1",
            "9999",
            "2026-01-01",
        ] {
            assert!(ReportingPeriod::parse(text).is_err(), "{text}");
        }
    }
}
