//! The values of closed lists, in French.

use crate::domain::codes::{AdministrativePosition, AgentStatus, BirthPrecision, MaritalStatus, Sex};
use crate::domain::personnel::PersonnelField;

/// The values of a field that is a closed list: code, French label, other spellings in normal form.
pub(super) type Choices = &'static [(&'static str, &'static str, &'static [&'static str])];

/// The choices of a field, if it is a closed list.
pub(super) const fn choices(field: PersonnelField) -> Option<Choices> {
    match field {
        PersonnelField::Sex => Some(SEXES),
        PersonnelField::BirthPrecision => Some(PRECISIONS),
        PersonnelField::MaritalStatus => Some(MARITAL),
        PersonnelField::Status => Some(STATUSES),
        PersonnelField::Position => Some(POSITIONS),
        _ => None,
    }
}

const SEXES: Choices = &[
    (
        Sex::Female.code(),
        "Féminin",
        &[
            "f",
            "feminine",
            "femme",
            "fem",
            "madame",
            "mme",
            "mlle",
            "mademoiselle",
        ],
    ),
    (
        Sex::Male.code(),
        "Masculin",
        &["m", "masculine", "homme", "h", "masc", "monsieur", "mr"],
    ),
];

const PRECISIONS: Choices = &[
    (
        BirthPrecision::Day.code(),
        "Jour",
        &["date complete", "jour exact", "exacte", "exact"],
    ),
    (
        BirthPrecision::Year.code(),
        "Année seule",
        &["annee", "annee uniquement", "vers"],
    ),
];

const MARITAL: Choices = &[
    (MaritalStatus::Single.code(), "Célibataire", &["c", "celib"]),
    (
        MaritalStatus::Married.code(),
        "Marié(e)",
        &["marie", "mariee", "m"],
    ),
    (
        MaritalStatus::Divorced.code(),
        "Divorcé(e)",
        &["divorce", "divorcee", "d"],
    ),
    (
        MaritalStatus::Widowed.code(),
        "Veuf(ve)",
        &["veuf", "veuve", "veuf veuve", "v"],
    ),
    (
        MaritalStatus::CommonLaw.code(),
        "Union libre",
        &["concubinage", "concubin", "concubine", "concubin e"],
    ),
];

const STATUSES: Choices = &[
    (
        AgentStatus::CivilServant.code(),
        "Fonctionnaire",
        &["titulaire", "fonct", "agent fonctionnaire"],
    ),
    (
        AgentStatus::Contractual.code(),
        "Agent contractuel",
        &[
            "contractuel",
            "contractuelle",
            "contractuel le",
            "agent contractuelle",
        ],
    ),
    (
        AgentStatus::Trainee.code(),
        "Stagiaire",
        &["fonctionnaire stagiaire"],
    ),
    (
        AgentStatus::Assigned.code(),
        "Mis à disposition",
        &[
            "mise a disposition",
            "mis e a disposition",
            "mis a la disposition",
            "mise a la disposition",
            "mad",
        ],
    ),
];

const POSITIONS: Choices = &[
    (
        AdministrativePosition::Active.code(),
        "En activité",
        &["activite", "actif", "active", "en service", "en poste"],
    ),
    (
        AdministrativePosition::Secondment.code(),
        "Détachement",
        &["detache", "detachee", "en detachement", "detache e"],
    ),
    (
        AdministrativePosition::UnpaidLeaveOfAbsence.code(),
        "Disponibilité",
        &["en disponibilite", "mise en disponibilite", "dispo"],
    ),
    (
        AdministrativePosition::LongTermLeave.code(),
        "Congé de longue durée",
        &["conge longue duree", "en conge de longue duree", "cld"],
    ),
    (
        AdministrativePosition::MilitaryService.code(),
        "Sous les drapeaux",
        &["service militaire"],
    ),
    (
        AdministrativePosition::OutOfCadre.code(),
        "Hors cadre",
        &["hors cadres", "position hors cadre"],
    ),
    (
        AdministrativePosition::Suspension.code(),
        "Suspension",
        &["suspendu", "suspendue", "suspendu e"],
    ),
    (
        AdministrativePosition::Retired.code(),
        "Retraite",
        &["retraitee", "retraite e", "a la retraite", "en retraite"],
    ),
];

/// The French label of a code of a field that is a closed list.
pub fn value_label(field: PersonnelField, code: &str) -> Option<&'static str> {
    choices(field)?
        .iter()
        .find(|(known, ..)| *known == code)
        .map(|(_, label, _)| *label)
}

#[cfg(test)]
mod tests {
    use super::super::words::normal;
    use super::*;

    #[test]
    fn every_value_of_a_closed_list_has_one_spelling_each() {
        let mut lists = 0;
        for field in PersonnelField::ALL {
            let Some(choices) = choices(*field) else { continue };
            lists += 1;
            let mut seen = std::collections::BTreeSet::new();
            for (code, label, others) in choices {
                for spelling in others.iter().map(|other| normal(other)).chain([normal(label)]) {
                    assert!(seen.insert(spelling.clone()), "{spelling} twice in {field:?}");
                }
                assert_eq!(value_label(*field, code), Some(*label));
            }
        }
        assert_eq!(lists, 5);
        assert_eq!(POSITIONS.len(), AdministrativePosition::ALL.len());
        assert_eq!(STATUSES.len(), AgentStatus::ALL.len());
        assert_eq!(MARITAL.len(), MaritalStatus::ALL.len());
    }
}
