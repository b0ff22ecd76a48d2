//! Tables to XLSX workbooks.

use jiff::civil::Date;
use mppeep_core::ports::spreadsheet::{Cell, Sheet, SheetError};
use rust_xlsxwriter::{Color, Format, FormatAlign, Workbook, Worksheet, XlsxError};

use crate::{Limits, table};

/// Rows looked at to choose the width of a column.
const WIDTH_ROWS: usize = 300;
/// Background of the header: the dark green of the ministry's sheets, legible under white text.
const HEADER_COLOUR: Color = Color::RGB(0x0B_5D_3B);

/// Writes a workbook with one sheet: a fixed, filterable header, typed dates, and text that is never a formula.
pub(crate) fn write(sheet: &Sheet, limits: &Limits) -> Result<Vec<u8>, SheetError> {
    table::check(sheet, limits)?;
    write_workbook(sheet).map_err(|err| SheetError::NotWritten {
        detail: err.to_string(),
    })
}

fn write_workbook(sheet: &Sheet) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let page = workbook.add_worksheet();
    if let Some(name) = sheet
        .name
        .as_deref()
        .map(sheet_name)
        .filter(|name| !name.is_empty())
    {
        page.set_name(name)?;
    }
    let header = Format::new()
        .set_bold()
        .set_font_color(Color::White)
        .set_background_color(HEADER_COLOUR)
        .set_align(FormatAlign::VerticalCenter)
        .set_text_wrap();
    let date_format = Format::new()
        .set_num_format("dd/mm/yyyy")
        .set_align(FormatAlign::Left);
    // The column is text: retyping a matricule in the file keeps its leading zeros.
    let text_format = Format::new().set_num_format("@");
    for (row, cells) in (0_u32..).zip(&sheet.rows) {
        for (column, cell) in (0_u16..).zip(cells) {
            match cell {
                Cell::Empty => {}
                Cell::Text(text) if row == 0 => {
                    page.write_string_with_format(row, column, text, &header)?;
                }
                Cell::Text(text) => {
                    page.write_string_with_format(row, column, text, &text_format)?;
                }
                Cell::Number(number) => {
                    page.write_number(row, column, *number)?;
                }
                Cell::Date(date) => write_date(page, row, column, *date, &date_format)?,
                Cell::Bool(value) => {
                    page.write_boolean(row, column, *value)?;
                }
            }
        }
    }
    finish(page, sheet)?;
    workbook.save_to_buffer()
}

/// A day as a date of the workbook; days it cannot hold are text.
fn write_date(
    page: &mut Worksheet,
    row: u32,
    column: u16,
    date: Date,
    format: &Format,
) -> Result<(), XlsxError> {
    const FIRST: Date = jiff::civil::date(1900, 3, 1);
    if date < FIRST {
        page.write_string(row, column, Cell::Date(date).display())?;
        return Ok(());
    }
    let days = date
        .since(jiff::civil::date(1899, 12, 30))
        .map(|span| span.get_days())
        .unwrap_or_default();
    page.write_number_with_format(row, column, f64::from(days), format)?;
    Ok(())
}

fn finish(page: &mut Worksheet, sheet: &Sheet) -> Result<(), XlsxError> {
    let columns = sheet.rows.iter().map(Vec::len).max().unwrap_or_default();
    for (index, column) in (0_u16..).zip(0..columns) {
        let longest = (0..sheet.rows.len().min(WIDTH_ROWS))
            .map(|row| sheet.cell(row, column).display().chars().take(60).count())
            .max()
            .unwrap_or_default();
        let width = u32::try_from(longest).unwrap_or_default().clamp(9, 48) + 2;
        page.set_column_width(index, f64::from(width))?;
    }
    let last_row = u32::try_from(sheet.rows.len().saturating_sub(1)).unwrap_or(u32::MAX);
    let last_column = u16::try_from(columns.saturating_sub(1)).unwrap_or(u16::MAX);
    if columns > 0 && last_row > 0 {
        page.set_freeze_panes(1, 0)?;
        page.autofilter(0, 0, last_row, last_column)?;
    }
    Ok(())
}

/// Workbooks refuse some characters, quotation at the ends, and more than 31 characters in a sheet's name.
fn sheet_name(name: &str) -> String {
    let cleaned: String = name
        .chars()
        .filter(|character| {
            !matches!(character, '[' | ']' | ':' | '*' | '?' | '/' | '\\') && !character.is_control()
        })
        .collect();
    let mut short = String::new();
    let mut units = 0;
    for character in cleaned.trim_matches(['\'', ' ']).chars() {
        units += character.len_utf16();
        if units > 31 {
            break;
        }
        short.push(character);
    }
    short.trim_matches(['\'', ' ']).to_owned()
}
