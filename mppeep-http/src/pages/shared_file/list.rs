//! The list of files, and the form that hands one in.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::shared_file::{ACCEPTED_TYPES, SharedFileInput, SharedFileKind, SharedFileStatus};
use mppeep_core::domain::text;
use mppeep_core::domain::validation::{Rule, Violations};
use mppeep_core::ports::shared_file::SharedFileFilter;
use mppeep_core::services::ServiceError;
use mppeep_core::services::shared_files::Usage;
use mppeep_core::services::uploads::FIELD;
use serde::Deserialize;

use super::{PATH, Row};
use crate::catalogue::{self, Label};
use crate::extract::{Opened, QueryParams, UploadForm};
use crate::pages::document::{refusal, service_error, status_of};
use crate::pages::frame::Frame;
use crate::pages::office::{Paging, given};
use crate::pages::ui::{Chip, Chips, EmptyState, ErrorSummary, Field, FormErrors, Pager, Query};
use crate::pages::visit::{Visit, show_with};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    q: Option<String>,
    kind: Option<String>,
    status: Option<String>,
    size: Option<String>,
    start: Option<String>,
    cursor: Option<String>,
    note: Option<String>,
}

/// How much room there is.
struct Room {
    used: String,
    quota: String,
    percent: u64,
    tight: bool,
    retention: String,
}

impl Room {
    fn of(usage: &Usage, retention_days: u16) -> Self {
        let percent = usage
            .used
            .saturating_mul(100)
            .checked_div(usage.quota)
            .unwrap_or(100);
        Self {
            used: catalogue::size(usage.used),
            quota: catalogue::size(usage.quota),
            percent: percent.min(100),
            tight: percent >= 90 || usage.free.is_some_and(|free| free < 1 << 30),
            retention: match retention_days {
                0 => "Les fichiers archivés sont gardés sans limite de temps.".to_owned(),
                days => format!(
                    "Les fichiers archivés sont supprimés après {}.",
                    catalogue::plural(u64::from(days), "jour", "jours")
                ),
            },
        }
    }
}

#[derive(Template)]
#[template(path = "shared_file/list.html")]
struct ListPage {
    frame: Frame,
    words: String,
    filters: Vec<Field>,
    chips: Chips,
    rows: Vec<Row>,
    pager: Pager,
    empty: Option<EmptyState>,
    room: Room,
    form: Option<Vec<Field>>,
    errors: ErrorSummary,
    action: String,
}

fn form(visit: &Visit, input: &SharedFileInput, errors: &FormErrors) -> Vec<Field> {
    let kinds = catalogue::choices(SharedFileKind::ALL, SharedFileKind::code);
    let limit = catalogue::size(visit.settings.files.max_upload_bytes());
    vec![
        Field::select("kind", "Type", Some("Choisir…"), kinds)
            .required()
            .value(&input.kind)
            .errors(errors),
        Field::text("period", "Période")
            .value(&input.period)
            .errors(errors)
            .attribute("maxlength", "7")
            .help("2026, 2026-T3 ou 2026-11. Peut rester vide."),
        Field::text("note", "Remarque")
            .value(&input.note)
            .errors(errors)
            .attribute("maxlength", "500"),
        Field::input("file", FIELD, "Fichier")
            .required()
            .errors(errors)
            .attribute("accept", catalogue::extensions(ACCEPTED_TYPES))
            .help(format!(
                "Excel, CSV, PDF, Word, OpenDocument, texte ou image ; {limit} au plus."
            )),
    ]
}

