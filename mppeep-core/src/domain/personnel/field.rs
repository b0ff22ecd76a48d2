//! The fields of a file, and who may see them.

use crate::domain::codes::codes;

codes! {
    /// A field of the file. Its code is its name in the API, in forms, in imports and in the journal.
    PersonnelField {
        /// « Matricule ».
        Matricule = "matricule",
        /// « Nom ».
        FamilyName = "family_name",
        /// « Prénoms ».
        GivenNames = "given_names",
        /// « Nom de jeune fille ».
        MaidenName = "maiden_name",
        /// « Sexe ».
        Sex = "sex",
        /// « Date de naissance ».
        BirthDate = "birth_date",
        /// « Précision de la date de naissance ».
        BirthPrecision = "birth_precision",
        /// « Lieu de naissance ».
        BirthPlace = "birth_place",
        /// « Nationalité ».
        Nationality = "nationality",
        /// « Situation familiale ».
        MaritalStatus = "marital_status",
        /// « Nombre d'enfants ».
        Children = "children",
        /// « N° CNI ».
        NationalId = "national_id",
        /// « N° de passeport ».
        Passport = "passport",
        /// « Statut ».
        Status = "status",
        /// « Position administrative ».
        Position = "position",
        /// « Date de recrutement ».
        RecruitmentDate = "recruitment_date",
        /// « Prise de service ».
        ServiceStartDate = "service_start_date",
        /// « Service ».
        Department = "department_id",
        /// « Fonction ».
        JobTitle = "job_title",
        /// « Grade ».
        Grade = "grade",
        /// « Échelon ».
        Step = "step",
        /// « Indice ».
        SalaryIndex = "salary_index",
        /// « Maintien en activité jusqu'au ».
        RetirementExtension = "retirement_extension",
        /// « Téléphone professionnel ».
        WorkPhone = "work_phone",
        /// « Téléphone personnel ».
        PersonalPhone = "personal_phone",
        /// « Adresse e-mail ».
        Email = "email",
        /// « Adresse ».
        Address = "address",
        /// « Notes ».
        Notes = "notes",
    }
}

/// Who may see a field: the whole ministry, those in charge of careers, or those in charge of private data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldGroup {
    /// The directory (« annuaire »): name, function, unit, professional telephone.
    Directory,
    /// Career and assignment.
    Career,
    /// Private data: identity papers, address, family, notes.
    Private,
}

impl PersonnelField {
    /// The group that decides who sees it.
    pub const fn group(self) -> FieldGroup {
        match self {
            Self::Matricule
            | Self::FamilyName
            | Self::GivenNames
            | Self::Department
            | Self::JobTitle
            | Self::WorkPhone
            | Self::Email => FieldGroup::Directory,
            Self::Sex
            | Self::BirthDate
            | Self::BirthPrecision
            | Self::Status
            | Self::Position
            | Self::RecruitmentDate
            | Self::ServiceStartDate
            | Self::Grade
            | Self::Step
            | Self::SalaryIndex
            | Self::RetirementExtension => FieldGroup::Career,
            Self::MaidenName
            | Self::BirthPlace
            | Self::Nationality
            | Self::MaritalStatus
            | Self::Children
            | Self::NationalId
            | Self::Passport
            | Self::PersonalPhone
            | Self::Address
            | Self::Notes => FieldGroup::Private,
        }
    }

    /// Whether a complete file has it (« complétude »).
    pub const fn counts_for_completeness(self) -> bool {
        !matches!(
            self,
            Self::MaidenName
                | Self::BirthPrecision
                | Self::Passport
                | Self::RetirementExtension
                | Self::Notes
                | Self::WorkPhone
                | Self::Children
                | Self::Email
        )
    }
}
