//! Pages: each handler reads the request, asks one service, and shows a template.

mod absence;
mod account;
mod accueil;
pub(crate) mod charts;
mod dashboard;
mod error;
pub(crate) mod frame;
mod icons;
mod links;
mod login;
mod office;
mod organisation;
mod personnel;
mod theme;
pub(crate) mod ui;
pub(crate) mod visit;

pub use error::error_page;

use crate::routes::RouteTable;

/// The routes of all pages.
pub(crate) fn routes() -> RouteTable {
    RouteTable::pages()
        .merge(accueil::routes())
        .merge(dashboard::routes())
        .merge(personnel::routes())
        .merge(organisation::routes())
        .merge(login::routes())
        .merge(account::routes())
        .merge(absence::routes())
        .merge(theme::routes())
}
