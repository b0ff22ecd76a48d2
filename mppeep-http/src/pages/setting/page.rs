//! The page of one section.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use mppeep_core::domain::activity::EntityKind;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::settings::{MinistrySettings, SettingsSection, contrast_with_white};
use mppeep_core::domain::validation::{Rule, Violation, Violations};
use mppeep_core::ports::activity::ActivityFilter;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::services::ServiceError;
use serde::Deserialize;

use super::fields;
use super::sections::{self, Values};
use super::tabs;
use crate::catalogue::{self, Label};
use crate::extract::{FormFields, PathId, QueryParams};
use crate::pages::activity::diff;
use crate::pages::frame::Frame;
use crate::pages::ui::{Diff, ErrorSummary, FormErrors, Section, Tabs};
use crate::pages::visit::{Visit, show, show_with};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PageQuery {
    note: Option<String>,
}

#[derive(Template)]
#[template(path = "setting/section.html")]
struct SectionPage {
    frame: Frame,
    tabs: Tabs,
    action: String,
    version: i64,
    may_write: bool,
    effect: &'static str,
    errors: ErrorSummary,
    sections: Vec<Section>,
    colours: Vec<Colour>,
    history: Vec<Saved>,
}

/// A colour as it looks under white text.
struct Colour {
    label: &'static str,
    hex: String,
    contrast: String,
    readable: bool,
}

/// One earlier change.
struct Saved {
    when: String,
    by: String,
    diff: Option<Diff>,
}

/// A section named in an address.
pub(super) struct Named(SettingsSection);

impl std::str::FromStr for Named {
    type Err = ();

    fn from_str(code: &str) -> Result<Self, ()> {
        SettingsSection::by_code(code).map(Self).ok_or(())
    }
}

pub(super) async fn index(visit: Visit) -> Response {
    visit.go(&format!("/admin/parametres/{}", SettingsSection::Ministry.code()))
}

fn colours(ministry: &MinistrySettings) -> Vec<Colour> {
    [
        ("Couleur principale", &ministry.brand_colour),
        ("Couleur d’accent", &ministry.accent_colour),
    ]
    .into_iter()
    .filter_map(|(label, hex)| {
        let contrast = contrast_with_white(hex)?;
        Some(Colour {
            label,
            hex: hex.clone(),
            contrast: format!("{contrast:.1}").replace('.', ","),
            readable: contrast >= 4.5,
        })
    })
    .collect()
}

async fn history(visit: &Visit, section: SettingsSection) -> Result<Vec<Saved>, Problem> {
    if !visit.may(Resource::Journal, Action::Read) {
        return Ok(Vec::new());
    }
    let filter = ActivityFilter {
        entities: vec![EntityKind::Setting],
        words: vec![section.code().to_owned()],
        ..ActivityFilter::default()
    };
    let units = visit.state.services.organisation.names().await?;
    let page = visit
        .state
        .services
        .activity
        .list(&visit.actor, filter, &PageRequest::first(20))
        .await?;
    let saved = page
        .rows
        .iter()
        .filter(|row| row.activity.label == section.code())
        .take(5)
        .map(|row| Saved {
            when: catalogue::instant(row.activity.at),
            by: row.activity.actor_name.clone(),
            diff: diff(row, &units),
        })
        .collect();
    Ok(saved)
}

async fn section_page(
    visit: &Visit,
    section: SettingsSection,
    version: i64,
    values: &Values,
    errors: &FormErrors,
) -> Result<SectionPage, Problem> {
    let form = fields::form(section, values, errors);
    let mut summary = ErrorSummary::of_fields(form.iter().flat_map(|section| &section.fields));
    if let Some(message) = errors.get("week") {
        summary
            .errors
            .push(("week.0".to_owned(), format!("Jours travaillés : {message}")));
    }
    Ok(SectionPage {
        frame: visit
            .frame("Paramètres")
            .under("Paramètres", "/admin/parametres")
            .here(section.label()),
        tabs: tabs(visit, section.code()),
        action: visit.url(&format!("/admin/parametres/{}", section.code())),
        version,
        may_write: visit.may(Resource::Setting, Action::Write),
        effect: sections::effect(section),
        errors: summary,
        sections: form,
        colours: if section == SettingsSection::Ministry {
            colours(&visit.settings.ministry)
        } else {
            Vec::new()
        },
        history: history(visit, section).await?,
    })
}

