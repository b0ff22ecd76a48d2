//! Public holidays, one a day.

use async_trait::async_trait;
use jiff::civil::Date;
use mppeep_core::domain::calendar::Holiday;
use mppeep_core::domain::id::HolidayId;
use mppeep_core::ports::absence::HolidayRepository;
use mppeep_core::ports::error::StoreError;
use uuid::Uuid;

use crate::codec::stored_date;
use crate::unit::Handle;

const ENTITY: &str = "holiday";

struct HolidayRecord {
    id: Uuid,
    date: jiff_sqlx::Date,
    label: String,
    estimated: bool,
}

impl From<HolidayRecord> for Holiday {
    fn from(row: HolidayRecord) -> Self {
        Self {
            id: HolidayId::from_uuid(row.id),
            date: row.date.to_jiff(),
            label: row.label,
            estimated: row.estimated,
        }
    }
}

#[async_trait]
impl HolidayRepository for Handle<'_> {
    async fn between(&mut self, from: Date, to: Date) -> Result<Vec<Holiday>, StoreError> {
        let link = self.0.reading().await?;
        let found = sqlx::query_as!(
            HolidayRecord,
            r#"
                SELECT holiday_id AS id, date, label, estimated FROM holiday
                WHERE date BETWEEN $1 AND $2 ORDER BY date
            "#,
            stored_date(from) as _,
            stored_date(to) as _,
        )
        .fetch_all(link)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        Ok(found.into_iter().map(Holiday::from).collect())
    }

    async fn insert(&mut self, holiday: &Holiday) -> Result<(), StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            "INSERT INTO holiday (holiday_id, date, label, estimated) VALUES ($1, $2, $3, $4)",
            holiday.id.as_uuid(),
            stored_date(holiday.date) as _,
            holiday.label,
            holiday.estimated,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    async fn update(&mut self, holiday: &Holiday) -> Result<(), StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            "UPDATE holiday SET date = $2, label = $3, estimated = $4 WHERE holiday_id = $1",
            holiday.id.as_uuid(),
            stored_date(holiday.date) as _,
            holiday.label,
            holiday.estimated,
        )
        .execute(link)
        .await;
        let done = self.0.settle(ENTITY, done)?;
        if done.rows_affected() == 0 {
            Err(StoreError::StaleVersion)
        } else {
            Ok(())
        }
    }

    async fn delete(&mut self, id: HolidayId) -> Result<bool, StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!("DELETE FROM holiday WHERE holiday_id = $1", id.as_uuid())
            .execute(link)
            .await;
        Ok(self.0.settle(ENTITY, done)?.rows_affected() > 0)
    }

    async fn find(&mut self, id: HolidayId) -> Result<Option<Holiday>, StoreError> {
        let link = self.0.reading().await?;
        let found = sqlx::query_as!(
            HolidayRecord,
            r#"
                SELECT holiday_id AS id, date, label, estimated FROM holiday
                WHERE holiday_id = $1
            "#,
            id.as_uuid(),
        )
        .fetch_optional(link)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        Ok(found.map(Holiday::from))
    }
}
