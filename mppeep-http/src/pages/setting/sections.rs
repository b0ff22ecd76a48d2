//! The values of each section: as a form holds them, and as the section again.

use std::collections::BTreeMap;

use mppeep_core::domain::absence::AbsenceType;
use mppeep_core::domain::document::DocumentKind;
use mppeep_core::domain::evaluation::Criterion;
use mppeep_core::domain::grade::Grade;
use mppeep_core::domain::settings::{Settings, SettingsSection};
use serde_json::{Map, Value};

use crate::extract::FormFields;
use crate::pages::ui::FormErrors;
use crate::problem::Problem;

/// Values of a section's leaves, by dotted path.
pub(super) type Values = BTreeMap<String, String>;

/// What a leaf of a section is in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaf {
    Text,
    /// A whole number below 65 536.
    Number,
    /// A whole number that may be larger and be written with spaces.
    Amount,
    Flag,
}

/// The leaves of a section in order; members of lists follow each other.
fn leaves(section: SettingsSection) -> Vec<(String, Leaf)> {
    use SettingsSection as S;
    let plain = |names: &[&str], leaf| {
        names
            .iter()
            .map(|name| ((*name).to_owned(), leaf))
            .collect::<Vec<_>>()
    };
    match section {
        S::Ministry => plain(
            &[
                "name",
                "short_name",
                "minister",
                "footer",
                "brand_colour",
                "accent_colour",
            ],
            Leaf::Text,
        ),
        S::Personnel => plain(&["matricule_pattern"], Leaf::Text),
        S::Calendar => (0..7).map(|day| (format!("week.{day}"), Leaf::Flag)).collect(),
        S::Absences => AbsenceType::ALL
            .iter()
            .map(|kind| (format!("modes.{}", kind.code()), Leaf::Text))
            .collect(),
        S::Evaluations => {
            let mut leaves: Vec<_> = (0..Criterion::ALL.len())
                .map(|index| (format!("weights.{index}"), Leaf::Number))
                .collect();
            leaves.extend(plain(
                &["excellent_from", "very_good_from", "good_from", "fair_from"],
                Leaf::Number,
            ));
            leaves
        }
        S::Retirement => {
            let mut leaves = plain(&["mode"], Leaf::Text);
            leaves.extend(plain(&["default_age"], Leaf::Number));
            leaves.extend(
                Grade::all()
                    .iter()
                    .map(|grade| (format!("ages.{grade}"), Leaf::Number)),
            );
            leaves
        }
        S::Payroll => {
            let mut leaves = plain(&["allowance_label", "deduction_label"], Leaf::Text);
            leaves.extend(plain(
                &["point_value_millifrancs", "allowance_francs"],
                Leaf::Amount,
            ));
            leaves.extend(plain(&["deduction_basis_points"], Leaf::Number));
            leaves
        }
        S::Files => {
            let mut leaves = plain(
                &[
                    "max_upload_mib",
                    "quota_gib",
                    "retention_days",
                    "expiry_notice_days",
                ],
                Leaf::Number,
            );
            leaves.extend(
                DocumentKind::ALL
                    .iter()
                    .map(|kind| (format!("mandatory_documents.{}", kind.code()), Leaf::Flag)),
            );
            leaves
        }
        S::Security => plain(&["password_min_length", "idle_minutes"], Leaf::Number),
        S::Charter => plain(&["text"], Leaf::Text),
        S::Maintenance => {
            let mut leaves = plain(&["banner"], Leaf::Text);
            leaves.extend(plain(&["read_only"], Leaf::Flag));
            leaves
        }
    }
}

/// Whether the members of this name are a list rather than named ones.
fn is_list(name: &str) -> bool {
    matches!(name, "week" | "weights")
}

/// The values of a section as they are.
pub(super) fn present(settings: &Settings, section: SettingsSection) -> Values {
    let json = settings.section(section);
    let leaf = |path: &str| {
        path.split('.')
            .try_fold(&json, |value, name| match name.parse::<usize>() {
                Ok(index) if value.is_array() => value.get(index),
                _ => value.get(name),
            })
    };
    leaves(section)
        .into_iter()
        .map(|(path, _)| {
            let text = match leaf(&path) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Bool(flag)) => if *flag { "1" } else { "" }.to_owned(),
                Some(Value::Number(number)) => number.to_string(),
                _ => String::new(),
            };
            (path, text)
        })
        .collect()
}

/// The values of a section as a form sends them.
pub(super) fn given(fields: &FormFields, section: SettingsSection) -> Result<Values, Problem> {
    leaves(section)
        .into_iter()
        .map(|(path, _)| {
            let text = fields.single(&path)?.to_owned();
            Ok((path, text))
        })
        .collect()
}

/// The section of these values as JSON.
pub(super) fn json(section: SettingsSection, values: &Values) -> Result<Value, FormErrors> {
    let mut errors = FormErrors::new();
    let mut members = Map::new();
    for (path, leaf) in leaves(section) {
        let text = values.get(&path).map(String::as_str).unwrap_or_default();
        let value = match leaf {
            Leaf::Text => Value::from(text),
            Leaf::Flag => Value::from(!text.is_empty()),
            Leaf::Number | Leaf::Amount => {
                let number = if leaf == Leaf::Amount {
                    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
                    digits.parse::<u32>().ok()
                } else {
                    text.trim().parse::<u16>().ok().map(u32::from)
                };
                let Some(number) = number else {
                    errors.add(path.clone(), "Un nombre entier est attendu.");
                    continue;
                };
                Value::from(number)
            }
        };
        match path.split_once('.') {
            None => {
                members.insert(path, value);
            }
            Some((name, _)) if is_list(name) => {
                let list = members.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(items) = list {
                    items.push(value);
                }
            }
            Some((name, member)) => {
                let group = members.entry(name).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(inner) = group {
                    inner.insert(member.to_owned(), value);
                }
            }
        }
    }
    if errors.is_empty() {
        Ok(Value::Object(members))
    } else {
        Err(errors)
    }
}

