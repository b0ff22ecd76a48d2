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

/// Reads a level of units by name, each made of its row.
macro_rules! load_units {
    ($handle:ident, $entity:tt, $key:tt, $parent:tt, $make:expr) => {{
        let conn = $handle.0.reading()?;
        let rows = sqlx::query!(
            "SELECT "
                + $key
                + r#" AS "id: Uuid", "#
                + $parent
                + r#"code, name, head_id AS "head_id: Uuid", active AS "active: bool", version FROM "#
                + $entity
                + " ORDER BY name_key, "
                + $key
        )
        .fetch_all(conn)
        .await;
        let rows = $handle.0.settle($entity, rows)?;
        rows.into_iter().map($make).collect()
    }};
}

/// Stores a unit of a level: `$more` names the column of its parent and the place of that value, where it has one.
macro_rules! insert_unit {
    ($handle:ident, $entity:tt, $key:tt, $unit:ident $(, $column:tt, $place:tt, $parent:expr)?) => {{
        let conn = $handle.0.writing()?;
        let done = sqlx::query!(
            "INSERT INTO " + $entity + " (" + $key + ", code, code_key, name, name_key, head_id, active, version"
                $(+ ", " + $column)? + ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8" $(+ ", " + $place)? + ")",
            $unit.id.as_uuid(),
            $unit.fields.code,
            fold(&$unit.fields.code),
            $unit.fields.name,
            fold(&$unit.fields.name),
            $unit.fields.head.map(PersonnelId::as_uuid),
            $unit.fields.active,
            $unit.version,
            $($parent.as_uuid(),)?
        )
        .execute(conn)
        .await;
        $handle.0.settle($entity, done)?;
        Ok(())
    }};
}

/// Replaces a unit of a level whose stored version is one less.
macro_rules! update_unit {
    ($handle:ident, $entity:tt, $key:tt, $unit:ident $(, $column:tt, $place:tt, $parent:expr)?) => {{
        let conn = $handle.0.writing()?;
        let done = sqlx::query!(
            "UPDATE " + $entity
                + " SET code = ?2, code_key = ?3, name = ?4, name_key = ?5, head_id = ?6, active = ?7, version = ?8"
                $(+ ", " + $column + " = " + $place)? + " WHERE " + $key + " = ?1 AND version = ?8 - 1",
            $unit.id.as_uuid(),
            $unit.fields.code,
            fold(&$unit.fields.code),
            $unit.fields.name,
            fold(&$unit.fields.name),
            $unit.fields.head.map(PersonnelId::as_uuid),
            $unit.fields.active,
            $unit.version,
            $($parent.as_uuid(),)?
        )
        .execute(conn)
        .await;
        let done = $handle.0.settle($entity, done)?;
        if done.rows_affected() == 0 {
            Err(StoreError::StaleVersion)
        } else {
            Ok(())
        }
    }};
}

#[async_trait]
impl OrganisationRepository for Handle<'_> {
    async fn load(&mut self) -> Result<Organisation, StoreError> {
        Ok(Organisation {
            programmes: load_units!(self, "programme", "programme_id", "", |row| Programme {
                id: ProgrammeId::from_uuid(row.id),
                fields: fields(row.code, row.name, row.head_id, row.active),
                version: row.version,
            }),
            directorates: load_units!(
                self,
                "directorate",
                "directorate_id",
                r#"programme_id AS "programme_id: Uuid", "#,
                |row| {
                    Directorate {
                        id: DirectorateId::from_uuid(row.id),
                        programme: ProgrammeId::from_uuid(row.programme_id),
                        fields: fields(row.code, row.name, row.head_id, row.active),
                        version: row.version,
                    }
                }
            ),
            departments: load_units!(
                self,
                "department",
                "department_id",
                r#"directorate_id AS "directorate_id: Uuid", "#,
                |row| {
                    Department {
                        id: DepartmentId::from_uuid(row.id),
                        directorate: DirectorateId::from_uuid(row.directorate_id),
                        fields: fields(row.code, row.name, row.head_id, row.active),
                        version: row.version,
                    }
                }
            ),
        })
    }

    async fn insert_programme(&mut self, unit: &Programme) -> Result<(), StoreError> {
        insert_unit!(self, "programme", "programme_id", unit)
    }

    async fn insert_directorate(&mut self, unit: &Directorate) -> Result<(), StoreError> {
        insert_unit!(
            self,
            "directorate",
            "directorate_id",
            unit,
            "programme_id",
            "?9",
            unit.programme
        )
    }

    async fn insert_department(&mut self, unit: &Department) -> Result<(), StoreError> {
        insert_unit!(
            self,
            "department",
            "department_id",
            unit,
            "directorate_id",
            "?9",
            unit.directorate
        )
    }

    async fn update_programme(&mut self, unit: &Programme) -> Result<(), StoreError> {
        update_unit!(self, "programme", "programme_id", unit)
    }

    async fn update_directorate(&mut self, unit: &Directorate) -> Result<(), StoreError> {
        update_unit!(
            self,
            "directorate",
            "directorate_id",
            unit,
            "programme_id",
            "?9",
            unit.programme
        )
    }

    async fn update_department(&mut self, unit: &Department) -> Result<(), StoreError> {
        update_unit!(
            self,
            "department",
            "department_id",
            unit,
            "directorate_id",
            "?9",
            unit.directorate
        )
    }

    async fn count_agents(&mut self, unit: UnitRef) -> Result<u64, StoreError> {
        let mut query = Builder::new("SELECT count(*) FROM personnel AS p WHERE p.archived = 0");
        push_unit(&mut query, Some(unit));
        let conn = self.0.reading()?;
        let count = query.build_query_scalar::<i64>().fetch_one(conn).await;
        let count = self.0.settle("personnel", count)?;
        self.0.decoded(number(count, "a count"))
    }
}
