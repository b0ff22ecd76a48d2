//! Tables that go back to people: exports, refused rows, an empty model.

use super::columns::{Mapping, Target};
use super::findings::Severity;
use super::plan::{Outcome, Plan};
use super::units::UnitIndex;
use super::values::value_label;
use super::words::{field_label, normal};
use crate::domain::codes::BirthPrecision;
use crate::domain::organisation::Organisation;
use crate::domain::personnel::{Personnel, PersonnelField};
use crate::ports::spreadsheet::{Cell, Sheet};

const SOURCE_ROW: &str = "Ligne d'origine";
const REASONS: &str = "Motifs du refus";
/// Longest text of reasons, in characters.
const REASONS_MAX: usize = 20_000;

/// Files as a table, one column a field, that an import reads back without loss. With the department stands its
/// directorate.
pub fn personnel_sheet<'a>(
    fields: &[PersonnelField],
    files: impl IntoIterator<Item = &'a Personnel>,
    organisation: &Organisation,
) -> Sheet {
    let units = UnitIndex::new(organisation);
    let mut rows = vec![header(fields)];
    for file in files {
        let mut cells = Vec::with_capacity(fields.len() + 1);
        for field in fields {
            cells.push(field_cell(file, *field, &units));
            if *field == PersonnelField::Department {
                let directorate = file.fields.department.and_then(|id| units.directorate_of(id));
                cells.push(
                    directorate
                        .map(|id| Cell::text(units.directorate_name(id)))
                        .unwrap_or_default(),
                );
            }
        }
        rows.push(cells);
    }
    Sheet {
        name: Some("Personnel".to_owned()),
        ..Sheet::of(rows)
    }
}

fn header(fields: &[PersonnelField]) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(fields.len() + 1);
    for field in fields {
        cells.push(Cell::text(field_label(*field)));
        if *field == PersonnelField::Department {
            cells.push(Cell::text(Target::Directorate.label()));
        }
    }
    cells
}

fn field_cell(file: &Personnel, field: PersonnelField, units: &UnitIndex<'_>) -> Cell {
    use PersonnelField as F;
    let content = &file.fields;
    let day = |date: Option<jiff::civil::Date>| date.map(Cell::Date).unwrap_or_default();
    match field {
        F::BirthDate => {
            let last = (content.birth_date.month(), content.birth_date.day()) == (12, 31);
            if content.birth_precision == BirthPrecision::Year && last {
                Cell::text(format!("{:04}", content.birth_date.year()))
            } else {
                Cell::Date(content.birth_date)
            }
        }
        F::RecruitmentDate => day(content.recruitment_date),
        F::ServiceStartDate => day(content.service_start_date),
        F::RetirementExtension => day(content.retirement_extension),
        F::Children => content
            .children
            .map(|number| Cell::Number(f64::from(number)))
            .unwrap_or_default(),
        F::Step => content
            .step
            .map(|number| Cell::Number(f64::from(number)))
            .unwrap_or_default(),
        F::SalaryIndex => content
            .salary_index
            .map(|number| Cell::Number(f64::from(number)))
            .unwrap_or_default(),
        F::Department => content
            .department
            .and_then(|id| units.text_of(id))
            .map(Cell::text)
            .unwrap_or_default(),
        other => content
            .get(other)
            .map(|text| Cell::text(value_label(other, &text).map_or(text, str::to_owned)))
            .unwrap_or_default(),
    }
}

/// A table with only its header: the model that people fill.
pub fn template_sheet(fields: &[PersonnelField]) -> Sheet {
    Sheet {
        name: Some("Personnel".to_owned()),
        ..Sheet::of(vec![header(fields)])
    }
}

/// The refused rows as they came, each with its row in the file and every reason, ready to be corrected and sent again.
pub fn refused_sheet(sheet: &Sheet, mapping: &Mapping, plan: &Plan) -> Sheet {
    let width = sheet
        .rows
        .iter()
        .skip(mapping.header_row)
        .map(Vec::len)
        .max()
        .unwrap_or_default();
    let ours = [normal(SOURCE_ROW), normal(REASONS)];
    let kept: Vec<usize> = (0..width)
        .filter(|column| !ours.contains(&normal(&sheet.cell(mapping.header_row, *column).display())))
        .collect();
    let take = |row: usize| {
        kept.iter()
            .map(|column| sheet.cell(row, *column).clone())
            .collect::<Vec<Cell>>()
    };
    let mut header = take(mapping.header_row);
    header.extend([Cell::text(SOURCE_ROW), Cell::text(REASONS)]);
    let mut rows = vec![header];
    for planned in plan.rows.iter().filter(|row| row.outcome == Outcome::Refused) {
        let reasons: Vec<String> = plan
            .findings_of(planned.row)
            .iter()
            .filter(|finding| finding.severity() == Severity::Error)
            .map(|finding| {
                format!(
                    "{} ({}) : {}. {}",
                    finding.heading(mapping),
                    finding.place(),
                    finding.message(),
                    finding.fix()
                )
            })
            .collect();
        let mut cells = take(planned.row - 1);
        #[expect(clippy::cast_precision_loss, reason = "row numbers are small")]
        cells.push(Cell::Number(planned.row as f64));
        cells.push(Cell::text(
            reasons.join(" | ").chars().take(REASONS_MAX).collect::<String>(),
        ));
        rows.push(cells);
    }
    Sheet {
        name: Some("Lignes refusées".to_owned()),
        date_system: sheet.date_system,
        rows,
    }
}

impl Plan {
    /// The findings of a row, which the file counts from 1.
    pub fn findings_of(&self, row: usize) -> &[super::findings::Finding] {
        let start = self.findings.partition_point(|finding| finding.row < row);
        let end = self.findings.partition_point(|finding| finding.row <= row);
        self.findings.get(start..end).unwrap_or_default()
    }
}
