//! CSV text and XLSX workbooks as tables of typed cells.
//!
//! The adapter of the core's [`Spreadsheets`] port. It knows bytes, encodings and file formats, and nothing of what the
//! tables mean. Every file is hostile until it is read: sizes, rows, columns and cells are bounded **before** memory is
//! taken for them, and a broken file is an error, never a crash.

mod csv;
mod encoding;
mod guard;
mod table;
mod workbook_reader;
mod workbook_writer;

use mppeep_core::ports::spreadsheet::{Sheet, SheetError, SheetFormat, Spreadsheets};

/// What one file may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Size of the file, in bytes.
    pub file_bytes: u64,
    /// Size of everything a workbook unpacks to, in bytes.
    pub unpacked_bytes: u64,
    /// Length of all text cells together, in bytes: one shared text of a workbook may stand in many cells.
    pub text_bytes: u64,
    /// Rows up to the last one that holds something.
    pub rows: usize,
    /// Columns up to the last one that holds something.
    pub columns: usize,
    /// Cells in all, empty ones before the last of their row included.
    pub cells: usize,
    /// Characters in one cell; 32 767 is also what Excel can hold.
    pub cell_characters: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 25 * 1024 * 1024,
            unpacked_bytes: 192 * 1024 * 1024,
            text_bytes: 96 * 1024 * 1024,
            rows: 200_000,
            columns: 256,
            cells: 4_000_000,
            cell_characters: 32_767,
        }
    }
}

/// Reads and writes spreadsheet files within [`Limits`].
#[derive(Debug, Clone, Default)]
pub struct SpreadsheetFiles {
    limits: Limits,
}

impl SpreadsheetFiles {
    /// Files within these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }
}

impl Spreadsheets for SpreadsheetFiles {
    fn read(&self, _file_name: &str, bytes: &[u8]) -> Result<Sheet, SheetError> {
        let limits = &self.limits;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits.file_bytes {
            return Err(SheetError::TooLarge {
                limit_bytes: limits.file_bytes,
            });
        }
        match encoding::sniff(bytes) {
            encoding::Content::Nothing => Err(SheetError::Empty),
            encoding::Content::Workbook => workbook_reader::read(bytes, limits),
            encoding::Content::OldWorkbook => Err(SheetError::OldOrProtected),
            encoding::Content::Text => csv::read(&encoding::decode(bytes), limits),
            encoding::Content::Other => Err(SheetError::UnknownFormat),
        }
    }

    fn write(&self, format: SheetFormat, sheet: &Sheet) -> Result<Vec<u8>, SheetError> {
        match format {
            SheetFormat::Csv => csv::write(sheet, &self.limits),
            SheetFormat::Xlsx => workbook_writer::write(sheet, &self.limits),
        }
    }
}
