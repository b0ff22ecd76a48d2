//! The lists of documents, and of agents whose files lack some: one statement a page.

use std::collections::BTreeSet;

use jiff::Timestamp;
use mppeep_core::domain::document::DocumentKind;
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::ports::document::{DocumentFilter, DocumentRow, MissingDocuments};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart, SortValue};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::codec::{code, micros, stored, stored_date};
use crate::document::{COLUMNS, DocumentRecord, ENTITY, VERSION_COLUMNS, VersionRecord};
use crate::error;
use crate::filter::{
    Builder, asks_of_agents, is_text, page_of, push_limit, push_scope, push_unit, push_words,
};
use crate::stored_file;
use crate::unit::Handle;

/// The instant that a cursor of a list by time says; another list's starts from the beginning.
pub(crate) fn position(cursor: &Cursor) -> Option<Timestamp> {
    match cursor.value {
        SortValue::Integer(micros) => Timestamp::from_microsecond(micros).ok(),
        SortValue::Text(_) => None,
    }
}

/// Documents of whose agent's search key, or of whose own title, every word is a part.
fn push_document_words(query: &mut Builder, words: &[String]) {
    for word in words {
        if !is_text(word) {
            query.push(" AND false");
            continue;
        }
        query
            .push(" AND (strpos(p.search_key, ")
            .push_bind(word.clone())
            .push(") > 0 OR strpos(d.title_key, ")
            .push_bind(word.clone())
            .push(") > 0)");
    }
}

/// The conditions of a filter, on `d` and, where agents matter, on `p`.
fn push_conditions(query: &mut Builder, filter: &DocumentFilter) {
    push_scope(query, &filter.scope);
    push_unit(query, filter.unit);
    push_document_words(query, &filter.words);
    if !filter.with_confidential {
        query.push(" AND NOT d.confidential");
    }
    if let Some(personnel) = filter.personnel {
        query
            .push(" AND d.personnel_id = ")
            .push_bind(personnel.as_uuid());
    }
    if let Some(kind) = filter.kind {
        query.push(" AND d.kind = ").push_bind(kind.code());
    }
    if let Some(state) = filter.state {
        query.push(" AND d.state = ").push_bind(state.code());
    }
    if let Some(day) = filter.expires_until {
        query.push(" AND d.expires_on <= ").push_bind(stored_date(day));
    }
}

fn build(filter: &DocumentFilter, page: &PageRequest) -> Builder {
    // Agents are joined only where something is asked of them.
    let agents = if asks_of_agents(&filter.scope, filter.unit, &filter.words) {
        " JOIN personnel AS p ON p.personnel_id = d.personnel_id"
    } else {
        ""
    };
    let mut query = Builder::new("WITH counted AS (SELECT count(*) AS total FROM document AS d");
    query.push(agents).push(" WHERE TRUE");
    push_conditions(&mut query, filter);
    query.push(
        "), page AS MATERIALIZED (SELECT d.document_id AS id, d.created_at AS sort_key FROM document AS d",
    );
    query.push(agents).push(" WHERE TRUE");
    push_conditions(&mut query, filter);
    if let PageStart::After(cursor) = &page.start
        && let Some(at) = position(cursor)
    {
        query
            .push(" AND (d.created_at, d.document_id) < (")
            .push_bind(stored(at))
            .push(", ")
            .push_bind(cursor.id)
            .push(")");
    }
    query.push(" ORDER BY d.created_at DESC, d.document_id DESC");
    push_limit(&mut query, page);
    query.push(") SELECT t.total, ").push(COLUMNS).push(", ");
    query.push(VERSION_COLUMNS).push(", ").push(stored_file::COLUMNS);
    query.push(
        ", p.matricule, p.family_name || ' ' || p.given_names AS full_name, u.name AS department_name \
         FROM counted AS t LEFT JOIN page ON TRUE LEFT JOIN document AS d ON d.document_id = page.id \
         LEFT JOIN document_version AS v ON v.document_id = d.document_id AND v.number = d.current \
         LEFT JOIN stored_file AS f ON f.stored_file_id = v.stored_file_id \
         LEFT JOIN personnel AS p ON p.personnel_id = d.personnel_id \
         LEFT JOIN department AS u ON u.department_id = p.department_id ORDER BY page.sort_key DESC, page.id DESC",
    );
    query
}

fn decode(rows: &[PgRow], limit: u32) -> Result<Page<DocumentRow>, BackendError> {
    let mut total = 0;
    let mut listed = Vec::new();
    for row in rows {
        total = row.try_get::<i64, _>("total").map_err(error::backend)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id").map_err(error::backend)? else {
            continue;
        };
        let document = DocumentRecord::from_row(row).map_err(error::backend)?;
        let current = VersionRecord::from_row(row).map_err(error::backend)?;
        let listed_row = DocumentRow {
            document: document.try_into()?,
            current: current.try_into()?,
            matricule: row.try_get("matricule").map_err(error::backend)?,
            full_name: row.try_get("full_name").map_err(error::backend)?,
            department_name: row.try_get("department_name").map_err(error::backend)?,
        };
        let value = SortValue::Integer(micros(listed_row.document.created_at));
        listed.push((Cursor { value, id }, listed_row));
    }
    page_of(listed, limit, total)
}

