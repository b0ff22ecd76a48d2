//! Salary slips. Each is written in one statement that compares fences.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::Timestamp as StoredInstant;
use mppeep_core::domain::id::{PersonnelId, SlipId, UserId};
use mppeep_core::domain::payroll::{Amounts, Month, Slip, SlipStatus};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart, SortValue};
use mppeep_core::ports::payroll::{PayrollRepository, SlipFilter, SlipRow, SlipTotals, SlipWrite};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::codec::{code, number, stored, stored_date};
use crate::error::{self, ADAPTER};
use crate::filter::{Builder, asks_of_agents, page_of, push_limit, push_scope, push_words};
use crate::unit::Handle;

const ENTITY: &str = "slip";

/// A row of `salary_slip`, in plain types.
#[derive(Debug, FromRow)]
struct SlipRecord {
    id: Uuid,
    personnel_id: Uuid,
    month: i32,
    status: String,
    salary_index: i32,
    settings: String,
    base: i64,
    allowance: i64,
    deduction: i64,
    net: i64,
    fence: i64,
    version: i64,
    computed_at: StoredInstant,
    computed_by: Option<Uuid>,
    validated_by: Option<Uuid>,
    validated_at: Option<StoredInstant>,
}

/// Columns of `salary_slip AS s` under the names of [`SlipRecord`], and whose slip it is, from `personnel AS p`.
const COLUMNS: &str = "s.slip_id AS id, s.personnel_id, s.month, s.status, s.salary_index, s.settings, s.base, \
    s.allowance, s.deduction, s.net, s.fence, s.version, s.computed_at, s.computed_by, s.validated_by, \
    s.validated_at, p.matricule, p.family_name || ' ' || p.given_names AS full_name";

/// A month as it is stored: 202611.
fn stored_month(month: Month) -> i32 {
    i32::from(month.year()) * 100 + i32::from(month.month())
}

fn month_of(stored: i32) -> Result<Month, BackendError> {
    let year = i16::try_from(stored / 100).ok();
    let month = i8::try_from(stored % 100).ok();
    year.zip(month)
        .and_then(|(year, month)| Month::new(year, month))
        .ok_or_else(|| BackendError::corrupt(ADAPTER, "salary_slip.month"))
}

impl TryFrom<SlipRecord> for Slip {
    type Error = BackendError;

    fn try_from(row: SlipRecord) -> Result<Self, BackendError> {
        let settings = serde_json::from_str(&row.settings);
        let validated = match (row.validated_by, row.validated_at) {
            (Some(by), Some(at)) => Some((UserId::from_uuid(by), at.to_jiff())),
            _ => None,
        };
        Ok(Self {
            id: SlipId::from_uuid(row.id),
            personnel: PersonnelId::from_uuid(row.personnel_id),
            month: month_of(row.month)?,
            status: code(&row.status, SlipStatus::by_code, "salary_slip.status")?,
            index: number(row.salary_index, "salary_slip.salary_index")?,
            settings: settings.map_err(|_| BackendError::corrupt(ADAPTER, "salary_slip.settings"))?,
            amounts: Amounts {
                base: row.base,
                allowance: row.allowance,
                deduction: row.deduction,
                net: row.net,
            },
            fence: row.fence,
            version: row.version,
            computed_at: row.computed_at.to_jiff(),
            computed_by: row.computed_by.map(UserId::from_uuid),
            validated,
        })
    }
}

fn decode_row(row: &PgRow) -> Result<SlipRow, BackendError> {
    let record = SlipRecord::from_row(row).map_err(error::backend)?;
    Ok(SlipRow {
        slip: record.try_into()?,
        matricule: row.try_get("matricule").map_err(error::backend)?,
        name: row.try_get("full_name").map_err(error::backend)?,
    })
}

/// The conditions of a filter, on `s` and, where agents matter, on `p`.
fn push_conditions(query: &mut Builder, filter: &SlipFilter) {
    push_scope(query, &filter.scope);
    push_words(query, &filter.words, false);
    if let Some(month) = filter.month {
        query.push(" AND s.month = ").push_bind(stored_month(month));
    }
    if let Some(personnel) = filter.personnel {
        query
            .push(" AND s.personnel_id = ")
            .push_bind(personnel.as_uuid());
    }
    if let Some(status) = filter.status {
        query.push(" AND s.status = ").push_bind(status.code());
    }
}

/// Joins agents where the filter asks something of them.
fn push_agents(query: &mut Builder, filter: &SlipFilter) {
    if asks_of_agents(&filter.scope, None, &filter.words) {
        query.push(" JOIN personnel AS p ON p.personnel_id = s.personnel_id");
    }
}

/// Separates the month from the name in a cursor.
const SEPARATOR: char = '\u{1f}';

