//! Broken rules in words.

use mppeep_core::domain::personnel::MatriculePattern;
use mppeep_core::domain::stored_file::FileType;
use mppeep_core::domain::validation::{Rule, Violations};

use super::fields::field_name;
use super::format;
use super::labels::Label;
use crate::pages::ui::FormErrors;

/// What is wrong with a value, as a sentence.
#[must_use]
pub(crate) fn rule_message(rule: &Rule) -> String {
    match rule {
        Rule::Required => "Ce champ est obligatoire.".to_owned(),
        Rule::TooShort { min } => format!("Au moins {min} caractères sont nécessaires."),
        Rule::TooLong { max } => format!("Au plus {max} caractères sont acceptés."),
        Rule::BadCharacters => "Ce texte contient des caractères qui ne sont pas acceptés.".to_owned(),
        Rule::Format { expected } if expected == "2026-12-31" => {
            "Cette date n’est pas valide ; attendu : jour, mois et année.".to_owned()
        }
        Rule::Format { expected } if expected == MatriculePattern::DEFAULT => {
            "De 2 à 20 lettres sans accent, chiffres ou tirets.".to_owned()
        }
        Rule::Format { expected } => format!("La forme attendue est : {expected}"),
        Rule::OutOfRange { min, max } => {
            format!(
                "La valeur doit être comprise entre {} et {}.",
                bound(min),
                bound(max)
            )
        }
        Rule::Unknown { nearest } if nearest.is_empty() => "Cette valeur n’est pas connue.".to_owned(),
        Rule::Unknown { nearest } => {
            let list: Vec<String> = nearest.iter().map(|name| format!("« {name} »")).collect();
            format!(
                "Cette valeur n’est pas connue. Vouliez-vous dire {} ?",
                list.join(" ou ")
            )
        }
        Rule::MustFollow {
            other,
            or_equal: true,
        } => {
            format!("Cette date ne peut pas précéder « {} ».", field_name(other))
        }
        Rule::MustFollow {
            other,
            or_equal: false,
        } => {
            format!("Cette date doit suivre « {} ».", field_name(other))
        }
        Rule::InFuture => "Cette date est trop loin dans l’avenir.".to_owned(),
        Rule::Taken => "Cette valeur est déjà utilisée.".to_owned(),
        Rule::TooCommon => "Ce mot de passe est trop facile à deviner.".to_owned(),
        Rule::Mismatch { other } => format!("Cette valeur ne correspond pas à « {} ».", field_name(other)),
        Rule::NoDayCounted => {
            "Aucun jour décompté : la période ne contient que des jours non travaillés.".to_owned()
        }
        Rule::NotAllowed => "Vous n’avez pas le droit de modifier ce champ.".to_owned(),
        Rule::FileType { accepted } => {
            let ends: Vec<String> = accepted.iter().map(|end| format!(".{end}")).collect();
            format!(
                "Ce type de fichier n’est pas accepté. Sont acceptés : {}.",
                ends.join(", ")
            )
        }
        Rule::FileContent { found: Some(found) } => {
            let said = FileType::by_code(found).map_or(*found, Label::label);
            format!("Le contenu du fichier n’est pas ce que son nom annonce : il ressemble à « {said} ».")
        }
        Rule::FileContent { found: None } => {
            "Le contenu du fichier n’est pas ce que son nom annonce, ou il est abîmé.".to_owned()
        }
        Rule::EmptyFile => "Ce fichier est vide.".to_owned(),
        Rule::Unreadable => "Ce fichier ne peut pas être lu : il est peut-être abîmé.".to_owned(),
        Rule::InUse { count } => {
            format!(
                "Encore utilisé par {}.",
                format::plural(*count, "enregistrement", "enregistrements")
            )
        }
        _ => "Cette valeur n’est pas acceptée.".to_owned(),
    }
}

/// A limit as people read it: dates are written in French.
fn bound(text: &str) -> String {
    text.parse::<jiff::civil::Date>()
        .map_or_else(|_| text.to_owned(), format::date)
}

/// Violations as the errors of a form.
#[must_use]
pub(crate) fn form_errors(violations: &Violations) -> FormErrors {
    let mut errors = FormErrors::new();
    for violation in &violations.0 {
        errors.add(violation.field.clone(), rule_message(&violation.rule));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_said_in_french() {
        assert_eq!(
            rule_message(&Rule::OutOfRange {
                min: "1900-01-01".into(),
                max: "2200-12-31".into()
            }),
            "La valeur doit être comprise entre 01/01/1900 et 31/12/2200."
        );
        assert_eq!(
            rule_message(&Rule::MustFollow {
                other: "birth_date",
                or_equal: false
            }),
            "Cette date doit suivre « Date de naissance »."
        );
        let usual = Rule::Format {
            expected: MatriculePattern::DEFAULT.to_owned(),
        };
        assert!(!rule_message(&usual).contains('['));
        let errors = form_errors(&Violations::one(
            "grade",
            Rule::Unknown {
                nearest: vec!["A4".into()],
            },
        ));
        assert!(
            errors
                .get("grade")
                .is_some_and(|message| message.contains("« A4 »"))
        );
    }
}
