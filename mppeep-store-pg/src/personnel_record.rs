//! Rows of `personnel`: between columns and files.

use mppeep_core::domain::codes::{
    AdministrativePosition, AgentStatus, BirthPrecision, DepartureReason, MaritalStatus, Sex,
};
use mppeep_core::domain::email::Email;
use mppeep_core::domain::grade::Grade;
use mppeep_core::domain::id::{DepartmentId, PersonnelId};
use mppeep_core::domain::personnel::{Departure, Matricule, Personnel, PersonnelFields};
use mppeep_core::domain::text::fold;
use mppeep_core::ports::error::BackendError;
use uuid::Uuid;

use crate::codec::{code, optional_code, optional_number};
use crate::error::ADAPTER;
use crate::filter::grade_rank;

/// A row of `personnel`, in plain types.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct PersonnelRecord {
    pub(crate) id: Uuid,
    pub(crate) matricule: String,
    pub(crate) family_name: String,
    pub(crate) given_names: String,
    pub(crate) maiden_name: Option<String>,
    pub(crate) sex: Option<String>,
    pub(crate) birth_date: jiff_sqlx::Date,
    pub(crate) birth_precision: String,
    pub(crate) birth_place: Option<String>,
    pub(crate) nationality: Option<String>,
    pub(crate) marital_status: Option<String>,
    pub(crate) children: Option<i32>,
    pub(crate) national_id: Option<String>,
    pub(crate) passport: Option<String>,
    pub(crate) status: String,
    pub(crate) position: String,
    pub(crate) recruitment_date: Option<jiff_sqlx::Date>,
    pub(crate) service_start_date: Option<jiff_sqlx::Date>,
    pub(crate) department_id: Option<Uuid>,
    pub(crate) job_title: Option<String>,
    pub(crate) grade: Option<String>,
    pub(crate) step: Option<i32>,
    pub(crate) salary_index: Option<i32>,
    pub(crate) retirement_extension: Option<jiff_sqlx::Date>,
    pub(crate) work_phone: Option<String>,
    pub(crate) personal_phone: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) notes: Option<String>,
    pub(crate) departure_date: Option<jiff_sqlx::Date>,
    pub(crate) departure_reason: Option<String>,
    pub(crate) retirement_date: Option<jiff_sqlx::Date>,
    pub(crate) version: i64,
    pub(crate) created_at: jiff_sqlx::Timestamp,
    pub(crate) updated_at: jiff_sqlx::Timestamp,
}

/// The columns of a [`PersonnelRecord`], for lists whose text is built.
pub(crate) const COLUMNS: &str = "p.personnel_id AS id, p.matricule, p.family_name, p.given_names, p.maiden_name, \
    p.sex, p.birth_date, p.birth_precision, p.birth_place, p.nationality, p.marital_status, p.children, \
    p.national_id, p.passport, p.status, p.position, p.recruitment_date, p.service_start_date, p.department_id, \
    p.job_title, p.grade, p.step, p.salary_index, p.retirement_extension, p.work_phone, p.personal_phone, p.email, \
    p.address, p.notes, p.departure_date, p.departure_reason, p.retirement_date, p.version, p.created_at, \
    p.updated_at";

pub(crate) fn grade(text: Option<&str>) -> Result<Option<Grade>, BackendError> {
    text.map(|text| {
        text.parse()
            .map_err(|_| BackendError::corrupt(ADAPTER, "personnel.grade"))
    })
    .transpose()
}

impl TryFrom<PersonnelRecord> for Personnel {
    type Error = BackendError;

    fn try_from(row: PersonnelRecord) -> Result<Self, BackendError> {
        let departure = match (row.departure_date, row.departure_reason.as_deref()) {
            (Some(day), Some(reason)) => Some(Departure {
                date: day.to_jiff(),
                reason: code(reason, DepartureReason::by_code, "personnel.departure_reason")?,
            }),
            _ => None,
        };
        let fields = PersonnelFields {
            matricule: Matricule::from_stored(row.matricule),
            family_name: row.family_name,
            given_names: row.given_names,
            maiden_name: row.maiden_name,
            sex: optional_code(row.sex.as_deref(), Sex::by_code, "personnel.sex")?,
            birth_date: row.birth_date.to_jiff(),
            birth_precision: code(
                &row.birth_precision,
                BirthPrecision::by_code,
                "personnel.birth_precision",
            )?,
            birth_place: row.birth_place,
            nationality: row.nationality,
            marital_status: optional_code(
                row.marital_status.as_deref(),
                MaritalStatus::by_code,
                "personnel.marital_status",
            )?,
            children: optional_number(row.children, "personnel.children")?,
            national_id: row.national_id,
            passport: row.passport,
            status: code(&row.status, AgentStatus::by_code, "personnel.status")?,
            position: code(
                &row.position,
                AdministrativePosition::by_code,
                "personnel.position",
            )?,
            recruitment_date: row.recruitment_date.map(jiff_sqlx::Date::to_jiff),
            service_start_date: row.service_start_date.map(jiff_sqlx::Date::to_jiff),
            department: row.department_id.map(DepartmentId::from_uuid),
            job_title: row.job_title,
            grade: grade(row.grade.as_deref())?,
            step: optional_number(row.step, "personnel.step")?,
            salary_index: optional_number(row.salary_index, "personnel.salary_index")?,
            retirement_extension: row.retirement_extension.map(jiff_sqlx::Date::to_jiff),
            work_phone: row.work_phone,
            personal_phone: row.personal_phone,
            email: row.email.map(Email::from_stored),
            address: row.address,
            notes: row.notes,
        };
        Ok(Self {
            id: PersonnelId::from_uuid(row.id),
            fields,
            departure,
            retirement_date: row.retirement_date.map(jiff_sqlx::Date::to_jiff),
            version: row.version,
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
        })
    }
}

/// What a matricule is unique by.
pub(crate) fn matricule_key(matricule: &Matricule) -> String {
    matricule.as_str().to_uppercase()
}

pub(crate) fn files(records: Vec<PersonnelRecord>) -> Result<Vec<Personnel>, BackendError> {
    records.into_iter().map(Personnel::try_from).collect()
}

/// The columns that are not the field itself.
pub(crate) struct Derived {
    pub(crate) grade: Option<String>,
    pub(crate) grade_rank: i32,
    pub(crate) matricule_key: String,
    pub(crate) name_key: String,
    pub(crate) job_title_key: Option<String>,
    pub(crate) search_key: String,
    pub(crate) private_search_key: String,
    pub(crate) completeness_percent: i32,
}

impl Derived {
    pub(crate) fn of(personnel: &Personnel) -> Self {
        let fields = &personnel.fields;
        Self {
            grade: fields.grade.map(|grade| grade.to_string()),
            grade_rank: fields
                .grade
                .map_or(0, |grade| grade_rank(grade.category(), grade.number())),
            matricule_key: matricule_key(&fields.matricule),
            name_key: fields.name_key(),
            job_title_key: fields.job_title.as_deref().map(fold),
            search_key: fields.search_key(),
            private_search_key: fields.private_search_key(),
            completeness_percent: i32::from(fields.completeness_percent()),
        }
    }
}
