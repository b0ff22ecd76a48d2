//! Salary slips. Each is written in one statement that compares fences.

use async_trait::async_trait;
use jiff::Timestamp;
use mppeep_core::domain::id::{PersonnelId, SlipId, UserId};
use mppeep_core::domain::payroll::{Amounts, Month, Slip, SlipStatus};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart, SortValue};
use mppeep_core::ports::payroll::{PayrollRepository, SlipFilter, SlipRow, SlipTotals, SlipWrite};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::codec::{code, instant, micros, number};
use crate::error::{self, ADAPTER};
use crate::filter::{Builder, asks_of_agents, page_of, push_limit, push_scope, push_sort_value, push_words};
use crate::unit::Handle;

const ENTITY: &str = "slip";

/// A row of `salary_slip`, in plain types.
#[derive(Debug, FromRow)]
struct SlipRecord {
    id: Uuid,
    personnel_id: Uuid,
    month: String,
    status: String,
    salary_index: i64,
    settings: String,
    base: i64,
    allowance: i64,
    deduction: i64,
    net: i64,
    fence: i64,
    version: i64,
    computed_at: i64,
    computed_by: Option<Uuid>,
    validated_by: Option<Uuid>,
    validated_at: Option<i64>,
}

/// Columns of `salary_slip AS s` under the names of [`SlipRecord`], and whose slip it is, from `personnel AS p`.
const COLUMNS: &str = "s.slip_id AS id, s.personnel_id, s.month, s.status, s.salary_index, s.settings, s.base, \
    s.allowance, s.deduction, s.net, s.fence, s.version, s.computed_at, s.computed_by, s.validated_by, \
    s.validated_at, p.matricule, p.family_name || ' ' || p.given_names AS full_name";

fn month_of(text: &str) -> Result<Month, BackendError> {
    text.parse()
        .map_err(|_| BackendError::corrupt(ADAPTER, "salary_slip.month"))
}

impl TryFrom<SlipRecord> for Slip {
    type Error = BackendError;

    fn try_from(row: SlipRecord) -> Result<Self, BackendError> {
        let settings = serde_json::from_str(&row.settings);
        let validated = match (row.validated_by, row.validated_at) {
            (Some(by), Some(at)) => Some((UserId::from_uuid(by), instant(at, "salary_slip.validated_at")?)),
            _ => None,
        };
        Ok(Self {
            id: SlipId::from_uuid(row.id),
            personnel: PersonnelId::from_uuid(row.personnel_id),
            month: month_of(&row.month)?,
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
            computed_at: instant(row.computed_at, "salary_slip.computed_at")?,
            computed_by: row.computed_by.map(UserId::from_uuid),
            validated,
        })
    }
}

fn decode_row(row: &SqliteRow) -> Result<SlipRow, BackendError> {
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
        query.push(" AND s.month = ").push_bind(month.to_string());
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

fn build(filter: &SlipFilter, page: &PageRequest) -> Builder {
    let mut query = Builder::new("WITH counted AS (SELECT count(*) AS total FROM salary_slip AS s");
    push_agents(&mut query, filter);
    query.push(" WHERE 1");
    push_conditions(&mut query, filter);
    // Months go down while names go up: the month is turned round, so that one text sorts both.
    query.push(
        "), filtered AS NOT MATERIALIZED (SELECT s.slip_id AS id, \
         printf('%06d', 999999 - CAST(replace(s.month, '-', '') AS INTEGER)) || p.name_key AS sort_key \
         FROM salary_slip AS s JOIN personnel AS p ON p.personnel_id = s.personnel_id WHERE 1",
    );
    push_conditions(&mut query, filter);
    query.push("), page AS MATERIALIZED (SELECT f.id, f.sort_key FROM filtered AS f");
    if let PageStart::After(cursor) = &page.start {
        query.push(" WHERE (f.sort_key, f.id) > (");
        push_sort_value(&mut query, &cursor.value);
        query.push(", ").push_bind(cursor.id).push(")");
    }
    query.push(" ORDER BY f.sort_key, f.id");
    push_limit(&mut query, page);
    query.push(") SELECT t.total, page.sort_key, ").push(COLUMNS);
    query.push(
        " FROM counted AS t LEFT JOIN page ON 1 LEFT JOIN salary_slip AS s ON s.slip_id = page.id \
         LEFT JOIN personnel AS p ON p.personnel_id = s.personnel_id ORDER BY page.sort_key, page.id",
    );
    query
}

fn decode(rows: &[SqliteRow], limit: u32) -> Result<Page<SlipRow>, BackendError> {
    let mut total = 0;
    let mut listed = Vec::new();
    for row in rows {
        total = row.try_get::<i64, _>("total").map_err(error::backend)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id").map_err(error::backend)? else {
            continue;
        };
        let value = SortValue::Text(row.try_get("sort_key").map_err(error::backend)?);
        listed.push((Cursor { value, id }, decode_row(row)?));
    }
    page_of(listed, limit, total)
}

