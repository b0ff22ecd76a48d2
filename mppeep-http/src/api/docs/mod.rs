//! The documentation page: the description, in the order and the words of a reader. It is as public as the description.

mod schema_text;
mod view;

use std::sync::OnceLock;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use crate::app::AppState;
use crate::catalogue;
use crate::pages::frame::Frame;
use crate::pages::visit::{show, theme_of};
use crate::problem::Problem;
use crate::routes::{RouteTable, get};
use view::{Group, SchemaView, StatusView};

/// Where the page is, below the root.
pub(crate) const PATH: &str = "/api/docs";

pub(super) fn routes() -> RouteTable {
    RouteTable::pages().route(PATH, get(page).public())
}

/// What does not depend on the reader, made when it is first asked for.
#[derive(Template)]
#[template(path = "api/operations.html")]
struct Operations {
    groups: Vec<Group>,
    schemas: Vec<SchemaView>,
    statuses: Vec<StatusView>,
}

#[derive(Template)]
#[template(path = "api/docs.html")]
struct DocsPage<'a> {
    frame: Frame,
    version: &'static str,
    groups: Vec<(&'a str, &'a str)>,
    operations: &'a str,
}

/// The written part of the page.
#[derive(Debug, Default)]
pub(crate) struct Written(OnceLock<String>);

impl Written {
    fn get(&self, description: &[u8]) -> Result<&str, Problem> {
        if let Some(text) = self.0.get() {
            return Ok(text);
        }
        let document = serde_json::from_slice(description).map_err(Problem::internal)?;
        let text = operations(&document).render().map_err(Problem::internal)?;
        Ok(self.0.get_or_init(|| text))
    }
}

fn operations(document: &serde_json::Value) -> Operations {
    Operations {
        groups: view::groups(document),
        schemas: view::schemas(document),
        statuses: view::STATUSES
            .iter()
            .map(|code| StatusView {
                code,
                meaning: catalogue::status_meaning(code),
            })
            .collect(),
    }
}

async fn page(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, Problem> {
    let operations = state.docs.get(&state.openapi)?;
    show(&DocsPage {
        frame: Frame::bare(&state.urls, "Documentation de l’API", theme_of(&headers)),
        version: env!("CARGO_PKG_VERSION"),
        groups: catalogue::API_GROUPS
            .iter()
            .copied()
            .filter(|(tag, _)| operations.contains(&format!("id=\"groupe-{tag}\"")))
            .collect(),
        operations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::urls::Urls;

    #[test]
    fn every_operation_is_on_the_page_in_french() {
        let document = crate::openapi(&Urls::new("/mppeep"));
        let mut seen = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(
                    catalogue::operation_title(id).is_some(),
                    "catalogue/api.rs has no title for {id} ({method} {path})"
                );
                let tag = operation["tags"][0].as_str().unwrap();
                assert!(
                    catalogue::API_GROUPS.iter().any(|(known, _)| *known == tag),
                    "catalogue/api.rs has no group {tag}"
                );
                seen += 1;
            }
        }
        let shown: usize = view::groups(&document)
            .iter()
            .map(|group| group.operations.len())
            .sum();
        assert_eq!(shown, seen);
    }

    #[test]
    fn the_page_is_plain_text_in_order() {
        let document = crate::openapi(&Urls::new("/mppeep"));
        let html = operations(&document).render().unwrap();
        for word in [
            "id=\"create_personnel\"",
            "/mppeep/api/v1/personnel",
            "MP-104512",
            "id=\"schema-Personnel\"",
            "Idempotency-Key",
        ] {
            assert!(html.contains(word), "{word}");
        }
        assert!(
            !html.contains("style=") && !html.contains("<script"),
            "inline code"
        );
    }
}
