//! The ministry's units: the tree, and their forms.

mod form;
mod tree;

use mppeep_core::domain::permission::{Action, Resource};

use crate::routes::{RouteTable, get, post};

pub(super) fn routes() -> RouteTable {
    use Action::{Read, Write};
    use Resource::Organisation as Units;
    RouteTable::pages()
        .route("/organigramme", get(tree::tree).needs(Units, Read))
        .route("/organigramme/nouveau", get(form::new).needs(Units, Write))
        .route("/organigramme/nouveau", post(form::create).needs(Units, Write))
        .route("/organigramme/{level}/{id}", get(form::edit).needs(Units, Write))
        .route(
            "/organigramme/{level}/{id}",
            post(form::update).needs(Units, Write),
        )
}
