//! The import assistant: a file, its columns, a dry run, the import, its report.

mod check;
mod run;
mod runs;
mod upload;

use http::StatusCode;
use mppeep_core::domain::id::ImportId;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::ports::import::ImportFile;
use mppeep_core::ports::spreadsheet::SheetFormat;
use mppeep_core::services::personnel_import::ImportError;

use super::frame::Frame;
use super::ui::Steps;
use super::visit::Visit;
use crate::problem::Problem;
use crate::routes::{BodyLimit, RouteTable, get, post};

pub(super) fn routes() -> RouteTable {
    use Action::Write;
    use Resource::Import;
    RouteTable::pages()
        .route("/personnel/importer", get(upload::form).needs(Import, Write))
        .route(
            "/personnel/importer",
            post(upload::upload).needs(Import, Write).body(BodyLimit::Import),
        )
        .route(
            "/personnel/importer/modele",
            get(upload::model).needs(Import, Write),
        )
        .route("/personnel/importer/{id}", get(run::present).needs(Import, Write))
        .route(
            "/personnel/importer/{id}/colonnes",
            get(check::columns).needs(Import, Write),
        )
        .route(
            "/personnel/importer/{id}/colonnes",
            post(check::set_columns).needs(Import, Write),
        )
        .route(
            "/personnel/importer/{id}/controle",
            get(check::dry_run).needs(Import, Write),
        )
        .route(
            "/personnel/importer/{id}/rejets",
            get(check::refused_rows).needs(Import, Write),
        )
        .route(
            "/personnel/importer/{id}/lancer",
            post(run::start).needs(Import, Write),
        )
        .route(
            "/personnel/importer/{id}/progression",
            get(run::progress).needs(Import, Write),
        )
        .route(
            "/personnel/importer/{id}/rapport",
            get(run::report).needs(Import, Write),
        )
}

const PATH: &str = "/personnel/importer";
const TITLE: &str = "Importer des agents";

/// The assistant with one of its steps, from 0, marked.
fn steps(current: usize) -> Steps {
    let labels = ["Fichier", "Colonnes", "Contrôle à blanc", "Import", "Rapport"];
    Steps {
        labels: labels.map(str::to_owned).to_vec(),
        current,
    }
}

fn frame(visit: &Visit) -> Frame {
    visit.frame(TITLE).under("Personnel", "/personnel").here(TITLE)
}

/// What an import says when it cannot go on.
fn problem(error: ImportError) -> Problem {
    match error {
        ImportError::Sheet(sheet) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, sheet.code()).detail(sheet.french())
        }
        ImportError::Mapping(mapping) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, mapping.code()).detail(mapping.french())
        }
        ImportError::Service(service) => service.into(),
        other => Problem::internal(other),
    }
}

/// The reader's own upload of that identifier.
async fn upload_of(visit: &Visit, id: ImportId) -> Result<ImportFile, Problem> {
    let files = visit
        .state
        .services
        .imports
        .list(&visit.actor)
        .await
        .map_err(problem)?;
    files
        .into_iter()
        .find(|file| file.id == id)
        .ok_or_else(Problem::not_found)
}

/// The format in which tables about a file go back.
fn format_of(file_name: &str) -> SheetFormat {
    SheetFormat::of_file_name(file_name).unwrap_or(SheetFormat::Csv)
}
