//! One file: what it is, the beginning of its table, what can be done with it.

use askama::Template;
use axum::response::Response;
use mppeep_core::domain::id::SharedFileId;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::shared_file::{SharedFile, SharedFileStatus};
use mppeep_core::services::ServiceError;
use mppeep_core::services::shared_files::Preview;
use serde::Deserialize;

use super::PATH;
use crate::catalogue::{self, Label};
use crate::download::{self, As, Asked};
use crate::extract::{FormFields, PathId, QueryParams};
use crate::pages::document::{refusal, status_of, version_of};
use crate::pages::frame::Frame;
use crate::pages::ui::{Badge, Fact, Facts, Tone};
use crate::pages::visit::{Visit, show, show_with};
use crate::problem::Problem;

/// Faults that the page of a file names.
const FAULTS: usize = 5;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DetailQuery {
    note: Option<String>,
    apercu: Option<String>,
}

#[derive(Template)]
#[template(path = "shared_file/detail.html")]
struct DetailPage {
    frame: Frame,
    title: String,
    kind: &'static str,
    badge: Badge,
    facts: Facts,
    path: String,
    version: i64,
    reading: bool,
    refusal: String,
    faults: Vec<(u32, String, String)>,
    more_faults: bool,
    table: bool,
    preview: Option<Preview>,
    preview_refused: bool,
    look_url: Option<String>,
    may_write: bool,
    may_read_again: bool,
    archived: bool,
    confirm: bool,
}

fn page(visit: &Visit, file: &SharedFile, frame: Frame) -> DetailPage {
    use SharedFileStatus as S;
    let path = visit.url(&format!("{PATH}/{}", file.id));
    let reading = file.reading.clone().unwrap_or_default();
    let count = |number: Option<u32>| number.map(|number| catalogue::number(u64::from(number)));
    let mut facts = vec![
        Fact::new("Type", file.fields.kind.label()),
        Fact::new(
            "Période",
            file.fields
                .period
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ),
        Fact::new("Remarque", file.fields.note.clone().unwrap_or_default()),
        Fact::new(
            "Contenu",
            format!("{} · {}", file.file.kind.label(), catalogue::size(file.file.size)),
        ),
        Fact::new(
            "Déposé",
            format!(
                "le {} par {}",
                catalogue::instant(file.created_at),
                file.uploaded_by_name
            ),
        ),
    ];
    if file.file.kind.is_table() {
        facts.push(Fact::new(
            "Lignes correctes",
            count(reading.rows_ok).unwrap_or_default(),
        ));
        facts.push(Fact::new(
            "Lignes en erreur",
            count(reading.rows_wrong).unwrap_or_default(),
        ));
    }
    if let Some(at) = file.archived_at {
        facts.push(Fact::new("Archivé le", catalogue::instant(at)));
    }
    let may_write = visit
        .actor
        .scope(Resource::SharedFile, Action::Write)
        .reaches_made(file.uploaded_by);
    let looked_at = file.file.kind.is_previewable();
    DetailPage {
        frame,
        title: file.file_name.as_str().to_owned(),
        kind: file.fields.kind.label(),
        badge: catalogue::file_badge(file.status),
        facts: Facts { facts, rows: true },
        version: file.version,
        reading: matches!(file.status, S::Uploaded | S::Processing),
        refusal: reading.refusal.unwrap_or_default(),
        more_faults: reading.faults.len() > FAULTS,
        faults: reading
            .faults
            .into_iter()
            .take(FAULTS)
            .map(|fault| (fault.row, fault.column.unwrap_or_default(), fault.message))
            .collect(),
        table: file.file.kind.is_table(),
        preview: None,
        preview_refused: false,
        look_url: looked_at.then(|| format!("{path}/apercu")),
        may_write,
        may_read_again: may_write && matches!(file.status, S::Processed | S::Failed),
        archived: file.status == S::Archived,
        confirm: false,
        path,
    }
}

fn frame(visit: &Visit, file: &SharedFile) -> Frame {
    let name = file.file_name.as_str();
    visit.frame(name).under("Fichiers", PATH).here(name)
}

