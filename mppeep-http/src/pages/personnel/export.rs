//! The list as a file: what is seen, with the columns that are seen.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use mppeep_core::domain::personnel::PersonnelField;
use mppeep_core::ports::spreadsheet::SheetFormat;
use mppeep_core::services::personnel_export::ExportPersonnel;
use mppeep_core::services::personnel_import::ImportError;

use super::columns::Column;
use super::filters::ListParams;
use super::list::{COLUMNS_COOKIE, allowed};
use crate::app::AppState;
use crate::extract::QueryParams;
use crate::pages::visit::{Visit, cookie};
use crate::problem::Problem;

/// The fields that are always in the file: who it is about.
const NAMES: [PersonnelField; 4] = [
    PersonnelField::Matricule,
    PersonnelField::FamilyName,
    PersonnelField::GivenNames,
    PersonnelField::JobTitle,
];

/// The fields behind a column; figures that the server computes have none.
const fn fields_of(column: Column) -> &'static [PersonnelField] {
    use PersonnelField as F;
    match column {
        Column::Matricule | Column::Absences | Column::Score | Column::Retirement => &[],
        Column::Department => &[F::Department],
        Column::Grade => &[F::Grade, F::Step],
        Column::Position => &[F::Position],
        Column::Status => &[F::Status],
        Column::Seniority => &[F::ServiceStartDate],
        Column::Phone => &[F::WorkPhone],
        Column::Email => &[F::Email],
        Column::BirthDate => &[F::BirthDate],
    }
}

/// Sends the list as a file that an import reads back.
pub(super) async fn export(
    visit: Visit,
    State(state): State<AppState>,
    headers: HeaderMap,
    QueryParams(params): QueryParams<ListParams>,
) -> Result<Response, Problem> {
    let allowed = allowed(&visit);
    let units = state.services.organisation.names().await?;
    let asked = params.understand(visit.today, &units, allowed);
    let format = match params.format.as_deref() {
        Some("csv") => SheetFormat::Csv,
        _ => SheetFormat::Xlsx,
    };
    // « Toutes les données » takes every field the reader may export.
    let fields = params.all_fields.is_none().then(|| {
        let columns = Column::chosen(cookie(&headers, COLUMNS_COOKIE), allowed);
        NAMES
            .into_iter()
            .chain(columns.into_iter().flat_map(fields_of).copied())
            .collect()
    });
    let export = ExportPersonnel {
        filter: asked.filter,
        sort: asked.sort,
        descending: asked.descending,
        fields,
    };
    let bytes = state
        .services
        .exports
        .file(&visit.actor, export, format)
        .await
        .map_err(|error| match error {
            ImportError::Service(error) => Problem::from(error),
            other => Problem::internal(other),
        })?;
    let name = format!("personnel-{}.{}", visit.today, format.extension());
    Ok(attachment(&name, format, bytes))
}

fn attachment(name: &str, format: SheetFormat, bytes: Vec<u8>) -> Response {
    let kind = match format {
        SheetFormat::Csv => "text/csv; charset=utf-8",
        SheetFormat::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    };
    let disposition = format!("attachment; filename=\"{name}\"");
    (
        [
            (header::CONTENT_TYPE, kind.to_owned()),
            (header::CONTENT_DISPOSITION, disposition),
        ],
        bytes,
    )
        .into_response()
}
