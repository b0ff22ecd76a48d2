//! Absences. That two of one agent never share a half-day is a constraint of the schema.

use async_trait::async_trait;
use jiff::civil::Date;
use jiff_sqlx::{Date as StoredDate, Timestamp as StoredInstant, ToSqlx};
use mppeep_core::domain::absence::{Absence, AbsenceFields, AbsenceType};
use mppeep_core::domain::calendar::{Half, Period};
use mppeep_core::domain::id::{AbsenceId, PersonnelId};
use mppeep_core::ports::absence::{AbsenceFilter, AbsenceRepository, AbsenceRow};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart, SortValue};
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::codec::{code, number};
use crate::error::{self, ADAPTER};
use crate::filter::{Builder, asks_of_agents, page_of, push_limit, push_scope, push_unit, push_words};
use crate::unit::Handle;

const ENTITY: &str = "absence";
/// Rows of one statement when many are stored.
const BATCH: usize = 1_000;

/// A row of `absence`, in plain types.
#[derive(Debug, FromRow)]
struct AbsenceRecord {
    id: Uuid,
    personnel_id: Uuid,
    kind: String,
    start_date: StoredDate,
    start_half: String,
    end_date: StoredDate,
    end_half: String,
    reason: Option<String>,
    counted_half_days: i64,
    cancelled_at: Option<StoredInstant>,
    version: i64,
    created_at: StoredInstant,
    updated_at: StoredInstant,
}

macro_rules! select_absence {
    ($condition:tt $(, $argument:expr)*) => {
        sqlx::query_as!(
            AbsenceRecord,
            r#"
                SELECT a.absence_id AS id, a.personnel_id, a.kind, a.start_date, a.start_half, a.end_date, a.end_half,
                       a.reason, a.counted_half_days, a.cancelled_at, a.version, a.created_at, a.updated_at
                FROM absence AS a
            "# + $condition
            $(, $argument)*
        )
    };
}

impl TryFrom<AbsenceRecord> for Absence {
    type Error = BackendError;

    fn try_from(row: AbsenceRecord) -> Result<Self, BackendError> {
        let period = Period::new(
            row.start_date.to_jiff(),
            code(&row.start_half, Half::by_code, "absence.start_half")?,
            row.end_date.to_jiff(),
            code(&row.end_half, Half::by_code, "absence.end_half")?,
        );
        let fields = AbsenceFields {
            kind: code(&row.kind, AbsenceType::by_code, "absence.kind")?,
            period: period.ok_or_else(|| BackendError::corrupt(ADAPTER, "absence.end_date"))?,
            reason: row.reason,
        };
        Ok(Self {
            id: AbsenceId::from_uuid(row.id),
            personnel: PersonnelId::from_uuid(row.personnel_id),
            fields,
            counted_half_days: number(row.counted_half_days, "absence.counted_half_days")?,
            cancelled_at: row.cancelled_at.map(StoredInstant::to_jiff),
            version: row.version,
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
        })
    }
}

/// Absences as columns, for a statement that stores many.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    personnel: Vec<Uuid>,
    kinds: Vec<String>,
    starts: Vec<StoredDate>,
    start_halves: Vec<String>,
    ends: Vec<StoredDate>,
    end_halves: Vec<String>,
    reasons: Vec<Option<String>>,
    counted: Vec<i64>,
    cancelled: Vec<Option<StoredInstant>>,
    versions: Vec<i64>,
    created: Vec<StoredInstant>,
    updated: Vec<StoredInstant>,
}

impl Columns {
    fn of(absences: &[Absence]) -> Self {
        let mut columns = Self::default();
        for absence in absences {
            let period = &absence.fields.period;
            columns.ids.push(absence.id.as_uuid());
            columns.personnel.push(absence.personnel.as_uuid());
            columns.kinds.push(absence.fields.kind.code().to_owned());
            columns.starts.push(period.start().to_sqlx());
            columns.start_halves.push(period.start_half().code().to_owned());
            columns.ends.push(period.end().to_sqlx());
            columns.end_halves.push(period.end_half().code().to_owned());
            columns.reasons.push(absence.fields.reason.clone());
            columns.counted.push(i64::from(absence.counted_half_days));
            columns.cancelled.push(absence.cancelled_at.map(ToSqlx::to_sqlx));
            columns.versions.push(absence.version);
            columns.created.push(absence.created_at.to_sqlx());
            columns.updated.push(absence.updated_at.to_sqlx());
        }
        columns
    }
}

