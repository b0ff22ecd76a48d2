//! XLSX workbooks to tables.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use mppeep_core::ports::spreadsheet::{Cell, DateSystem, Sheet, SheetError};

use crate::{Limits, guard, table::TableBuilder};

/// Reads the first visible sheet that holds something.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Sheet, SheetError> {
    guard::check(bytes, limits)?;
    // Broken cell references overflow inside the reader, which panics where overflow is checked. A file from outside
    // must not end the program, and the reader is dropped whole, so that no broken state is seen.
    catch_unwind(AssertUnwindSafe(|| read_checked(bytes, limits))).unwrap_or_else(|_| {
        Err(SheetError::Damaged {
            detail: "the workbook reader gave up".to_owned(),
        })
    })
}

fn read_checked(bytes: &[u8], limits: &Limits) -> Result<Sheet, SheetError> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(refused)?;
    let date_system = if workbook.has_1904_epoch() {
        DateSystem::Since1904
    } else {
        DateSystem::Since1900
    };
    let names: Vec<String> = workbook
        .sheets_metadata()
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible)
        .map(|sheet| sheet.name.clone())
        .collect();
    for name in names {
        let mut builder = TableBuilder::new(limits);
        let mut cells = match workbook.worksheet_cells_reader(&name) {
            Ok(cells) => cells,
            Err(XlsxError::NotAWorksheet(_)) => continue,
            Err(err) => return Err(refused(err)),
        };
        while let Some(cell) = cells.next_cell().map_err(refused)? {
            let (row, column) = cell.get_position();
            let place = |index: u32| usize::try_from(index).unwrap_or(usize::MAX);
            builder.put(place(row), place(column), typed(cell.get_value(), date_system))?;
        }
        if !builder.is_empty() {
            return Ok(builder.finish(Some(name), date_system));
        }
    }
    Err(SheetError::Empty)
}

fn refused(err: XlsxError) -> SheetError {
    match err {
        XlsxError::Password => SheetError::OldOrProtected,
        other => SheetError::Damaged {
            detail: other.to_string(),
        },
    }
}

/// A value as the core knows it: the value of a formula stands for the formula.
fn typed(value: &DataRef<'_>, date_system: DateSystem) -> Cell {
    match value {
        DataRef::Empty => Cell::Empty,
        DataRef::String(text) => Cell::text(text.as_str()),
        DataRef::SharedString(text) => Cell::text(*text),
        DataRef::Bool(value) => Cell::Bool(*value),
        #[expect(
            clippy::cast_precision_loss,
            reason = "the file itself stores floating-point numbers"
        )]
        DataRef::Int(number) => Cell::Number(*number as f64),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::DateTime(moment) => {
            let serial = moment.as_f64();
            match date_system.date_of(serial) {
                Some(date) if moment.is_datetime() && serial >= 1.0 => Cell::Date(date),
                _ => Cell::Number(serial),
            }
        }
        DataRef::DateTimeIso(text) => text
            .get(..10)
            .and_then(|day| day.parse().ok())
            .map_or_else(|| Cell::text(text.as_str()), Cell::Date),
        DataRef::DurationIso(text) => Cell::text(text.as_str()),
        DataRef::Error(error) => Cell::text(error.to_string()),
    }
}
