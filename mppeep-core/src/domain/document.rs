//! Documents of an agent's file: a kind, dates, who may see it, and versions of its content.

use jiff::Timestamp;
use jiff::civil::Date;

use super::codes::codes;
use super::id::{DocumentId, PersonnelId, UserId};
use super::parse::civil_date;
use super::stored_file::{FileName, FileType, StoredFile};
use super::text;
use super::validation::{Rule, Violations};

codes! {
    /// What a document is.
    DocumentKind {
        /// « Carte nationale d'identité ».
        IdentityCard = "identity_card",
        /// « Passeport ».
        Passport = "passport",
        /// « Acte de naissance ».
        BirthCertificate = "birth_certificate",
        /// « Diplôme ».
        Diploma = "diploma",
        /// « Certificat ».
        Certificate = "certificate",
        /// « Contrat ».
        Contract = "contract",
        /// « Arrêté de nomination ».
        AppointmentOrder = "appointment_order",
        /// « Décision d'avancement ».
        AdvancementDecision = "advancement_decision",
        /// « Fiche de notation ».
        AppraisalSheet = "appraisal_sheet",
        /// « Certificat médical ».
        MedicalCertificate = "medical_certificate",
        /// « Attestation de travail ».
        EmploymentCertificate = "employment_certificate",
        /// « Autre document ».
        Other = "other",
    }
}

impl DocumentKind {
    /// Words of a folded file name that tell the kind.
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::IdentityCard => &["cni", "identite"],
            Self::Passport => &["passeport", "passport"],
            Self::BirthCertificate => &["naissance"],
            Self::Diploma => &["diplome", "licence", "master", "baccalaureat", "bts"],
            Self::Contract => &["contrat"],
            Self::AppointmentOrder => &["arrete", "nomination"],
            Self::AdvancementDecision => &["avancement"],
            Self::AppraisalSheet => &["notation", "evaluation"],
            Self::MedicalCertificate => &["medical"],
            Self::EmploymentCertificate => &["attestation"],
            Self::Certificate => &["certificat"],
            Self::Other => &[],
        }
    }

    /// The kind that a file's name speaks of; `Other` where it tells nothing.
    pub fn guess(file_name: &str) -> Self {
        let folded = text::fold(file_name);
        let words: Vec<&str> = folded.split(|c: char| !c.is_alphanumeric()).collect();
        let told = |kind: &Self| kind.words().iter().any(|word| words.contains(word));
        // « Certificat médical » is a medical one: the general kind comes last.
        Self::ALL
            .iter()
            .copied()
            .filter(|kind| *kind != Self::Certificate)
            .find(told)
            .or_else(|| Some(Self::Certificate).filter(told))
            .unwrap_or(Self::Other)
    }
}

codes! {
    /// Whether a document was looked at.
    DocumentState {
        /// « À vérifier ».
        ToCheck = "to_check",
        /// « Validé ».
        Validated = "validated",
        /// « Rejeté ».
        Rejected = "rejected",
    }
}

/// Types of content that a document may have.
pub const ACCEPTED_TYPES: &[FileType] = &[
    FileType::Pdf,
    FileType::Png,
    FileType::Jpeg,
    FileType::Webp,
    FileType::Docx,
    FileType::Odt,
];

/// What people tell of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentInput {
    /// Code of the kind.
    pub kind: String,
    /// How people call it; empty takes the file's name.
    pub title: String,
    /// Its number or reference; may be empty.
    pub reference: String,
    /// When it was issued, `AAAA-MM-JJ`; may be empty.
    pub issued_on: String,
    /// Its last day, `AAAA-MM-JJ`; may be empty.
    pub expires_on: String,
    /// Whether the agent himself may not see it.
    pub confidential: bool,
}

/// What is known of a document beside its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentFields {
    /// What it is.
    pub kind: DocumentKind,
    /// How people call it.
    pub title: String,
    /// Its number or reference.
    pub reference: Option<String>,
    /// When it was issued.
    pub issued_on: Option<Date>,
    /// Its last day.
    pub expires_on: Option<Date>,
    /// Whether the agent himself may not see it.
    pub confidential: bool,
}

impl DocumentFields {
    /// Makes valid fields of an input; `file_stem` is the title where none is given.
    ///
    /// # Errors
    /// Every rule the input breaks.
    pub fn parse(input: &DocumentInput, file_stem: &str, today: Date) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let kind = violations.take(
            "kind",
            match input.kind.trim() {
                "" => Err(Rule::Required),
                code => DocumentKind::by_code(code).ok_or_else(|| Rule::Unknown {
                    nearest: text::nearest(code, DocumentKind::ALL.iter().map(|kind| kind.code()), 3),
                }),
            },
        );
        let title = match input.title.trim() {
            "" => file_stem,
            given => given,
        };
        let title = violations.take("title", text::line(title, 200));
        let mut optional = |field, given: &str| match given.trim() {
            "" => None,
            given => violations.take(field, civil_date(given)),
        };
        let issued_on = optional("issued_on", &input.issued_on);
        let expires_on = optional("expires_on", &input.expires_on);
        let reference = match input.reference.trim() {
            "" => None,
            given => violations.take("reference", text::line(given, 80)),
        };
        if issued_on.is_some_and(|date| date > today) {
            violations.push("issued_on", Rule::InFuture);
        }
        if let (Some(issued), Some(expires)) = (issued_on, expires_on)
            && expires <= issued
        {
            violations.push(
                "expires_on",
                Rule::MustFollow {
                    other: "issued_on",
                    or_equal: false,
                },
            );
        }
        match (kind, title) {
            (Some(kind), Some(title)) => violations.into_result(Self {
                kind,
                title,
                reference,
                issued_on,
                expires_on,
                confidential: input.confidential,
            }),
            _ => Err(violations),
        }
    }

    /// The fields as text by code, for the journal.
    pub fn describe(&self) -> Vec<(&'static str, Option<String>)> {
        let date = |date: Option<Date>| date.map(|date| date.to_string());
        vec![
            ("kind", Some(self.kind.code().to_owned())),
            ("title", Some(self.title.clone())),
            ("reference", self.reference.clone()),
            ("issued_on", date(self.issued_on)),
            ("expires_on", date(self.expires_on)),
            ("confidential", Some(self.confidential.to_string())),
        ]
    }
}

