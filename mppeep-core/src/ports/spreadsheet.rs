//! Tables from and to spreadsheet files.
//!
//! The core knows a table of typed cells; the adapter knows bytes, encodings and file formats.
//! Nothing here reads a file: a caller hands over the bytes it received.

use jiff::civil::Date;

/// One value of a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Cell {
    /// Nothing was typed.
    #[default]
    Empty,
    /// Text as it stands, not trimmed.
    Text(String),
    /// A number; also a date that the file does not mark as one.
    Number(f64),
    /// A day that the file marks as a date.
    Date(Date),
    /// A logical value.
    Bool(bool),
}

impl Cell {
    /// Text, or [`Cell::Empty`] for an empty text.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() {
            Self::Empty
        } else {
            Self::Text(text)
        }
    }

    /// Whether the cell holds nothing but white space.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.chars().all(char::is_whitespace),
            Self::Number(_) | Self::Date(_) | Self::Bool(_) => false,
        }
    }

    /// What a reader would see: numbers with a decimal comma, dates as `JJ/MM/AAAA`.
    pub fn display(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => display_number(*number),
            Self::Date(date) => {
                format!("{:02}/{:02}/{:04}", date.day(), date.month(), date.year())
            }
            Self::Bool(true) => "Oui".to_owned(),
            Self::Bool(false) => "Non".to_owned(),
        }
    }
}

/// The shortest decimal text that reads back to the same number, with a comma.
fn display_number(number: f64) -> String {
    let text = number.to_string();
    if text.contains('.') {
        text.replace('.', ",")
    } else {
        text
    }
}

/// Where a file counts its days from, for dates that are stored as plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DateSystem {
    /// Day 1 is 1 January 1900, and the 29 February 1900 that never was is counted.
    #[default]
    Since1900,
    /// Day 0 is 1 January 1904.
    Since1904,
}

impl DateSystem {
    /// The day of a serial number; its fraction is the time of day and is dropped.
    ///
    /// `None` outside 1900-01-01 (1904-01-01) … 9999-12-31, and for the invented 29 February 1900.
    pub fn date_of(self, serial: f64) -> Option<Date> {
        if !serial.is_finite() || !(0.0..=2_958_465.999_999).contains(&serial) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked above")]
        let days = serial.floor() as i64;
        let (epoch, days) = match self {
            Self::Since1904 => (jiff::civil::date(1904, 1, 1), days),
            Self::Since1900 if days == 0 || days == 60 => return None,
            Self::Since1900 if days < 60 => (jiff::civil::date(1899, 12, 31), days),
            Self::Since1900 => (jiff::civil::date(1899, 12, 30), days),
        };
        epoch.checked_add(jiff::Span::new().try_days(days).ok()?).ok()
    }
}

/// A table. `rows[0]` is the first row of the file, so that row `i` is shown to people as `i + 1`;
/// rows may have different lengths, and what is missing at their end is empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sheet {
    /// The name of the sheet in a workbook.
    pub name: Option<String>,
    /// How plain numbers are dates.
    pub date_system: DateSystem,
    /// The cells, row by row.
    pub rows: Vec<Vec<Cell>>,
}

impl Sheet {
    /// A table of these rows, without a name.
    pub fn of(rows: Vec<Vec<Cell>>) -> Self {
        Self {
            name: None,
            date_system: DateSystem::default(),
            rows,
        }
    }

    /// The cell, or [`Cell::Empty`] outside the table.
    pub fn cell(&self, row: usize, column: usize) -> &Cell {
        const NOTHING: &Cell = &Cell::Empty;
        self.rows
            .get(row)
            .and_then(|cells| cells.get(column))
            .unwrap_or(NOTHING)
    }

    /// Cuts empty cells off the end of each row, and empty rows off the end of the table.
    pub fn trim(&mut self) {
        for row in &mut self.rows {
            while row.last().is_some_and(|cell| *cell == Cell::Empty) {
                row.pop();
            }
        }
        while self.rows.last().is_some_and(Vec::is_empty) {
            self.rows.pop();
        }
    }
}

/// The letters a spreadsheet shows above the column of this index: 0 → `A`, 26 → `AA`.
pub fn column_letters(index: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = index;
    loop {
        letters.push(char::from(b'A' + u8::try_from(rest % 26).unwrap_or_default()));
        match (rest / 26).checked_sub(1) {
            Some(next) => rest = next,
            None => break,
        }
    }
    letters.iter().rev().collect()
}

