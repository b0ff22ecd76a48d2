//! Records to store.

use jiff::civil::{Date, date};
use mppeep_core::domain::absence::{Absence, AbsenceFields, AbsenceType};
use mppeep_core::domain::calendar::{Half, Period};
use mppeep_core::domain::codes::{
    AdministrativePosition, AgentStatus, BirthPrecision, DepartureReason, MaritalStatus, Sex,
};
use mppeep_core::domain::document::{Document, DocumentFields, DocumentKind, DocumentState, DocumentVersion};
use mppeep_core::domain::email::Email;
use mppeep_core::domain::evaluation::{Criterion, Evaluation, EvaluationFields, Mark, Marks};
use mppeep_core::domain::id::{
    AbsenceId, DepartmentId, DocumentId, EvaluationId, PersonnelId, StoredFileId, UserId,
};
use mppeep_core::domain::personnel::{Departure, Matricule, Personnel, PersonnelFields};
use mppeep_core::domain::stored_file::{FileName, FileType, StoredFile};
use mppeep_core::domain::user::{Role, User, UserFields, UserStatus};
use mppeep_core::ports::store::Store;
use uuid::Uuid;

use crate::support::{at, start};

/// The identifier of that number, of UUID version 7.
pub(crate) fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x0194_9000_0000_7000_8000_0000_0000_0000 + number)
}

pub(crate) fn personnel_id(number: u128) -> PersonnelId {
    PersonnelId::from_uuid(uuid(0x1000 + number))
}

pub(crate) fn department_id(number: u128) -> DepartmentId {
    DepartmentId::from_uuid(uuid(0x2000 + number))
}

/// The day that the checks take for today.
pub(crate) const TODAY: Date = date(2026, 11, 22);

/// A file with the four values that a file must have.
pub(crate) fn a_personnel(number: u128, matricule: &str) -> Personnel {
    Personnel {
        id: personnel_id(number),
        fields: PersonnelFields {
            matricule: Matricule::from_stored(matricule.to_owned()),
            family_name: "KONÉ".to_owned(),
            given_names: format!("Awa {number}"),
            maiden_name: None,
            sex: None,
            birth_date: date(1980, 2, 29),
            birth_precision: BirthPrecision::Day,
            birth_place: None,
            nationality: None,
            marital_status: None,
            children: None,
            national_id: None,
            passport: None,
            status: AgentStatus::CivilServant,
            position: AdministrativePosition::Active,
            recruitment_date: None,
            service_start_date: None,
            department: None,
            job_title: None,
            grade: None,
            step: None,
            salary_index: None,
            retirement_extension: None,
            work_phone: None,
            personal_phone: None,
            email: None,
            address: None,
            notes: None,
        },
        departure: None,
        retirement_date: None,
        version: 1,
        created_at: start(),
        updated_at: start(),
    }
}

/// A file in which every value is present and awkward: accents, quotation marks, line ends, the ends of ranges.
pub(crate) fn a_full_personnel(number: u128, department: DepartmentId) -> Personnel {
    let mut full = a_personnel(number, "AB-99");
    let fields = &mut full.fields;
    fields.family_name = "N'GUESSAN-ÉBOUÉ".to_owned();
    fields.given_names = "Œuvrard \"Zoé\" — 𝒂".to_owned();
    fields.maiden_name = Some("D'ALMEIDA; DROP TABLE".to_owned());
    fields.sex = Some(Sex::Female);
    fields.birth_date = date(1900, 1, 1);
    fields.birth_precision = BirthPrecision::Year;
    fields.birth_place = Some("Bouaké".to_owned());
    fields.nationality = Some("Ivoirienne".to_owned());
    fields.marital_status = Some(MaritalStatus::CommonLaw);
    fields.children = Some(0);
    fields.national_id = Some("CI 001/234.5-6".to_owned());
    fields.passport = Some("PA000000".to_owned());
    fields.status = AgentStatus::Assigned;
    fields.position = AdministrativePosition::OutOfCadre;
    fields.recruitment_date = Some(date(1999, 12, 31));
    fields.service_start_date = Some(date(2000, 2, 29));
    fields.department = Some(department);
    fields.job_title = Some("Chargé d'études".to_owned());
    fields.grade = "A7".parse().ok();
    fields.step = Some(20);
    fields.salary_index = Some(9_999);
    fields.retirement_extension = Some(date(2200, 12, 31));
    fields.work_phone = Some("+225 27 20 00 00 00".to_owned());
    fields.personal_phone = Some("07 00 00 00 00".to_owned());
    fields.email = Some(Email::parse("zoe.n'guessan@exemple.ci").unwrap());
    fields.address = Some("Rue 12\nCocody".to_owned());
    fields.notes = Some("a\n\n'b' \"c\" \\ % _ — ".trim().to_owned());
    full.departure = Some(Departure {
        date: date(2026, 1, 31),
        reason: DepartureReason::TransferOut,
    });
    full.retirement_date = Some(date(2199, 12, 31));
    full.version = 1;
    full.created_at = at("2026-01-02T03:04:05.678901Z");
    full.updated_at = at("2026-11-22T23:59:59.999999Z");
    full
}

