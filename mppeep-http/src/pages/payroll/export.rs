//! The slips of a month as a file, with their sums.

use axum::response::{IntoResponse, Response};
use http::header;
use mppeep_core::domain::payroll::Month;
use mppeep_core::ports::payroll::SlipRow;
use mppeep_core::ports::spreadsheet::{Cell, Sheet, SheetFormat};
use serde::Deserialize;

use crate::catalogue::{self, Label};
use crate::extract::{PathId, QueryParams};
use crate::pages::visit::Visit;
use crate::problem::Problem;

const HEADINGS: [&str; 8] = [
    "Matricule",
    "Nom et prénoms",
    "Indice",
    "Base",
    "Indemnité",
    "Retenue",
    "Net à payer",
    "Statut",
];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FileQuery {
    format: Option<String>,
}

/// Sends the slips of a month as a file.
pub(super) async fn export(
    visit: Visit,
    PathId(month): PathId<Month>,
    QueryParams(asked): QueryParams<FileQuery>,
) -> Result<Response, Problem> {
    let format = match asked.format.as_deref() {
        Some("csv") => SheetFormat::Csv,
        _ => SheetFormat::Xlsx,
    };
    let rows = visit.state.services.payroll.export(&visit.actor, month).await?;
    let spreadsheets = std::sync::Arc::clone(&visit.state.services.spreadsheets);
    let name = format!("paie-{month}.{}", format.extension());
    let written = tokio::task::spawn_blocking(move || spreadsheets.write(format, &table(&rows, month)))
        .await
        .map_err(Problem::internal)?;
    let bytes = written.map_err(Problem::internal)?;
    let disposition = format!("attachment; filename=\"{name}\"");
    Ok((
        [
            (header::CONTENT_TYPE, format.media_type().to_owned()),
            (header::CONTENT_DISPOSITION, disposition),
        ],
        bytes,
    )
        .into_response())
}

/// One line a slip, then a line of sums.
fn table(rows: &[SlipRow], month: Month) -> Sheet {
    let mut sums = [0_i64; 4];
    let mut lines = vec![HEADINGS.map(Cell::text).to_vec()];
    for row in rows {
        let slip = &row.slip;
        let amounts = [
            slip.amounts.base,
            slip.amounts.allowance,
            slip.amounts.deduction,
            slip.amounts.net,
        ];
        let mut line = vec![
            Cell::text(row.matricule.clone()),
            Cell::text(row.name.clone()),
            Cell::Number(f64::from(slip.index)),
        ];
        for (sum, amount) in sums.iter_mut().zip(amounts) {
            *sum += amount;
            line.push(number(amount));
        }
        line.push(Cell::text(slip.status.label()));
        lines.push(line);
    }
    let count = catalogue::plural_of(rows.len(), "bulletin", "bulletins");
    let mut last = vec![Cell::text("Total"), Cell::text(count), Cell::Empty];
    last.extend(sums.map(number));
    lines.push(last);
    Sheet {
        name: Some(format!("Paie {month}")),
        ..Sheet::of(lines)
    }
}

/// Francs as a number: sums of salaries are far below what a double holds exactly.
#[expect(clippy::cast_precision_loss, reason = "amounts stay far below 2^53")]
fn number(francs: i64) -> Cell {
    Cell::Number(francs as f64)
}

#[cfg(test)]
mod tests {
    use mppeep_core::domain::id::{PersonnelId, SlipId};
    use mppeep_core::domain::payroll::{PayrollSettings, Slip, SlipStatus, compute};

    use super::*;

    #[test]
    fn the_last_line_is_the_sum_of_the_others() {
        let month = Month::new(2026, 11).unwrap();
        let rows: Vec<SlipRow> = (1_u16..=3)
            .map(|number| SlipRow {
                slip: Slip {
                    id: SlipId::from_uuid(uuid::Uuid::from_u128(u128::from(number))),
                    personnel: PersonnelId::from_uuid(uuid::Uuid::from_u128(u128::from(number))),
                    month,
                    status: SlipStatus::Draft,
                    index: number * 501,
                    amounts: compute(number * 501, &PayrollSettings::default()),
                    settings: PayrollSettings::default(),
                    fence: 1,
                    version: 1,
                    computed_at: "2026-11-22T09:00:00Z".parse().unwrap(),
                    computed_by: None,
                    validated: None,
                },
                matricule: format!("M-{number}"),
                name: "KONÉ Awa".to_owned(),
            })
            .collect();
        let sheet = table(&rows, month);
        assert_eq!(sheet.rows.len(), 5);
        let value = |row: usize, column: usize| match sheet.cell(row, column) {
            Cell::Number(number) => *number,
            other => panic!("{other:?}"),
        };
        for column in 3..=6 {
            let sum: f64 = (1..=3).map(|row| value(row, column)).sum();
            assert_eq!(sum.to_bits(), value(4, column).to_bits(), "column {column}");
        }
    }
}