impl Handle<'_> {
    /// Stores absences in one statement. One alone may be refused; of several, a refusal spoils the unit.
    async fn insert_absences(&mut self, absences: &[Absence]) -> Result<(), StoreError> {
        let columns = Columns::of(absences);
        let link = match absences {
            [_] => self.0.writing().await?,
            _ => self.0.batch().await?,
        };
        let done = sqlx::query!(
            r#"
                INSERT INTO absence (
                    absence_id, personnel_id, kind, start_date, start_half, end_date, end_half, reason,
                    counted_half_days, cancelled_at, version, created_at, updated_at
                )
                SELECT * FROM unnest(
                    $1::uuid[], $2::uuid[], $3::text[], $4::date[], $5::text[], $6::date[], $7::text[], $8::text[],
                    $9::bigint[], $10::timestamptz[], $11::bigint[], $12::timestamptz[], $13::timestamptz[]
                )
            "#,
            &columns.ids,
            &columns.personnel,
            &columns.kinds,
            &columns.starts as _,
            &columns.start_halves,
            &columns.ends as _,
            &columns.end_halves,
            &columns.reasons as _,
            &columns.counted,
            &columns.cancelled as _,
            &columns.versions,
            &columns.created as _,
            &columns.updated as _,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }

    fn absences_of(
        &mut self,
        records: Result<Vec<AbsenceRecord>, sqlx::Error>,
    ) -> Result<Vec<Absence>, StoreError> {
        let records = self.0.settle(ENTITY, records)?;
        self.0
            .decoded(records.into_iter().map(Absence::try_from).collect())
    }
}

/// The conditions of a filter, on `a` and, where agents matter, on `p`.
fn push_conditions(query: &mut Builder, filter: &AbsenceFilter) {
    push_scope(query, &filter.scope);
    push_unit(query, filter.unit);
    push_words(query, &filter.words, false);
    if let Some(personnel) = filter.personnel {
        query
            .push(" AND a.personnel_id = ")
            .push_bind(personnel.as_uuid());
    }
    if let Some(kind) = filter.kind {
        query.push(" AND a.kind = ").push_bind(kind.code());
    }
    if let Some(from) = filter.from {
        query.push(" AND a.end_date >= ").push_bind(from.to_sqlx());
    }
    if let Some(to) = filter.to {
        query.push(" AND a.start_date <= ").push_bind(to.to_sqlx());
    }
    if !filter.with_cancelled {
        query.push(" AND a.cancelled_at IS NULL");
    }
}

fn build(filter: &AbsenceFilter, page: &PageRequest) -> Builder {
    // Agents are joined only where something is asked of them: looking up eighty thousand of them is most of the cost
    // of the page.
    let agents = if asks_of_agents(&filter.scope, filter.unit, &filter.words) {
        " JOIN personnel AS p ON p.personnel_id = a.personnel_id"
    } else {
        ""
    };
    let mut query = Builder::new("WITH counted AS (SELECT count(*) AS total FROM absence AS a");
    query.push(agents).push(" WHERE TRUE");
    push_conditions(&mut query, filter);
    query.push(
        "), page AS MATERIALIZED (SELECT a.absence_id AS id, a.start_slot AS sort_key FROM absence AS a",
    );
    query.push(agents).push(" WHERE TRUE");
    push_conditions(&mut query, filter);
    if let PageStart::After(Cursor {
        value: SortValue::Integer(slot),
        id,
    }) = &page.start
    {
        query
            .push(" AND (a.start_slot, a.absence_id) < (")
            .push_bind(*slot)
            .push(", ")
            .push_bind(*id)
            .push(")");
    }
    query.push(" ORDER BY a.start_slot DESC, a.absence_id DESC");
    push_limit(&mut query, page);
    query.push(
        ") SELECT t.total, page.sort_key, a.absence_id AS id, a.personnel_id, a.kind, a.start_date, a.start_half, \
         a.end_date, a.end_half, a.reason, a.counted_half_days, a.cancelled_at, a.version, a.created_at, a.updated_at, \
         p.matricule, p.family_name || ' ' || p.given_names AS full_name, d.name AS department_name \
         FROM counted AS t LEFT JOIN page ON TRUE \
         LEFT JOIN absence AS a ON a.absence_id = page.id LEFT JOIN personnel AS p ON p.personnel_id = a.personnel_id \
         LEFT JOIN department AS d ON d.department_id = p.department_id ORDER BY page.sort_key DESC, page.id DESC",
    );
    query
}

