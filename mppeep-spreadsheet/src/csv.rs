//! Delimited text, as spreadsheet programs and HR systems write it.

use csv::{QuoteStyle, ReaderBuilder, StringRecord, Terminator, WriterBuilder};
use std::io::Read;

use mppeep_core::ports::spreadsheet::{Cell, DateSystem, Sheet, SheetError};

use crate::{Limits, table};

/// Delimiters in the order in which they win a draw.
const DELIMITERS: [u8; 3] = [b';', b',', b'\t'];
/// Rows looked at to find the delimiter.
const SAMPLE_ROWS: usize = 40;
/// Bytes looked at to find the delimiter.
const SAMPLE_BYTES: usize = 64 * 1024;
/// First characters that make a spreadsheet program compute a text.
const FORMULA_MARKS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// Reads a text whose delimiter is found by looking at it.
pub(crate) fn read(text: &str, limits: &Limits) -> Result<Sheet, SheetError> {
    let (delimiter, mut row, body) = match declared_delimiter(text) {
        Some((delimiter, body)) => (delimiter, 1, body),
        None => (detect(text), 0, text),
    };
    let mut builder = table::TableBuilder::new(limits);
    let mut records = Records::new(body, delimiter);
    let mut last = row;
    while let Some(blank_rows) = records.advance()? {
        row += blank_rows;
        last = row;
        for (column, field) in records.record.iter().enumerate() {
            builder.put(row, column, Cell::text(unprotect(field)))?;
        }
        row += 1;
    }
    if records.open_quote {
        return Err(SheetError::OpenQuote { row: last + 1 });
    }
    if builder.is_empty() {
        return Err(SheetError::Empty);
    }
    Ok(builder.finish(None, DateSystem::default()))
}

/// Writes UTF-8 with a byte-order mark, `;` between cells and formula characters neutralised. Texts are quoted, so that
/// the commas in them are never taken for delimiters.
pub(crate) fn write(sheet: &Sheet, limits: &Limits) -> Result<Vec<u8>, SheetError> {
    table::check(sheet, limits)?;
    let mut writer = WriterBuilder::new()
        .delimiter(b';')
        .quote_style(QuoteStyle::NonNumeric)
        .terminator(Terminator::CRLF)
        .flexible(true)
        .from_writer("\u{FEFF}".as_bytes().to_vec());
    let not_written = |detail: String| SheetError::NotWritten { detail };
    for row in &sheet.rows {
        let cells = row.iter().map(|cell| match cell {
            Cell::Text(text) => protect(text),
            other => other.display(),
        });
        // A row of no cell at all would be no row.
        let blank = row.is_empty().then(String::new);
        writer
            .write_record(cells.chain(blank))
            .map_err(|err| not_written(err.to_string()))?;
    }
    writer.into_inner().map_err(|err| not_written(err.to_string()))
}

fn protect(text: &str) -> String {
    if needs_protection(text) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// Text that would be computed, or that [`unprotect`] would change.
fn needs_protection(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA_MARKS)
}

/// The exact inverse of [`protect`].
fn unprotect(text: &str) -> &str {
    text.strip_prefix('\'')
        .filter(|_| needs_protection(text))
        .unwrap_or(text)
}

/// Excel's own first line, `sep=;`.
fn declared_delimiter(text: &str) -> Option<(u8, &str)> {
    let rest = text.strip_prefix("sep=").or_else(|| text.strip_prefix("SEP="))?;
    let delimiter = DELIMITERS
        .into_iter()
        .find(|delimiter| rest.starts_with(char::from(*delimiter)))?;
    let after = rest.get(1..)?;
    let body = after
        .strip_prefix("\r\n")
        .or_else(|| after.strip_prefix(['\n', '\r']))?;
    Some((delimiter, body))
}

/// The delimiter under which most of the first rows have the same number of columns, more than one.
fn detect(text: &str) -> u8 {
    let mut end = text.len().min(SAMPLE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let sample = text.get(..end).unwrap_or(text);
    let mut best = (0, DELIMITERS[0]);
    for delimiter in DELIMITERS {
        let score = score(sample, delimiter);
        if score > best.0 {
            best = (score, delimiter);
        }
    }
    best.1
}

/// Rows that agree on a number of columns, times the columns gained.
fn score(sample: &str, delimiter: u8) -> usize {
    let mut records = Records::new(sample, delimiter);
    let mut widths = Vec::new();
    while let Ok(Some(_)) = records.advance() {
        widths.push(records.record.len());
        if widths.len() >= SAMPLE_ROWS {
            break;
        }
    }
    let agreeing = |width: &usize| widths.iter().filter(|other| *other == width).count();
    widths
        .iter()
        .map(|width| width.saturating_sub(1) * agreeing(width))
        .max()
        .unwrap_or_default()
}

/// Walks over the records of a text, and over what the reader passes over: it skips blank lines, which are rows to
/// people, and ends a quotation that is never closed with the text.
struct Records<'a> {
    text: &'a [u8],
    reader: csv::Reader<std::io::Chain<&'a [u8], &'static [u8]>>,
    record: StringRecord,
    open_quote: bool,
}

