//! The journal as a table for spreadsheets.

use std::fmt::Write as _;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::services::activity::ActivityView;

use super::{JournalQuery, diff, shown_label, stamp};
use crate::catalogue::Label;
use crate::extract::QueryParams;
use crate::pages::visit::Visit;
use crate::problem::Problem;

/// Lines of an export at most.
const EXPORT_MAX: usize = 50_000;

pub(super) async fn export(
    visit: Visit,
    QueryParams(asked): QueryParams<JournalQuery>,
) -> Result<Response, Problem> {
    let units = visit.state.services.organisation.names().await?;
    let filter = asked.understand().filter;
    let mut table = String::from('\u{feff}');
    csv_row(
        &mut table,
        &[
            "Date et heure (UTC)",
            "Utilisateur",
            "Action",
            "Objet",
            "Libellé",
            "Modifications",
            "Adresse IP",
            "Requête",
        ],
    );
    let lines = visit
        .state
        .services
        .activity
        .export(&visit.actor, &filter, EXPORT_MAX)
        .await?;
    for row in &lines {
        export_line(&mut table, row, &units);
    }
    let name = format!("journal-{}.csv", visit.today);
    let mut response = table.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8"),
    );
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

fn export_line(table: &mut String, row: &ActivityView, units: &Organisation) {
    let activity = &row.activity;
    let mut changes = String::new();
    for change in diff(row, units).map(|diff| diff.changes).unwrap_or_default() {
        if !changes.is_empty() {
            changes.push_str(" | ");
        }
        let _ = write!(changes, "{} : {} → {}", change.field, change.before, change.after);
    }
    csv_row(
        table,
        &[
            &stamp(activity.at),
            &activity.actor_name,
            activity.action.label(),
            activity.entity.label(),
            &shown_label(activity),
            &changes,
            activity.address.as_deref().unwrap_or_default(),
            activity.request_id.as_deref().unwrap_or_default(),
        ],
    );
}

/// One row: `;` between cells, quotes where needed, and nothing that a spreadsheet would take for a formula.
fn csv_row(table: &mut String, cells: &[&str]) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            table.push(';');
        }
        let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let guard = if formula { "'" } else { "" };
        if formula || cell.contains([';', '"', '\n', '\r']) {
            let _ = write!(table, "\"{guard}{}\"", cell.replace('"', "\"\""));
        } else {
            table.push_str(cell);
        }
    }
    table.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cannot_become_formulas() {
        let mut table = String::new();
        csv_row(&mut table, &["=1+1", "a;b", "dit \"oui\"", "simple", ""]);
        assert_eq!(table, "\"'=1+1\";\"a;b\";\"dit \"\"oui\"\"\";simple;\r\n");
    }
}
