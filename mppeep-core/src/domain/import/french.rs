//! Findings in the words of an HR office.

use super::findings::{DuplicateBy, Finding, Problem};
use super::words::field_label;
use crate::domain::personnel::PersonnelField;
use crate::domain::validation::Rule;
use crate::ports::spreadsheet::Cell;

/// « a », « b » or « c ».
fn quoted(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("« {value} »")).collect();
    match quoted.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} ou {last}", before.join(", ")),
        _ => quoted.concat(),
    }
}

fn label_of(code: &str) -> String {
    PersonnelField::by_code(code).map_or_else(|| code.to_owned(), |field| field_label(field).to_owned())
}

fn iso_to_french(text: &str) -> String {
    text.parse::<jiff::civil::Date>()
        .map_or_else(|_| text.to_owned(), |date| Cell::Date(date).display())
}

/// What is wrong.
pub(super) fn message(finding: &Finding) -> String {
    let given = &finding.given;
    let label = finding.field.map_or("La valeur", field_label);
    match &finding.problem {
        Problem::Rule(rule) => rule_message(rule, label, given),
        Problem::UnreadableDate => format!("« {given} » n'est pas une date"),
        Problem::TwoDigitYear { .. } => format!("« {given} » : l'année n'a que deux chiffres"),
        Problem::MonthFirst { .. } => format!("« {given} » : le mois semble écrit avant le jour"),
        Problem::ImpossibleDay => format!("« {given} » n'existe pas dans le calendrier"),
        Problem::YearOnly => format!("« {given} » ne donne que l'année"),
        Problem::PrecisionMismatch => {
            format!("« {given} » ne donne que l'année, mais la précision annonce le jour")
        }
        Problem::NotWhole => format!("« {given} » n'est pas un nombre entier"),
        Problem::UnknownValue { .. } => format!("{label} inconnu(e) : « {given} »"),
        Problem::UnknownDepartment { .. } => format!("Service inconnu : « {given} »"),
        Problem::AmbiguousDepartment { .. } => format!("Plusieurs services s'appellent « {given} »"),
        Problem::ClosedDepartment => format!("Le service « {given} » est fermé"),
        Problem::UnknownDirectorate { .. } => {
            format!("Direction inconnue : « {given} » (c'est le service qui compte)")
        }
        Problem::OtherDirectorate { actual } => {
            format!("Le service dépend de la direction « {actual} », pas de « {given} »")
        }
        Problem::DamagedNumber => format!("« {given} » : le tableur a abîmé ce numéro"),
        Problem::DateInText => format!("Le tableur a transformé cette valeur en date ({given})"),
        Problem::FormulaError => format!("La formule de cette cellule échoue ({given})"),
        Problem::DuplicateRow { other_rows } => {
            let rows: Vec<String> = other_rows.iter().take(5).map(usize::to_string).collect();
            let more = if other_rows.len() > 5 { "…" } else { "" };
            let noun = if other_rows.len() > 1 {
                "aux lignes"
            } else {
                "à la ligne"
            };
            format!(
                "Le matricule « {given} » figure aussi {noun} {}{more}",
                rows.join(", ")
            )
        }
        Problem::Archived { since } => {
            format!(
                "L'agent « {given} » est archivé depuis le {}",
                Cell::Date(*since).display()
            )
        }
        Problem::SamePerson { matricule, row, by } => {
            let what = match by {
                DuplicateBy::NameAndBirth => "Mêmes nom, prénoms et date de naissance",
                DuplicateBy::NationalId => "Même N° CNI",
            };
            match row {
                Some(row) => format!("{what} que la ligne {row} (matricule {matricule})"),
                None => format!("{what} que l'agent {matricule} déjà enregistré"),
            }
        }
        Problem::AgeAtRecruitment { years } => format!("L'agent aurait été recruté à {years} ans"),
        Problem::LeadingZero { taken } => format!("Le zéro initial manque : « {given} » est lu {taken}"),
        Problem::NameDivided { family, given } => {
            format!("Le nom complet est lu : nom « {family} », prénoms « {given} »")
        }
    }
}

fn rule_message(rule: &Rule, label: &str, given: &str) -> String {
    match rule {
        Rule::Required => format!("{label} : une valeur est nécessaire"),
        Rule::TooShort { min } => format!("{label} : moins de {min} caractères"),
        Rule::TooLong { max } => format!("{label} : plus de {max} caractères"),
        Rule::BadCharacters => format!("{label} : « {given} » contient des caractères interdits"),
        Rule::Format { .. } => format!("{label} : « {given} » n'a pas la forme attendue"),
        Rule::OutOfRange { min, max } => {
            format!(
                "{label} : « {given} » n'est pas entre {} et {}",
                iso_to_french(min),
                iso_to_french(max)
            )
        }
        Rule::Unknown { .. } => format!("{label} : « {given} » est inconnu"),
        Rule::MustFollow {
            other,
            or_equal: false,
        } => format!("{label} doit suivre « {} »", label_of(other)),
        Rule::MustFollow {
            other,
            or_equal: true,
        } => {
            format!("{label} ne peut pas précéder « {} »", label_of(other))
        }
        Rule::InFuture => format!("{label} : « {given} » est dans l'avenir"),
        Rule::Taken => format!("{label} : « {given} » est déjà pris"),
        Rule::Mismatch { other } => format!("{label} ne s'accorde pas avec « {} »", label_of(other)),
        Rule::NotAllowed => format!("{label} ne peut pas être modifié"),
        Rule::TooCommon
        | Rule::NoDayCounted
        | Rule::FileType { .. }
        | Rule::FileContent { .. }
        | Rule::EmptyFile
        | Rule::Unreadable
        | Rule::InUse { .. } => {
            format!("{label} : « {given} » est refusé")
        }
    }
}