/// The file after a change that is left to the caller.
pub(crate) fn changed(personnel: &Personnel) -> Personnel {
    let mut next = personnel.clone();
    next.version += 1;
    next.updated_at = personnel
        .updated_at
        .checked_add(std::time::Duration::from_secs(1))
        .unwrap();
    next
}

pub(crate) fn a_user(number: u128) -> User {
    User {
        id: UserId::from_uuid(uuid(0x3000 + number)),
        fields: UserFields {
            email: Email::parse(&format!("compte{number}@exemple.ci")).unwrap(),
            display_name: format!("Compte {number}"),
            roles: [Role::Sdrh, Role::Agent].into(),
            status: UserStatus::Active,
            personnel: None,
            perimeter: None,
        },
        must_change_password: true,
        charter_version: 3,
        session_epoch: 1,
        last_login_at: None,
        version: 1,
        created_at: start(),
        updated_at: start(),
    }
}

/// The account after a change that is left to the caller.
pub(crate) fn next_version(user: &User) -> User {
    User {
        version: user.version + 1,
        ..user.clone()
    }
}

pub(crate) fn period(start: Date, start_half: Half, end: Date, end_half: Half) -> Period {
    Period::new(start, start_half, end, end_half).unwrap()
}

pub(crate) fn an_absence(number: u128, personnel: PersonnelId, period: Period) -> Absence {
    Absence {
        id: AbsenceId::from_uuid(uuid(0x4000 + number)),
        personnel,
        fields: AbsenceFields {
            kind: AbsenceType::AnnualLeave,
            period,
            reason: None,
        },
        counted_half_days: u32::try_from(period.half_days().count()).unwrap(),
        cancelled_at: None,
        version: 1,
        created_at: start(),
        updated_at: start(),
    }
}

pub(crate) fn an_evaluation(
    number: u128,
    personnel: PersonnelId,
    year: i16,
    hundredths: Option<u16>,
) -> Evaluation {
    let mark = Mark::from_hundredths(hundredths.unwrap_or(1_000)).unwrap();
    let mut marks: Marks = Criterion::ALL
        .iter()
        .map(|criterion| (*criterion, mark))
        .collect();
    if hundredths.is_none() {
        marks.remove(&Criterion::Diligence);
    }
    Evaluation {
        id: EvaluationId::from_uuid(uuid(0x5000 + number)),
        personnel,
        fields: EvaluationFields {
            year,
            marks,
            observations: None,
        },
        final_mark: hundredths.and_then(Mark::from_hundredths),
        version: 1,
        created_at: start(),
        updated_at: start(),
    }
}

/// Stores files in a unit of their own.
pub(crate) async fn store_personnel(store: &dyn Store, files: &[Personnel]) {
    let mut unit = store.begin().await.unwrap();
    unit.personnel().insert_many(files).await.unwrap();
    unit.commit().await.unwrap();
}

pub(crate) fn file_id(number: u128) -> StoredFileId {
    StoredFileId::from_uuid(uuid(0x6_0000 + number))
}

/// What is known of a content of a kilobyte.
pub(crate) fn a_file(number: u128) -> StoredFile {
    StoredFile {
        id: file_id(number),
        size: 1_024,
        sha256: [u8::try_from(number % 251).unwrap(); 32],
        kind: FileType::Pdf,
        created_at: start(),
    }
}

/// Stores what is known of contents in a unit of its own.
pub(crate) async fn store_files(store: &dyn Store, files: &[StoredFile]) {
    let mut unit = store.begin().await.unwrap();
    for file in files {
        unit.stored_files().insert(file).await.unwrap();
    }
    unit.commit().await.unwrap();
}

pub(crate) fn document_id(number: u128) -> DocumentId {
    DocumentId::from_uuid(uuid(0x7_0000 + number))
}

/// A document with the values that it must have.
pub(crate) fn a_document(number: u128, personnel: PersonnelId) -> Document {
    Document {
        id: document_id(number),
        personnel,
        fields: DocumentFields {
            kind: DocumentKind::Diploma,
            title: format!("Diplôme {number}"),
            reference: None,
            issued_on: None,
            expires_on: None,
            confidential: false,
        },
        state: DocumentState::ToCheck,
        state_reason: None,
        checked_by: None,
        current: 1,
        version: 1,
        created_at: start(),
        updated_at: start(),
    }
}

/// The version of that number of a document, with that content.
pub(crate) fn a_version(document: &Document, number: u32, file: &StoredFile) -> DocumentVersion {
    DocumentVersion {
        document: document.id,
        number,
        file: file.clone(),
        file_name: FileName::stored(format!("pièce {number}.pdf"), file.kind),
        note: None,
        uploaded_by: None,
        uploaded_by_name: "Compte 1".to_owned(),
        uploaded_at: start(),
    }
}
