//! Programmes, directorates and departments.

use async_trait::async_trait;
use mppeep_core::domain::id::{DepartmentId, DirectorateId, PersonnelId, ProgrammeId};
use mppeep_core::domain::organisation::{
    Department, Directorate, Organisation, Programme, UnitFields, UnitRef,
};
use mppeep_core::domain::text::fold;
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::organisation::OrganisationRepository;
use uuid::Uuid;

use crate::codec::number;
use crate::filter::{Builder, push_unit};
use crate::unit::Handle;

fn fields(code: String, name: String, head: Option<Uuid>, active: bool) -> UnitFields {
    UnitFields {
        code,
        name,
        head: head.map(PersonnelId::from_uuid),
        active,
    }
}

#[async_trait]
impl OrganisationRepository for Handle<'_> {
    async fn load(&mut self) -> Result<Organisation, StoreError> {
        let link = self.0.reading().await?;
        let programmes = sqlx::query!(
            r#"
                SELECT programme_id AS id, code, name, head_id, active, version
                FROM programme ORDER BY name_key, programme_id
            "#
        )
        .fetch_all(link)
        .await;
        let programmes = self.0.settle("programme", programmes)?;
        let programmes = programmes
            .into_iter()
            .map(|row| Programme {
                id: ProgrammeId::from_uuid(row.id),
                fields: fields(row.code, row.name, row.head_id, row.active),
                version: row.version,
            })
            .collect();
        let link = self.0.reading().await?;
        let directorates = sqlx::query!(
            r#"
                SELECT directorate_id AS id, programme_id, code, name, head_id, active, version
                FROM directorate ORDER BY name_key, directorate_id
            "#
        )
        .fetch_all(link)
        .await;
        let directorates = self.0.settle("directorate", directorates)?;
        let directorates = directorates
            .into_iter()
            .map(|row| Directorate {
                id: DirectorateId::from_uuid(row.id),
                programme: ProgrammeId::from_uuid(row.programme_id),
                fields: fields(row.code, row.name, row.head_id, row.active),
                version: row.version,
            })
            .collect();
        let link = self.0.reading().await?;
        let departments = sqlx::query!(
            r#"
                SELECT department_id AS id, directorate_id, code, name, head_id, active, version
                FROM department ORDER BY name_key, department_id
            "#
        )
        .fetch_all(link)
        .await;
        let departments = self.0.settle("department", departments)?;
        let departments = departments
            .into_iter()
            .map(|row| Department {
                id: DepartmentId::from_uuid(row.id),
                directorate: DirectorateId::from_uuid(row.directorate_id),
                fields: fields(row.code, row.name, row.head_id, row.active),
                version: row.version,
            })
            .collect();
        Ok(Organisation {
            programmes,
            directorates,
            departments,
        })
    }

    async fn insert_programme(&mut self, unit: &Programme) -> Result<(), StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                INSERT INTO programme (programme_id, code, code_key, name, name_key, head_id, active, version)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            "#,
            unit.id.as_uuid(),
            unit.fields.code,
            fold(&unit.fields.code),
            unit.fields.name,
            fold(&unit.fields.name),
            unit.fields.head.map(PersonnelId::as_uuid),
            unit.fields.active,
            unit.version,
        )
        .execute(link)
        .await;
        self.0.settle("programme", done)?;
        Ok(())
    }

    async fn insert_directorate(&mut self, unit: &Directorate) -> Result<(), StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                INSERT INTO directorate (directorate_id, programme_id, code, code_key, name, name_key, head_id, active, version)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            "#,
            unit.id.as_uuid(),
            unit.programme.as_uuid(),
            unit.fields.code,
            fold(&unit.fields.code),
            unit.fields.name,
            fold(&unit.fields.name),
            unit.fields.head.map(PersonnelId::as_uuid),
            unit.fields.active,
            unit.version,
        )
        .execute(link)
        .await;
        self.0.settle("directorate", done)?;
        Ok(())
    }

    async fn insert_department(&mut self, unit: &Department) -> Result<(), StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                INSERT INTO department (department_id, directorate_id, code, code_key, name, name_key, head_id, active, version)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            "#,
            unit.id.as_uuid(),
            unit.directorate.as_uuid(),
            unit.fields.code,
            fold(&unit.fields.code),
            unit.fields.name,
            fold(&unit.fields.name),
            unit.fields.head.map(PersonnelId::as_uuid),
            unit.fields.active,
            unit.version,
        )
        .execute(link)
        .await;
        self.0.settle("department", done)?;
        Ok(())
    }

    async fn update_programme(&mut self, unit: &Programme) -> Result<(), StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                UPDATE programme SET code = $2, code_key = $3, name = $4, name_key = $5, head_id = $6,
                       active = $7, version = $8
                WHERE programme_id = $1 AND version + 1 = $8
            "#,
            unit.id.as_uuid(),
            unit.fields.code,
            fold(&unit.fields.code),
            unit.fields.name,
            fold(&unit.fields.name),
            unit.fields.head.map(PersonnelId::as_uuid),
            unit.fields.active,
            unit.version,
        )
        .execute(link)
        .await;
        let done = self.0.settle("programme", done)?;
        if done.rows_affected() == 0 {
            Err(StoreError::StaleVersion)
        } else {
            Ok(())
        }
    }

    async fn update_directorate(&mut self, unit: &Directorate) -> Result<(), StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                UPDATE directorate SET programme_id = $2, code = $3, code_key = $4, name = $5, name_key = $6, head_id = $7,
                       active = $8, version = $9
                WHERE directorate_id = $1 AND version + 1 = $9
            "#,
            unit.id.as_uuid(),
            unit.programme.as_uuid(),
            unit.fields.code,
            fold(&unit.fields.code),
            unit.fields.name,
            fold(&unit.fields.name),
            unit.fields.head.map(PersonnelId::as_uuid),
            unit.fields.active,
            unit.version,
        )
        .execute(link)
        .await;
        let done = self.0.settle("directorate", done)?;
        if done.rows_affected() == 0 {
            Err(StoreError::StaleVersion)
        } else {
            Ok(())
        }
    }

    async fn update_department(&mut self, unit: &Department) -> Result<(), StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                UPDATE department SET directorate_id = $2, code = $3, code_key = $4, name = $5, name_key = $6, head_id = $7,
                       active = $8, version = $9
                WHERE department_id = $1 AND version + 1 = $9
            "#,
            unit.id.as_uuid(),
            unit.directorate.as_uuid(),
            unit.fields.code,
            fold(&unit.fields.code),
            unit.fields.name,
            fold(&unit.fields.name),
            unit.fields.head.map(PersonnelId::as_uuid),
            unit.fields.active,
            unit.version,
        )
        .execute(link)
        .await;
        let done = self.0.settle("department", done)?;
        if done.rows_affected() == 0 {
            Err(StoreError::StaleVersion)
        } else {
            Ok(())
        }
    }

    async fn count_agents(&mut self, unit: UnitRef) -> Result<u64, StoreError> {
        let mut query = Builder::new("SELECT count(*) FROM personnel AS p WHERE NOT p.archived");
        push_unit(&mut query, Some(unit));
        let link = self.0.reading().await?;
        let count = query.build_query_scalar::<i64>().fetch_one(link).await;
        let count = self.0.settle("personnel", count)?;
        self.0.decoded(number(count, "a count"))
    }
}
