//! Public holidays, one a day.

use async_trait::async_trait;
use jiff::civil::Date;
use mppeep_core::domain::calendar::Holiday;
use mppeep_core::domain::id::HolidayId;
use mppeep_core::ports::absence::HolidayRepository;
use mppeep_core::ports::error::{BackendError, StoreError};
use uuid::Uuid;

use crate::codec::date;
use crate::unit::Handle;

const ENTITY: &str = "holiday";

struct HolidayRecord {
    id: Uuid,
    date: String,
    label: String,
    estimated: bool,
}

impl TryFrom<HolidayRecord> for Holiday {
    type Error = BackendError;

    fn try_from(row: HolidayRecord) -> Result<Self, BackendError> {
        let date = date(&row.date, "holiday.date")?;
        Ok(Self {
            id: HolidayId::from_uuid(row.id),
            date,
            label: row.label,
            estimated: row.estimated,
        })
    }
}

#[async_trait]
impl HolidayRepository for Handle<'_> {
    async fn between(&mut self, from: Date, to: Date) -> Result<Vec<Holiday>, StoreError> {
        let conn = self.0.reading()?;
        let found = sqlx::query_as!(
            HolidayRecord,
            r#"
                SELECT holiday_id AS "id: Uuid", date, label, estimated AS "estimated: bool" FROM holiday
                WHERE date BETWEEN ?1 AND ?2 ORDER BY date
            "#,
            from.to_string(),
            to.to_string(),
        )
        .fetch_all(conn)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.into_iter().map(Holiday::try_from).collect())
    }

    async fn insert(&mut self, holiday: &Holiday) -> Result<(), StoreError> {
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            "INSERT INTO holiday (holiday_id, date, label, estimated) VALUES (?1, ?2, ?3, ?4)",
            holiday.id.as_uuid(),
            holiday.date.to_string(),
            holiday.label,
            holiday.estimated,
        )
        .execute(conn)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn update(&mut self, holiday: &Holiday) -> Result<(), StoreError> {
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            "UPDATE holiday SET date = ?2, label = ?3, estimated = ?4 WHERE holiday_id = ?1",
            holiday.id.as_uuid(),
            holiday.date.to_string(),
            holiday.label,
            holiday.estimated,
        )
        .execute(conn)
        .await;
        let done = self.0.settle(ENTITY, done)?;
        if done.rows_affected() == 0 {
            Err(StoreError::StaleVersion)
        } else {
            Ok(())
        }
    }

    async fn delete(&mut self, id: HolidayId) -> Result<bool, StoreError> {
        let conn = self.0.writing()?;
        let done = sqlx::query!("DELETE FROM holiday WHERE holiday_id = ?1", id.as_uuid())
            .execute(conn)
            .await;
        Ok(self.0.settle(ENTITY, done)?.rows_affected() > 0)
    }

    async fn find(&mut self, id: HolidayId) -> Result<Option<Holiday>, StoreError> {
        let conn = self.0.reading()?;
        let found = sqlx::query_as!(
            HolidayRecord,
            r#"
                SELECT holiday_id AS "id: Uuid", date, label, estimated AS "estimated: bool" FROM holiday
                WHERE holiday_id = ?1
            "#,
            id.as_uuid(),
        )
        .fetch_optional(conn)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(Holiday::try_from).transpose())
    }
}
