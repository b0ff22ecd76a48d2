//! Personnel files: writing them, and reading them one by one.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::civil::Date;
use mppeep_core::domain::codes::{MaritalStatus, Sex};
use mppeep_core::domain::email::Email;
use mppeep_core::domain::id::{DepartmentId, PersonnelId};
use mppeep_core::domain::personnel::{Matricule, Personnel};
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::page::Page;
use mppeep_core::ports::personnel::{
    DashboardFigures, FiguresQuery, PersonnelIdentity, PersonnelQuery, PersonnelRepository, PersonnelRow,
    PossibleDuplicate, RetirementInput,
};
use uuid::Uuid;

use crate::codec::{stored, stored_date};
use crate::personnel_record::{Derived, PersonnelRecord, files, grade, matricule_key};
use crate::unit::Handle;

const ENTITY: &str = "personnel";

/// A checked selection of [`PersonnelRecord`]s.
macro_rules! select_personnel {
    ($condition:tt $(, $argument:expr)*) => {
        sqlx::query_as!(
            PersonnelRecord,
            r#"
                SELECT p.personnel_id AS id, p.matricule, p.family_name, p.given_names, p.maiden_name, p.sex,
                       p.birth_date, p.birth_precision, p.birth_place, p.nationality, p.marital_status, p.children,
                       p.national_id, p.passport, p.status, p.position, p.recruitment_date, p.service_start_date,
                       p.department_id, p.job_title, p.grade, p.step, p.salary_index,
                       p.retirement_extension, p.work_phone, p.personal_phone, p.email, p.address, p.notes,
                       p.departure_date, p.departure_reason, p.retirement_date, p.version, p.created_at, p.updated_at
                FROM personnel AS p
            "# + $condition
            $(, $argument)*
        )
    };
}

impl Handle<'_> {
    /// Inserts a file and takes its matricule, for which the first of several wins.
    async fn insert_personnel(&mut self, personnel: &Personnel, in_batch: bool) -> Result<(), StoreError> {
        let (fields, derived) = (&personnel.fields, Derived::of(personnel));
        let link = if in_batch {
            self.0.batch().await?
        } else {
            self.0.writing().await?
        };
        let done = sqlx::query!(
            r#"
                WITH taken AS (
                    INSERT INTO personnel_matricule (matricule_key, personnel_id) VALUES ($42, $1)
                    ON CONFLICT (matricule_key) DO NOTHING
                    RETURNING personnel_id
                )
                INSERT INTO personnel (
                    personnel_id, matricule, family_name, given_names, maiden_name, sex, birth_date, birth_precision,
                    birth_place, nationality, marital_status, children, national_id, passport, status, position,
                    recruitment_date, service_start_date, department_id, job_title, grade, step, salary_index,
                    retirement_extension, work_phone, personal_phone, email, address, notes, departure_date,
                    departure_reason, retirement_date, version, created_at, updated_at, name_key, job_title_key,
                    search_key, private_search_key, grade_rank, completeness_percent
                )
                SELECT taken.personnel_id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                       $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37,
                       $38, $39, $40, $41
                FROM taken
            "#,
            personnel.id.as_uuid(),
            fields.matricule.as_str(),
            fields.family_name,
            fields.given_names,
            fields.maiden_name,
            fields.sex.map(Sex::code),
            stored_date(fields.birth_date) as _,
            fields.birth_precision.code(),
            fields.birth_place,
            fields.nationality,
            fields.marital_status.map(MaritalStatus::code),
            fields.children.map(i32::from),
            fields.national_id,
            fields.passport,
            fields.status.code(),
            fields.position.code(),
            fields.recruitment_date.map(stored_date) as _,
            fields.service_start_date.map(stored_date) as _,
            fields.department.map(DepartmentId::as_uuid),
            fields.job_title,
            derived.grade,
            fields.step.map(i32::from),
            fields.salary_index.map(i32::from),
            fields.retirement_extension.map(stored_date) as _,
            fields.work_phone,
            fields.personal_phone,
            fields.email.as_ref().map(Email::as_str),
            fields.address,
            fields.notes,
            departure_date(personnel) as _,
            personnel.departure.as_ref().map(|departure| departure.reason.code()),
            personnel.retirement_date.map(stored_date) as _,
            personnel.version,
            stored(personnel.created_at) as _,
            stored(personnel.updated_at) as _,
            derived.name_key,
            derived.job_title_key,
            derived.search_key,
            derived.private_search_key,
            derived.grade_rank,
            derived.completeness_percent,
            derived.matricule_key,
        )
        .execute(link)
        .await;
        if self.0.settle(ENTITY, done)?.rows_affected() == 0 {
            return Err(TAKEN);
        }
        Ok(())
    }

    /// Locks the version of a file that is to be written over, and takes the matricule that it gets; it may have had it
    /// before.
    async fn take_over(&mut self, personnel: &Personnel, matricule_key: &str) -> Result<(), StoreError> {
        let id = personnel.id.as_uuid();
        let link = self.0.writing().await?;
        let current = sqlx::query_scalar!(
            r#"SELECT version + 1 = $2 AS "current!" FROM personnel WHERE personnel_id = $1 FOR NO KEY UPDATE"#,
            id,
            personnel.version,
        )
        .fetch_optional(link)
        .await;
        if self.0.settle(ENTITY, current)? != Some(true) {
            return Err(StoreError::StaleVersion);
        }
        let link = self.0.same_write()?;
        let done = sqlx::query!(
            r#"
                INSERT INTO personnel_matricule (matricule_key, personnel_id) VALUES ($1, $2)
                ON CONFLICT (matricule_key) DO NOTHING
            "#,
            matricule_key,
            id,
        )
        .execute(link)
        .await;
        if self.0.settle(ENTITY, done)?.rows_affected() > 0 {
            return Ok(());
        }
        let link = self.0.same_write()?;
        let holder = sqlx::query_scalar!(
            "SELECT personnel_id FROM personnel_matricule WHERE matricule_key = $1",
            matricule_key,
        )
        .fetch_optional(link)
        .await;
        if self.0.settle(ENTITY, holder)? == Some(id) {
            Ok(())
        } else {
            Err(TAKEN)
        }
    }
}

