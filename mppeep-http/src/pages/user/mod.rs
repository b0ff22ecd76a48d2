//! Login accounts, for who runs the system.

mod form;
mod list;
mod rights;

pub(super) use list::SessionLine;
use mppeep_core::domain::permission::{Action, Resource};

use crate::routes::{RouteTable, get, post};

pub(super) fn routes() -> RouteTable {
    use Action::{Read, Write};
    use Resource::User;
    RouteTable::pages()
        .route("/admin/utilisateurs", get(list::show_list).needs(User, Read))
        .route("/admin/utilisateurs", post(form::create).needs(User, Write))
        .route(
            "/admin/utilisateurs/nouveau",
            get(form::new_form).needs(User, Write),
        )
        .route("/admin/utilisateurs/{id}", get(list::detail).needs(User, Read))
        .route("/admin/utilisateurs/{id}", post(form::update).needs(User, Write))
        .route(
            "/admin/utilisateurs/{id}/modifier",
            get(form::edit_form).needs(User, Write),
        )
        .route(
            "/admin/utilisateurs/{id}/statut",
            post(form::set_status).needs(User, Write),
        )
        .route(
            "/admin/utilisateurs/{id}/mot-de-passe",
            post(form::reset_password).needs(User, Write),
        )
        .route(
            "/admin/utilisateurs/{id}/inviter",
            post(form::invite).needs(User, Write),
        )
        .route(
            "/admin/utilisateurs/{id}/sessions",
            post(form::end_sessions).needs(User, Write),
        )
        .route(
            "/admin/utilisateurs/{id}/droits",
            get(rights::of_user).needs(User, Read),
        )
        .route("/admin/roles", get(rights::roles).needs(User, Read))
}
