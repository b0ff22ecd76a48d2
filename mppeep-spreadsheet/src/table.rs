//! A table under construction that refuses to grow past its limits.

use mppeep_core::ports::spreadsheet::{Cell, DateSystem, Sheet, SheetError, column_letters};

use crate::Limits;

/// Takes cells in reading order and counts what they cost.
pub(crate) struct TableBuilder<'a> {
    limits: &'a Limits,
    rows: Vec<Vec<Cell>>,
    cells: usize,
    text_bytes: u64,
}

impl<'a> TableBuilder<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            rows: Vec::new(),
            cells: 0,
            text_bytes: 0,
        }
    }

    /// Puts a cell at its place (both counted from 0). An empty cell takes no room.
    pub(crate) fn put(&mut self, row: usize, column: usize, cell: Cell) -> Result<(), SheetError> {
        if cell == Cell::Empty {
            return Ok(());
        }
        let limits = self.limits;
        if row >= limits.rows {
            return Err(SheetError::TooManyRows { limit: limits.rows });
        }
        if column >= limits.columns {
            return Err(SheetError::TooManyColumns {
                row: row + 1,
                limit: limits.columns,
            });
        }
        if let Cell::Text(text) = &cell {
            self.check_text(row, column, text)?;
        }
        if self.rows.len() <= row {
            self.rows.resize_with(row + 1, Vec::new);
        }
        let Some(cells) = self.rows.get_mut(row) else {
            return Ok(());
        };
        if cells.len() <= column {
            self.cells += column + 1 - cells.len();
            if self.cells > limits.cells {
                return Err(SheetError::TooManyCells { limit: limits.cells });
            }
            cells.resize(column + 1, Cell::Empty);
        }
        if let Some(place) = cells.get_mut(column) {
            *place = cell;
        }
        Ok(())
    }

    fn check_text(&mut self, row: usize, column: usize, text: &str) -> Result<(), SheetError> {
        let limit = self.limits.cell_characters;
        if text.len() > limit && text.chars().nth(limit).is_some() {
            return Err(SheetError::CellTooLong {
                row: row + 1,
                column: column_letters(column),
                limit,
            });
        }
        self.text_bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
        if self.text_bytes > self.limits.text_bytes {
            return Err(SheetError::Expands {
                limit_bytes: self.limits.text_bytes,
            });
        }
        Ok(())
    }

    /// Whether nothing was put.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table.
    pub(crate) fn finish(self, name: Option<String>, date_system: DateSystem) -> Sheet {
        let mut sheet = Sheet {
            name,
            date_system,
            rows: self.rows,
        };
        sheet.trim();
        sheet
    }
}

/// Refuses to write a table that could not be read back.
pub(crate) fn check(sheet: &Sheet, limits: &Limits) -> Result<(), SheetError> {
    let mut builder = TableBuilder::new(limits);
    if sheet.rows.len() > limits.rows {
        return Err(SheetError::TooManyRows { limit: limits.rows });
    }
    for (row, cells) in sheet.rows.iter().enumerate() {
        builder.cells += cells.len();
        if cells.len() > limits.columns {
            return Err(SheetError::TooManyColumns {
                row: row + 1,
                limit: limits.columns,
            });
        }
        if builder.cells > limits.cells {
            return Err(SheetError::TooManyCells { limit: limits.cells });
        }
        for (column, cell) in cells.iter().enumerate() {
            if let Cell::Text(text) = cell {
                builder.check_text(row, column, text)?;
            }
        }
    }
    Ok(())
}