fn decode_totals(row: &SqliteRow) -> Result<SlipTotals, BackendError> {
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
    async fn slip_of(&mut self, personnel: PersonnelId, month: &str) -> Result<Option<Slip>, StoreError> {
        let conn = self.0.reading()?;
        let found = sqlx::query_as!(
            SlipRecord,
            r#"
                SELECT slip_id AS "id: Uuid", personnel_id AS "personnel_id: Uuid", month, status, salary_index, settings,
                       base, allowance, deduction, net, fence, version, computed_at,
                       computed_by AS "computed_by: Uuid", validated_by AS "validated_by: Uuid", validated_at
                FROM salary_slip WHERE personnel_id = ?1 AND month = ?2
            "#,
            personnel.as_uuid(),
            month,
        )
        .fetch_optional(conn)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(Slip::try_from).transpose())
    }
}

#[async_trait]
impl PayrollRepository for Handle<'_> {
    async fn write(&mut self, slip: &Slip) -> Result<SlipWrite, StoreError> {
        let month = slip.month.to_string();
        let conn = self.0.writing()?;
        let settings = serde_json::to_string(&slip.settings).map_err(|err| BackendError::Other {
            adapter: ADAPTER,
            source: Box::new(err),
        })?;
        let written = sqlx::query!(
            r#"
                INSERT INTO salary_slip (
                    slip_id, personnel_id, month, status, salary_index, settings, base, allowance, deduction, net, fence,
                    version, computed_at, computed_by
                )
                VALUES (?1, ?2, ?3, 'draft', ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1, ?11, ?12)
                ON CONFLICT (personnel_id, month) DO UPDATE SET
                    salary_index = excluded.salary_index, settings = excluded.settings, base = excluded.base,
                    allowance = excluded.allowance, deduction = excluded.deduction, net = excluded.net,
                    fence = excluded.fence, version = version + 1, computed_at = excluded.computed_at,
                    computed_by = excluded.computed_by
                WHERE status = 'draft' AND fence <= excluded.fence
                RETURNING slip_id AS "id!: Uuid", version AS "version!: i64"
            "#,
            slip.id.as_uuid(),
            slip.personnel.as_uuid(),
            month,
            slip.index,
            settings,
            slip.amounts.base,
            slip.amounts.allowance,
            slip.amounts.deduction,
            slip.amounts.net,
            slip.fence,
            micros(slip.computed_at),
            slip.computed_by.map(UserId::as_uuid),
        )
        .fetch_optional(conn)
        .await;
        if let Some(row) = self.0.settle(ENTITY, written)? {
            return Ok(SlipWrite::Written(Slip {
                id: SlipId::from_uuid(row.id),
                version: row.version,
                status: SlipStatus::Draft,
                validated: None,
                ..slip.clone()
            }));
        }
        let stored = self.slip_of(slip.personnel, &month).await?;
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
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            r#"
                UPDATE salary_slip SET status = 'validated', version = version + 1, validated_by = ?3, validated_at = ?4
                WHERE slip_id = ?1 AND version = ?2 AND status = 'draft'
            "#,
            id.as_uuid(),
            version,
            by.as_uuid(),
            micros(at),
        )
        .execute(conn)
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
        let conn = self.0.reading()?;
        let found = query.build().fetch_optional(conn).await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(|row| decode_row(&row)).transpose())
    }

    async fn list(&mut self, filter: &SlipFilter, page: &PageRequest) -> Result<Page<SlipRow>, StoreError> {
        let mut query = build(filter, page);
        let conn = self.0.reading()?;
        let rows = query.build().fetch_all(conn).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(decode(&rows, page.limit))
    }

    async fn totals(&mut self, filter: &SlipFilter) -> Result<SlipTotals, StoreError> {
        let mut query = Builder::new(
            "SELECT count(*) AS slips, count(*) FILTER (WHERE s.status = 'validated') AS validated, \
             coalesce(sum(s.base), 0) AS base, coalesce(sum(s.allowance), 0) AS allowance, \
             coalesce(sum(s.deduction), 0) AS deduction, coalesce(sum(s.net), 0) AS net FROM salary_slip AS s",
        );
        push_agents(&mut query, filter);
        query.push(" WHERE 1");
        push_conditions(&mut query, filter);
        let conn = self.0.reading()?;
        let row = query.build().fetch_one(conn).await;
        let row = self.0.settle(ENTITY, row)?;
        self.0.decoded(decode_totals(&row))
    }

    async fn months(&mut self) -> Result<Vec<Month>, StoreError> {
        let conn = self.0.reading()?;
        let months = sqlx::query_scalar!("SELECT DISTINCT month FROM salary_slip ORDER BY month DESC")
            .fetch_all(conn)
            .await;
        let months = self.0.settle(ENTITY, months)?;
        self.0
            .decoded(months.iter().map(|month| month_of(month)).collect())
    }

    async fn payable(&mut self, month: Month) -> Result<Vec<PersonnelId>, StoreError> {
        let conn = self.0.reading()?;
        let agents = sqlx::query_scalar!(
            r#"
                SELECT personnel_id AS "id: Uuid" FROM personnel
                WHERE salary_index IS NOT NULL AND (departure_date IS NULL OR departure_date >= ?1)
                ORDER BY personnel_id
            "#,
            month.first_day().to_string(),
        )
        .fetch_all(conn)
        .await;
        let agents = self.0.settle(ENTITY, agents)?;
        Ok(agents.into_iter().map(PersonnelId::from_uuid).collect())
    }
}