impl<'a> Records<'a> {
    fn new(text: &'a str, delimiter: u8) -> Self {
        let text = text.as_bytes();
        // One more record after the text: an open quotation swallows it.
        let reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(text.chain(b"\nend".as_slice()));
        Self {
            text,
            reader,
            record: StringRecord::new(),
            open_quote: false,
        }
    }

    /// Reads the next record; gives the number of blank rows before it.
    fn advance(&mut self) -> Result<Option<usize>, SheetError> {
        let from = usize::try_from(self.reader.position().byte()).unwrap_or(usize::MAX);
        let read = self
            .reader
            .read_record(&mut self.record)
            .map_err(|err| SheetError::Damaged {
                detail: err.to_string(),
            })?;
        if !read {
            self.open_quote = true;
            return Ok(None);
        }
        let (start, blank_rows) = self.skip_line_ends(from);
        Ok((start < self.text.len()).then_some(blank_rows))
    }

    /// Where the record that is read from `from` begins, and the blank rows before it.
    fn skip_line_ends(&self, from: usize) -> (usize, usize) {
        let byte = |at: usize| self.text.get(at).copied();
        let mut at = from;
        // The second half of the line end that closed the record before.
        if byte(at) == Some(b'\n') && at.checked_sub(1).and_then(byte) == Some(b'\r') {
            at += 1;
        }
        let mut rows = 0;
        loop {
            match (byte(at), byte(at + 1)) {
                (Some(b'\r'), Some(b'\n')) => at += 2,
                (Some(b'\r' | b'\n'), _) => at += 1,
                _ => return (at, rows),
            }
            rows += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(sheet: &Sheet) -> Vec<Vec<String>> {
        sheet
            .rows
            .iter()
            .map(|row| row.iter().map(Cell::display).collect())
            .collect()
    }

    fn read_texts(text: &str) -> Vec<Vec<String>> {
        texts(&read(text, &Limits::default()).unwrap())
    }

    #[test]
    fn delimiters_are_found() {
        let want = vec![
            vec!["Matricule", "Nom", "Né le"],
            vec!["1A", "KONÉ, Awa", "01/02/1970"],
        ];
        for text in [
            "Matricule;Nom;Né le\r\n1A;KONÉ, Awa;01/02/1970\r\n",
            "Matricule,Nom,Né le\n1A,\"KONÉ, Awa\",01/02/1970",
            "Matricule\tNom\tNé le\n1A\tKONÉ, Awa\t01/02/1970\n",
            "Matricule;Nom;Né le\r1A;KONÉ, Awa;01/02/1970\r",
        ] {
            assert_eq!(read_texts(text), want, "{text:?}");
        }
    }

    #[test]
    fn one_column_has_no_delimiter() {
        assert_eq!(read_texts("Matricule\n1A\n"), vec![vec!["Matricule"], vec!["1A"]]);
    }

    #[test]
    fn commas_in_many_texts_do_not_win() {
        let text = "Nom;Adresse\nA;Rue 1, lot 2, Cocody\nB;Rue 3, lot 4, Yopougon\nC;Plateau\n";
        assert_eq!(read_texts(text)[1], vec!["A", "Rue 1, lot 2, Cocody"]);
    }

    #[test]
    fn a_declared_delimiter_is_believed_and_counted_as_a_row() {
        let rows = read_texts("sep=,\r\na,b;c\r\n");
        assert_eq!(rows, vec![vec![], vec!["a".to_owned(), "b;c".to_owned()]]);
    }

    #[test]
    fn blank_lines_keep_their_row() {
        let rows = read_texts("a;b\n\n\nc;d\n\n");
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[3], vec!["c", "d"]);
    }

    #[test]
    fn quoted_texts_hold_lines_delimiters_and_quotes() {
        let rows = read_texts("a;b\n\"x\r\ny;z\";\"dit \"\"oui\"\"\"\nc;d\n");
        assert_eq!(rows[1], vec!["x\r\ny;z", "dit \"oui\""]);
        assert_eq!(rows[2], vec!["c", "d"]);
        assert_eq!(read_texts("a;b\n5\" de;\"x\"y\n")[1], vec!["5\" de", "xy"]);
    }

    #[test]
    fn an_open_quote_names_its_row() {
        let err = read("a;b\nc;d\n\"e;f\ng;h\n", &Limits::default()).unwrap_err();
        assert_eq!(err, SheetError::OpenQuote { row: 3 });
    }

    #[test]
    fn nothing_is_an_error() {
        for text in ["", "\n\n", ";;;\n;;\n"] {
            assert_eq!(
                read(text, &Limits::default()).unwrap_err(),
                SheetError::Empty,
                "{text:?}"
            );
        }
    }

    #[test]
    fn limits_hold() {
        let limits = Limits {
            rows: 3,
            columns: 2,
            cells: 5,
            cell_characters: 4,
            text_bytes: 12,
            ..Limits::default()
        };
        let refused = |text: &str| read(text, &limits).unwrap_err();
        assert_eq!(refused("a\nb\nc\nd\n"), SheetError::TooManyRows { limit: 3 });
        assert!(
            read("a\nb\nc\n\n\n\n\n", &limits).is_ok(),
            "blank rows at the end cost nothing"
        );
        assert_eq!(
            refused("a;b;c\n"),
            SheetError::TooManyColumns { row: 1, limit: 2 }
        );
        assert_eq!(refused("a;b\nc;d\ne;f\n"), SheetError::TooManyCells { limit: 5 });
        assert_eq!(
            refused("a;éèêëà\n"),
            SheetError::CellTooLong {
                row: 1,
                column: "B".to_owned(),
                limit: 4
            }
        );
        assert!(read("a;éèêë\n", &limits).is_ok());
        assert_eq!(
            refused("aaaa;bbbb\ncccc;d\n"),
            SheetError::Expands { limit_bytes: 12 }
        );
    }

    #[test]
    fn formulas_are_written_as_text() {
        let sheet = Sheet::of(vec![vec![
            Cell::text("=1+1"),
            Cell::text("+225 07"),
            Cell::text("-x"),
            Cell::text("@a"),
            Cell::text("'=1"),
            Cell::text("l'an"),
            Cell::Number(-5.0),
        ]]);
        let bytes = write(&sheet, &Limits::default()).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "\u{FEFF}\"'=1+1\";\"'+225 07\";\"'-x\";\"'@a\";\"''=1\";\"l'an\";-5\r\n"
        );
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[=+@'\\-;,\"\t\r\n a-zé＝]{0,8}",
            proptest::collection::vec(any::<char>(), 0..6)
                .prop_map(|characters| characters.into_iter().collect()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn texts_come_back(rows in proptest::collection::vec(proptest::collection::vec(any_text(), 1..5), 1..6)) {
            let mut sheet = Sheet::of(rows.into_iter().map(|row| row.into_iter().map(Cell::text).collect()).collect());
            // The delimiter is found by looking at the table, so that it has a header as every table here has.
            sheet.rows.insert(0, ["Matricule", "Nom", "Prénoms", "Né le", "Lieu"].map(Cell::text).to_vec());
            for row in &mut sheet.rows {
                row.resize(5, Cell::Empty);
            }
            let bytes = write(&sheet, &Limits::default()).unwrap();
            let text = String::from_utf8(bytes).unwrap();
            let back = read(text.strip_prefix('\u{FEFF}').unwrap(), &Limits::default()).unwrap();
            sheet.trim();
            prop_assert_eq!(back, sheet);
        }

        #[test]
        fn no_written_cell_starts_a_formula(text in any_text()) {
            let bytes = write(&Sheet::of(vec![vec![Cell::text(text)]]), &Limits::default()).unwrap();
            let written = String::from_utf8(bytes).unwrap();
            let cell = written.trim_start_matches('\u{FEFF}');
            let cell = cell.strip_prefix('"').unwrap_or(cell);
            prop_assert!(!cell.trim_end_matches(['\r', '\n']).starts_with(FORMULA_MARKS), "{}", cell);
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = read(&text, &Limits::default());
        }

        #[test]
        fn reading_undoes_protection(text in any_text()) {
            let protected = protect(&text);
            prop_assert_eq!(unprotect(&protected), text);
        }
    }
}
