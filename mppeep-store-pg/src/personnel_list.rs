//! The list of files: one statement a page, whatever the filter and the order.
//!
//! The statement names the filtered files once; their number and the page are taken from it, and absences and marks are
//! counted for the rows of the page only, unless the list is sorted by them.

use jiff::ToSpan;
use jiff::civil::Date;
use mppeep_core::domain::calendar::Half;
use mppeep_core::domain::personnel::Personnel;
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::page::{Cursor, Page, PageStart, SortValue};
use mppeep_core::ports::personnel::{PersonnelQuery, PersonnelRow, PersonnelSort};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::codec::{from_micros, micros, number, optional_number, slot, stored, stored_date};
use crate::error::{self, ADAPTER};
use crate::filter::{Builder, LAST_DATE, LAST_TEXT, page_of, push_limit, push_personnel};
use crate::personnel_record::{COLUMNS, PersonnelRecord};
use crate::unit::Handle;

/// The rounded mean of `final_mark`, half up.
pub(crate) const MEAN: &str = "(2 * sum(e.final_mark) + count(e.final_mark)) / (2 * count(e.final_mark))";

/// What the values of an order are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Date,
    Instant,
}

const fn kind(sort: PersonnelSort) -> Kind {
    match sort {
        PersonnelSort::Name
        | PersonnelSort::Matricule
        | PersonnelSort::Department
        | PersonnelSort::JobTitle
        | PersonnelSort::Position => Kind::Text,
        PersonnelSort::Grade | PersonnelSort::Absences | PersonnelSort::Score => Kind::Number,
        PersonnelSort::Seniority | PersonnelSort::Retirement => Kind::Date,
        PersonnelSort::Updated => Kind::Instant,
    }
}

/// Binds the value after which a page begins.
fn push_cursor(query: &mut Builder, sort: PersonnelSort, value: &SortValue) -> Result<(), BackendError> {
    let unreadable = || BackendError::Invalid {
        adapter: ADAPTER,
        what: "a cursor of another order".to_owned(),
    };
    match (kind(sort), value) {
        (Kind::Text, SortValue::Text(text)) => query.push_bind(text.clone()),
        (Kind::Number, SortValue::Integer(number)) => query.push_bind(*number),
        (Kind::Date, SortValue::Text(text)) => {
            let date: Date = text.parse().map_err(|_| unreadable())?;
            query.push_bind(stored_date(date))
        }
        (Kind::Instant, SortValue::Integer(micros)) => query.push_bind(stored(from_micros(*micros)?)),
        _ => return Err(unreadable()),
    };
    Ok(())
}

/// Reads the value by which a row was placed.
fn sort_value(row: &PgRow, sort: PersonnelSort) -> Result<SortValue, BackendError> {
    let column = "sort_key";
    let value = match kind(sort) {
        Kind::Text => row.try_get(column).map(SortValue::Text),
        Kind::Number => row.try_get(column).map(SortValue::Integer),
        Kind::Date => row
            .try_get::<jiff_sqlx::Date, _>(column)
            .map(|date| SortValue::Text(date.to_jiff().to_string())),
        Kind::Instant => row
            .try_get::<jiff_sqlx::Timestamp, _>(column)
            .map(|at| SortValue::Integer(micros(at.to_jiff()))),
    };
    value.map_err(error::backend)
}

/// The value a list is sorted by, never null.
fn push_sort_key(query: &mut Builder, asked: &PersonnelQuery) {
    match asked.sort {
        PersonnelSort::Name => query.push("p.name_key"),
        PersonnelSort::Matricule => query.push("p.matricule"),
        PersonnelSort::Department => query
            .push("coalesce((SELECT k.name_key FROM department AS k WHERE k.department_id = p.department_id), ")
            .push(LAST_TEXT)
            .push(")"),
        PersonnelSort::JobTitle => query
            .push("coalesce(p.job_title_key, ")
            .push(LAST_TEXT)
            .push(")"),
        PersonnelSort::Grade => query.push("p.grade_rank::bigint"),
        PersonnelSort::Position => query.push("p.position"),
        PersonnelSort::Seniority => query
            .push("coalesce(p.service_start_date, ")
            .push(LAST_DATE)
            .push(")"),
        PersonnelSort::Absences => query.push(
            "(SELECT count(*) FROM absence AS a WHERE a.personnel_id = p.personnel_id AND a.cancelled_at IS NULL)",
        ),
        PersonnelSort::Score => query
            .push("coalesce((SELECT ")
            .push(MEAN)
            .push(" FROM evaluation AS e WHERE e.personnel_id = p.personnel_id AND e.year >= ")
            .push_bind(i32::from(asked.score_from_year))
            .push("), -1)"),
        PersonnelSort::Retirement => query
            .push("coalesce(p.retirement_date, ")
            .push(LAST_DATE)
            .push(")"),
        PersonnelSort::Updated => query.push("p.updated_at"),
    };
}