/// How a document stands with its last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It has none.
    None,
    /// It is far away.
    Far,
    /// It comes within the days of the setting.
    Soon,
    /// It is over: the day after the last one has begun.
    Over,
}

/// A document of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its identifier.
    pub id: DocumentId,
    /// The agent.
    pub personnel: PersonnelId,
    /// What is known of it.
    pub fields: DocumentFields,
    /// Whether it was looked at.
    pub state: DocumentState,
    /// Why it was rejected.
    pub state_reason: Option<String>,
    /// Who validated or rejected it.
    pub checked_by: Option<UserId>,
    /// Number of its present content, from 1.
    pub current: u32,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was deposited.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Document {
    /// How it stands on `today`, when `notice_days` are soon.
    pub fn expiry(&self, today: Date, notice_days: u16) -> Expiry {
        let Some(last) = self.fields.expires_on else {
            return Expiry::None;
        };
        let soon = today.saturating_add(jiff::Span::new().days(i64::from(notice_days)));
        if last < today {
            Expiry::Over
        } else if last <= soon {
            Expiry::Soon
        } else {
            Expiry::Far
        }
    }
}

/// One content of a document. It never changes; a newer one stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentVersion {
    /// The document.
    pub document: DocumentId,
    /// Its number, from 1.
    pub number: u32,
    /// The content.
    pub file: StoredFile,
    /// The file's name as its owner knows it.
    pub file_name: FileName,
    /// Why it replaces the one before.
    pub note: Option<String>,
    /// Who deposited it.
    pub uploaded_by: Option<UserId>,
    /// His name at that time.
    pub uploaded_by_name: String,
    /// When.
    pub uploaded_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn input() -> DocumentInput {
        DocumentInput {
            kind: "passport".into(),
            issued_on: "2024-05-02".into(),
            expires_on: "2029-05-01".into(),
            ..DocumentInput::default()
        }
    }

    #[test]
    fn the_file_gives_the_title_and_dates_are_ordered() {
        let today = date(2026, 11, 22);
        let fields = DocumentFields::parse(&input(), "passeport", today).unwrap();
        assert_eq!(fields.title, "passeport");
        let refused = |change: fn(&mut DocumentInput)| {
            let mut input = input();
            change(&mut input);
            DocumentFields::parse(&input, "x", today).unwrap_err().0[0]
                .field
                .clone()
        };
        assert_eq!(refused(|input| input.kind = "visa".into()), "kind");
        assert_eq!(
            refused(|input| input.issued_on = "2027-01-01".into()),
            "issued_on"
        );
        assert_eq!(
            refused(|input| input.expires_on = "2024-05-02".into()),
            "expires_on"
        );
        assert_eq!(
            refused(|input| input.expires_on = "infinity".into()),
            "expires_on"
        );
        assert_eq!(refused(|input| input.title = "a\u{202e}b".into()), "title");
    }

    #[test]
    fn a_last_day_is_still_good() {
        let now = Timestamp::UNIX_EPOCH;
        let document = |expires_on| Document {
            id: DocumentId::from_uuid(uuid::Uuid::nil()),
            personnel: PersonnelId::from_uuid(uuid::Uuid::nil()),
            fields: DocumentFields {
                expires_on,
                ..DocumentFields::parse(&input(), "x", date(2026, 11, 22)).unwrap()
            },
            state: DocumentState::ToCheck,
            state_reason: None,
            checked_by: None,
            current: 1,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let today = date(2026, 11, 22);
        for (last, expected) in [
            (None, Expiry::None),
            (Some(date(2026, 11, 21)), Expiry::Over),
            (Some(today), Expiry::Soon),
            (Some(date(2027, 2, 20)), Expiry::Soon),
            (Some(date(2027, 2, 21)), Expiry::Far),
        ] {
            assert_eq!(document(last).expiry(today, 90), expected, "{last:?}");
        }
    }

    #[test]
    fn names_tell_kinds() {
        for (name, kind) in [
            ("CNI_recto.jpg", DocumentKind::IdentityCard),
            ("Extrait d'acte de naissance.pdf", DocumentKind::BirthCertificate),
            ("Certificat médical 2026.pdf", DocumentKind::MedicalCertificate),
            ("certificat.pdf", DocumentKind::Certificate),
            ("Diplôme-Master.pdf", DocumentKind::Diploma),
            ("scan0001.pdf", DocumentKind::Other),
        ] {
            assert_eq!(DocumentKind::guess(name), kind, "{name}");
        }
    }
}
