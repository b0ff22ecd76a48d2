//! Delimited text, as spreadsheet programs and HR systems write it.
//!
//! The parser is our own because it must say at which row of the file a cell stands (blank lines count), must stop at a
//! limit before it takes memory, and must name the row of a quotation mark that never ends.

use std::fmt::Write as _;

use mppeep_core::ports::spreadsheet::{Cell, DateSystem, Sheet, SheetError};

use crate::{Limits, table};

/// Delimiters in the order in which they win a draw.
const DELIMITERS: [char; 3] = [';', ',', '\t'];
/// Rows looked at to find the delimiter.
const SAMPLE_ROWS: usize = 40;
/// Bytes looked at to find the delimiter.
const SAMPLE_BYTES: usize = 64 * 1024;
/// First characters that make a spreadsheet program compute a text.
const FORMULA_MARKS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// Reads a text whose delimiter is found by looking at it.
pub(crate) fn read(text: &str, limits: &Limits) -> Result<Sheet, SheetError> {
    let (delimiter, skipped_rows, body) = match declared_delimiter(text) {
        Some((delimiter, body)) => (delimiter, 1, body),
        None => (detect(text), 0, text),
    };
    let mut builder = table::TableBuilder::new(limits);
    let mut fields = Fields::new(body, delimiter);
    while let Some(field) = fields.next_field().map_err(|err| moved(err, skipped_rows))? {
        let row = field.row + skipped_rows;
        builder.put(row, field.column, Cell::text(unprotect(field.text)))?;
    }
    if builder.is_empty() {
        return Err(SheetError::Empty);
    }
    Ok(builder.finish(None, DateSystem::default()))
}

/// The same error, further down.
fn moved(err: SheetError, by: usize) -> SheetError {
    match err {
        SheetError::OpenQuote { row } => SheetError::OpenQuote { row: row + by },
        other => other,
    }
}

/// Writes UTF-8 with a byte-order mark, `;` between cells and formula characters neutralised.
pub(crate) fn write(sheet: &Sheet, limits: &Limits) -> Result<Vec<u8>, SheetError> {
    table::check(sheet, limits)?;
    let mut out = String::from('\u{FEFF}');
    for row in &sheet.rows {
        for (column, cell) in row.iter().enumerate() {
            if column > 0 {
                out.push(';');
            }
            match cell {
                Cell::Text(text) => push_text(&mut out, text),
                other => out.push_str(&other.display()),
            }
        }
        out.push_str("\r\n");
    }
    Ok(out.into_bytes())
}

fn push_text(out: &mut String, text: &str) {
    let mark = if needs_protection(text) { "'" } else { "" };
    let edge_space = text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
    if edge_space || text.contains([';', ',', '\t', '"', '\r', '\n']) {
        // Writing to a String cannot fail.
        let _ = write!(out, "\"{mark}{}\"", text.replace('"', "\"\""));
    } else {
        out.push_str(mark);
        out.push_str(text);
    }
}

/// Text that would be computed, or that [`unprotect`] would change.
fn needs_protection(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA_MARKS)
}

/// The exact inverse of what writing does to such a text.
fn unprotect(mut text: String) -> String {
    if text.starts_with('\'') && needs_protection(&text) {
        text.remove(0);
    }
    text
}

/// Excel's own first line, `sep=;`.
fn declared_delimiter(text: &str) -> Option<(char, &str)> {
    let rest = text.strip_prefix("sep=").or_else(|| text.strip_prefix("SEP="))?;
    let mut characters = rest.chars();
    let delimiter = characters
        .next()
        .filter(|character| DELIMITERS.contains(character))?;
    let after = characters.as_str();
    let body = after
        .strip_prefix("\r\n")
        .or_else(|| after.strip_prefix(['\n', '\r']))?;
    Some((delimiter, body))
}

/// The delimiter under which most of the first rows have the same number of columns, more than one.
fn detect(text: &str) -> char {
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
fn score(sample: &str, delimiter: char) -> usize {
    let mut widths = Vec::new();
    let mut fields = Fields::new(sample, delimiter);
    let mut current: Option<(usize, usize)> = None;
    // The sample may cut a quoted text: what was counted before stands.
    while let Ok(Some(field)) = fields.next_field() {
        match &mut current {
            Some((row, width)) if *row == field.row => *width = field.column + 1,
            _ => {
                widths.extend(current.map(|(_, width)| width));
                current = Some((field.row, field.column + 1));
                if widths.len() >= SAMPLE_ROWS {
                    break;
                }
            }
        }
    }
    widths.extend(current.map(|(_, width)| width));
    widths
        .iter()
        .map(|width| (width - 1) * widths.iter().filter(|other| *other == width).count())
        .max()
        .unwrap_or_default()
}

/// One cell of a text, with its place counted from 0.
struct Field {
    row: usize,
    column: usize,
    text: String,
}

/// Walks over the cells of a text. A quotation mark quotes only at the start of a cell, and what follows a closed
/// quotation is kept as it stands, as spreadsheet programs do.
struct Fields<'a> {
    rest: &'a str,
    delimiter: char,
    row: usize,
    column: usize,
    done: bool,
}

impl<'a> Fields<'a> {
    fn new(text: &'a str, delimiter: char) -> Self {
        Self {
            rest: text,
            delimiter,
            row: 0,
            column: 0,
            done: text.is_empty(),
        }
    }

    fn next_field(&mut self) -> Result<Option<Field>, SheetError> {
        if self.done {
            return Ok(None);
        }
        let (row, column) = (self.row, self.column);
        let mut text = String::new();
        if let Some(quoted) = self.rest.strip_prefix('"') {
            self.rest = quoted;
            self.quoted(&mut text)?;
        }
        let delimiter = self.delimiter;
        let end = self.rest.find([delimiter, '\n', '\r']).unwrap_or(self.rest.len());
        let (plain, after) = self.rest.split_at(end);
        text.push_str(plain);
        let mut characters = after.chars();
        match characters.next() {
            Some(found) if found == delimiter => {
                self.column += 1;
                self.rest = characters.as_str();
            }
            Some(found) => {
                let rest = characters.as_str();
                self.rest = if found == '\r' {
                    rest.strip_prefix('\n').unwrap_or(rest)
                } else {
                    rest
                };
                self.row += 1;
                self.column = 0;
                self.done = self.rest.is_empty();
            }
            None => self.done = true,
        }
        Ok(Some(Field { row, column, text }))
    }

    /// Reads up to the closing quotation mark; a doubled one stands for itself.
    fn quoted(&mut self, text: &mut String) -> Result<(), SheetError> {
        loop {
            let Some((inside, after)) = self.rest.split_once('"') else {
                return Err(SheetError::OpenQuote { row: self.row + 1 });
            };
            text.push_str(inside);
            match after.strip_prefix('"') {
                Some(again) => {
                    text.push('"');
                    self.rest = again;
                }
                None => {
                    self.rest = after;
                    return Ok(());
                }
            }
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
            "\u{FEFF}'=1+1;'+225 07;'-x;'@a;''=1;l'an;-5\r\n"
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
            let protected = if needs_protection(&text) { format!("'{text}") } else { text.clone() };
            prop_assert_eq!(unprotect(protected), text);
        }
    }
}