/// The last day of the year that begins on `start`.
fn year_end(start: Date) -> Date {
    start
        .checked_add(1.year())
        .and_then(|next| next.yesterday())
        .unwrap_or(Date::MAX)
}

fn build(asked: &PersonnelQuery) -> Result<Builder, BackendError> {
    let (before, direction) = if asked.descending {
        (" < (", " DESC")
    } else {
        (" > (", "")
    };
    let mut query = Builder::new("WITH filtered AS NOT MATERIALIZED (SELECT p.personnel_id AS id, ");
    push_sort_key(&mut query, asked);
    query.push(" AS sort_key FROM personnel AS p WHERE true");
    push_personnel(&mut query, &asked.filter, asked.filter.archive);
    query.push("), page AS MATERIALIZED (SELECT f.id, f.sort_key FROM filtered AS f");
    if let PageStart::After(cursor) = &asked.page.start {
        query.push(" WHERE (f.sort_key, f.id)").push(before);
        push_cursor(&mut query, asked.sort, &cursor.value)?;
        query.push(", ").push_bind(cursor.id).push(")");
    }
    query
        .push(" ORDER BY f.sort_key")
        .push(direction)
        .push(", f.id")
        .push(direction);
    push_limit(&mut query, &asked.page);
    // The count and each row's figures; the count is there even when the page is empty.
    query.push(") SELECT t.total, page.sort_key, ").push(COLUMNS);
    query.push(
        ", d.name AS department_name, \
         (SELECT count(*) FROM absence AS a WHERE a.personnel_id = page.id AND a.cancelled_at IS NULL) AS absences, \
         (SELECT count(*) FROM absence AS a WHERE a.personnel_id = page.id AND a.cancelled_at IS NULL \
          AND a.end_slot >= ",
    );
    query
        .push_bind(slot(asked.year_start, Half::Am))
        .push(" AND a.start_slot <= ");
    query
        .push_bind(slot(year_end(asked.year_start), Half::Pm))
        .push(") AS absences_year, (SELECT ")
        .push(MEAN);
    query.push(" FROM evaluation AS e WHERE e.personnel_id = page.id AND e.year >= ");
    query.push_bind(i32::from(asked.score_from_year));
    query.push(") AS mean, (SELECT count(e.final_mark) FROM evaluation AS e WHERE e.personnel_id = page.id AND e.year >= ");
    query.push_bind(i32::from(asked.score_from_year));
    query.push(
        ") AS marks FROM (SELECT count(*) AS total FROM filtered) AS t LEFT JOIN page ON true \
         LEFT JOIN personnel AS p ON p.personnel_id = page.id \
         LEFT JOIN department AS d ON d.department_id = p.department_id ORDER BY page.sort_key",
    );
    query.push(direction).push(", page.id").push(direction);
    Ok(query)
}

/// A row of the page; none for the one that only carries the count of an empty page.
fn decode(row: &PgRow, sort: PersonnelSort) -> Result<Option<(Cursor, PersonnelRow)>, BackendError> {
    let id: Option<Uuid> = row.try_get("id").map_err(error::backend)?;
    let Some(id) = id else { return Ok(None) };
    let cursor = Cursor {
        value: sort_value(row, sort)?,
        id,
    };
    let count = |column| row.try_get::<i64, _>(column).map_err(error::backend);
    let record = PersonnelRecord::from_row(row).map_err(error::backend)?;
    let mean: Option<i64> = row.try_get("mean").map_err(error::backend)?;
    let row = PersonnelRow {
        personnel: Personnel::try_from(record)?,
        department_name: row.try_get("department_name").map_err(error::backend)?,
        absence_count: number(count("absences")?, "number of absences")?,
        absence_count_year: number(count("absences_year")?, "number of absences")?,
        average_mark_hundredths: optional_number(mean, "mean mark")?,
        mark_count: number(count("marks")?, "number of marks")?,
    };
    Ok(Some((cursor, row)))
}

fn page(rows: &[PgRow], asked: &PersonnelQuery) -> Result<Page<PersonnelRow>, BackendError> {
    let first = rows
        .first()
        .ok_or_else(|| BackendError::corrupt(ADAPTER, "a count without a row"))?;
    let total: i64 = first.try_get("total").map_err(error::backend)?;
    let decoded: Result<Vec<_>, BackendError> = rows.iter().map(|row| decode(row, asked.sort)).collect();
    page_of(decoded?.into_iter().flatten().collect(), asked.page.limit, total)
}

impl Handle<'_> {
    pub(crate) async fn list_personnel(
        &mut self,
        asked: &PersonnelQuery,
    ) -> Result<Page<PersonnelRow>, StoreError> {
        let mut query = self.0.decoded(build(asked))?;
        let link = self.0.reading().await?;
        let rows = query.build().fetch_all(link).await;
        let rows = self.0.settle("personnel", rows)?;
        self.0.decoded(page(&rows, asked))
    }
}
