//! Files that the services hand in: the list with its form, one file, what is wrong in it.

mod detail;
mod faults;
mod list;

use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::shared_file::SharedFile;

use super::ui::Badge;
use super::visit::Visit;
use crate::catalogue::{self, Label};
use crate::routes::{BodyLimit, RouteTable, get, post};

/// The list, below the root.
const PATH: &str = "/fichiers";

pub(super) fn routes() -> RouteTable {
    use Action::{Read, Write};
    use Resource::SharedFile;
    RouteTable::pages()
        .route(PATH, get(list::show_list).needs(SharedFile, Read))
        .route(
            PATH,
            post(list::hand_in)
                .needs(SharedFile, Write)
                .body(BodyLimit::Upload),
        )
        .route("/fichiers/{id}", get(detail::show_detail).needs(SharedFile, Read))
        .route(
            "/fichiers/{id}/contenu",
            get(detail::download).needs(SharedFile, Read),
        )
        .route(
            "/fichiers/{id}/apercu",
            get(detail::preview).needs(SharedFile, Read),
        )
        .route(
            "/fichiers/{id}/erreurs",
            get(faults::show_faults).needs(SharedFile, Read),
        )
        .route(
            "/fichiers/{id}/relancer",
            post(detail::read_again).needs(SharedFile, Write),
        )
        .route(
            "/fichiers/{id}/archiver",
            post(detail::archive).needs(SharedFile, Write),
        )
        .route(
            "/fichiers/{id}/supprimer",
            get(detail::remove_form).needs(SharedFile, Write),
        )
        .route(
            "/fichiers/{id}/supprimer",
            post(detail::remove).needs(SharedFile, Write),
        )
}

/// A file in a list.
struct Row {
    url: String,
    name: String,
    kind: &'static str,
    period: String,
    size: String,
    status: Badge,
    ok: String,
    wrong: String,
    any_wrong: bool,
    by: String,
    on: String,
}

impl Row {
    fn of(visit: &Visit, file: &SharedFile) -> Self {
        let rows = file.reading.as_ref();
        let count = |number: Option<u32>| {
            number.map_or_else(String::new, |number| catalogue::number(u64::from(number)))
        };
        let wrong = rows.and_then(|reading| reading.rows_wrong);
        Self {
            url: visit.url(&format!("{PATH}/{}", file.id)),
            name: file.file_name.as_str().to_owned(),
            kind: file.fields.kind.label(),
            period: file
                .fields
                .period
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            size: catalogue::size(file.file.size),
            status: catalogue::file_badge(file.status),
            ok: count(rows.and_then(|reading| reading.rows_ok)),
            any_wrong: wrong.is_some_and(|wrong| wrong > 0),
            wrong: count(wrong),
            by: file.uploaded_by_name.clone(),
            on: catalogue::date(catalogue::day_of(file.created_at)),
        }
    }
}
