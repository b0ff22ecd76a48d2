//! A few documents, whose contents are pages that say what they stand for.

use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::Date;
use mppeep_core::domain::document::{Document, DocumentFields, DocumentKind, DocumentState, DocumentVersion};
use mppeep_core::domain::id::{DocumentId, StoredFileId};
use mppeep_core::domain::personnel::Personnel;
use mppeep_core::domain::stored_file::{FileName, FileType, StoredFile};
use mppeep_core::domain::user::{Role, User};
use mppeep_core::ports::epochs::{Epoch, Namespace};
use mppeep_core::ports::file_store::FileStore;
use mppeep_core::ports::store::Store;
use sha2::{Digest, Sha256};

use crate::LoadError;
use crate::pdf;
use crate::random::{Random, later, morning_of, plus_days};

/// A document with its only content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoDocument {
    /// The document.
    pub document: Document,
    /// Its content's row and name.
    pub version: DocumentVersion,
    /// The content.
    pub content: Vec<u8>,
}

/// Whose file a document is in, among those who are in service.
#[derive(Debug, Clone, Copy)]
enum Holder {
    /// The agent who has an account of his own.
    Agent,
    /// The agent of that place in the list.
    Other(usize),
}

struct Plan {
    holder: Holder,
    kind: DocumentKind,
    title: &'static str,
    /// Days from today to the last one.
    expires: Option<i64>,
    state: DocumentState,
    reason: Option<&'static str>,
    confidential: bool,
}

const fn plan(holder: Holder, kind: DocumentKind, title: &'static str) -> Plan {
    Plan {
        holder,
        kind,
        title,
        expires: None,
        state: DocumentState::Validated,
        reason: None,
        confidential: false,
    }
}

/// One file that is complete, and others with what lists look for: papers that end soon or have ended, one to check, one
/// that was rejected, a confidential one.
const PLANS: &[Plan] = {
    use DocumentKind as Kind;
    use Holder::{Agent, Other};
    &[
        Plan {
            expires: Some(1_640),
            ..plan(Agent, Kind::IdentityCard, "Carte nationale d’identité")
        },
        plan(Agent, Kind::BirthCertificate, "Extrait d’acte de naissance"),
        plan(Agent, Kind::Diploma, "Diplôme de licence"),
        plan(Agent, Kind::AppointmentOrder, "Arrêté de nomination"),
        Plan {
            expires: Some(58),
            ..plan(Agent, Kind::Passport, "Passeport de service")
        },
        Plan {
            state: DocumentState::ToCheck,
            ..plan(Agent, Kind::Certificate, "Certificat de formation")
        },
        Plan {
            expires: Some(-21),
            ..plan(Other(20), Kind::IdentityCard, "Carte nationale d’identité")
        },
        plan(Other(20), Kind::Diploma, "Diplôme de master"),
        Plan {
            confidential: true,
            ..plan(Other(21), Kind::MedicalCertificate, "Certificat médical")
        },
        Plan {
            state: DocumentState::Rejected,
            reason: Some("Le cachet du service ne se lit pas."),
            ..plan(Other(21), Kind::EmploymentCertificate, "Attestation de travail")
        },
        Plan {
            expires: Some(33),
            ..plan(Other(22), Kind::Contract, "Contrat de travail")
        },
        plan(
            Other(23),
            Kind::AdvancementDecision,
            "Décision d’avancement d’échelon",
        ),
    ]
};

