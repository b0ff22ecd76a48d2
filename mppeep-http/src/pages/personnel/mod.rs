//! Agents: the list, the sheet, the form, the departure.

pub(crate) mod columns;
mod departure;
mod export;
mod facts;
mod fields;
pub(crate) mod filters;
pub(crate) mod form;
mod header;
pub(crate) mod list;
mod sheet;

use mppeep_core::domain::permission::{Action, Resource};

use crate::routes::{RouteTable, get, post};

pub(super) fn routes() -> RouteTable {
    use Action::{Read, Write};
    RouteTable::pages()
        .route("/personnel", get(list::list).needs(Resource::Directory, Read))
        .route("/personnel", post(form::create).needs(Resource::Career, Write))
        .route(
            "/personnel/nouveau",
            get(form::new).needs(Resource::Career, Write),
        )
        .route(
            "/personnel/export",
            get(export::export).needs(Resource::Directory, Action::Export),
        )
        .route(
            "/personnel/retraite",
            get(form::retirement).needs(Resource::Career, Write),
        )
        .route("/personnel/{id}", get(sheet::sheet).session())
        .route("/personnel/{id}/imprimer", get(sheet::print).session())
        .route(
            "/personnel/{id}/modifier",
            get(form::edit).needs(Resource::Career, Write),
        )
        .route(
            "/personnel/{id}/modifier",
            post(form::update).needs(Resource::Career, Write),
        )
        .route(
            "/personnel/{id}/depart",
            get(departure::departure).needs(Resource::Career, Write),
        )
        .route(
            "/personnel/{id}/depart",
            post(departure::leave).needs(Resource::Career, Write),
        )
        .route(
            "/personnel/{id}/restauration",
            post(departure::restore).needs(Resource::Career, Write),
        )
}