/// What a cursor of this list says; another list's starts from the beginning.
fn position(cursor: &Cursor) -> Option<(i32, &str)> {
    let SortValue::Text(text) = &cursor.value else {
        return None;
    };
    let (month, name) = text.split_once(SEPARATOR)?;
    Some((month.parse().ok()?, name))
}

fn build(filter: &SlipFilter, page: &PageRequest) -> Builder {
    let mut query = Builder::new("WITH counted AS (SELECT count(*) AS total FROM salary_slip AS s");
    push_agents(&mut query, filter);
    query.push(" WHERE TRUE");
    push_conditions(&mut query, filter);
    query.push(
        "), page AS MATERIALIZED (SELECT s.slip_id AS id, s.month, p.name_key \
         FROM salary_slip AS s JOIN personnel AS p ON p.personnel_id = s.personnel_id WHERE TRUE",
    );
    push_conditions(&mut query, filter);
    if let PageStart::After(cursor) = &page.start
        && let Some((month, name)) = position(cursor)
    {
        query
            .push(" AND (s.month < ")
            .push_bind(month)
            .push(" OR (s.month = ")
            .push_bind(month);
        query
            .push(" AND (p.name_key, s.slip_id) > (")
            .push_bind(name.to_owned())
            .push(", ")
            .push_bind(cursor.id)
            .push(")))");
    }
    query.push(" ORDER BY s.month DESC, p.name_key, s.slip_id");
    push_limit(&mut query, page);
    query.push(") SELECT t.total, page.name_key, ").push(COLUMNS);
    query.push(
        " FROM counted AS t LEFT JOIN page ON TRUE LEFT JOIN salary_slip AS s ON s.slip_id = page.id \
         LEFT JOIN personnel AS p ON p.personnel_id = s.personnel_id ORDER BY page.month DESC, page.name_key, page.id",
    );
    query
}

fn decode(rows: &[PgRow], limit: u32) -> Result<Page<SlipRow>, BackendError> {
    let mut total = 0;
    let mut listed = Vec::new();
    for row in rows {
        total = row.try_get::<i64, _>("total").map_err(error::backend)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id").map_err(error::backend)? else {
            continue;
        };
        let name: String = row.try_get("name_key").map_err(error::backend)?;
        let slip = decode_row(row)?;
        let value = SortValue::Text(format!("{}{SEPARATOR}{name}", stored_month(slip.slip.month)));
        listed.push((Cursor { value, id }, slip));
    }
    page_of(listed, limit, total)
}

fn decode_totals(row: &PgRow) -> Result<SlipTotals, BackendError> {
    let sum = |column| row.try_get::<i64, _>(column).map_err(error::backend);
    Ok(SlipTotals {
        slips: number(sum("slips")?, "a count")?,
        validated: number(sum("validated")?, "a count")?,
        base: sum("base")?,
        allowance: sum("allowance")?,
        deduction: sum("deduction")?,
        net: sum("net")?,
    })
}

impl Handle<'_> {
    /// The slip of an agent for a month.
    async fn slip_of(&mut self, personnel: PersonnelId, month: i32) -> Result<Option<Slip>, StoreError> {
        let link = self.0.reading().await?;
        let found = sqlx::query_as!(
            SlipRecord,
            r#"
                SELECT slip_id AS id, personnel_id, month, status, salary_index, settings,
                       base, allowance, deduction, net, fence, version, computed_at,
                       computed_by, validated_by, validated_at
                FROM salary_slip WHERE personnel_id = $1 AND month = $2
            "#,
            personnel.as_uuid(),
            month,
        )
        .fetch_optional(link)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(Slip::try_from).transpose())
    }

    /// Writes a draft; none when the stored slip is no draft, or has a greater fence.
    async fn write_draft(&mut self, slip: &Slip) -> Result<Option<Slip>, StoreError> {
        let month = stored_month(slip.month);
        let link = self.0.writing().await?;
        let settings = serde_json::to_string(&slip.settings).map_err(|err| BackendError::Other {
            adapter: ADAPTER,
            source: Box::new(err),
        })?;
        let written = sqlx::query!(
            r#"
                INSERT INTO salary_slip AS s (
                    slip_id, personnel_id, month, status, salary_index, settings, base, allowance, deduction, net, fence,
                    version, computed_at, computed_by
                )
                VALUES ($1, $2, $3, 'draft', $4, $5, $6, $7, $8, $9, $10, 1, $11, $12)
                ON CONFLICT (personnel_id, month) DO UPDATE SET
                    salary_index = excluded.salary_index, settings = excluded.settings, base = excluded.base,
                    allowance = excluded.allowance, deduction = excluded.deduction, net = excluded.net,
                    fence = excluded.fence, version = s.version + 1, computed_at = excluded.computed_at,
                    computed_by = excluded.computed_by
                WHERE s.status = 'draft' AND s.fence <= excluded.fence
                RETURNING s.slip_id AS id, s.version
            "#,
            slip.id.as_uuid(),
            slip.personnel.as_uuid(),
            month,
            i32::from(slip.index),
            settings,
            slip.amounts.base,
            slip.amounts.allowance,
            slip.amounts.deduction,
            slip.amounts.net,
            slip.fence,
            stored(slip.computed_at) as _,
            slip.computed_by.map(UserId::as_uuid),
        )
        .fetch_optional(link)
        .await;
        let row = self.0.settle(ENTITY, written)?;
        Ok(row.map(|row| Slip {
            id: SlipId::from_uuid(row.id),
            version: row.version,
            status: SlipStatus::Draft,
            validated: None,
            ..slip.clone()
        }))
    }
}