/// Makes the documents of the few files that have some.
pub(crate) fn make(
    personnel: &[Personnel],
    users: &[User],
    today: Date,
    random: &mut Random,
) -> Vec<DemoDocument> {
    let account = |role| users.iter().find(|user| user.fields.roles.contains(&role));
    let (Some(keeper), Some(agent)) = (account(Role::Sdrh), account(Role::Agent)) else {
        return Vec::new();
    };
    let own = personnel
        .iter()
        .find(|file| Some(file.id) == agent.fields.personnel);
    let others: Vec<&Personnel> = personnel
        .iter()
        .filter(|file| file.departure.is_none() && Some(file.id) != agent.fields.personnel)
        .collect();
    let mut made = Vec::new();
    for (number, plan) in (1_i64..).zip(PLANS) {
        let file = match plan.holder {
            Holder::Agent => own,
            Holder::Other(place) => others.get(place % others.len().max(1)).copied(),
        };
        let Some(file) = file else { continue };
        let received = morning_of(plus_days(today, -6 * number - random.between(0, 4)));
        let at = later(received, random.between(600, 30_000));
        // What an agent deposits himself waits for another to look at it.
        let by = if plan.state == DocumentState::ToCheck {
            agent
        } else {
            keeper
        };
        made.push(one(plan, file, by, keeper, at, today, random));
    }
    made
}

fn one(
    plan: &Plan,
    agent: &Personnel,
    by: &User,
    keeper: &User,
    at: Timestamp,
    today: Date,
    random: &mut Random,
) -> DemoDocument {
    let id = DocumentId::from_uuid(random.uuid(at));
    let name = agent.fields.full_name();
    let content = pdf::page(&[
        "République de Côte d’Ivoire",
        "Document de démonstration, sans valeur",
        "",
        plan.title,
        &name,
        &format!("Matricule {}", agent.fields.matricule.as_str()),
    ]);
    let file = StoredFile {
        id: StoredFileId::from_uuid(random.uuid(at)),
        size: u64::try_from(content.len()).unwrap_or(u64::MAX),
        sha256: Sha256::digest(&content).into(),
        kind: FileType::Pdf,
        created_at: at,
    };
    let looked_at = plan.state != DocumentState::ToCheck;
    let document = Document {
        id,
        personnel: agent.id,
        fields: DocumentFields {
            kind: plan.kind,
            title: plan.title.to_owned(),
            reference: None,
            issued_on: Some(plus_days(today, -400 - random.between(0, 900))),
            expires_on: plan.expires.map(|days| plus_days(today, days)),
            confidential: plan.confidential,
        },
        state: plan.state,
        state_reason: plan.reason.map(str::to_owned),
        checked_by: Some(keeper.id).filter(|_| looked_at),
        current: 1,
        version: 1,
        created_at: at,
        updated_at: at,
    };
    let version = DocumentVersion {
        document: id,
        number: 1,
        file_name: FileName::stored(format!("{}.pdf", plan.kind.code()), FileType::Pdf),
        file,
        note: None,
        uploaded_by: Some(by.id),
        uploaded_by_name: by.fields.display_name.clone(),
        uploaded_at: at,
    };
    DemoDocument {
        document,
        version,
        content,
    }
}

/// Keeps one content.
pub(crate) async fn keep(files: &dyn FileStore, id: StoredFileId, content: &[u8]) -> Result<(), LoadError> {
    let mut writer = files.create(id).await?;
    writer.write(Bytes::copy_from_slice(content)).await?;
    writer.finish().await?;
    Ok(())
}

/// Keeps the contents, and then writes the documents that name them, in one unit. Gives the epochs that moved. After a
/// failure no document is there; contents that were kept are named by nothing, and cleaned up like others.
///
/// # Errors
/// `Files`, `Store`.
pub async fn load_documents(
    store: &dyn Store,
    files: &dyn FileStore,
    documents: &[DemoDocument],
) -> Result<Vec<Epoch>, LoadError> {
    for made in documents {
        keep(files, made.version.file.id, &made.content).await?;
    }
    let mut unit = store.begin().await?;
    for made in documents {
        unit.stored_files().insert(&made.version.file).await?;
        unit.documents().insert(&made.document, &made.version).await?;
    }
    unit.bump(&[Namespace::FILES]).await?;
    Ok(unit.commit().await?)
}