pub(super) async fn show_detail(
    visit: Visit,
    PathId(id): PathId<SharedFileId>,
    QueryParams(asked): QueryParams<DetailQuery>,
) -> Result<Response, Problem> {
    let service = &visit.state.services.shared_files;
    let file = service.get(&visit.actor, id).await?;
    let frame = frame(&visit, &file).note(asked.note.as_deref());
    let mut page = page(&visit, &file, frame);
    // Looking into a table is noted in the journal, so that it is asked for.
    if asked.apercu.is_some() && page.table {
        match service.preview(&visit.actor, id).await {
            Ok(preview) => page.preview = preview.map(even),
            Err(ServiceError::State("unreadable-table")) => page.preview_refused = true,
            Err(other) => return Err(other.into()),
        }
    }
    show(&page)
}

/// The same with rows of one width, so that they stand in one table.
fn even(mut preview: Preview) -> Preview {
    let rows = preview.rows.iter().map(Vec::len);
    let width = rows.max().unwrap_or_default().max(preview.header.len());
    preview.header.resize(width, String::new());
    for row in &mut preview.rows {
        row.resize(width, String::new());
    }
    preview
}

pub(super) async fn remove_form(visit: Visit, PathId(id): PathId<SharedFileId>) -> Result<Response, Problem> {
    let file = visit.state.services.shared_files.get(&visit.actor, id).await?;
    let frame = frame(&visit, &file);
    let mut page = page(&visit, &file, frame);
    page.confirm = page.may_write;
    show(&page)
}

/// What became of a change: the page that says so, or the file as it is now with why nothing was done.
async fn done<T>(
    visit: &Visit,
    id: SharedFileId,
    outcome: Result<T, ServiceError>,
    next: &str,
) -> Result<Response, Problem> {
    let error = match outcome {
        Ok(_) => return Ok(visit.go(next)),
        Err(error) => error,
    };
    let status = status_of(&error);
    let errors = refusal(error)?;
    let file = visit.state.services.shared_files.get(&visit.actor, id).await?;
    let mut frame = frame(visit, &file);
    if let Some(message) = errors.get("") {
        frame = frame.say(Tone::Danger, message);
    }
    show_with(status, &page(visit, &file, frame))
}

pub(super) async fn read_again(
    visit: Visit,
    PathId(id): PathId<SharedFileId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version = version_of(&fields)?;
    let service = &visit.state.services.shared_files;
    let outcome = service.read_again(&visit.actor, id, version).await;
    done(&visit, id, outcome, &format!("{PATH}/{id}?note=file-again")).await
}

pub(super) async fn archive(
    visit: Visit,
    PathId(id): PathId<SharedFileId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version = version_of(&fields)?;
    let service = &visit.state.services.shared_files;
    let outcome = service.archive(&visit.actor, id, version).await;
    done(&visit, id, outcome, &format!("{PATH}/{id}?note=file-archived")).await
}

pub(super) async fn remove(
    visit: Visit,
    PathId(id): PathId<SharedFileId>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version = version_of(&fields)?;
    let service = &visit.state.services.shared_files;
    let outcome = service.remove(&visit.actor, id, version).await;
    done(&visit, id, outcome, &format!("{PATH}?note=file-removed")).await
}

async fn send(visit: &Visit, id: SharedFileId, how: As, asked: &Asked) -> Result<Response, Problem> {
    let service = &visit.state.services.shared_files;
    let content = service
        .open(&visit.actor, id, |file| asked.reading(how, file))
        .await?;
    download::send(content, how, asked).await
}

pub(super) async fn download(
    visit: Visit,
    PathId(id): PathId<SharedFileId>,
    asked: Asked,
) -> Result<Response, Problem> {
    send(&visit, id, As::Attachment, &asked).await
}

pub(super) async fn preview(
    visit: Visit,
    PathId(id): PathId<SharedFileId>,
    asked: Asked,
) -> Result<Response, Problem> {
    send(&visit, id, As::Preview, &asked).await
}
