//! Evaluations; an agent has one a year.

use async_trait::async_trait;
use mppeep_core::domain::evaluation::{Criterion, Evaluation, EvaluationFields, Mark, Marks};
use mppeep_core::domain::id::{EvaluationId, PersonnelId};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::evaluation::{EvaluationFilter, EvaluationRepository, EvaluationRow};
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart, SortValue};
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::codec::{instant, micros, number};
use crate::error::{self, ADAPTER};
use crate::filter::{Builder, asks_of_agents, page_of, push_limit, push_scope, push_unit, push_words};
use crate::unit::Handle;

const ENTITY: &str = "evaluation";

/// A row of `evaluation`, in plain types.
#[derive(Debug, FromRow)]
struct EvaluationRecord {
    id: Uuid,
    personnel_id: Uuid,
    year: i64,
    technical_competence: Option<i64>,
    organisation: Option<i64>,
    initiative: Option<i64>,
    diligence: Option<i64>,
    working_relations: Option<i64>,
    observations: Option<String>,
    final_mark: Option<i64>,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

fn mark(hundredths: Option<i64>, what: &str) -> Result<Option<Mark>, BackendError> {
    hundredths
        .map(|stored| {
            let hundredths = u16::try_from(stored).ok().and_then(Mark::from_hundredths);
            hundredths.ok_or_else(|| BackendError::corrupt(ADAPTER, what))
        })
        .transpose()
}

impl TryFrom<EvaluationRecord> for Evaluation {
    type Error = BackendError;

    fn try_from(row: EvaluationRecord) -> Result<Self, BackendError> {
        let stored = [
            (Criterion::TechnicalCompetence, row.technical_competence),
            (Criterion::Organisation, row.organisation),
            (Criterion::Initiative, row.initiative),
            (Criterion::Diligence, row.diligence),
            (Criterion::WorkingRelations, row.working_relations),
        ];
        let mut marks = Marks::new();
        for (criterion, hundredths) in stored {
            if let Some(mark) = mark(hundredths, criterion.code())? {
                marks.insert(criterion, mark);
            }
        }
        Ok(Self {
            id: EvaluationId::from_uuid(row.id),
            personnel: PersonnelId::from_uuid(row.personnel_id),
            fields: EvaluationFields {
                year: number(row.year, "evaluation.year")?,
                marks,
                observations: row.observations,
            },
            final_mark: mark(row.final_mark, "evaluation.final_mark")?,
            version: row.version,
            created_at: instant(row.created_at, "evaluation.created_at")?,
            updated_at: instant(row.updated_at, "evaluation.updated_at")?,
        })
    }
}

impl Handle<'_> {
    async fn insert_evaluation(&mut self, evaluation: &Evaluation) -> Result<(), StoreError> {
        let mark_of = |criterion| {
            evaluation
                .fields
                .marks
                .get(&criterion)
                .map(|mark| mark.hundredths())
        };
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            r#"
                INSERT INTO evaluation (
                    evaluation_id, personnel_id, year, technical_competence, organisation, initiative, diligence,
                    working_relations, observations, final_mark, version, created_at, updated_at
                )
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
            "#,
            evaluation.id.as_uuid(),
            evaluation.personnel.as_uuid(),
            evaluation.fields.year,
            mark_of(Criterion::TechnicalCompetence),
            mark_of(Criterion::Organisation),
            mark_of(Criterion::Initiative),
            mark_of(Criterion::Diligence),
            mark_of(Criterion::WorkingRelations),
            evaluation.fields.observations,
            evaluation.final_mark.map(Mark::hundredths),
            evaluation.version,
            micros(evaluation.created_at),
            micros(evaluation.updated_at),
        )
        .execute(conn)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }
}

/// Separates the year from the name in a cursor.
const SEPARATOR: char = '\u{1f}';

/// What a cursor of this list says; another list's starts from the beginning.
fn position(cursor: &Cursor) -> Option<(i64, &str)> {
    let SortValue::Text(text) = &cursor.value else {
        return None;
    };
    let (year, name) = text.split_once(SEPARATOR)?;
    Some((year.parse().ok()?, name))
}

/// The conditions of a filter, on `e` and, where agents matter, on `p`.
fn push_conditions(query: &mut Builder, filter: &EvaluationFilter) {
    push_scope(query, &filter.scope);
    push_unit(query, filter.unit);
    push_words(query, &filter.words, false);
    if let Some(personnel) = filter.personnel {
        query
            .push(" AND e.personnel_id = ")
            .push_bind(personnel.as_uuid());
    }
    if let Some(year) = filter.year {
        query.push(" AND e.year = ").push_bind(i64::from(year));
    }
    if let Some(mark) = filter.mark_from {
        query.push(" AND e.final_mark >= ").push_bind(i64::from(mark));
    }
    if let Some(mark) = filter.mark_to {
        query.push(" AND e.final_mark <= ").push_bind(i64::from(mark));
    }
    if filter.unfinished {
        query.push(
            " AND (e.technical_competence IS NULL OR e.organisation IS NULL OR e.initiative IS NULL \
             OR e.diligence IS NULL OR e.working_relations IS NULL)",
        );
    }
}