/// Another file has, or had, the matricule.
const TAKEN: StoreError = StoreError::Conflict {
    entity: ENTITY,
    field: "matricule",
};

fn departure_date(personnel: &Personnel) -> Option<jiff_sqlx::Date> {
    let departure = personnel.departure.as_ref()?;
    Some(stored_date(departure.date))
}

#[async_trait]
impl PersonnelRepository for Handle<'_> {
    async fn insert(&mut self, personnel: &Personnel) -> Result<(), StoreError> {
        self.insert_personnel(personnel, false).await
    }

    async fn insert_many(&mut self, personnel: &[Personnel]) -> Result<(), StoreError> {
        for file in personnel {
            self.insert_personnel(file, true)
                .await
                .map_err(|err| self.0.abandon(err))?;
        }
        Ok(())
    }

    async fn update(&mut self, personnel: &Personnel) -> Result<(), StoreError> {
        let (fields, derived) = (&personnel.fields, Derived::of(personnel));
        self.take_over(personnel, &derived.matricule_key).await?;
        let link = self.0.same_write()?;
        let done = sqlx::query!(
            r#"
                UPDATE personnel SET
                    matricule = $2, family_name = $3, given_names = $4, maiden_name = $5, sex = $6, birth_date = $7,
                    birth_precision = $8, birth_place = $9, nationality = $10, marital_status = $11, children = $12,
                    national_id = $13, passport = $14, status = $15, position = $16, recruitment_date = $17,
                    service_start_date = $18, department_id = $19, job_title = $20, grade = $21, step = $22,
                    salary_index = $23, retirement_extension = $24, work_phone = $25, personal_phone = $26, email = $27,
                    address = $28, notes = $29, departure_date = $30, departure_reason = $31, retirement_date = $32,
                    version = $33, updated_at = $34, name_key = $35, job_title_key = $36, search_key = $37,
                    private_search_key = $38, grade_rank = $39, completeness_percent = $40
                WHERE personnel_id = $1
            "#,
            personnel.id.as_uuid(),
            fields.matricule.as_str(),
            fields.family_name,
            fields.given_names,
            fields.maiden_name,
            fields.sex.map(Sex::code),
            stored_date(fields.birth_date) as _,
            fields.birth_precision.code(),
            fields.birth_place,
            fields.nationality,
            fields.marital_status.map(MaritalStatus::code),
            fields.children.map(i32::from),
            fields.national_id,
            fields.passport,
            fields.status.code(),
            fields.position.code(),
            fields.recruitment_date.map(stored_date) as _,
            fields.service_start_date.map(stored_date) as _,
            fields.department.map(DepartmentId::as_uuid),
            fields.job_title,
            derived.grade,
            fields.step.map(i32::from),
            fields.salary_index.map(i32::from),
            fields.retirement_extension.map(stored_date) as _,
            fields.work_phone,
            fields.personal_phone,
            fields.email.as_ref().map(Email::as_str),
            fields.address,
            fields.notes,
            departure_date(personnel) as _,
            personnel.departure.as_ref().map(|departure| departure.reason.code()),
            personnel.retirement_date.map(stored_date) as _,
            personnel.version,
            stored(personnel.updated_at) as _,
            derived.name_key,
            derived.job_title_key,
            derived.search_key,
            derived.private_search_key,
            derived.grade_rank,
            derived.completeness_percent,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn find(&mut self, id: PersonnelId) -> Result<Option<Personnel>, StoreError> {
        let link = self.0.reading().await?;
        let found = select_personnel!("WHERE p.personnel_id = $1", id.as_uuid())
            .fetch_optional(link)
            .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(Personnel::try_from).transpose())
    }

    async fn find_by_matricules(&mut self, matricules: &[Matricule]) -> Result<Vec<Personnel>, StoreError> {
        // A matricule that a file had before leads to it as well; those files are left out.
        let wanted: BTreeSet<String> = matricules.iter().map(matricule_key).collect();
        let keys: Vec<String> = wanted.iter().cloned().collect();
        let link = self.0.reading().await?;
        let found = select_personnel!(
            r#"
                WHERE p.personnel_id IN (
                    SELECT m.personnel_id FROM personnel_matricule AS m
                    WHERE m.matricule_key = ANY ($1)
                )
            "#,
            &keys
        )
        .fetch_all(link)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        let mut found = self.0.decoded(files(found))?;
        found.retain(|file| wanted.contains(&matricule_key(&file.fields.matricule)));
        Ok(found)
    }

    async fn find_many(&mut self, ids: &[PersonnelId]) -> Result<Vec<Personnel>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let link = self.0.reading().await?;
        let found = select_personnel!("WHERE p.personnel_id = ANY ($1)", &ids)
            .fetch_all(link)
            .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(files(found))
    }

    async fn list(&mut self, query: &PersonnelQuery) -> Result<Page<PersonnelRow>, StoreError> {
        self.list_personnel(query).await
    }

    async fn possible_duplicates(
        &mut self,
        except: Option<PersonnelId>,
        name_key: &str,
        birth_date: Date,
        national_id: Option<&str>,
    ) -> Result<Vec<PossibleDuplicate>, StoreError> {
        let except = except.map(PersonnelId::as_uuid);
        let link = self.0.reading().await?;
        let rows = sqlx::query!(
            r#"
                SELECT p.personnel_id AS id, p.matricule, p.family_name, p.given_names,
                       coalesce(p.national_id = $4, false) AS "same_national_id!"
                FROM personnel AS p
                WHERE ((p.name_key = $2 AND p.birth_date = $3) OR p.national_id = $4)
                  AND ($1::uuid IS NULL OR p.personnel_id <> $1)
                ORDER BY 5 DESC, p.name_key, p.personnel_id
                LIMIT 10
            "#,
            except,
            name_key,
            stored_date(birth_date) as _,
            national_id,
        )
        .fetch_all(link)
        .await;
        let rows = self.0.settle(ENTITY, rows)?;
        let duplicates = rows.into_iter().map(|row| PossibleDuplicate {
            id: PersonnelId::from_uuid(row.id),
            matricule: Matricule::from_stored(row.matricule),
            full_name: format!("{} {}", row.family_name, row.given_names),
            same_national_id: row.same_national_id,
        });
        Ok(duplicates.collect())
    }

    async fn identities(&mut self) -> Result<Vec<PersonnelIdentity>, StoreError> {
        let link = self.0.reading().await?;
        let rows = sqlx::query!(
            r#"SELECT personnel_id AS id, matricule, name_key, birth_date, national_id FROM personnel"#
        )
        .fetch_all(link)
        .await;
        let rows = self.0.settle(ENTITY, rows)?;
        let identities = rows.into_iter().map(|row| PersonnelIdentity {
            id: PersonnelId::from_uuid(row.id),
            matricule: Matricule::from_stored(row.matricule),
            name_key: row.name_key,
            birth_date: row.birth_date.to_jiff(),
            national_id: row.national_id,
        });
        Ok(identities.collect())
    }

    async fn figures(&mut self, query: &FiguresQuery) -> Result<DashboardFigures, StoreError> {
        self.dashboard_figures(query).await
    }

    async fn set_retirement_dates(
        &mut self,
        dates: &[(PersonnelId, Option<Date>)],
    ) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = dates.iter().map(|(id, _)| id.as_uuid()).collect();
        let dates: Vec<Option<jiff_sqlx::Date>> =
            dates.iter().map(|(_, date)| date.map(stored_date)).collect();
        let link = self.0.batch().await?;
        let done = sqlx::query!(
            r#"
                UPDATE personnel AS p SET retirement_date = n.retirement_date
                FROM unnest($1::uuid[], $2::date[]) AS n (personnel_id, retirement_date)
                WHERE p.personnel_id = n.personnel_id
            "#,
            &ids,
            &dates as _,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn retirement_inputs(&mut self) -> Result<Vec<RetirementInput>, StoreError> {
        let link = self.0.reading().await?;
        let rows = sqlx::query!(
            r#"
                SELECT personnel_id AS id, birth_date, grade, retirement_extension, retirement_date
                FROM personnel
            "#
        )
        .fetch_all(link)
        .await;
        let rows = self.0.settle(ENTITY, rows)?;
        let inputs = rows.into_iter().map(|row| {
            Ok(RetirementInput {
                id: PersonnelId::from_uuid(row.id),
                birth_date: row.birth_date.to_jiff(),
                grade: grade(row.grade.as_deref())?,
                extension: row.retirement_extension.map(jiff_sqlx::Date::to_jiff),
                stored: row.retirement_date.map(jiff_sqlx::Date::to_jiff),
            })
        });
        let inputs = inputs.collect();
        self.0.decoded(inputs)
    }
}
