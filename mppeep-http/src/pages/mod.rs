//! Pages: each handler reads the request, asks one service, and shows a template.

mod absence;
mod access;
mod account;
mod accueil;
mod activity;
pub(crate) mod charts;
mod dashboard;
mod document;
mod error;
mod evaluation;
pub(crate) mod frame;
mod icons;
mod import;
mod links;
mod login;
mod notice;
mod office;
mod organisation;
mod payroll;
mod personnel;
mod photo;
mod profile;
mod queue;
mod setting;
mod shared_file;
mod theme;
mod traffic;
pub(crate) mod ui;
mod user;
pub(crate) mod visit;

pub(crate) use error::error_page;

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
        .merge(access::routes())
        .merge(queue::routes())
        .merge(absence::routes())
        .merge(activity::routes())
        .merge(evaluation::routes())
        .merge(payroll::routes())
        .merge(document::routes())
        .merge(shared_file::routes())
        .merge(photo::routes())
        .merge(import::routes())
        .merge(notice::routes())
        .merge(profile::routes())
        .merge(setting::routes())
        .merge(traffic::routes())
        .merge(user::routes())
        .merge(theme::routes())
}