fn build(filter: &EvaluationFilter, page: &PageRequest) -> Builder {
    // What is counted is joined with the agents only where something is asked of them: looking up thirty thousand of
    // them is most of the cost of the page.
    let mut query = Builder::new("WITH counted AS (SELECT count(*) AS total FROM evaluation AS e");
    if asks_of_agents(&filter.scope, filter.unit, &filter.words) {
        query.push(" JOIN personnel AS p ON p.personnel_id = e.personnel_id");
    }
    query.push(" WHERE 1");
    push_conditions(&mut query, filter);
    query.push(
        "), filtered AS NOT MATERIALIZED (SELECT e.evaluation_id AS id, e.year, p.name_key \
         FROM evaluation AS e CROSS JOIN personnel AS p ON p.personnel_id = e.personnel_id WHERE 1",
    );
    push_conditions(&mut query, filter);
    query.push("), page AS MATERIALIZED (SELECT f.id, f.year, f.name_key FROM filtered AS f");
    if let PageStart::After(cursor) = &page.start
        && let Some((year, name)) = position(cursor)
    {
        query
            .push(" WHERE (f.year < ")
            .push_bind(year)
            .push(" OR (f.year = ")
            .push_bind(year);
        query
            .push(" AND (f.name_key, f.id) > (")
            .push_bind(name.to_owned())
            .push(", ")
            .push_bind(cursor.id);
        query.push(")))");
    }
    query.push(" ORDER BY f.year DESC, f.name_key, f.id");
    push_limit(&mut query, page);
    query.push(
        ") SELECT t.total, page.name_key, e.evaluation_id AS id, e.personnel_id, e.year, e.technical_competence, \
         e.organisation, e.initiative, e.diligence, e.working_relations, e.observations, e.final_mark, e.version, \
         e.created_at, e.updated_at, p.matricule, p.family_name || ' ' || p.given_names AS full_name, \
         d.name AS department_name FROM counted AS t LEFT JOIN page ON 1 \
         LEFT JOIN evaluation AS e ON e.evaluation_id = page.id \
         LEFT JOIN personnel AS p ON p.personnel_id = e.personnel_id \
         LEFT JOIN department AS d ON d.department_id = p.department_id ORDER BY page.year DESC, page.name_key, page.id",
    );
    query
}

fn decode(rows: &[sqlx::sqlite::SqliteRow], limit: u32) -> Result<Page<EvaluationRow>, BackendError> {
    let mut total = 0;
    let mut listed = Vec::new();
    for row in rows {
        total = row.try_get::<i64, _>("total").map_err(error::backend)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id").map_err(error::backend)? else {
            continue;
        };
        let record = EvaluationRecord::from_row(row).map_err(error::backend)?;
        let name: String = row.try_get("name_key").map_err(error::backend)?;
        let value = SortValue::Text(format!("{}{SEPARATOR}{name}", record.year));
        let evaluation = EvaluationRow {
            evaluation: record.try_into()?,
            matricule: row.try_get("matricule").map_err(error::backend)?,
            full_name: row.try_get("full_name").map_err(error::backend)?,
            department_name: row.try_get("department_name").map_err(error::backend)?,
        };
        listed.push((Cursor { value, id }, evaluation));
    }
    page_of(listed, limit, total)
}

#[async_trait]
impl EvaluationRepository for Handle<'_> {
    async fn insert(&mut self, evaluation: &Evaluation) -> Result<(), StoreError> {
        self.insert_evaluation(evaluation).await
    }

    async fn insert_many(&mut self, evaluations: &[Evaluation]) -> Result<(), StoreError> {
        for evaluation in evaluations {
            self.insert_evaluation(evaluation)
                .await
                .map_err(|err| self.0.abandon(err))?;
        }
        Ok(())
    }

    async fn update(&mut self, evaluation: &Evaluation) -> Result<(), StoreError> {
        let mark_of = |criterion| {
            evaluation
                .fields
                .marks
                .get(&criterion)
                .map(|mark| mark.hundredths())
        };
        let conn = self.0.writing()?;
        let done = sqlx::query!(
            r#"
                UPDATE evaluation SET
                    personnel_id = ?2, year = ?3, technical_competence = ?4, organisation = ?5, initiative = ?6,
                    diligence = ?7, working_relations = ?8, observations = ?9, final_mark = ?10, version = ?11,
                    updated_at = ?12
                WHERE evaluation_id = ?1 AND version = ?11 - 1
            "#,
            evaluation.id.as_uuid(),
            evaluation.personnel.as_uuid(),
            evaluation.fields.year,
            mark_of(Criterion::TechnicalCompetence),
            mark_of(Criterion::Organisation),
            mark_of(Criterion::Initiative),
            mark_of(Criterion::Diligence),
            mark_of(Criterion::WorkingRelations),
            evaluation.fields.observations,
            evaluation.final_mark.map(Mark::hundredths),
            evaluation.version,
            micros(evaluation.updated_at),
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

    async fn find(&mut self, id: EvaluationId) -> Result<Option<Evaluation>, StoreError> {
        let conn = self.0.reading()?;
        let found = sqlx::query_as!(
            EvaluationRecord,
            r#"
                SELECT evaluation_id AS "id: Uuid", personnel_id AS "personnel_id: Uuid", year, technical_competence,
                       organisation, initiative, diligence, working_relations, observations, final_mark, version,
                       created_at, updated_at
                FROM evaluation WHERE evaluation_id = ?1
            "#,
            id.as_uuid(),
        )
        .fetch_optional(conn)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(Evaluation::try_from).transpose())
    }

    async fn list(
        &mut self,
        filter: &EvaluationFilter,
        page: &PageRequest,
    ) -> Result<Page<EvaluationRow>, StoreError> {
        let mut query = build(filter, page);
        let conn = self.0.reading()?;
        let rows = query.build().fetch_all(conn).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(decode(&rows, page.limit))
    }
}