#[async_trait]
impl PayrollRepository for Handle<'_> {
    async fn write(&mut self, slip: &Slip) -> Result<SlipWrite, StoreError> {
        let mut written = self.write_draft(slip).await;
        if matches!(&written, Err(StoreError::Conflict { field: "id", .. })) {
            // Another unit wrote the same slip at this very moment, and has committed: it is there to be replaced now.
            written = self.write_draft(slip).await;
        }
        if let Some(written) = written? {
            return Ok(SlipWrite::Written(written));
        }
        let stored = self.slip_of(slip.personnel, stored_month(slip.month)).await?;
        Ok(stored
            .filter(|stored| stored.status == SlipStatus::Validated)
            .map_or(SlipWrite::FenceLost, SlipWrite::Validated))
    }

    async fn validate(
        &mut self,
        id: SlipId,
        version: i64,
        by: UserId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                UPDATE salary_slip SET status = 'validated', version = version + 1, validated_by = $3, validated_at = $4
                WHERE slip_id = $1 AND version = $2 AND status = 'draft'
            "#,
            id.as_uuid(),
            version,
            by.as_uuid(),
            stored(at) as _,
        )
        .execute(link)
        .await;
        if self.0.settle(ENTITY, done)?.rows_affected() == 0 {
            Err(StoreError::StaleVersion)
        } else {
            Ok(())
        }
    }

    async fn find(&mut self, id: SlipId) -> Result<Option<SlipRow>, StoreError> {
        let mut query = Builder::new("SELECT ");
        query.push(COLUMNS).push(
            " FROM salary_slip AS s JOIN personnel AS p ON p.personnel_id = s.personnel_id WHERE s.slip_id = ",
        );
        query.push_bind(id.as_uuid());
        let link = self.0.reading().await?;
        let found = query.build().fetch_optional(link).await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(|row| decode_row(&row)).transpose())
    }

    async fn list(&mut self, filter: &SlipFilter, page: &PageRequest) -> Result<Page<SlipRow>, StoreError> {
        let mut query = build(filter, page);
        let link = self.0.reading().await?;
        let rows = query.build().fetch_all(link).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(decode(&rows, page.limit))
    }

    async fn totals(&mut self, filter: &SlipFilter) -> Result<SlipTotals, StoreError> {
        let mut query = Builder::new(
            "SELECT count(*) AS slips, count(*) FILTER (WHERE s.status = 'validated') AS validated, \
             coalesce(sum(s.base), 0)::bigint AS base, coalesce(sum(s.allowance), 0)::bigint AS allowance, \
             coalesce(sum(s.deduction), 0)::bigint AS deduction, coalesce(sum(s.net), 0)::bigint AS net FROM salary_slip AS s",
        );
        push_agents(&mut query, filter);
        query.push(" WHERE TRUE");
        push_conditions(&mut query, filter);
        let link = self.0.reading().await?;
        let row = query.build().fetch_one(link).await;
        let row = self.0.settle(ENTITY, row)?;
        self.0.decoded(decode_totals(&row))
    }

    async fn months(&mut self) -> Result<Vec<Month>, StoreError> {
        let link = self.0.reading().await?;
        let months = sqlx::query_scalar!("SELECT DISTINCT month FROM salary_slip ORDER BY month DESC")
            .fetch_all(link)
            .await;
        let months = self.0.settle(ENTITY, months)?;
        self.0.decoded(months.into_iter().map(month_of).collect())
    }

    async fn payable(&mut self, month: Month) -> Result<Vec<PersonnelId>, StoreError> {
        let link = self.0.reading().await?;
        let agents = sqlx::query_scalar!(
            r#"
                SELECT personnel_id FROM personnel
                WHERE salary_index IS NOT NULL AND (departure_date IS NULL OR departure_date >= $1)
                ORDER BY personnel_id
            "#,
            stored_date(month.first_day()) as _,
        )
        .fetch_all(link)
        .await;
        let agents = self.0.settle(ENTITY, agents)?;
        Ok(agents.into_iter().map(PersonnelId::from_uuid).collect())
    }
}