fn build_missing(kinds: &[String], filter: &DocumentFilter, page: &PageRequest) -> Builder {
    // What files hold is gathered once, and not looked up agent by agent.
    let mut query = Builder::new(
        "WITH held AS MATERIALIZED (SELECT d.personnel_id, array_agg(DISTINCT d.kind) AS kinds FROM document AS d \
         WHERE d.state <> 'rejected' AND d.kind = ANY (",
    );
    query.push_bind(kinds.to_vec()).push(")");
    if let Some(personnel) = filter.personnel {
        query
            .push(" AND d.personnel_id = ")
            .push_bind(personnel.as_uuid());
    }
    query.push(
        " GROUP BY d.personnel_id), lacking AS MATERIALIZED (SELECT p.personnel_id AS id, p.name_key AS sort_key, \
         held.kinds FROM personnel AS p LEFT JOIN held ON held.personnel_id = p.personnel_id \
         WHERE NOT p.archived AND coalesce(cardinality(held.kinds), 0) < cardinality(",
    );
    query.push_bind(kinds.to_vec()).push("::text[])");
    push_scope(&mut query, &filter.scope);
    push_unit(&mut query, filter.unit);
    push_words(&mut query, &filter.words, false);
    if let Some(personnel) = filter.personnel {
        query
            .push(" AND p.personnel_id = ")
            .push_bind(personnel.as_uuid());
    }
    query.push("), page AS MATERIALIZED (SELECT l.id, l.sort_key, l.kinds FROM lacking AS l");
    if let PageStart::After(Cursor {
        value: SortValue::Text(name),
        id,
    }) = &page.start
    {
        query
            .push(" WHERE (l.sort_key, l.id) > (")
            .push_bind(name.clone())
            .push(", ")
            .push_bind(*id)
            .push(")");
    }
    query.push(" ORDER BY l.sort_key, l.id");
    push_limit(&mut query, page);
    query.push(
        ") SELECT t.total, page.id, page.sort_key, coalesce(page.kinds, ARRAY[]::text[]) AS kinds, p.matricule, \
         p.family_name || ' ' || p.given_names AS full_name, u.name AS department_name \
         FROM (SELECT count(*) AS total FROM lacking) AS t LEFT JOIN page ON TRUE \
         LEFT JOIN personnel AS p ON p.personnel_id = page.id \
         LEFT JOIN department AS u ON u.department_id = p.department_id ORDER BY page.sort_key, page.id",
    );
    query
}

fn decode_missing(
    rows: &[PgRow],
    mandatory: &BTreeSet<DocumentKind>,
    limit: u32,
) -> Result<Page<MissingDocuments>, BackendError> {
    let mut total = 0;
    let mut listed = Vec::new();
    for row in rows {
        total = row.try_get::<i64, _>("total").map_err(error::backend)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id").map_err(error::backend)? else {
            continue;
        };
        let held: Vec<String> = row.try_get("kinds").map_err(error::backend)?;
        let held: BTreeSet<DocumentKind> = held
            .iter()
            .map(|kind| code(kind, DocumentKind::by_code, "document.kind"))
            .collect::<Result<_, _>>()?;
        let missing = MissingDocuments {
            personnel: PersonnelId::from_uuid(id),
            matricule: row.try_get("matricule").map_err(error::backend)?,
            full_name: row.try_get("full_name").map_err(error::backend)?,
            department_name: row.try_get("department_name").map_err(error::backend)?,
            missing: mandatory.difference(&held).copied().collect(),
        };
        let value = SortValue::Text(row.try_get("sort_key").map_err(error::backend)?);
        listed.push((Cursor { value, id }, missing));
    }
    page_of(listed, limit, total)
}

impl Handle<'_> {
    pub(crate) async fn list_documents(
        &mut self,
        filter: &DocumentFilter,
        page: &PageRequest,
    ) -> Result<Page<DocumentRow>, StoreError> {
        let mut query = build(filter, page);
        let link = self.0.reading().await?;
        let rows = query.build().fetch_all(link).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(decode(&rows, page.limit))
    }

    pub(crate) async fn list_missing(
        &mut self,
        mandatory: &BTreeSet<DocumentKind>,
        filter: &DocumentFilter,
        page: &PageRequest,
    ) -> Result<Page<MissingDocuments>, StoreError> {
        let kinds: Vec<String> = mandatory.iter().map(|kind| kind.code().to_owned()).collect();
        let mut query = build_missing(&kinds, filter, page);
        let link = self.0.reading().await?;
        let rows = query.build().fetch_all(link).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(decode_missing(&rows, mandatory, page.limit))
    }
}
