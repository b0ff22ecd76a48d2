//! The contents of documents.

use axum::response::Response;
use http::HeaderMap;
use mppeep_core::domain::id::DocumentId;
use serde::Deserialize;

use crate::download::{self, As};
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
    asked: &ContentQuery,
    how: As,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let service = &visit.state.services.documents;
    let content = service.open(&visit.actor, id, asked.number).await?;
    download::send(content, how, headers).await
}

pub(super) async fn download(
    visit: Visit,
    PathId(id): PathId<DocumentId>,
    QueryParams(asked): QueryParams<ContentQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    send(&visit, id, &asked, As::Attachment, &headers).await
}

pub(super) async fn preview(
    visit: Visit,
    PathId(id): PathId<DocumentId>,
    QueryParams(asked): QueryParams<ContentQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    send(&visit, id, &asked, As::Preview, &headers).await
}
