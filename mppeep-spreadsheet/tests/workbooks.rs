//! Workbooks from outside: round trips, files made by other programs, and hostile ones.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::io::{Cursor, Write as _};

use jiff::civil::{Date, date};
use mppeep_core::ports::spreadsheet::{Cell, DateSystem, Sheet, SheetError, SheetFormat, Spreadsheets};
use mppeep_spreadsheet::{Limits, SpreadsheetFiles};
use proptest::prelude::*;
use zip::write::SimpleFileOptions;

const TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>"#;
const RELS: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const STYLES: &str = r#"<?xml version="1.0" encoding="UTF-8"?><styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="1"><numFmt numFmtId="164" formatCode="[$-40C]d\ mmmm\ yyyy;@"/></numFmts><cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/></cellXfs></styleSheet>"#;
const EMPTY_SHEET: &str = r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData/></worksheet>"#;

/// A workbook put together by hand, as other programs write them.
struct ByHand {
    properties: &'static str,
    sheets: Vec<(&'static str, String)>,
    shared: Option<String>,
}

impl ByHand {
    fn of(rows: &str) -> Self {
        Self {
            properties: "",
            sheets: vec![("", sheet(rows))],
            shared: None,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let mut add = |name: &str, text: &str| {
            archive.start_file(name, SimpleFileOptions::default()).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        };
        add("[Content_Types].xml", TYPES);
        add("_rels/.rels", RELS);
        add("xl/styles.xml", STYLES);
        let ns = "http://schemas.openxmlformats.org";
        let mut list = String::new();
        let mut rels = String::new();
        for (index, (attributes, text)) in self.sheets.iter().enumerate() {
            let n = index + 1;
            list.push_str(&format!(
                r#"<sheet name="Feuille {n}" sheetId="{n}" {attributes} r:id="rId{n}"/>"#
            ));
            rels.push_str(&format!(
                r#"<Relationship Id="rId{n}" Type="{ns}/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet{n}.xml"/>"#
            ));
            add(&format!("xl/worksheets/sheet{n}.xml"), text);
        }
        add(
            "xl/workbook.xml",
            &format!(
                r#"<workbook xmlns="{ns}/spreadsheetml/2006/main" xmlns:r="{ns}/officeDocument/2006/relationships">{}<sheets>{list}</sheets></workbook>"#,
                self.properties
            ),
        );
        add(
            "xl/_rels/workbook.xml.rels",
            &format!(r#"<Relationships xmlns="{ns}/package/2006/relationships">{rels}</Relationships>"#),
        );
        if let Some(shared) = &self.shared {
            add("xl/sharedStrings.xml", shared);
        }
        archive.finish().unwrap().into_inner()
    }
}

fn sheet(rows: &str) -> String {
    format!(
        r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>"#
    )
}

fn read(bytes: &[u8]) -> Result<Sheet, SheetError> {
    SpreadsheetFiles::default().read("agents.xlsx", bytes)
}

fn text(value: &str) -> Cell {
    Cell::text(value)
}

#[test]
fn a_workbook_of_another_program_is_read() {
    let file = ByHand::of(concat!(
        r#"<row r="1"><c r="A1" t="inlineStr"><is><t>ÉTAT DU PERSONNEL</t></is></c></row>"#,
        r#"<row r="3"><c r="A3" t="inlineStr"><is><t>Matricule</t></is></c><c r="C3" t="inlineStr"><is><r><t xml:space="preserve">Né </t></r><r><t>le</t></r></is></c></row>"#,
        r#"<row r="4"><c r="A4"><v>345678</v></c><c r="B4" s="2"><v>24180.75</v></c><c r="C4" s="1"><v>24180</v></c><c r="D4"><v>24180</v></c></row>"#,
        r#"<row r="5"><c r="A5" t="str"><f>"12"&amp;"A"</f><v>12A</v></c><c r="B5"><f>1+1</f><v>2</v></c><c r="C5" t="b"><v>1</v></c><c r="D5" t="e"><v>#N/A</v></c><c r="E5" t="d"><v>1966-03-14T00:00:00Z</v></c></row>"#,
        r#"<row r="1048576"><c r="XFD1048576" s="1"/></row>"#,
    ));
    let table = read(&file.bytes()).unwrap();
    let day = Cell::Date(date(1966, 3, 14));
    assert_eq!(table.name.as_deref(), Some("Feuille 1"));
    assert_eq!(
        table.rows,
        vec![
            vec![text("ÉTAT DU PERSONNEL")],
            vec![],
            vec![text("Matricule"), Cell::Empty, text("Né le")],
            vec![
                Cell::Number(345_678.0),
                day.clone(),
                day.clone(),
                Cell::Number(24180.0)
            ],
            vec![
                text("12A"),
                Cell::Number(2.0),
                Cell::Bool(true),
                text("#N/A"),
                day
            ],
        ]
    );
}

#[test]
fn the_1904_system_is_followed() {
    let mut file =
        ByHand::of(r#"<row r="1"><c r="A1" s="1"><v>22718</v></c><c r="B1"><v>22718</v></c></row>"#);
    file.properties = r#"<workbookPr date1904="1"/>"#;
    let table = read(&file.bytes()).unwrap();
    assert_eq!(table.date_system, DateSystem::Since1904);
    assert_eq!(
        table.rows,
        vec![vec![Cell::Date(date(1966, 3, 14)), Cell::Number(22718.0)]]
    );
}

#[test]
fn the_first_visible_sheet_with_something_is_taken() {
    let one = |value: &str| {
        sheet(&format!(
            r#"<row r="1"><c r="A1" t="str"><v>{value}</v></c></row>"#
        ))
    };
    let mut file = ByHand::of("");
    file.sheets = vec![
        ("", EMPTY_SHEET.to_owned()),
        (r#"state="hidden""#, one("caché")),
        ("", one("vu")),
    ];
    assert_eq!(read(&file.bytes()).unwrap().rows, vec![vec![text("vu")]]);
    file.sheets.truncate(2);
    assert_eq!(read(&file.bytes()).unwrap_err(), SheetError::Empty);
}

#[test]
fn an_archive_that_unpacks_to_too_much_is_refused() {
    let mut file = ByHand::of(r#"<row r="1"><c r="A1"><v>1</v></c></row>"#);
    file.sheets
        .push(("", format!("{}{}", " ".repeat(3_000_000), EMPTY_SHEET)));
    let bytes = file.bytes();
    assert!(bytes.len() < 20_000, "{} bytes", bytes.len());
    let files = SpreadsheetFiles::new(Limits {
        unpacked_bytes: 1_000_000,
        ..Limits::default()
    });
    assert_eq!(
        files.read("a.xlsx", &bytes).unwrap_err(),
        SheetError::Expands {
            limit_bytes: 1_000_000
        }
    );
    assert!(read(&bytes).is_ok());
}

#[test]
fn an_announced_number_of_texts_takes_no_memory() {
    let mut file = ByHand::of(r#"<row r="1"><c r="A1" t="s"><v>0</v></c></row>"#);
    let shared = |count: &str| {
        Some(format!(
            r#"<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" uniqueCount="{count}"><si><t>vu</t></si></sst>"#
        ))
    };
    file.shared = shared("1");
    assert_eq!(read(&file.bytes()).unwrap().rows, vec![vec![text("vu")]]);
    for count in [
        "4000001",
        "999999999999",
        "18446744073709551615",
        "99999999999999999999999999",
    ] {
        file.shared = shared(count);
        assert_eq!(
            read(&file.bytes()).unwrap_err(),
            SheetError::TooManyCells { limit: 4_000_000 },
            "{count}"
        );
    }
}

#[test]
fn one_long_text_in_many_cells_is_counted_each_time() {
    let mut rows = String::new();
    for row in 1..=200 {
        rows.push_str(&format!(
            r#"<row r="{row}"><c r="A{row}" t="s"><v>0</v></c></row>"#
        ));
    }
    let mut file = ByHand::of(&rows);
    file.shared = Some(format!("<sst><si><t>{}</t></si></sst>", "x".repeat(30_000)));
    let files = SpreadsheetFiles::new(Limits {
        text_bytes: 3_000_000,
        ..Limits::default()
    });
    assert_eq!(
        files.read("a.xlsx", &file.bytes()).unwrap_err(),
        SheetError::Expands {
            limit_bytes: 3_000_000
        }
    );
}

#[test]
fn far_cells_take_no_memory() {
    let far_row = ByHand::of(
        r#"<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="A1048576"><v>1</v></c></row>"#,
    );
    assert_eq!(
        read(&far_row.bytes()).unwrap_err(),
        SheetError::TooManyRows { limit: 200_000 }
    );
    let far_column = ByHand::of(r#"<row r="7"><c r="XFD7"><v>1</v></c></row>"#);
    assert_eq!(
        read(&far_column.bytes()).unwrap_err(),
        SheetError::TooManyColumns { row: 7, limit: 256 }
    );
}

#[test]
fn broken_workbooks_are_errors() {
    for rows in [
        r#"<row r="1"><c r="ZZZZZZZZZZZZ1"><v>1</v></c></row>"#,
        r#"<row r="1"><c r="A99999999999999"><v>1</v></c></row>"#,
        r#"<row r="1"><c r="A1" t="s"><v>7</v></c></row>"#,
        r#"<row r="1"><c r="A1"><v>1"#,
        r#"<row r="1"><c r="é1"><v>1</v></c></row>"#,
    ] {
        let result = read(&ByHand::of(rows).bytes());
        assert!(
            matches!(
                result,
                Err(SheetError::Damaged { .. }
                    | SheetError::TooManyRows { .. }
                    | SheetError::TooManyColumns { .. })
            ),
            "{rows}: {result:?}"
        );
    }
    let whole = ByHand::of(r#"<row r="1"><c r="A1"><v>1</v></c></row>"#).bytes();
    for length in (4..whole.len()).step_by(37) {
        let cut = &whole[..length];
        assert!(
            matches!(read(cut), Err(SheetError::Damaged { .. })),
            "cut at {length}"
        );
    }
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive
        .start_file("lettre.txt", SimpleFileOptions::default())
        .unwrap();
    archive.write_all(b"bonjour").unwrap();
    assert!(matches!(
        read(&archive.finish().unwrap().into_inner()),
        Err(SheetError::Damaged { .. })
    ));
}

#[test]
fn other_files_are_named() {
    assert_eq!(
        read(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1rest").unwrap_err(),
        SheetError::OldOrProtected
    );
    assert_eq!(read(b"%PDF-1.7\n").unwrap_err(), SheetError::UnknownFormat);
    assert_eq!(read(b"").unwrap_err(), SheetError::Empty);
    let files = SpreadsheetFiles::new(Limits {
        file_bytes: 3,
        ..Limits::default()
    });
    assert_eq!(
        files.read("a.csv", b"a;b;c").unwrap_err(),
        SheetError::TooLarge { limit_bytes: 3 }
    );
}

#[test]
fn windows_1252_text_is_read() {
    let table = read(b"Matricule;Pr\xE9noms\r\n1A;Ad\xE8le \x9Cuvre\r\n").unwrap();
    assert_eq!(table.rows[0][1], text("Prénoms"));
    assert_eq!(table.rows[1][1], text("Adèle œuvre"));
}

#[test]
fn a_written_workbook_has_no_formula() {
    let sheet = Sheet::of(vec![
        vec![text("Nom")],
        vec![text("=HYPERLINK(\"http://x\")")],
        vec![text("+1")],
    ]);
    let bytes = SpreadsheetFiles::default()
        .write(SheetFormat::Xlsx, &sheet)
        .unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
    let xml = std::io::read_to_string(archive.by_name("xl/worksheets/sheet1.xml").unwrap()).unwrap();
    assert!(!xml.contains("<f>") && !xml.contains("<f "), "{xml}");
    assert!(xml.contains("autoFilter"), "{xml}");
    assert_eq!(read(&bytes).unwrap().rows, sheet.rows);
}

#[test]
fn what_looks_like_an_escape_comes_back() {
    let sheet = Sheet::of(vec![vec![
        text("Nom"),
        text("_x0041_ _x000D_"),
        text("a_x005F_b"),
    ]]);
    let bytes = SpreadsheetFiles::default()
        .write(SheetFormat::Xlsx, &sheet)
        .unwrap();
    assert_eq!(read(&bytes).unwrap().rows, sheet.rows);
}

#[test]
fn what_cannot_be_read_back_is_not_written() {
    let files = SpreadsheetFiles::default();
    for format in [SheetFormat::Csv, SheetFormat::Xlsx] {
        let long = Sheet::of(vec![vec![text("a"), text(&"x".repeat(32_768))]]);
        assert_eq!(
            files.write(format, &long).unwrap_err(),
            SheetError::CellTooLong {
                row: 1,
                column: "B".to_owned(),
                limit: 32_767
            }
        );
        let wide = Sheet::of(vec![vec![text("a"); 257]]);
        assert_eq!(
            files.write(format, &wide).unwrap_err(),
            SheetError::TooManyColumns { row: 1, limit: 256 }
        );
    }
}

fn any_date() -> impl Strategy<Value = Date> {
    (1_i16..=9999, 1_i8..=12, 1_i8..=28).prop_map(|(year, month, day)| date(year, month, day))
}

fn any_cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        Just(Cell::Empty),
        any::<bool>().prop_map(Cell::Bool),
        any_date()
            .prop_filter("days before a workbook's first", |day| day.year() > 1900)
            .prop_map(Cell::Date),
        (-1e12_f64..1e12).prop_map(Cell::Number),
        (-100_000_i32..100_000).prop_map(|number| Cell::Number(f64::from(number))),
        "[=+@'\\-;\"\t\n <>&a-zé_x0-9A-F]{0,10}".prop_map(Cell::text),
        proptest::collection::vec(
            any::<char>().prop_filter("XML has no such character", |c| *c != '\u{FFFE}'
                && *c != '\u{FFFF}'
                && *c != '\r'),
            0..6
        )
        .prop_map(|characters| Cell::text(characters.into_iter().collect::<String>())),
    ]
}

fn any_sheet() -> impl Strategy<Value = Sheet> {
    proptest::collection::vec(proptest::collection::vec(any_cell(), 1..5), 1..6).prop_map(|mut rows| {
        rows.insert(
            0,
            ["Matricule", "Nom", "Prénoms", "Né le", "Lieu"]
                .map(Cell::text)
                .to_vec(),
        );
        let mut sheet = Sheet::of(rows);
        sheet.trim();
        sheet
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn workbooks_come_back(sheet in any_sheet()) {
        let bytes = SpreadsheetFiles::default().write(SheetFormat::Xlsx, &sheet).unwrap();
        prop_assert_eq!(read(&bytes).unwrap().rows, sheet.rows);
    }

    #[test]
    fn csv_comes_back_as_it_shows(sheet in any_sheet()) {
        let files = SpreadsheetFiles::default();
        let mut wide = sheet.clone();
        for row in &mut wide.rows {
            row.resize(5, Cell::Empty);
        }
        let bytes = files.write(SheetFormat::Csv, &wide).unwrap();
        let shown: Vec<Vec<Cell>> =
            sheet.rows.iter().map(|row| row.iter().map(|cell| Cell::text(cell.display())).collect()).collect();
        prop_assert_eq!(files.read("a.csv", &bytes).unwrap().rows, shown);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }

    #[test]
    fn a_damaged_workbook_is_read_or_refused(place in 0_usize..100_000, value in any::<u8>()) {
        let mut bytes = ByHand::of(r#"<row r="1"><c r="A1"><v>1</v></c><c r="B1" t="str"><v>x</v></c></row>"#).bytes();
        let place = place % bytes.len();
        bytes[place] = value;
        let _ = read(&bytes);
    }
}
