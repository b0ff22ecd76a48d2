//! Contents of files: what they may be, how they are named, how many there may be.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::codes::codes;
use super::document::DocumentKind;
use super::id::StoredFileId;
use super::text;
use super::validation::{Rule, Violations};

codes! {
    /// What a content is. Nothing that a browser or an office program would execute is among them.
    FileType {
        /// Portable Document Format.
        Pdf = "pdf",
        /// A PNG image.
        Png = "png",
        /// A JPEG image.
        Jpeg = "jpeg",
        /// A WebP image.
        Webp = "webp",
        /// A text of Office Open XML, without macros.
        Docx = "docx",
        /// A workbook of Office Open XML, without macros.
        Xlsx = "xlsx",
        /// A text of OpenDocument.
        Odt = "odt",
        /// A workbook of OpenDocument.
        Ods = "ods",
        /// Comma-separated values.
        Csv = "csv",
        /// Plain text.
        Txt = "txt",
    }
}

impl FileType {
    /// The ends of file names that announce it, without their dot; the first is the usual one.
    pub const fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Pdf => &["pdf"],
            Self::Png => &["png"],
            Self::Jpeg => &["jpg", "jpeg"],
            Self::Webp => &["webp"],
            Self::Docx => &["docx"],
            Self::Xlsx => &["xlsx"],
            Self::Odt => &["odt"],
            Self::Ods => &["ods"],
            Self::Csv => &["csv"],
            Self::Txt => &["txt"],
        }
    }

    /// The media type it is sent with.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Odt => "application/vnd.oasis.opendocument.text",
            Self::Ods => "application/vnd.oasis.opendocument.spreadsheet",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Txt => "text/plain; charset=utf-8",
        }
    }

    /// Whether a browser shows it by itself, so that it can be looked at inside a sandbox.
    pub const fn is_previewable(self) -> bool {
        matches!(self, Self::Pdf | Self::Png | Self::Jpeg | Self::Webp | Self::Txt)
    }

    /// Whether it is a table that can be read row by row.
    pub const fn is_table(self) -> bool {
        matches!(self, Self::Csv | Self::Xlsx)
    }

    /// The type that an extension announces, whatever its case.
    pub fn by_extension(extension: &str) -> Option<Self> {
        let extension = extension.to_ascii_lowercase();
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.extensions().contains(&extension.as_str()))
    }

    /// Whether a content that was recognised as `found` is what this type announces. A table of text is recognised as
    /// text only.
    pub const fn agrees_with(self, found: Self) -> bool {
        matches!((self, found), (Self::Csv, Self::Txt)) || self as u8 == found as u8
    }
}

/// Longest file name, in characters.
const NAME_MAX: usize = 120;

/// Parts of a name that announce something executable, wherever they stand in it.
const ACTIVE: [&str; 33] = [
    "asp", "aspx", "bat", "cgi", "class", "cmd", "dll", "docm", "exe", "hta", "htm", "html", "htaccess",
    "jar", "js", "jsp", "lnk", "mhtml", "mjs", "msi", "php", "phtml", "pl", "ps1", "py", "rb", "scr", "sh",
    "svg", "vbs", "xhtml", "xlsm", "xml",
];

/// A file's name as its owner knows it, cleaned: one line, no folders, an end that announces an accepted type.
/// It is shown and sent, and never names anything on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    text: String,
    kind: FileType,
}

impl FileName {
    /// Reads a name as a client sent it. A path is cut to its last part.
    ///
    /// # Errors
    /// `Required`, `TooLong`, `BadCharacters`; `FileType` when its end announces none of `accepted`, or one of its
    /// parts something executable.
    pub fn parse(given: &str, accepted: &[FileType]) -> Result<Self, Rule> {
        let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
        let line = text::line(last, NAME_MAX)?;
        let cleaned: String = line
            .chars()
            .map(|c| {
                if matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') {
                    '_'
                } else {
                    c
                }
            })
            .collect();
        let refused = || Rule::FileType {
            accepted: accepted
                .iter()
                .flat_map(|kind| kind.extensions())
                .map(|extension| (*extension).to_owned())
                .collect(),
        };
        let (stem, extension) = cleaned.rsplit_once('.').ok_or_else(refused)?;
        if stem.trim_matches(['.', ' ']).is_empty() {
            return Err(refused());
        }
        let active = stem
            .split('.')
            .skip(1)
            .any(|part| ACTIVE.contains(&part.trim().to_ascii_lowercase().as_str()));
        let kind = FileType::by_extension(extension)
            .filter(|kind| accepted.contains(kind))
            .filter(|_| !active)
            .ok_or_else(refused)?;
        Ok(Self { text: cleaned, kind })
    }

    /// The name that a store kept, with the type that was kept beside it.
    pub fn stored(text: String, kind: FileType) -> Self {
        Self { text, kind }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The type that it announces.
    pub fn kind(&self) -> FileType {
        self.kind
    }

    /// Without its end.
    pub fn stem(&self) -> &str {
        self.text.rsplit_once('.').map_or(&self.text, |(stem, _)| stem)
    }
}

