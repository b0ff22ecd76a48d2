//! French names of fields, and their values as people read them.

use mppeep_core::domain::absence::AbsenceType;
use mppeep_core::domain::activity::FieldChange;
use mppeep_core::domain::calendar::Half;
use mppeep_core::domain::codes::{
    AdministrativePosition, AgentStatus, BirthPrecision, DepartureReason, MaritalStatus, Sex,
};
use mppeep_core::domain::document::{DocumentKind, DocumentState};
use mppeep_core::domain::evaluation::Criterion;
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::personnel::PersonnelField;
use mppeep_core::domain::shared_file::{SharedFileKind, SharedFileStatus};
use mppeep_core::domain::user::{Role, UserStatus};

use super::format;
use super::labels::{self, Label};
use crate::pages::ui::Change;

/// The name of a field of an agent's file.
#[must_use]
pub(crate) fn personnel_field(field: PersonnelField) -> &'static str {
    use PersonnelField as F;
    match field {
        F::Matricule => "Matricule",
        F::FamilyName => "Nom",
        F::GivenNames => "Prénoms",
        F::MaidenName => "Nom de jeune fille",
        F::Sex => "Sexe",
        F::BirthDate => "Date de naissance",
        F::BirthPrecision => "Précision de la date de naissance",
        F::BirthPlace => "Lieu de naissance",
        F::Nationality => "Nationalité",
        F::MaritalStatus => "Situation familiale",
        F::Children => "Nombre d’enfants",
        F::NationalId => "N° CNI",
        F::Passport => "N° de passeport",
        F::Status => "Statut",
        F::Position => "Position administrative",
        F::RecruitmentDate => "Date de recrutement",
        F::ServiceStartDate => "Prise de service",
        F::Department => "Service",
        F::JobTitle => "Fonction",
        F::Grade => "Grade",
        F::Step => "Échelon",
        F::SalaryIndex => "Indice",
        F::RetirementExtension => "Maintien en activité jusqu’au",
        F::WorkPhone => "Téléphone professionnel",
        F::PersonalPhone => "Téléphone personnel",
        F::Email => "Adresse e-mail",
        F::Address => "Adresse",
        F::Notes => "Notes",
    }
}

/// The name of a field by its code, whatever the record; an unknown code is given back.
#[must_use]
pub(crate) fn field_name(code: &str) -> &str {
    if let Some(field) = PersonnelField::by_code(code) {
        return personnel_field(field);
    }
    if let Some(criterion) = Criterion::by_code(code) {
        return criterion.label();
    }
    match code {
        "departure_date" => "Date de départ",
        "departure_reason" => "Motif du départ",
        "retirement_date" => "Départ à la retraite",
        "code" => "Code",
        "name" => "Nom",
        "head" | "head_id" => "Responsable",
        "active" => "Active",
        "programme" | "programme_id" => "Programme",
        "directorate" | "directorate_id" => "Direction",
        "department" => "Service",
        "kind" => "Type",
        "start_date" => "Premier jour",
        "start_half" => "À partir du",
        "end_date" => "Dernier jour",
        "end_half" => "Jusqu’au",
        "reason" => "Motif",
        "counted_half_days" => "Décompte",
        "cancelled_at" => "Annulation",
        "year" => "Année",
        "marks" => "Notes",
        "observations" => "Observations",
        "final_mark" => "Note finale",
        "email" => "Adresse e-mail",
        "display_name" => "Nom affiché",
        "roles" => "Rôles",
        "status" => "Statut",
        "personnel_id" => "Agent lié",
        "perimeter" => "Périmètre",
        "net" => "Net à payer",
        "point_value_millifrancs" => "Valeur mensuelle du point (millièmes de F)",
        "allowance_label" => "Libellé de l’indemnité",
        "allowance_francs" => "Montant de l’indemnité (F CFA)",
        "deduction_label" => "Libellé de la retenue",
        "deduction_basis_points" => "Taux de la retenue (centièmes de %)",
        "password" => "Mot de passe",
        "new_password" => "Nouveau mot de passe",
        "current_password" => "Mot de passe actuel",
        "date" => "Date",
        "label" => "Libellé",
        "estimated" => "Date estimée",
        "short_name" => "Nom court",
        "minister" => "Ministre",
        "footer" => "Pied de page",
        "brand_colour" => "Couleur principale",
        "accent_colour" => "Couleur d’accent",
        "matricule_pattern" => "Forme du matricule",
        "week" => "Jours travaillés",
        "modes" => "Modes de décompte",
        "weights" => "Poids des critères",
        "excellent_from" => "Excellent à partir de",
        "very_good_from" => "Très bon à partir de",
        "good_from" => "Bon à partir de",
        "fair_from" => "Passable à partir de",
        "ages" => "Âges de la retraite",
        "default_age" => "Âge par défaut",
        "mode" => "Jour du départ",
        "password_min_length" => "Longueur minimale du mot de passe",
        "idle_minutes" => "Fermeture après inactivité",
        "text" => "Texte",
        "version" => "Version",
        "banner" => "Bandeau",
        "read_only" => "Lecture seule",
        "file" => "Fichier",
        "period" => "Période",
        "title" => "Titre",
        "reference" => "N° ou référence",
        "issued_on" => "Date d’émission",
        "expires_on" => "Date d’expiration",
        "confidential" => "Confidentiel",
        "state" => "État",
        "state_reason" => "Motif du rejet",
        "current" => "Version du contenu",
        "note" => "Remarque",
        "max_upload_mib" => "Taille d’un dépôt (Mo)",
        "quota_gib" => "Espace pour tous les contenus (Go)",
        "retention_days" => "Conservation des fichiers archivés (jours)",
        "expiry_notice_days" => "Échéance proche à partir de (jours)",
        "mandatory_documents" => "Pièces obligatoires",
        other => other,
    }
}

