//! The contents of documents.

use axum::response::Response;
use mppeep_core::domain::id::DocumentId;
use serde::Deserialize;

use crate::download::{self, As, Asked};
use crate::extract::{PathId, QueryParams};
use crate::pages::visit::Visit;
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContentQuery {
    number: Option<u32>,
}

async fn send(
    visit: &Visit,
    id: DocumentId,
    query: &ContentQuery,
    how: As,
    asked: &Asked,
) -> Result<Response, Problem> {
    let service = &visit.state.services.documents;
    let content = service
        .open(&visit.actor, id, query.number, |file| asked.reading(how, file))
        .await?;
    download::send(content, how, asked).await
}

pub(super) async fn download(
    visit: Visit,
    PathId(id): PathId<DocumentId>,
    QueryParams(query): QueryParams<ContentQuery>,
    asked: Asked,
) -> Result<Response, Problem> {
    send(&visit, id, &query, As::Attachment, &asked).await
}

pub(super) async fn preview(
    visit: Visit,
    PathId(id): PathId<DocumentId>,
    QueryParams(query): QueryParams<ContentQuery>,
    asked: Asked,
) -> Result<Response, Problem> {
    send(&visit, id, &query, As::Preview, &asked).await
}
