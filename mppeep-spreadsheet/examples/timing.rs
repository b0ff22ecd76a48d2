//! Prints how long a table of 10 000 agents takes to write, read and judge: `cargo run --release --example timing`.
#![expect(
    clippy::print_stdout,
    reason = "printing the figures is what this example is for"
)]

use std::time::Instant;

use jiff::civil::date;
use mppeep_core::domain::import::{Context, Mapping, plan};
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::personnel::MatriculePattern;
use mppeep_core::ports::spreadsheet::{Cell, Sheet, SheetFormat, Spreadsheets};
use mppeep_spreadsheet::SpreadsheetFiles;

const ROWS: u32 = 10_000;

fn table() -> Sheet {
    let headers = [
        "N° matricule",
        "NOM",
        "Prénom(s)",
        "Né(e) le",
        "Sexe",
        "Grade",
        "Sit. matrimoniale",
        "Tél.",
    ];
    let mut rows = vec![headers.map(Cell::text).to_vec()];
    for number in 0..ROWS {
        let day = date(1965, 1, 1).saturating_add(jiff::Span::new().days(number));
        rows.push(vec![
            Cell::text(format!("{:06}K", 300_000 + number)),
            Cell::text(format!("KOUAMÉ{number}")),
            Cell::text("Aya Fatoumata"),
            Cell::Date(day),
            Cell::text(if number % 2 == 0 { "F" } else { "Masculin" }),
            Cell::text("a 4"),
            Cell::text("Marié(e)"),
            Cell::text("07 01 02 03 04"),
        ]);
    }
    Sheet::of(rows)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = SpreadsheetFiles::default();
    let organisation = Organisation::default();
    let pattern = MatriculePattern::new(MatriculePattern::DEFAULT).map_err(|rule| rule.code())?;
    for format in [SheetFormat::Csv, SheetFormat::Xlsx] {
        let start = Instant::now();
        let bytes = files.write(format, &table())?;
        let written = start.elapsed();
        let start = Instant::now();
        let sheet = files.read("agents", &bytes)?;
        let read = start.elapsed();
        let start = Instant::now();
        let mapping = Mapping::detect(&sheet)?;
        let context = Context {
            organisation: &organisation,
            pattern: &pattern,
            today: date(2026, 11, 22),
            existing: &[],
            identities: &[],
        };
        let judged = plan(&sheet, &mapping, &context, &mut |_, _| {});
        println!(
            "{}: {} bytes, written in {written:?}, read in {read:?}, judged in {:?}: {:?}",
            format.extension(),
            bytes.len(),
            start.elapsed(),
            judged.counts()
        );
    }
    Ok(())
}
