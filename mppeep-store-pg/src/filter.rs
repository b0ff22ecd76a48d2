//! Conditions common to lists: the files a reader may see, a unit and what is below it, words.
//!
//! Everything is a fragment of fixed text or a bound value, over a table `personnel` called `p`.

use mppeep_core::domain::grade::GradeCategory;
use mppeep_core::domain::organisation::UnitRef;
use mppeep_core::domain::permission::Scope;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart};
use mppeep_core::ports::personnel::{ArchiveFilter, PersonnelFilter};
use sqlx::{Postgres, QueryBuilder};

use crate::codec::{number, stored_date};

pub(crate) type Builder = QueryBuilder<Postgres>;

/// Sorts after every text that is stored.
pub(crate) const LAST_TEXT: &str = "chr(1114111)";

/// Sorts after every date, but for the last that there is.
pub(crate) const LAST_DATE: &str = "date '9999-12-31'";

/// A grade's place from D1 to A7; 0 is for none.
pub(crate) fn grade_rank(category: GradeCategory, number: u8) -> i32 {
    let tens = match category {
        GradeCategory::D => 10,
        GradeCategory::C => 20,
        GradeCategory::B => 30,
        GradeCategory::A => 40,
    };
    tens + i32::from(number)
}

/// Files that a scope reaches; an empty one reaches none.
pub(crate) fn push_scope(query: &mut Builder, scope: &Scope) {
    if scope.everything {
        return;
    }
    query.push(" AND (false");
    if !scope.departments.is_empty() {
        query.push(" OR p.department_id IN (");
        let mut list = query.separated(", ");
        for department in &scope.departments {
            list.push_bind(department.as_uuid());
        }
        query.push(")");
    }
    if let Some(own) = scope.own {
        query.push(" OR p.personnel_id = ").push_bind(own.as_uuid());
    }
    query.push(")");
}

/// Whether these conditions look at agents.
pub(crate) fn asks_of_agents(scope: &Scope, unit: Option<UnitRef>, words: &[String]) -> bool {
    !scope.everything || unit.is_some() || !words.is_empty()
}

/// Agents of a unit and below it.
pub(crate) fn push_unit(query: &mut Builder, unit: Option<UnitRef>) {
    match unit {
        None => return,
        Some(UnitRef::Department(_)) => query.push(" AND p.department_id = "),
        Some(UnitRef::Directorate(_)) => query.push(
            " AND p.department_id IN (SELECT u.department_id FROM department AS u WHERE u.directorate_id = ",
        ),
        Some(UnitRef::Programme(_)) => query.push(
            " AND p.department_id IN (SELECT u.department_id FROM department AS u \
             JOIN directorate AS v ON v.directorate_id = u.directorate_id WHERE v.programme_id = ",
        ),
    };
    if let Some(unit) = unit {
        query.push_bind(unit.as_uuid());
        if !matches!(unit, UnitRef::Department(_)) {
            query.push(")");
        }
    }
}

/// Whether PostgreSQL takes it for text; what it does not is in no column either.
pub(crate) fn is_text(word: &str) -> bool {
    !word.contains('\0')
}

/// Files in whose search key every word occurs, as it stands.
pub(crate) fn push_words(query: &mut Builder, words: &[String], private: bool) {
    for word in words {
        if !is_text(word) {
            query.push(" AND false");
            continue;
        }
        query
            .push(" AND (strpos(p.search_key, ")
            .push_bind(word.clone())
            .push(") > 0");
        if private {
            query
                .push(" OR strpos(p.private_search_key, ")
                .push_bind(word.clone())
                .push(") > 0");
        }
        query.push(")");
    }
}

/// Rows in whose column every word occurs, as it stands. The column is text of this program.
pub(crate) fn push_words_in(query: &mut Builder, column: &'static str, words: &[String]) {
    for word in words {
        if !is_text(word) {
            query.push(" AND false");
            continue;
        }
        query
            .push(" AND strpos(")
            .push(column)
            .push(", ")
            .push_bind(word.clone())
            .push(") > 0");
    }
}