/// What saving does beyond the form.
pub(super) const fn effect(section: SettingsSection) -> &'static str {
    use SettingsSection as S;
    match section {
        S::Ministry => "Le nom et les couleurs changent aussitôt sur toutes les pages.",
        S::Personnel => {
            "Les matricules déjà enregistrés sont gardés ; la nouvelle forme est exigée à la prochaine saisie."
        }
        S::Calendar => {
            "Les absences enregistrées gardent leur décompte ; les suivantes, et celles qu’on corrige, suivent la nouvelle semaine."
        }
        S::Absences => {
            "Les absences enregistrées gardent leur décompte ; les suivantes, et celles qu’on corrige, suivent le nouveau mode."
        }
        S::Evaluations => {
            "Les notes finales enregistrées ne changent pas. Les appréciations affichées suivent aussitôt les nouveaux seuils."
        }
        S::Retirement => "La date de départ de tous les agents est recalculée au moment de l’enregistrement.",
        S::Payroll => {
            "Les bulletins déjà calculés ne changent pas ; un nouveau calcul suit les nouvelles valeurs. Les valeurs d’origine viennent de la presse : vérifiez-les dans les textes."
        }
        S::Files => {
            "La taille et l’espace valent pour les prochains dépôts. Les pièces obligatoires et les échéances se lisent aussitôt sur la page « Documents »."
        }
        S::Security => {
            "La fermeture après inactivité s’applique aussitôt, aussi aux sessions ouvertes. La longueur vaut pour les nouveaux mots de passe."
        }
        S::Charter => {
            "Un nouveau texte doit être accepté par chaque utilisateur à sa prochaine page. Un texte vide retire la charte."
        }
        S::Maintenance => {
            "S’applique aussitôt à tous. Les connexions et les paramètres restent possibles en lecture seule."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::form;
    use super::*;

    #[test]
    fn every_section_survives_its_form() {
        let mut settings = Settings::default();
        settings.ministry.minister = "Awa Koné".to_owned();
        settings.evaluations.weights = [3, 2, 1, 1, 0];
        settings.maintenance.read_only = true;
        settings.security.idle_minutes = 10_080;
        for section in SettingsSection::ALL {
            let values = present(&settings, *section);
            let mut again = Settings::default();
            again
                .set_section(*section, json(*section, &values).unwrap())
                .unwrap();
            assert_eq!(again.section(*section), settings.section(*section), "{section:?}");
        }
    }

    #[test]
    fn every_leaf_has_a_field() {
        let settings = Settings::default();
        for section in SettingsSection::ALL {
            let values = present(&settings, *section);
            let names: Vec<String> = form(*section, &values, &FormErrors::new())
                .into_iter()
                .flat_map(|section| section.fields)
                .map(|field| field.name)
                .collect();
            for (path, _) in leaves(*section) {
                assert!(names.contains(&path), "{path} of {section:?}");
            }
            assert_eq!(names.len(), values.len(), "{section:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused_at_its_field() {
        let mut values = present(&Settings::default(), SettingsSection::Retirement);
        values.insert("ages.A4".to_owned(), "soixante".to_owned());
        values.insert("default_age".to_owned(), "-1".to_owned());
        let errors = json(SettingsSection::Retirement, &values).unwrap_err();
        assert!(errors.get("ages.A4").is_some() && errors.get("default_age").is_some());
        assert!(errors.get("mode").is_none());
    }

    #[test]
    fn amounts_may_be_large_and_written_with_spaces() {
        let mut values = present(&Settings::default(), SettingsSection::Payroll);
        values.insert(
            "point_value_millifrancs".to_owned(),
            "1 233\u{202f}457".to_owned(),
        );
        let section = json(SettingsSection::Payroll, &values).unwrap();
        assert_eq!(section["point_value_millifrancs"], 1_233_457);
        for (path, wrong) in [
            ("point_value_millifrancs", "233,457"),
            ("allowance_francs", ""),
            ("allowance_francs", "4294967296"),
            ("deduction_basis_points", "70000"),
        ] {
            let mut values = values.clone();
            values.insert(path.to_owned(), wrong.to_owned());
            let errors = json(SettingsSection::Payroll, &values).unwrap_err();
            assert!(errors.get(path).is_some(), "{path} {wrong}");
        }
    }

    #[test]
    fn a_box_that_is_not_ticked_is_off() {
        let mut values = present(&Settings::default(), SettingsSection::Calendar);
        values.insert("week.0".to_owned(), String::new());
        values.insert("week.5".to_owned(), "1".to_owned());
        let mut settings = Settings::default();
        settings
            .set_section(
                SettingsSection::Calendar,
                json(SettingsSection::Calendar, &values).unwrap(),
            )
            .unwrap();
        assert_eq!(
            settings.calendar.week.0,
            [false, true, true, true, true, true, false]
        );
    }
}
