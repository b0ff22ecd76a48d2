//! French labels of the codes of the domain.

use mppeep_core::domain::absence::AbsenceType;
use mppeep_core::domain::activity::{ActivityAction, EntityKind};
use mppeep_core::domain::calendar::{CountingMode, Half, Period};
use mppeep_core::domain::codes::{
    AdministrativePosition, AgentStatus, BirthPrecision, DepartureReason, MaritalStatus, Sex,
};
use mppeep_core::domain::document::DocumentKind;
use mppeep_core::domain::evaluation::{Appraisal, Criterion};
use mppeep_core::domain::grade::GradeCategory;
use mppeep_core::domain::payroll::SlipStatus;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::personnel::FieldGroup;
use mppeep_core::domain::settings::{RetirementMode, SettingsSection};
use mppeep_core::domain::user::{Role, UserStatus};

use crate::pages::ui::{Badge, Choice, Tone};

/// A code that has a French label.
pub(crate) trait Label: Copy {
    /// The label, as it stands alone.
    fn label(self) -> &'static str;
}

macro_rules! labels {
    ($($type:ty { $($variant:ident => $label:literal,)* })*) => {$(
        impl Label for $type {
            fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    )*};
}

labels! {
    AgentStatus {
        CivilServant => "Fonctionnaire",
        Contractual => "Agent contractuel",
        Trainee => "Stagiaire",
        Assigned => "Mis à disposition",
    }
    AdministrativePosition {
        Active => "En activité",
        Secondment => "Détachement",
        UnpaidLeaveOfAbsence => "Disponibilité",
        LongTermLeave => "Congé de longue durée",
        MilitaryService => "Sous les drapeaux",
        OutOfCadre => "Hors cadre",
        Suspension => "Suspension",
        Retired => "Retraite",
    }
    MaritalStatus {
        Single => "Célibataire",
        Married => "Marié(e)",
        Divorced => "Divorcé(e)",
        Widowed => "Veuf(ve)",
        CommonLaw => "Union libre",
    }
    Sex {
        Female => "Féminin",
        Male => "Masculin",
    }
    BirthPrecision {
        Day => "Date exacte",
        Year => "Année seule",
    }
    DepartureReason {
        Retirement => "Retraite",
        Resignation => "Démission",
        TransferOut => "Mutation hors du ministère",
        EndOfContract => "Fin de contrat",
        Dismissal => "Révocation ou licenciement",
        Death => "Décès",
        Other => "Autre motif",
    }
    GradeCategory {
        A => "Cadres supérieurs",
        B => "Cadres moyens",
        C => "Agents d’exécution",
        D => "Personnel de soutien",
    }
    AbsenceType {
        AnnualLeave => "Congé annuel",
        ShortLeave => "Permission d’absence",
        SickLeave => "Congé de maladie",
        MaternityLeave => "Congé de maternité",
        PaternityLeave => "Congé de paternité",
        Training => "Formation",
        Mission => "Mission",
        Unjustified => "Absence non justifiée",
        Other => "Autre absence",
    }
    Half {
        Am => "matin",
        Pm => "après-midi",
    }
    CountingMode {
        Calendar => "Jours calendaires",
        Workable => "Jours ouvrables",
        Worked => "Jours ouvrés",
    }
    DocumentKind {
        IdentityCard => "Carte nationale d’identité",
        Passport => "Passeport",
        BirthCertificate => "Acte de naissance",
        Diploma => "Diplôme",
        Certificate => "Certificat",
        Contract => "Contrat",
        AppointmentOrder => "Arrêté de nomination",
        AdvancementDecision => "Décision d’avancement",
        AppraisalSheet => "Fiche de notation",
        MedicalCertificate => "Certificat médical",
        EmploymentCertificate => "Attestation de travail",
        Other => "Autre document",
    }
    Criterion {
        TechnicalCompetence => "Compétence technique",
        Organisation => "Sens de l’organisation",
        Initiative => "Esprit d’initiative",
        Diligence => "Assiduité",
        WorkingRelations => "Relation de service",
    }
    Appraisal {
        Excellent => "Excellent",
        VeryGood => "Très bon",
        Good => "Bon",
        Fair => "Passable",
        Insufficient => "Insuffisant",
    }
    Role {
        Admin => "Administrateur",
        Daf => "Direction Administrative et Financière",
        Sdrh => "Sous-Direction des Ressources Humaines",
        Sdb => "Sous-Direction Budget",
        Sdc => "Sous-Direction du Commerce et des Moyens Généraux",
        Cs => "Chef de service",
        Agent => "Agent",
        Invite => "Invité",
    }
    SlipStatus {
        Draft => "Brouillon",
        Validated => "Validé",
    }
    UserStatus {
        Active => "Actif",
        Inactive => "Inactif",
        Suspended => "Suspendu",
        Pending => "En attente",
    }
    EntityKind {
        Personnel => "Fiche agent",
        Absence => "Absence",
        Evaluation => "Évaluation",
        Unit => "Unité",
        User => "Compte",
        Session => "Session",
        Setting => "Paramètre",
        Transfer => "Import ou export",
        Slip => "Bulletin de solde",
        Job => "Travail en file",
        Document => "Document",
        SharedFile => "Fichier",
        Photo => "Photographie",
    }
    ActivityAction {
        Created => "Création",
        Updated => "Modification",
        Archived => "Départ et archivage",
        Restored => "Restauration",
        Cancelled => "Annulation",
        PrivateRead => "Consultation de données privées",
        Imported => "Import",
        Exported => "Export",
        LoggedIn => "Connexion",
        LoginFailed => "Connexion refusée",
        LoginBlocked => "Connexion bloquée",
        LoggedOut => "Déconnexion",
        SessionsEnded => "Fermeture de sessions",
        PasswordChanged => "Changement de mot de passe",
        Computed => "Calcul de solde",
        Validated => "Validation",
        PasswordResetAsked => "Demande de nouveau mot de passe",
        Invited => "Invitation",
        CharterAccepted => "Acceptation de la charte",
        Downloaded => "Consultation d’un contenu",
        Replaced => "Nouvelle version",
        Rejected => "Rejet",
    }
    Resource {
        Directory => "Annuaire",
        Career => "Carrière et affectation",
        Private => "Données privées",
        Absence => "Absences",
        Evaluation => "Évaluations",
        Import => "Imports",
        Statistics => "Statistiques",
        Journal => "Journal d’activité",
        Organisation => "Organigramme",
        User => "Utilisateurs",
        Setting => "Paramètres",
        Payroll => "Bulletins de solde",
        Queue => "Files d’attente et courriels",
        Document => "Documents des agents",
        SharedFile => "Fichiers",
    }
    Action {
        Read => "Lire",
        Write => "Écrire",
        Export => "Exporter",
        Validate => "Valider",
    }
    FieldGroup {
        Directory => "Annuaire",
        Career => "Carrière",
        Private => "Données privées",
    }
    RetirementMode {
        EndOfYear => "31 décembre de l’année",
        EndOfMonth => "Dernier jour du mois",
        Birthday => "Jour anniversaire",
    }
    SettingsSection {
        Ministry => "Ministère",
        Personnel => "Fiche agent",
        Calendar => "Semaine de travail",
        Absences => "Absences",
        Evaluations => "Évaluation",
        Retirement => "Retraite",
        Payroll => "Paie",
        Security => "Sécurité",
        Charter => "Charte de confidentialité",
        Maintenance => "Maintenance",
        Files => "Documents et fichiers",
    }
}

/// A category as « A – Cadres supérieurs ».
#[must_use]
pub(crate) fn category(category: GradeCategory) -> String {
    format!("{} – {}", category.code(), category.label())
}

/// The badge of a position.
#[must_use]
pub(crate) fn position_badge(position: AdministrativePosition) -> Badge {
    use AdministrativePosition as P;
    let tone = match position {
        P::Active => Tone::Success,
        P::Secondment | P::OutOfCadre | P::MilitaryService => Tone::Info,
        P::UnpaidLeaveOfAbsence | P::LongTermLeave => Tone::Warning,
        P::Suspension => Tone::Danger,
        P::Retired => Tone::Neutral,
    };
    Badge::new(position.label(), tone)
}

/// The badge of a final mark's meaning.
#[must_use]
pub(crate) fn appraisal_badge(appraisal: Appraisal) -> Badge {
    let tone = match appraisal {
        Appraisal::Excellent | Appraisal::VeryGood => Tone::Success,
        Appraisal::Good => Tone::Info,
        Appraisal::Fair => Tone::Warning,
        Appraisal::Insufficient => Tone::Danger,
    };
    Badge::new(appraisal.label(), tone)
}

/// The colour of an action in the journal.
#[must_use]
pub(crate) fn action_tone(action: ActivityAction) -> Tone {
    use ActivityAction as A;
    match action {
        A::Created | A::Restored | A::Imported | A::Validated => Tone::Success,
        A::Updated | A::Replaced | A::PasswordChanged | A::CharterAccepted | A::Computed | A::Invited => {
            Tone::Info
        }
        A::Archived
        | A::Cancelled
        | A::Rejected
        | A::SessionsEnded
        | A::PrivateRead
        | A::PasswordResetAsked => Tone::Warning,
        A::LoginFailed | A::LoginBlocked => Tone::Danger,
        A::Exported | A::Downloaded | A::LoggedIn | A::LoggedOut => Tone::Neutral,
    }
}

/// Roles as one reads them: the short form of each.
#[must_use]
pub(crate) fn role_short(role: Role) -> &'static str {
    match role {
        Role::Daf => "DAF",
        Role::Sdrh => "SDRH",
        Role::Sdb => "SDB",
        Role::Sdc => "SDC",
        other => other.label(),
    }
}

/// The choices of a closed list, by code and label.
pub(crate) fn choices<T: Label>(all: &[T], code: impl Fn(T) -> &'static str) -> Vec<Choice> {
    all.iter()
        .map(|value| Choice::new(code(*value), value.label()))
        .collect()
}

/// A period in words: « le 5 mars 2026 (matin) », « du 11/05/2026 au 29/05/2026 ».
#[must_use]
pub(crate) fn period(period: Period) -> String {
    let half = |half: Half| format!(" ({})", half.label());
    let (start, end) = (period.start(), period.end());
    let first = if period.start_half() == Half::Pm {
        half(Half::Pm)
    } else {
        String::new()
    };
    let last = if period.end_half() == Half::Am {
        half(Half::Am)
    } else {
        String::new()
    };
    if start == end {
        return format!(
            "le {}{}",
            super::date(start),
            if first.is_empty() { last } else { first }
        );
    }
    format!("du {}{first} au {}{last}", super::date(start), super::date(end))
}