fn push_code(query: &mut Builder, condition: &'static str, bound: Option<&'static str>) {
    if let Some(bound) = bound {
        query.push(condition).push_bind(bound);
    }
}

/// All conditions of a filter, each beginning with `AND`; `archive` takes the place of the filter's own.
pub(crate) fn push_personnel(query: &mut Builder, filter: &PersonnelFilter, archive: ArchiveFilter) {
    match archive {
        ArchiveFilter::Current => {
            query.push(" AND NOT p.archived");
        }
        ArchiveFilter::Archived => {
            query.push(" AND p.archived");
        }
        ArchiveFilter::Both => {}
    }
    push_scope(query, &filter.scope);
    push_unit(query, filter.unit);
    push_words(query, &filter.words, filter.search_private);
    if filter.unassigned {
        query.push(" AND p.department_id IS NULL");
    }
    if let Some(category) = filter.category {
        let (low, high) = (grade_rank(category, 0), grade_rank(category, 9));
        query
            .push(" AND p.grade_rank BETWEEN ")
            .push_bind(low)
            .push(" AND ")
            .push_bind(high);
    }
    if let Some(grade) = filter.grade {
        query
            .push(" AND p.grade_rank = ")
            .push_bind(grade_rank(grade.category(), grade.number()));
    }
    if filter.without_grade {
        query.push(" AND p.grade IS NULL");
    }
    push_code(
        query,
        " AND p.position = ",
        filter.position.map(|position| position.code()),
    );
    push_code(
        query,
        " AND p.status = ",
        filter.status.map(|status| status.code()),
    );
    push_code(query, " AND p.sex = ", filter.sex.map(|sex| sex.code()));
    let dates = [
        (" AND p.birth_date >= ", filter.born_from),
        (" AND p.birth_date <= ", filter.born_to),
        (" AND p.service_start_date >= ", filter.in_service_from),
        (" AND p.service_start_date <= ", filter.in_service_to),
        (" AND p.retirement_date >= ", filter.retires_from),
        (" AND p.retirement_date <= ", filter.retires_to),
    ];
    for (condition, date) in dates {
        if let Some(date) = date {
            query.push(condition).push_bind(stored_date(date));
        }
    }
    if let Some(day) = filter.absent_on {
        query.push(
            " AND p.personnel_id IN (SELECT b.personnel_id FROM absence AS b \
             WHERE b.cancelled_at IS NULL AND b.end_date >= ",
        );
        query
            .push_bind(stored_date(day))
            .push(" AND b.start_date <= ")
            .push_bind(stored_date(day))
            .push(")");
    }
    if filter.without_account {
        query.push(" AND NOT EXISTS (SELECT 1 FROM users AS w WHERE w.personnel_id = p.personnel_id)");
    }
    if filter.incomplete {
        query.push(" AND p.completeness_percent < 100");
    }
}

/// The page of rows that each come with their cursor, one more than asked for when there is a next page.
pub(crate) fn page_of<T>(
    mut listed: Vec<(Cursor, T)>,
    limit: u32,
    total: i64,
) -> Result<Page<T>, BackendError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = listed.len() > limit;
    listed.truncate(limit);
    let next = listed.last().filter(|_| more).map(|(cursor, _)| cursor.clone());
    let rows = listed.into_iter().map(|(_, row)| row).collect();
    Ok(Page {
        rows,
        total: number(total, "a count")?,
        next,
    })
}

/// Where a page starts and ends; one row more than asked for tells whether there is a next one,
/// and none is looked for when only the total is asked.
pub(crate) fn push_limit(query: &mut Builder, page: &PageRequest) {
    let rows = if page.limit == 0 {
        0
    } else {
        i64::from(page.limit) + 1
    };
    query.push(" LIMIT ").push_bind(rows);
    if let PageStart::Offset(offset) = page.start {
        query.push(" OFFSET ").push_bind(i64::from(offset));
    }
}
