//! Settings, a page a section, and public holidays.

mod fields;
mod holidays;
mod page;
mod sections;

use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::settings::SettingsSection;

use super::ui::{Tab, Tabs};
use super::visit::Visit;
use crate::catalogue::Label;
use crate::routes::{RouteTable, get, post};

pub(super) fn routes() -> RouteTable {
    use Action::{Read, Write};
    use Resource::Setting;
    RouteTable::pages()
        .route("/admin/parametres", get(page::index).needs(Setting, Read))
        .route(
            "/admin/parametres/{section}",
            get(page::show_section).needs(Setting, Read),
        )
        .route(
            "/admin/parametres/{section}",
            post(page::save_section).needs(Setting, Write),
        )
        .route(
            "/admin/parametres/feries",
            get(holidays::show_holidays).needs(Setting, Read),
        )
        .route(
            "/admin/parametres/feries",
            post(holidays::add).needs(Setting, Write),
        )
        .route(
            "/admin/parametres/feries/connus",
            post(holidays::add_known).needs(Setting, Write),
        )
        .route(
            "/admin/parametres/feries/{id}",
            get(holidays::edit_form).needs(Setting, Write),
        )
        .route(
            "/admin/parametres/feries/{id}",
            post(holidays::update).needs(Setting, Write),
        )
        .route(
            "/admin/parametres/feries/{id}/supprimer",
            post(holidays::remove).needs(Setting, Write),
        )
}

/// Where public holidays stand among the sections.
const HOLIDAYS: &str = "feries";

/// The way between the sections; `current` is a section's code or [`HOLIDAYS`].
fn tabs(visit: &Visit, current: &str) -> Tabs {
    let mut tabs = Vec::new();
    let mut add = |code: &str, label: &str| {
        let url = visit.url(&format!("/admin/parametres/{code}"));
        tabs.push(Tab {
            label: label.to_owned(),
            url,
            current: code == current,
            count: None,
        });
    };
    for section in SettingsSection::ALL {
        // The full name stands in the heading of the section; here it would break the line.
        let label = if *section == SettingsSection::Charter {
            "Charte"
        } else {
            section.label()
        };
        add(section.code(), label);
        if *section == SettingsSection::Calendar {
            add(HOLIDAYS, "Jours fériés");
        }
    }
    Tabs {
        label: "Sections des paramètres".to_owned(),
        tabs,
    }
}