fn decode(rows: &[sqlx::postgres::PgRow], limit: u32) -> Result<Page<AbsenceRow>, BackendError> {
    let mut total = 0;
    let mut listed = Vec::new();
    for row in rows {
        total = row.try_get::<i64, _>("total").map_err(error::backend)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id").map_err(error::backend)? else {
            continue;
        };
        let record = AbsenceRecord::from_row(row).map_err(error::backend)?;
        let slot: i32 = row.try_get("sort_key").map_err(error::backend)?;
        let cursor = Cursor {
            value: SortValue::Integer(slot.into()),
            id,
        };
        let absence = AbsenceRow {
            absence: record.try_into()?,
            matricule: row.try_get("matricule").map_err(error::backend)?,
            full_name: row.try_get("full_name").map_err(error::backend)?,
            department_name: row.try_get("department_name").map_err(error::backend)?,
        };
        listed.push((cursor, absence));
    }
    page_of(listed, limit, total)
}

#[async_trait]
impl AbsenceRepository for Handle<'_> {
    async fn insert(&mut self, absence: &Absence) -> Result<(), StoreError> {
        self.insert_absences(std::slice::from_ref(absence)).await
    }

    async fn insert_many(&mut self, absences: &[Absence]) -> Result<(), StoreError> {
        for batch in absences.chunks(BATCH) {
            self.insert_absences(batch)
                .await
                .map_err(|err| self.0.abandon(err))?;
        }
        Ok(())
    }

    async fn update(&mut self, absence: &Absence) -> Result<(), StoreError> {
        let period = &absence.fields.period;
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                UPDATE absence SET
                    personnel_id = $2, kind = $3, start_date = $4, start_half = $5, end_date = $6, end_half = $7,
                    reason = $8, counted_half_days = $9, cancelled_at = $10, version = $11, updated_at = $12
                WHERE absence_id = $1 AND version = $11::bigint - 1
            "#,
            absence.id.as_uuid(),
            absence.personnel.as_uuid(),
            absence.fields.kind.code(),
            period.start().to_sqlx() as _,
            period.start_half().code(),
            period.end().to_sqlx() as _,
            period.end_half().code(),
            absence.fields.reason,
            i64::from(absence.counted_half_days),
            absence.cancelled_at.map(ToSqlx::to_sqlx) as _,
            absence.version,
            absence.updated_at.to_sqlx() as _,
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

    async fn find(&mut self, id: AbsenceId) -> Result<Option<Absence>, StoreError> {
        let link = self.0.reading().await?;
        let found = select_absence!("WHERE a.absence_id = $1", id.as_uuid())
            .fetch_optional(link)
            .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(Absence::try_from).transpose())
    }

    async fn touching(
        &mut self,
        personnel: PersonnelId,
        from: Date,
        to: Date,
    ) -> Result<Vec<Absence>, StoreError> {
        let link = self.0.reading().await?;
        let found = select_absence!(
            r#"
                WHERE a.personnel_id = $1 AND a.cancelled_at IS NULL AND a.end_date >= $2 AND a.start_date <= $3
                ORDER BY a.start_slot
            "#,
            personnel.as_uuid(),
            from.to_sqlx() as _,
            to.to_sqlx() as _
        )
        .fetch_all(link)
        .await;
        self.absences_of(found)
    }

    async fn touching_day(&mut self, day: Date) -> Result<Vec<Absence>, StoreError> {
        let link = self.0.reading().await?;
        let found = select_absence!(
            r#"
                WHERE a.cancelled_at IS NULL AND a.end_date >= $1 AND a.start_date <= $1
                ORDER BY a.start_slot, a.absence_id
            "#,
            day.to_sqlx() as _
        )
        .fetch_all(link)
        .await;
        self.absences_of(found)
    }

    async fn list(
        &mut self,
        filter: &AbsenceFilter,
        page: &PageRequest,
    ) -> Result<Page<AbsenceRow>, StoreError> {
        let mut query = build(filter, page);
        let link = self.0.reading().await?;
        let rows = query.build().fetch_all(link).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(decode(&rows, page.limit))
    }
}