pub(super) async fn show_section(
    visit: Visit,
    PathId(Named(section)): PathId<Named>,
    QueryParams(asked): QueryParams<PageQuery>,
) -> Result<Response, Problem> {
    let settings = visit.state.services.settings.read(&visit.actor).await?;
    let version = settings.versions.get(&section).copied().unwrap_or(0);
    let values = sections::present(&settings, section);
    let mut page = section_page(&visit, section, version, &values, &FormErrors::new()).await?;
    page.frame = page.frame.note(asked.note.as_deref());
    show(&page)
}

/// What is wrong, in the words of this page.
fn explained(violations: &Violations) -> FormErrors {
    let mut errors = FormErrors::new();
    for Violation { field, rule } in &violations.0 {
        let message = match (field.as_str(), rule) {
            ("brand_colour", Rule::OutOfRange { .. }) => {
                "Le blanc ne se lit pas assez sur cette couleur : choisissez-en une plus foncée (contraste de 4,5 au moins)."
                    .to_owned()
            }
            ("weights", Rule::Required) => "Au moins un coefficient doit dépasser zéro.".to_owned(),
            ("week", Rule::Required) => "Au moins un jour doit être travaillé.".to_owned(),
            (_, rule) => catalogue::rule_message(rule),
        };
        errors.add(field.clone(), message);
    }
    errors
}

pub(super) async fn save_section(
    visit: Visit,
    PathId(Named(section)): PathId<Named>,
    fields: FormFields,
) -> Result<Response, Problem> {
    let version: i64 = fields
        .single("version")?
        .parse()
        .map_err(|_| Problem::unreadable("La version manque."))?;
    let values = sections::given(&fields, section)?;
    let errors = match sections::json(section, &values) {
        Err(errors) => errors,
        Ok(json) => match visit
            .state
            .services
            .settings
            .save(&visit.actor, section, version, json)
            .await
        {
            Ok(()) => {
                return Ok(visit.go(&format!(
                    "/admin/parametres/{}?note=settings-saved",
                    section.code()
                )));
            }
            Err(ServiceError::Invalid(violations)) => explained(&violations),
            Err(other) => return Err(other.into()),
        },
    };
    show_with(
        StatusCode::UNPROCESSABLE_ENTITY,
        &section_page(&visit, section, version, &values, &errors).await?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use mppeep_core::domain::settings::Settings;
    use serde_json::json;

    #[test]
    fn a_pale_colour_is_refused_with_its_reason() {
        let mut settings = Settings::default();
        let refused = settings
            .set_section(SettingsSection::Ministry, json!({"brand_colour": "#ffff00"}))
            .unwrap_err();
        let errors = explained(&refused);
        assert!(
            errors
                .get("brand_colour")
                .is_some_and(|text| text.contains("plus foncée"))
        );
        let refused = settings
            .set_section(SettingsSection::Evaluations, json!({"weights": [0, 0, 0, 0, 0]}))
            .unwrap_err();
        assert!(
            explained(&refused)
                .get("weights")
                .is_some_and(|text| text.contains("coefficient"))
        );
    }

    #[test]
    fn the_colours_of_the_house_are_judged() {
        let judged = colours(&MinistrySettings::default());
        assert_eq!(
            judged.iter().map(|colour| colour.readable).collect::<Vec<_>>(),
            [true, false]
        );
        assert!("ministry".parse::<Named>().is_ok() && "nothing".parse::<Named>().is_err());
    }
}