/// A content that is kept. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its identifier, and its only name where it is kept.
    pub id: StoredFileId,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
    /// What it is, by its name and its content.
    pub kind: FileType,
    /// When it was received.
    pub created_at: Timestamp,
}

/// Sizes and times of what is uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilesSettings {
    /// Size of the largest upload, in mebibytes.
    pub max_upload_mib: u16,
    /// Room for all contents together, in gibibytes.
    pub quota_gib: u16,
    /// After how many days an archived file is removed; 0 keeps it for ever.
    pub retention_days: u16,
    /// Whether every file should hold a document of that kind.
    pub mandatory_documents: BTreeMap<DocumentKind, bool>,
    /// A document that expires within so many days is shown as such.
    pub expiry_notice_days: u16,
}

impl Default for FilesSettings {
    fn default() -> Self {
        let usual = [
            DocumentKind::IdentityCard,
            DocumentKind::BirthCertificate,
            DocumentKind::Diploma,
            DocumentKind::AppointmentOrder,
        ];
        Self {
            max_upload_mib: 10,
            quota_gib: 20,
            retention_days: 365,
            mandatory_documents: DocumentKind::ALL
                .iter()
                .map(|kind| (*kind, usual.contains(kind)))
                .collect(),
            expiry_notice_days: 90,
        }
    }
}

impl FilesSettings {
    /// Largest upload that the setting may allow, in mebibytes.
    pub const MOST_UPLOAD_MIB: u16 = 100;

    /// Size of the largest upload, in bytes.
    pub fn max_upload_bytes(&self) -> u64 {
        u64::from(self.max_upload_mib) * 1024 * 1024
    }

    /// Room for all contents together, in bytes.
    pub fn quota_bytes(&self) -> u64 {
        u64::from(self.quota_gib) * 1024 * 1024 * 1024
    }

    /// Kinds of documents that every file should hold.
    pub fn mandatory(&self) -> BTreeSet<DocumentKind> {
        let needed = self.mandatory_documents.iter().filter(|(_, needed)| **needed);
        needed.map(|(kind, _)| *kind).collect()
    }

    pub(crate) fn check(&mut self, violations: &mut Violations) {
        let mut range = |field: &str, value: u16, min: u16, max: u16| {
            if !(min..=max).contains(&value) {
                violations.push(
                    field,
                    Rule::OutOfRange {
                        min: min.to_string(),
                        max: max.to_string(),
                    },
                );
            }
        };
        range("max_upload_mib", self.max_upload_mib, 1, Self::MOST_UPLOAD_MIB);
        range("quota_gib", self.quota_gib, 1, 10_000);
        range("retention_days", self.retention_days, 0, 3_650);
        range("expiry_notice_days", self.expiry_notice_days, 1, 730);
        for kind in DocumentKind::ALL {
            self.mandatory_documents.entry(*kind).or_insert(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: &[FileType] = &[FileType::Pdf, FileType::Png, FileType::Jpeg];

    #[test]
    fn names_are_cut_and_cleaned() {
        for (given, expected) in [
            ("Diplôme.pdf", "Diplôme.pdf"),
            ("  a   b.PDF ", "a b.PDF"),
            ("C:\\fakepath\\cni.jpg", "cni.jpg"),
            ("../../etc/passwd.png", "passwd.png"),
            ("a:b*c?.pdf", "a_b_c_.pdf"),
            ("v1.2.pdf", "v1.2.pdf"),
            ("N°12 \"bis\".pdf", "N°12 _bis_.pdf"),
        ] {
            let name = FileName::parse(given, ACCEPTED).unwrap();
            assert_eq!(name.as_str(), expected);
        }
    }

    #[test]
    fn names_that_announce_something_else_are_refused() {
        for given in [
            "",
            ".pdf",
            "..pdf",
            "pdf",
            "a.exe",
            "a.pdf.exe",
            "a.php.png",
            "a.HTML.pdf",
            "a.svg",
            "a.docx",
            "a.pdf\0.png",
            "a\u{202e}fdp.exe",
            "a.pdf.",
            ".htaccess",
            "a/",
        ] {
            let read = FileName::parse(given, ACCEPTED);
            assert!(read.is_err(), "{given:?}: {read:?}");
        }
        assert!(FileName::parse(&format!("{}.pdf", "a".repeat(200)), ACCEPTED).is_err());
    }

    #[test]
    fn every_extension_leads_back_to_its_type() {
        for kind in FileType::ALL {
            for extension in kind.extensions() {
                assert_eq!(FileType::by_extension(&extension.to_uppercase()), Some(*kind));
            }
            assert!(kind.agrees_with(*kind));
        }
        assert!(FileType::Csv.agrees_with(FileType::Txt));
        assert!(!FileType::Txt.agrees_with(FileType::Csv));
        assert!(!FileType::Pdf.agrees_with(FileType::Txt));
    }
}
