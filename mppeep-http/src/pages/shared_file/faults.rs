//! What reading a file found wrong, as a page and as a file.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::header;
use mppeep_core::domain::id::SharedFileId;
use mppeep_core::domain::shared_file::{RowFault, SharedFile};
use mppeep_core::ports::spreadsheet::{Cell, Sheet, SheetFormat};
use serde::Deserialize;

use super::PATH;
use crate::catalogue;
use crate::extract::{PathId, QueryParams};
use crate::pages::frame::Frame;
use crate::pages::visit::{Visit, show};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FaultsQuery {
    format: Option<String>,
}

#[derive(Template)]
#[template(path = "shared_file/faults.html")]
struct FaultsPage {
    frame: Frame,
    lead: String,
    refusal: String,
    faults: Vec<RowFault>,
    csv_url: String,
    back: String,
}

pub(super) async fn show_faults(
    visit: Visit,
    PathId(id): PathId<SharedFileId>,
    QueryParams(asked): QueryParams<FaultsQuery>,
) -> Result<Response, Problem> {
    let file = visit.state.services.shared_files.get(&visit.actor, id).await?;
    if asked.format.as_deref() == Some("csv") {
        return csv(&visit, file).await;
    }
    let path = format!("{PATH}/{id}");
    let name = file.file_name.as_str().to_owned();
    let reading = file.reading.unwrap_or_default();
    show(&FaultsPage {
        frame: visit
            .frame("Rapport d’erreurs")
            .under("Fichiers", PATH)
            .under(name.clone(), &path)
            .here("Rapport d’erreurs"),
        lead: format!(
            "{name} · {}",
            catalogue::plural_of(reading.faults.len(), "erreur", "erreurs")
        ),
        refusal: reading.refusal.unwrap_or_default(),
        faults: reading.faults,
        csv_url: visit.url(&format!("{path}/erreurs?format=csv")),
        back: visit.url(&path),
    })
}

async fn csv(visit: &Visit, file: SharedFile) -> Result<Response, Problem> {
    let spreadsheets = std::sync::Arc::clone(&visit.state.services.spreadsheets);
    let faults = file.reading.unwrap_or_default().faults;
    let written = tokio::task::spawn_blocking(move || spreadsheets.write(SheetFormat::Csv, &table(&faults)))
        .await
        .map_err(Problem::internal)?;
    let bytes = written.map_err(Problem::internal)?;
    Ok((
        [
            (header::CONTENT_TYPE, SheetFormat::Csv.media_type()),
            (
                header::CONTENT_DISPOSITION,
                "attachment; filename=\"rapport-erreurs.csv\"",
            ),
        ],
        bytes,
    )
        .into_response())
}

fn table(faults: &[RowFault]) -> Sheet {
    let mut lines = vec![["Ligne", "Colonne", "Erreur"].map(Cell::text).to_vec()];
    for fault in faults {
        lines.push(vec![
            Cell::Number(f64::from(fault.row)),
            Cell::text(fault.column.clone().unwrap_or_default()),
            Cell::text(fault.message.clone()),
        ]);
    }
    Sheet::of(lines)
}