/// The formats that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SheetFormat {
    /// Text, UTF-8 with a byte-order mark, `;` between cells.
    Csv,
    /// An Office Open XML workbook.
    Xlsx,
}

impl SheetFormat {
    /// The format that the end of a file name announces.
    pub fn of_file_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "csv" | "txt" | "tsv" => Some(Self::Csv),
            "xlsx" | "xlsm" => Some(Self::Xlsx),
            _ => None,
        }
    }

    /// The end of a file name, without its dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }

    /// The media type of such a file.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// Why a file cannot be read as a table, or a table cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SheetError {
    /// There is no row with anything in it.
    #[error("the file holds no data")]
    Empty,
    /// The file is larger than what is accepted.
    #[error("the file is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The file would take too much room once unpacked.
    #[error("the file unpacks to more than {limit_bytes} bytes")]
    Expands {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// There are more rows than what is accepted.
    #[error("more than {limit} rows")]
    TooManyRows {
        /// The limit.
        limit: usize,
    },
    /// A row has more columns than what is accepted.
    #[error("row {row} has more than {limit} columns")]
    TooManyColumns {
        /// The row, counted from 1.
        row: usize,
        /// The limit.
        limit: usize,
    },
    /// There are more cells in all than what is accepted.
    #[error("more than {limit} cells")]
    TooManyCells {
        /// The limit.
        limit: usize,
    },
    /// A cell is longer than what is accepted.
    #[error("the cell {column}{row} is longer than {limit} characters")]
    CellTooLong {
        /// The row, counted from 1.
        row: usize,
        /// The letters of the column.
        column: String,
        /// The limit, in characters.
        limit: usize,
    },
    /// A quotation mark opens a text that never ends.
    #[error("the quotation mark opened at row {row} is never closed")]
    OpenQuote {
        /// The row, counted from 1.
        row: usize,
    },
    /// An older or a protected Office file.
    #[error("an old (.xls) or password-protected workbook")]
    OldOrProtected,
    /// Not a table at all, or a format that is not known.
    #[error("neither CSV text nor an XLSX workbook")]
    UnknownFormat,
    /// A workbook whose inside is broken.
    #[error("the workbook is damaged: {detail}")]
    Damaged {
        /// What the reader found, for the log.
        detail: String,
    },
    /// A table could not be written.
    #[error("the table could not be written: {detail}")]
    NotWritten {
        /// What the writer found, for the log.
        detail: String,
    },
}

impl SheetError {
    /// A stable English code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty-file",
            Self::TooLarge { .. } => "file-too-large",
            Self::Expands { .. } => "file-expands-too-much",
            Self::TooManyRows { .. } => "too-many-rows",
            Self::TooManyColumns { .. } => "too-many-columns",
            Self::TooManyCells { .. } => "too-many-cells",
            Self::CellTooLong { .. } => "cell-too-long",
            Self::OpenQuote { .. } => "open-quote",
            Self::OldOrProtected => "old-or-protected-workbook",
            Self::UnknownFormat => "unknown-format",
            Self::Damaged { .. } => "damaged-workbook",
            Self::NotWritten { .. } => "not-written",
        }
    }

    /// What to tell a French reader, with the way out.
    pub fn french(&self) -> String {
        match self {
            Self::Empty => "Le fichier est vide : aucune ligne à lire.".to_owned(),
            Self::TooLarge { limit_bytes } => format!(
                "Le fichier dépasse {} Mo. Partagez-le en plusieurs fichiers.",
                limit_bytes / (1024 * 1024)
            ),
            Self::Expands { .. } => {
                "Le contenu du classeur est trop volumineux une fois décompressé. Copiez la feuille utile dans un nouveau classeur.".to_owned()
            }
            Self::TooManyRows { limit } => {
                format!("Le fichier a plus de {limit} lignes. Partagez-le en plusieurs fichiers.")
            }
            Self::TooManyColumns { row, limit } => format!(
                "La ligne {row} a plus de {limit} colonnes. Vérifiez le séparateur, ou retirez les colonnes inutiles."
            ),
            Self::TooManyCells { limit } => {
                format!("Le fichier a plus de {limit} cellules. Partagez-le en plusieurs fichiers.")
            }
            Self::CellTooLong { row, column, limit } => {
                format!("La cellule {column}{row} dépasse {limit} caractères. Raccourcissez-la.")
            }
            Self::OpenQuote { row } => format!(
                "Un guillemet ouvert à la ligne {row} n'est jamais refermé. Corrigez la ligne, ou enregistrez le fichier au format .xlsx."
            ),
            Self::OldOrProtected => {
                "Le classeur est protégé par un mot de passe ou dans l'ancien format .xls. Enregistrez-le au format .xlsx, sans mot de passe.".to_owned()
            }
            Self::UnknownFormat => {
                "Ce fichier n'est ni un CSV ni un classeur .xlsx. Enregistrez-le dans l'un de ces formats.".to_owned()
            }
            Self::Damaged { .. } => {
                "Le classeur est endommagé. Ouvrez-le dans votre tableur et enregistrez-le de nouveau au format .xlsx.".to_owned()
            }
            Self::NotWritten { .. } => "Le fichier n'a pas pu être produit.".to_owned(),
        }
    }
}