/// A stored value of a field as people read it. Identifiers of units become their names where `units` knows them.
#[must_use]
pub(crate) fn field_value(code: &str, value: &str, units: Option<&Organisation>) -> String {
    let date = || value.parse::<jiff::civil::Date>().ok().map(format::date);
    let said = match code {
        "sex" => Sex::by_code(value).map(|code| code.label().to_owned()),
        "birth_precision" => BirthPrecision::by_code(value).map(|code| code.label().to_owned()),
        "marital_status" => MaritalStatus::by_code(value).map(|code| code.label().to_owned()),
        "status" => AgentStatus::by_code(value)
            .map(Label::label)
            .or_else(|| UserStatus::by_code(value).map(Label::label))
            .or_else(|| SharedFileStatus::by_code(value).map(Label::label))
            .map(str::to_owned),
        "position" => AdministrativePosition::by_code(value).map(|code| code.label().to_owned()),
        "departure_reason" => DepartureReason::by_code(value).map(|code| code.label().to_owned()),
        "kind" => AbsenceType::by_code(value)
            .map(Label::label)
            .or_else(|| DocumentKind::by_code(value).map(Label::label))
            .or_else(|| SharedFileKind::by_code(value).map(Label::label))
            .map(str::to_owned),
        "state" => DocumentState::by_code(value).map(|code| code.label().to_owned()),
        "start_half" | "end_half" => Half::by_code(value).map(|code| code.label().to_owned()),
        "roles" => Some(
            value
                .split(", ")
                .map(|code| {
                    Role::by_code(code)
                        .map_or_else(|| code.to_owned(), |role| labels::role_short(role).to_owned())
                })
                .collect::<Vec<_>>()
                .join(", "),
        ),
        "active" | "estimated" | "read_only" | "confidential" => match value {
            "true" => Some("oui".to_owned()),
            "false" => Some("non".to_owned()),
            _ => None,
        },
        "net" => value.parse().ok().map(super::payroll::francs),
        "counted_half_days" => value.parse().ok().map(format::half_days),
        "department_id" => value
            .parse()
            .ok()
            .and_then(|id| Some(units?.department(id)?.fields.name.clone())),
        "directorate_id" | "directorate" => value
            .parse()
            .ok()
            .and_then(|id| Some(units?.directorate(id)?.fields.name.clone())),
        "programme_id" | "programme" => value
            .parse()
            .ok()
            .and_then(|id| Some(units?.programme(id)?.fields.name.clone())),
        "perimeter" => mppeep_core::domain::organisation::UnitRef::parse(value)
            .and_then(|unit| Some(units?.unit(unit)?.name.clone())),
        "issued_on" | "expires_on" => date(),
        _ if code.ends_with("date") || code == "retirement_extension" => date(),
        _ if Criterion::by_code(code).is_some() || code == "final_mark" => Some(value.replace('.', ",")),
        _ => None,
    };
    said.unwrap_or_else(|| value.to_owned())
}

/// Changes of a record as a page shows them.
#[must_use]
pub(crate) fn changes(changes: &[FieldChange], units: Option<&Organisation>) -> Vec<Change> {
    let read = |code: &str, value: &Option<String>| {
        value
            .as_deref()
            .map(|value| field_value(code, value, units))
            .unwrap_or_default()
    };
    changes
        .iter()
        .map(|change| Change {
            field: field_name(&change.field).to_owned(),
            before: read(&change.field, &change.before),
            after: read(&change.field, &change.after),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_file_has_a_french_name() {
        for field in PersonnelField::ALL {
            assert_ne!(field_name(field.code()), field.code());
        }
    }

    #[test]
    fn values_are_read_in_french() {
        assert_eq!(field_value("position", "active", None), "En activité");
        assert_eq!(field_value("birth_date", "1990-03-14", None), "14/03/1990");
        assert_eq!(field_value("final_mark", "12.50", None), "12,50");
        assert_eq!(field_value("roles", "admin, sdrh", None), "Administrateur, SDRH");
        assert_eq!(field_value("counted_half_days", "5", None), "2,5 jours");
        assert_eq!(field_value("job_title", "Chauffeur", None), "Chauffeur");
    }
}
