//! Files without their private data.

use super::PersonnelFields;
use crate::domain::codes::MaritalStatus;

/// What stands for a private text.
const MASK: &str = "•";

impl PersonnelFields {
    /// The same file with a mask in place of every private value ([`super::FieldGroup::Private`]): that there is one can still
    /// be told, what it is cannot. For copies that leave the database.
    #[must_use]
    pub fn without_private(self) -> Self {
        let masked = |value: Option<String>| value.map(|_| MASK.to_owned());
        Self {
            maiden_name: masked(self.maiden_name),
            birth_place: masked(self.birth_place),
            nationality: masked(self.nationality),
            marital_status: self.marital_status.map(|_| MaritalStatus::Single),
            children: self.children.map(|_| 0),
            national_id: masked(self.national_id),
            passport: masked(self.passport),
            personal_phone: masked(self.personal_phone),
            address: masked(self.address),
            notes: masked(self.notes),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FieldGroup, PersonnelField, PersonnelInput, PersonnelRules};
    use super::*;
    use crate::domain::settings::Settings;

    #[test]
    fn every_private_value_is_masked_and_no_other() {
        let values = [
            (PersonnelField::Matricule, "A-1"),
            (PersonnelField::FamilyName, "Koné"),
            (PersonnelField::GivenNames, "Awa"),
            (PersonnelField::BirthDate, "1980-05-17"),
            (PersonnelField::MaidenName, "Traoré"),
            (PersonnelField::BirthPlace, "Bouaké"),
            (PersonnelField::Nationality, "Ivoirienne"),
            (PersonnelField::MaritalStatus, "married"),
            (PersonnelField::Children, "3"),
            (PersonnelField::NationalId, "CI0012345"),
            (PersonnelField::Passport, "22AA12345"),
            (PersonnelField::PersonalPhone, "+225 07 00 00 00 01"),
            (PersonnelField::Address, "Cocody, rue des Jardins"),
            (PersonnelField::Notes, "Rien à signaler"),
            (PersonnelField::WorkPhone, "+225 27 20 00 00 01"),
            (PersonnelField::Grade, "A4"),
        ];
        let input = PersonnelInput(values.map(|(field, value)| (field, value.to_owned())).into());
        let pattern = Settings::default().matricule_pattern();
        let rules = PersonnelRules {
            matricule: &pattern,
            today: jiff::civil::date(2026, 11, 22),
        };
        let whole = PersonnelFields::parse(&input, &rules).unwrap();
        let masked = whole.clone().without_private();
        for field in PersonnelField::ALL {
            let (before, after) = (whole.get(*field), masked.get(*field));
            if field.group() == FieldGroup::Private {
                assert!(before.is_some(), "{field:?} has a value to hide");
                assert_ne!(before, after, "{field:?}");
                assert!(after.is_some(), "{field:?} can still be told to be there");
            } else {
                assert_eq!(before, after, "{field:?}");
            }
        }
        assert_eq!(whole.completeness_percent(), masked.completeness_percent());
    }
}
