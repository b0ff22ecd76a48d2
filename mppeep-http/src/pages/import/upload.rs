//! The file: chosen, read, kept for the steps that follow; and the empty model of one.

use askama::Template;
use axum::extract::Multipart;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use mppeep_core::domain::import::template_sheet;
use mppeep_core::domain::personnel::PersonnelField;
use mppeep_core::ports::import::ImportStatus;
use mppeep_core::ports::spreadsheet::SheetFormat;
use mppeep_core::services::personnel_import::ImportError;
use serde::Deserialize;

use super::{PATH, frame, problem, steps};
use crate::catalogue;
use crate::extract::QueryParams;
use crate::pages::frame::Frame;
use crate::pages::ui::{Badge, Steps, Tone};
use crate::pages::visit::{Visit, show, show_with};
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "import/upload.html")]
struct UploadPage {
    frame: Frame,
    steps: Steps,
    error: String,
    recent: Vec<Recent>,
}

struct Recent {
    url: String,
    name: String,
    when: String,
    status: Badge,
}

async fn page(visit: &Visit, error: String) -> Result<UploadPage, Problem> {
    let files = visit
        .state
        .services
        .imports
        .list(&visit.actor)
        .await
        .map_err(problem)?;
    let recent = files
        .into_iter()
        .take(10)
        .map(|file| Recent {
            url: visit.url(&format!("{PATH}/{}", file.id)),
            name: file.file_name,
            when: catalogue::instant(file.created_at),
            status: status_badge(file.status),
        })
        .collect();
    Ok(UploadPage {
        frame: frame(visit),
        steps: steps(0),
        error,
        recent,
    })
}

fn status_badge(status: ImportStatus) -> Badge {
    match status {
        ImportStatus::Uploaded => Badge::new("À contrôler", Tone::Info),
        ImportStatus::Running => Badge::new("En cours", Tone::Info),
        ImportStatus::Done => Badge::new("Importé", Tone::Success),
        ImportStatus::Failed => Badge::new("Refusé", Tone::Danger),
    }
}

pub(super) async fn form(visit: Visit) -> Result<Response, Problem> {
    show(&page(&visit, String::new()).await?)
}

/// The first file of a form, by the name and the bytes it was sent with.
async fn file_of(mut multipart: Multipart) -> Result<Option<(String, Bytes)>, Problem> {
    while let Some(field) = multipart.next_field().await.map_err(Problem::from_multipart)? {
        if field.name() != Some("file") {
            continue;
        }
        let name = field.file_name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(Problem::from_multipart)?;
        if !name.is_empty() {
            return Ok(Some((name, bytes)));
        }
    }
    Ok(None)
}

pub(super) async fn upload(visit: Visit, multipart: Multipart) -> Result<Response, Problem> {
    let refused =
        |text: String| async { show_with(StatusCode::UNPROCESSABLE_ENTITY, &page(&visit, text).await?) };
    let Some((name, bytes)) = file_of(multipart).await? else {
        return refused("Choisissez un fichier.".to_owned()).await;
    };
    match visit
        .state
        .services
        .imports
        .upload(&visit.actor, &name, bytes)
        .await
    {
        Ok(id) => Ok(visit.go(&format!("{PATH}/{id}/colonnes"))),
        Err(ImportError::Sheet(error)) => refused(error.french()).await,
        Err(ImportError::Mapping(error)) => refused(error.french()).await,
        Err(other) => Err(problem(other)),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ModelQuery {
    format: Option<String>,
}

pub(super) async fn model(
    visit: Visit,
    QueryParams(asked): QueryParams<ModelQuery>,
) -> Result<Response, Problem> {
    let format = if asked.format.as_deref() == Some("xlsx") {
        SheetFormat::Xlsx
    } else {
        SheetFormat::Csv
    };
    let sheet = template_sheet(PersonnelField::ALL);
    let bytes = visit
        .state
        .services
        .imports
        .write(&visit.actor, format, sheet)
        .await
        .map_err(problem)?;
    Ok(download("modele-personnel", format, bytes))
}

/// A table as a file to keep; `stem` is ours.
pub(super) fn download(stem: &str, format: SheetFormat, bytes: Vec<u8>) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.media_type()),
    );
    let disposition = format!("attachment; filename=\"{stem}.{}\"", format.extension());
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
