//! The list of files: one statement a page, whatever the filter and the order.
//!
//! The statement names the filtered files once; their number and the page are taken from it, and absences and marks are
//! counted for the rows of the page only, unless the list is sorted by them.

use jiff::ToSpan;
use jiff::civil::Date;
use mppeep_core::domain::personnel::Personnel;
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::page::{Cursor, Page, PageStart, SortValue};
use mppeep_core::ports::personnel::{PersonnelQuery, PersonnelRow, PersonnelSort};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::codec::{number, optional_number};
use crate::error::{self, ADAPTER};
use crate::filter::{Builder, LAST_TEXT, page_of, push_limit, push_personnel, push_sort_value};
use crate::personnel_record::{COLUMNS, PersonnelRecord};
use crate::unit::Handle;

/// The rounded mean of `final_mark`, half up.
pub(crate) const MEAN: &str = "(2 * sum(e.final_mark) + count(e.final_mark)) / (2 * count(e.final_mark))";

/// Whether the values of an order are numbers.
const fn is_number(sort: PersonnelSort) -> bool {
    matches!(
        sort,
        PersonnelSort::Grade | PersonnelSort::Absences | PersonnelSort::Score | PersonnelSort::Updated
    )
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
        PersonnelSort::Grade => query.push("p.grade_rank"),
        PersonnelSort::Position => query.push("p.position"),
        PersonnelSort::Seniority => query
            .push("coalesce(p.service_start_date, ")
            .push(LAST_TEXT)
            .push(")"),
        PersonnelSort::Absences => query.push(
            "(SELECT count(*) FROM absence AS a WHERE a.personnel_id = p.personnel_id AND a.cancelled_at IS NULL)",
        ),
        PersonnelSort::Score => query
            .push("coalesce((SELECT ")
            .push(MEAN)
            .push(" FROM evaluation AS e WHERE e.personnel_id = p.personnel_id AND e.year >= ")
            .push_bind(i64::from(asked.score_from_year))
            .push("), -1)"),
        PersonnelSort::Retirement => query
            .push("coalesce(p.retirement_date, ")
            .push(LAST_TEXT)
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

/// Sorts after the last half-day of a day.
fn last_slot(day: Date) -> String {
    format!("{day}pm")
}

fn build(asked: &PersonnelQuery) -> Builder {
    let (before, direction) = if asked.descending {
        (" < (", " DESC")
    } else {
        (" > (", "")
    };
    let mut query = Builder::new("WITH filtered AS NOT MATERIALIZED (SELECT p.personnel_id AS id, ");
    push_sort_key(&mut query, asked);
    query.push(" AS sort_key FROM personnel AS p WHERE 1");
    push_personnel(&mut query, &asked.filter, asked.filter.archive);
    query.push("), page AS MATERIALIZED (SELECT f.id, f.sort_key FROM filtered AS f");
    if let PageStart::After(cursor) = &asked.page.start {
        query.push(" WHERE (f.sort_key, f.id)").push(before);
        push_sort_value(&mut query, &cursor.value);
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
        .push_bind(asked.year_start.to_string())
        .push(" AND a.start_slot <= ");
    query
        .push_bind(last_slot(year_end(asked.year_start)))
        .push(") AS absences_year, (SELECT ")
        .push(MEAN);
    query.push(" FROM evaluation AS e WHERE e.personnel_id = page.id AND e.year >= ");
    query.push_bind(i64::from(asked.score_from_year));
    query.push(") AS mean, (SELECT count(e.final_mark) FROM evaluation AS e WHERE e.personnel_id = page.id AND e.year >= ");
    query.push_bind(i64::from(asked.score_from_year));
    query.push(
        ") AS marks FROM (SELECT count(*) AS total FROM filtered) AS t LEFT JOIN page ON 1 \
         LEFT JOIN personnel AS p ON p.personnel_id = page.id \
         LEFT JOIN department AS d ON d.department_id = p.department_id ORDER BY page.sort_key",
    );
    query.push(direction).push(", page.id").push(direction);
    query
}

/// A row of the page; none for the one that only carries the count of an empty page.
fn decode(row: &SqliteRow, sort: PersonnelSort) -> Result<Option<(Cursor, PersonnelRow)>, BackendError> {
    let id: Option<Uuid> = row.try_get("id").map_err(error::backend)?;
    let Some(id) = id else { return Ok(None) };
    let sort_value = if is_number(sort) {
        SortValue::Integer(row.try_get("sort_key").map_err(error::backend)?)
    } else {
        SortValue::Text(row.try_get("sort_key").map_err(error::backend)?)
    };
    let count = |column| row.try_get::<i64, _>(column).map_err(error::backend);
    let record = PersonnelRecord::from_row(row).map_err(error::backend)?;
    let row = PersonnelRow {
        personnel: Personnel::try_from(record)?,
        department_name: row.try_get("department_name").map_err(error::backend)?,
        absence_count: number(count("absences")?, "number of absences")?,
        absence_count_year: number(count("absences_year")?, "number of absences")?,
        average_mark_hundredths: optional_number(row.try_get("mean").map_err(error::backend)?, "mean mark")?,
        mark_count: number(count("marks")?, "number of marks")?,
    };
    Ok(Some((
        Cursor {
            value: sort_value,
            id,
        },
        row,
    )))
}

fn page(rows: &[SqliteRow], asked: &PersonnelQuery) -> Result<Page<PersonnelRow>, BackendError> {
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
        let mut query = build(asked);
        let conn = self.0.reading()?;
        let rows = query.build().fetch_all(conn).await;
        let rows = self.0.settle("personnel", rows)?;
        self.0.decoded(page(&rows, asked))
    }
}