async fn page(
    visit: &Visit,
    asked: &ListQuery,
    input: &SharedFileInput,
    errors: &FormErrors,
) -> Result<ListPage, Problem> {
    let path = visit.url(PATH);
    let words = given(asked.q.as_ref());
    let kind = asked.kind.as_deref().and_then(SharedFileKind::by_code);
    let status = asked.status.as_deref().and_then(SharedFileStatus::by_code);
    let query = Query::new()
        .and("q", words.unwrap_or_default())
        .and("kind", kind.map(SharedFileKind::code).unwrap_or_default())
        .and("status", status.map(SharedFileStatus::code).unwrap_or_default());
    let mut chips = Vec::new();
    let mut chip = |label: String, name: &str| {
        chips.push(Chip {
            label,
            remove: query.without(name).url(&path),
        });
    };
    if let Some(words) = words {
        chip(format!("Recherche : {words}"), "q");
    }
    if let Some(kind) = kind {
        chip(format!("Type : {}", kind.label()), "kind");
    }
    if let Some(status) = status {
        chip(format!("Statut : {}", status.label()), "status");
    }
    let filter = SharedFileFilter {
        kind,
        status,
        words: text::search_words(words.unwrap_or_default()),
        ..SharedFileFilter::default()
    };
    let paging = Paging::read(
        asked.size.as_deref(),
        asked.start.as_deref(),
        asked.cursor.as_deref(),
    );
    let service = &visit.state.services.shared_files;
    let found = service.list(&visit.actor, filter, &paging.request()).await?;
    let usage = service.usage(&visit.actor).await?;
    let pager = paging.pager(
        &query,
        &path,
        found.rows.len(),
        found.total,
        found.next.as_ref(),
        ("fichier", "fichiers"),
    );
    let kinds = catalogue::choices(SharedFileKind::ALL, SharedFileKind::code);
    let statuses = catalogue::choices(SharedFileStatus::ALL, SharedFileStatus::code);
    let may_write = visit.may(Resource::SharedFile, Action::Write);
    let form = may_write.then(|| form(visit, input, errors));
    let unfiltered = chips.is_empty();
    Ok(ListPage {
        frame: visit
            .frame("Fichiers")
            .under("Accueil", "/accueil")
            .here("Fichiers")
            .note(asked.note.as_deref()),
        words: words.unwrap_or_default().to_owned(),
        filters: vec![
            // The form beside has a field of the same name: identifiers stand once in a page.
            Field::select("kind", "Type", Some("Tous"), kinds)
                .value(kind.map(SharedFileKind::code).unwrap_or_default())
                .id("filter-kind"),
            Field::select("status", "Statut", Some("En cours"), statuses)
                .value(status.map(SharedFileStatus::code).unwrap_or_default()),
        ],
        chips: Chips {
            chips,
            clear: path.clone(),
        },
        empty: found.rows.is_empty().then(|| empty(unfiltered, may_write, &path)),
        rows: found.rows.iter().map(|file| Row::of(visit, file)).collect(),
        pager,
        room: Room::of(&usage, visit.settings.files.retention_days),
        errors: ErrorSummary::of_fields(form.iter().flatten()),
        form,
        action: path,
    })
}

fn empty(unfiltered: bool, may_write: bool, path: &str) -> EmptyState {
    let text = match (unfiltered, may_write) {
        (false, _) => "Aucun fichier ne répond à ces critères.",
        (true, true) => "Déposez un premier fichier avec le formulaire de cette page.",
        (true, false) => "Aucun service n’a encore déposé de fichier.",
    };
    EmptyState {
        icon: "archive",
        title: "Aucun fichier".to_owned(),
        text: text.to_owned(),
        actions: if unfiltered {
            Vec::new()
        } else {
            vec![("Retirer les filtres".to_owned(), path.to_owned())]
        },
    }
}

pub(super) async fn show_list(
    visit: Visit,
    QueryParams(asked): QueryParams<ListQuery>,
) -> Result<Response, Problem> {
    let page = page(&visit, &asked, &SharedFileInput::default(), &FormErrors::new()).await?;
    show_with(StatusCode::OK, &page)
}

pub(super) async fn hand_in(visit: Visit, mut form: UploadForm) -> Result<Response, Problem> {
    let service = &visit.state.services.shared_files;
    let Opened { fields, file } = form.open().await?;
    let text = |name| fields.single(name).map(str::to_owned);
    let input = SharedFileInput {
        kind: text("kind")?,
        period: text("period")?,
        note: text("note")?,
    };
    let error: ServiceError = match file {
        None => Violations::one(FIELD, Rule::Required).into(),
        Some(part) => match service.begin_upload(&visit.actor, part.name()).await {
            Err(error) => error,
            Ok(mut upload) => match form.pour(part, &mut upload).await {
                Err(error) => service_error(error)?,
                Ok(()) => match service.hand_in(&visit.actor, &input, upload).await {
                    Ok(file) => return Ok(visit.go(&format!("{PATH}/{}?note=file-received", file.id))),
                    Err(error) => error,
                },
            },
        },
    };
    let status = status_of(&error);
    let errors = refusal(error)?;
    let page = page(&visit, &ListQuery::default(), &input, &errors).await?;
    show_with(status, &page)
}
