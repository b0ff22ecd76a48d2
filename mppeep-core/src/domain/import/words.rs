//! The words of French HR files: names of columns and of values, with their usual variants.

use super::columns::Target;
use crate::domain::personnel::PersonnelField;
use crate::domain::text;

/// Folded text with everything but letters and digits made a space: `N° C.N.I.` → `n c n i`.
pub(super) fn normal(given: &str) -> String {
    let folded = text::fold(given);
    let spaced: String = folded
        .chars()
        .map(|character| {
            if character.is_alphanumeric() {
                character
            } else {
                ' '
            }
        })
        .collect();
    spaced
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The French name of a field, as exports head its column.
pub const fn field_label(field: PersonnelField) -> &'static str {
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
        F::Children => "Nombre d'enfants",
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
        F::RetirementExtension => "Maintien en activité jusqu'au",
        F::WorkPhone => "Téléphone professionnel",
        F::PersonalPhone => "Téléphone personnel",
        F::Email => "Adresse e-mail",
        F::Address => "Adresse",
        F::Notes => "Notes",
    }
}

/// Other names of a column, in normal form.
pub(super) const fn synonyms(target: Target) -> &'static [&'static str] {
    use PersonnelField as F;
    match target {
        Target::FullName => &[
            "nom et prenoms",
            "nom et prenom",
            "noms et prenoms",
            "noms et prenom",
            "nom et prenom s",
            "nom prenoms",
            "nom prenom",
            "nom prenom s",
            "nom complet",
            "nom et prenoms de l agent",
            "agent",
        ],
        Target::Directorate => &[
            "direction",
            "code direction",
            "direction centrale",
            "libelle direction",
        ],
        Target::Programme => &["programme", "code programme", "libelle programme"],
        Target::Field(F::Matricule) => &[
            "mle",
            "mat",
            "matr",
            "matricule agent",
            "matricule de l agent",
            "matricule solde",
            "matricule fonction publique",
            "matricule fp",
            "immatriculation",
        ],
        Target::Field(F::FamilyName) => &[
            "noms",
            "nom de famille",
            "patronyme",
            "nom patronymique",
            "nom agent",
            "nom de l agent",
            "nom usuel",
        ],
        Target::Field(F::GivenNames) => &[
            "prenom",
            "prenom s",
            "prenoms agent",
            "prenoms de l agent",
            "prenom de l agent",
        ],
        Target::Field(F::MaidenName) => &["nom jeune fille", "njf", "nee", "nom de naissance", "epouse nee"],
        Target::Field(F::Sex) => &["genre", "sex", "civilite"],
        Target::Field(F::BirthDate) => &[
            "date naissance",
            "date naiss",
            "date de naiss",
            "date nais",
            "ne le",
            "nee le",
            "ne e le",
            "naissance",
            "ddn",
            "date et annee de naissance",
        ],
        Target::Field(F::BirthPrecision) => &["precision naissance", "precision de la naissance"],
        Target::Field(F::BirthPlace) => &[
            "lieu naissance",
            "lieu naiss",
            "lieu de naiss",
            "ne a",
            "nee a",
            "ne e a",
            "ville de naissance",
        ],
        Target::Field(F::Nationality) => &["pays", "nat", "pays de nationalite"],
        Target::Field(F::MaritalStatus) => &[
            "situation matrimoniale",
            "sit matrimoniale",
            "sit matr",
            "sit mat",
            "sit familiale",
            "sit fam",
            "situation de famille",
            "etat civil",
            "statut matrimonial",
            "etat matrimonial",
        ],
        Target::Field(F::Children) => &[
            "nb enfants",
            "nb d enfants",
            "nbre enfants",
            "nbre d enfants",
            "nombre enfants",
            "enfants",
            "enfants a charge",
            "nombre d enfants a charge",
            "nbre d enfants a charge",
        ],
        Target::Field(F::NationalId) => &[
            "cni",
            "c n i",
            "carte nationale d identite",
            "carte d identite",
            "piece d identite",
            "numero de cni",
        ],
        Target::Field(F::Passport) => &["passeport"],
        Target::Field(F::Status) => &[
            "statut de l agent",
            "statut agent",
            "type d agent",
            "statut juridique",
        ],
        Target::Field(F::Position) => &[
            "position",
            "pos administrative",
            "situation administrative",
            "pos admin",
        ],
        Target::Field(F::RecruitmentDate) => &[
            "date recrutement",
            "date recrut",
            "recrute le",
            "recrutement",
            "date d embauche",
            "date embauche",
            "embauche",
            "date d engagement",
            "date d integration",
            "date d entree a la fonction publique",
            "date entree fonction publique",
            "date entree fp",
        ],
        Target::Field(F::ServiceStartDate) => &[
            "date de prise de service",
            "date prise de service",
            "date prise service",
            "prise service",
            "pds",
            "date pds",
            "date d entree en service",
            "1ere prise de service",
            "date de premiere prise de service",
        ],
        Target::Field(F::Department) => &[
            "service d affectation",
            "unite",
            "affectation",
            "structure",
            "code service",
            "departement",
            "libelle service",
            "lieu d affectation",
            "service actuel",
        ],
        Target::Field(F::JobTitle) => &[
            "emploi",
            "emploi fonction",
            "fonction emploi",
            "emploi ou fonction",
            "poste",
            "poste occupe",
            "intitule du poste",
            "fonction exercee",
            "fonction occupee",
            "fonction actuelle",
            "emploi occupe",
        ],
        Target::Field(F::Grade) => &["grade actuel", "grd", "grade de l agent"],
        Target::Field(F::Step) => &["ech", "echelon actuel", "ech actuel"],
        Target::Field(F::SalaryIndex) => &["ind", "indice salarial", "indice de traitement", "indice actuel"],
        Target::Field(F::RetirementExtension) => &[
            "maintien en activite",
            "maintien jusqu au",
            "prolongation",
            "prolongation d activite",
            "prolongation jusqu au",
        ],
        Target::Field(F::WorkPhone) => &[
            "tel professionnel",
            "tel pro",
            "telephone pro",
            "telephone bureau",
            "telephone du bureau",
            "tel bureau",
            "telephone de service",
            "contact professionnel",
        ],
        Target::Field(F::PersonalPhone) => &[
            "tel personnel",
            "tel perso",
            "telephone perso",
            "telephone",
            "tel",
            "telephones",
            "portable",
            "mobile",
            "telephone portable",
            "telephone mobile",
            "cellulaire",
            "cel",
            "contact",
            "contacts",
            "contact telephonique",
        ],
        Target::Field(F::Email) => &[
            "email",
            "e mail",
            "mail",
            "courriel",
            "adresse email",
            "adresse mail",
            "adresse electronique",
            "messagerie",
        ],
        Target::Field(F::Address) => &[
            "adresse personnelle",
            "domicile",
            "adresse postale",
            "lieu d habitation",
            "residence",
            "adresse geographique",
            "lieu de residence",
        ],
        Target::Field(F::Notes) => &[
            "note",
            "observation",
            "observations",
            "remarque",
            "remarques",
            "commentaire",
            "commentaires",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_form_drops_accents_case_and_signs() {
        assert_eq!(normal(" N° C.N.I. "), "n c n i");
        assert_eq!(normal("Né(e) le"), "ne e le");
        assert_eq!(normal("Emploi/Fonction"), "emploi fonction");
        assert_eq!(
            normal("Maintien en activité jusqu'au"),
            "maintien en activite jusqu au"
        );
    }

    #[test]
    fn synonyms_are_in_normal_form_and_name_one_column() {
        let mut seen = std::collections::BTreeMap::new();
        for target in Target::all() {
            for synonym in synonyms(target) {
                assert_eq!(normal(synonym), *synonym);
            }
            let names = synonyms(target)
                .iter()
                .map(|name| (*name).to_owned())
                .chain([normal(target.label())]);
            for name in names.collect::<std::collections::BTreeSet<_>>() {
                assert_eq!(
                    seen.insert(name.clone(), target),
                    None,
                    "{name} names two columns"
                );
            }
        }
    }
}