/// Reads and writes spreadsheet files, in memory. Both calls compute: from asynchronous code, make
/// them on a thread for blocking work.
pub trait Spreadsheets: Send + Sync {
    /// Reads the first sheet that holds something. The content tells the format; the name only helps
    /// to explain a refusal.
    ///
    /// # Errors
    /// [`SheetError`] when the content is no table or exceeds a limit.
    fn read(&self, file_name: &str, bytes: &[u8]) -> Result<Sheet, SheetError>;

    /// Writes a table whose first row is its header.
    ///
    /// # Errors
    /// [`SheetError`] when the table exceeds what the format can hold.
    fn write(&self, format: SheetFormat, sheet: &Sheet) -> Result<Vec<u8>, SheetError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn columns_are_named_as_spreadsheets_do() {
        for (index, letters) in [
            (0, "A"),
            (25, "Z"),
            (26, "AA"),
            (51, "AZ"),
            (52, "BA"),
            (701, "ZZ"),
            (702, "AAA"),
        ] {
            assert_eq!(column_letters(index), letters);
        }
    }

    #[test]
    fn serial_days_follow_both_systems() {
        assert_eq!(DateSystem::Since1900.date_of(1.0), Some(date(1900, 1, 1)));
        assert_eq!(DateSystem::Since1900.date_of(59.0), Some(date(1900, 2, 28)));
        assert_eq!(DateSystem::Since1900.date_of(60.0), None);
        assert_eq!(DateSystem::Since1900.date_of(61.0), Some(date(1900, 3, 1)));
        assert_eq!(DateSystem::Since1900.date_of(24180.75), Some(date(1966, 3, 14)));
        assert_eq!(DateSystem::Since1904.date_of(22718.0), Some(date(1966, 3, 14)));
        assert_eq!(DateSystem::Since1904.date_of(0.0), Some(date(1904, 1, 1)));
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 3_000_000.0, 0.0] {
            assert_eq!(DateSystem::Since1900.date_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn cells_show_as_people_write_them() {
        assert_eq!(Cell::Number(3.0).display(), "3");
        assert_eq!(Cell::Number(12.5).display(), "12,5");
        assert_eq!(Cell::Date(date(1966, 3, 4)).display(), "04/03/1966");
        assert_eq!(Cell::text(""), Cell::Empty);
        assert!(Cell::Text("\u{a0} ".to_owned()).is_blank());
    }

    #[test]
    fn trimming_cuts_only_the_end() {
        let mut sheet = Sheet::of(vec![
            vec![Cell::Empty, Cell::text("a"), Cell::Empty],
            vec![],
            vec![Cell::Number(1.0)],
            vec![Cell::Empty],
        ]);
        sheet.trim();
        assert_eq!(
            sheet.rows,
            vec![
                vec![Cell::Empty, Cell::text("a")],
                vec![],
                vec![Cell::Number(1.0)]
            ]
        );
        assert_eq!(*sheet.cell(9, 9), Cell::Empty);
    }

    #[test]
    fn the_name_announces_the_format() {
        assert_eq!(
            SheetFormat::of_file_name("Agents 2026.XLSX"),
            Some(SheetFormat::Xlsx)
        );
        assert_eq!(SheetFormat::of_file_name("agents.csv"), Some(SheetFormat::Csv));
        assert_eq!(SheetFormat::of_file_name("agents.xls"), None);
        assert_eq!(SheetFormat::of_file_name("agents"), None);
    }
}