/// How to put it right.
pub(super) fn fix(finding: &Finding) -> String {
    match &finding.problem {
        Problem::Rule(rule) => rule_fix(rule, finding.column.is_none()),
        Problem::UnreadableDate => {
            "Écrivez la date sous la forme JJ/MM/AAAA, par exemple 14/03/1966.".to_owned()
        }
        Problem::TwoDigitYear { example } => {
            format!("Écrivez l'année sur quatre chiffres, par exemple {example}.")
        }
        Problem::MonthFirst { example } => format!("Écrivez le jour d'abord : {example}."),
        Problem::ImpossibleDay => "Corrigez le jour ou le mois.".to_owned(),
        Problem::YearOnly => "Écrivez le jour et le mois : JJ/MM/AAAA.".to_owned(),
        Problem::PrecisionMismatch => {
            "Écrivez la date complète, ou « Année seule » dans la colonne de précision.".to_owned()
        }
        Problem::NotWhole => "Écrivez un nombre entier, en chiffres.".to_owned(),
        Problem::UnknownValue { known } => match known.len() {
            1 => format!("Vouliez-vous dire {} ?", quoted(known)),
            _ => format!("Écrivez {}.", quoted(known)),
        },
        Problem::UnknownDepartment { nearest } if nearest.is_empty() => {
            "Écrivez le nom ou le code d'un service existant, ou créez d'abord le service.".to_owned()
        }
        Problem::UnknownDepartment { nearest } => {
            format!(
                "Vouliez-vous dire {} ? Sinon, créez d'abord le service.",
                quoted(nearest)
            )
        }
        Problem::AmbiguousDepartment { candidates } => {
            format!(
                "Écrivez le code du service, {}, ou ajoutez une colonne Direction.",
                quoted(candidates)
            )
        }
        Problem::ClosedDepartment => "Choisissez un service ouvert, ou rouvrez celui-ci.".to_owned(),
        Problem::UnknownDirectorate { nearest } if nearest.is_empty() => {
            "Corrigez la direction, ou laissez vide.".to_owned()
        }
        Problem::UnknownDirectorate { nearest } => format!("Vouliez-vous dire {} ?", quoted(nearest)),
        Problem::OtherDirectorate { .. } => {
            "Vérifiez le service ; la direction de la colonne n'est pas retenue.".to_owned()
        }
        Problem::DamagedNumber => {
            "Mettez la colonne au format Texte dans votre tableur, puis ressaisissez le numéro en entier."
                .to_owned()
        }
        Problem::DateInText => {
            "Mettez la colonne au format Texte dans votre tableur, puis ressaisissez la valeur.".to_owned()
        }
        Problem::FormulaError => "Remplacez la formule par sa valeur.".to_owned(),
        Problem::DuplicateRow { .. } => "Ne gardez qu'une ligne par matricule.".to_owned(),
        Problem::Archived { .. } => "Réintégrez d'abord l'agent, ou retirez la ligne.".to_owned(),
        Problem::SamePerson { .. } => {
            "Vérifiez qu'il s'agit bien de deux personnes ; sinon corrigez le matricule.".to_owned()
        }
        Problem::AgeAtRecruitment { .. } => {
            "Vérifiez la date de naissance et la date de recrutement.".to_owned()
        }
        Problem::LeadingZero { .. } => "Mettez la colonne au format Texte pour garder les zéros.".to_owned(),
        Problem::NameDivided { .. } => {
            "Si la coupure est fausse, séparez Nom et Prénoms en deux colonnes.".to_owned()
        }
    }
}

fn rule_fix(rule: &Rule, no_column: bool) -> String {
    match rule {
        Rule::Required if no_column => {
            "Ajoutez la colonne au fichier : elle est nécessaire pour créer un agent.".to_owned()
        }
        Rule::Required => "Remplissez la cellule.".to_owned(),
        Rule::TooShort { .. } | Rule::TooLong { .. } => "Corrigez la longueur du texte.".to_owned(),
        Rule::BadCharacters => "Ressaisissez la valeur sans caractère spécial.".to_owned(),
        Rule::Format { expected } => format!("Forme attendue : {expected}."),
        Rule::OutOfRange { min, max } => {
            format!(
                "Écrivez une valeur entre {} et {}.",
                iso_to_french(min),
                iso_to_french(max)
            )
        }
        Rule::Unknown { nearest } if nearest.is_empty() => "Écrivez une valeur connue.".to_owned(),
        Rule::Unknown { nearest } => format!("Vouliez-vous dire {} ?", quoted(nearest)),
        Rule::MustFollow { other, .. } => format!("Corrigez cette date ou « {} ».", label_of(other)),
        Rule::InFuture => "Écrivez une date passée.".to_owned(),
        Rule::Mismatch { other } => format!("Corrigez cette valeur ou « {} ».", label_of(other)),
        Rule::Taken
        | Rule::NotAllowed
        | Rule::TooCommon
        | Rule::NoDayCounted
        | Rule::FileType { .. }
        | Rule::FileContent { .. }
        | Rule::EmptyFile
        | Rule::Unreadable
        | Rule::InUse { .. } => "Corrigez la valeur.".to_owned(),
    }
}
