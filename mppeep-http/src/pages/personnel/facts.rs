//! What a sheet says of an agent, field by field, and how a day of retirement is explained.

use mppeep_core::domain::codes::BirthPrecision;
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::personnel::{FieldGroup, PersonnelField};
use mppeep_core::domain::retirement::RetirementDerivation;
use mppeep_core::domain::settings::RetirementMode;
use mppeep_core::services::personnel_view::PersonnelView;

use super::columns;
use crate::catalogue;
use crate::pages::ui::{Fact, Facts};
use crate::pages::visit::Visit;

/// The derivation of a day of retirement, as people check it.
pub(crate) fn explain(derived: &RetirementDerivation, agent: &PersonnelView) -> String {
    let by_year = agent.get(PersonnelField::BirthPrecision).as_deref() == Some(BirthPrecision::Year.code());
    let female = agent.get(PersonnelField::Sex).as_deref() == Some("female");
    explain_for(derived, by_year, if female { "Née" } else { "Né" })
}

pub(crate) fn explain_for(derived: &RetirementDerivation, by_year: bool, born: &str) -> String {
    let birth = if by_year {
        format!("{born} vers {}", derived.birth_date.year())
    } else {
        format!("{born} le {}", catalogue::date(derived.birth_date))
    };
    let grade = derived
        .grade
        .map_or_else(|| "sans grade".to_owned(), |grade| grade.to_string());
    let day = match derived.mode {
        RetirementMode::EndOfYear => "départ le 31 décembre de cette année-là",
        RetirementMode::EndOfMonth => "départ le dernier jour de ce mois",
        RetirementMode::Birthday => "départ ce jour-là",
    };
    let mut text = format!(
        "{birth} · {grade} → {} ans, atteints le {} · {day}",
        derived.age_years,
        catalogue::date(derived.reached_on),
    );
    if let Some(until) = derived.extended_until {
        text.push_str(&format!(
            " · maintien en activité jusqu’au {}",
            catalogue::date(until)
        ));
    }
    text.push_str(&format!(" : {}.", catalogue::date(derived.date)));
    text
}

/// A field of the file as a fact.
pub(super) fn fact(agent: &PersonnelView, field: PersonnelField) -> Fact {
    let label = catalogue::personnel_field(field);
    if !agent.shows(field.group()) {
        return Fact::hidden(
            label,
            if agent.may_reveal() {
                "Masqué"
            } else {
                "Réservé SDRH"
            },
        );
    }
    let value = agent
        .get(field)
        .map(|value| catalogue::field_value(field.code(), &value, None));
    Fact::new(label, value.unwrap_or_default())
}

pub(super) fn civil_facts(agent: &PersonnelView) -> Facts {
    use PersonnelField as F;
    let mut facts = vec![
        fact(agent, F::FamilyName),
        fact(agent, F::GivenNames),
        fact(agent, F::Matricule),
    ];
    if agent.shows(FieldGroup::Career) {
        facts.push(fact(agent, F::Sex));
        let by_year = agent.get(F::BirthPrecision).as_deref() == Some(BirthPrecision::Year.code());
        let birth = fact(agent, F::BirthDate);
        facts.push(match agent.birth_date() {
            Some(date) if by_year => Fact::new(birth.label, format!("vers {}", date.year())),
            _ => birth,
        });
        facts.push(fact(agent, F::Status));
    }
    Facts { facts, rows: true }
}

pub(super) fn contact_facts(agent: &PersonnelView, units: &Organisation) -> Facts {
    use PersonnelField as F;
    let service = agent
        .department()
        .and_then(|id| units.department(id))
        .map(|unit| unit.fields.name.clone());
    Facts {
        facts: vec![
            Fact::new(
                "Service",
                service.unwrap_or_else(|| "Sans affectation".to_owned()),
            ),
            fact(agent, F::JobTitle),
            fact(agent, F::WorkPhone),
            fact(agent, F::Email),
        ],
        rows: true,
    }
}

pub(super) fn private_facts(agent: &PersonnelView) -> Facts {
    let private = PersonnelField::ALL
        .iter()
        .copied()
        .filter(|field| field.group() == FieldGroup::Private);
    Facts {
        facts: private.map(|field| fact(agent, field)).collect(),
        rows: true,
    }
}

/// Career and assignment; with the derivation of the retirement where one can unfold it.
pub(super) fn career_facts(
    visit: &Visit,
    agent: &PersonnelView,
    units: &Organisation,
    with_why: bool,
) -> Vec<Fact> {
    use PersonnelField as F;
    let mut facts = vec![fact(agent, F::Status), fact(agent, F::Position)];
    let category = agent
        .grade()
        .map(|grade| catalogue::category(grade.category()))
        .unwrap_or_default();
    facts.extend([fact(agent, F::Grade), Fact::new("Catégorie", category)]);
    facts.extend([
        fact(agent, F::Step),
        fact(agent, F::SalaryIndex),
        fact(agent, F::JobTitle),
    ]);
    if let Some((department, directorate, programme)) = agent.department().and_then(|id| units.lineage(id)) {
        facts.push(Fact::new("Service", department.fields.name.clone()));
        facts.push(Fact::new("Direction", directorate.fields.name.clone()));
        facts.push(Fact::new("Programme", programme.fields.name.clone()));
    } else {
        facts.push(Fact::new("Service", "Sans affectation"));
    }
    facts.extend([fact(agent, F::RecruitmentDate), fact(agent, F::ServiceStartDate)]);
    let served = agent
        .seniority(visit.today)
        .map(columns::seniority)
        .unwrap_or_default();
    facts.push(Fact::new("Ancienneté", served));
    if agent.get(F::RetirementExtension).is_some() {
        facts.push(fact(agent, F::RetirementExtension));
    }
    if let Some(derived) = agent.retirement(&visit.settings) {
        let fact = Fact::new("Départ à la retraite", catalogue::date(derived.date));
        facts.push(if with_why {
            fact.why(explain(&derived, agent))
        } else {
            fact
        });
    }
    facts
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use mppeep_core::domain::retirement::derive;
    use mppeep_core::domain::settings::RetirementSettings;

    use super::*;

    #[test]
    fn a_retirement_is_explained_step_by_step() {
        let derived = derive(
            date(1966, 3, 14),
            "A3".parse().ok(),
            None,
            &RetirementSettings::default(),
        )
        .unwrap();
        assert_eq!(
            explain_for(&derived, false, "Né"),
            "Né le 14/03/1966 · A3 → 60 ans, atteints le 14/03/2026 · départ le 31 décembre de cette année-là : \
             31/12/2026."
        );
        assert!(explain_for(&derived, true, "Née").starts_with("Née vers 1966 · A3"));
    }
}
