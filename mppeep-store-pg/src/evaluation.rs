//! Evaluations; an agent has one a year.

use async_trait::async_trait;
use jiff_sqlx::{Timestamp as StoredInstant, ToSqlx};
use mppeep_core::domain::evaluation::{Criterion, Evaluation, EvaluationFields, Mark, Marks};
use mppeep_core::domain::id::{EvaluationId, PersonnelId};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::evaluation::{EvaluationFilter, EvaluationRepository, EvaluationRow};
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart, SortValue};
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::codec::number;
use crate::error::{self, ADAPTER};
use crate::filter::{Builder, asks_of_agents, page_of, push_limit, push_scope, push_unit, push_words};
use crate::unit::Handle;

const ENTITY: &str = "evaluation";
/// Rows of one statement when many are stored.
const BATCH: usize = 1_000;

/// A row of `evaluation`, in plain types.
#[derive(Debug, FromRow)]
struct EvaluationRecord {
    id: Uuid,
    personnel_id: Uuid,
    year: i32,
    technical_competence: Option<i32>,
    organisation: Option<i32>,
    initiative: Option<i32>,
    diligence: Option<i32>,
    working_relations: Option<i32>,
    observations: Option<String>,
    final_mark: Option<i32>,
    version: i64,
    created_at: StoredInstant,
    updated_at: StoredInstant,
}

fn mark(hundredths: Option<i32>, what: &str) -> Result<Option<Mark>, BackendError> {
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
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
        })
    }
}

/// A mark as it is stored.
fn stored_mark(evaluation: &Evaluation, criterion: Criterion) -> Option<i32> {
    let mark = evaluation.fields.marks.get(&criterion)?;
    Some(mark.hundredths().into())
}

/// Evaluations as columns, for a statement that stores many.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    personnel: Vec<Uuid>,
    years: Vec<i32>,
    technical_competence: Vec<Option<i32>>,
    organisation: Vec<Option<i32>>,
    initiative: Vec<Option<i32>>,
    diligence: Vec<Option<i32>>,
    working_relations: Vec<Option<i32>>,
    observations: Vec<Option<String>>,
    final_marks: Vec<Option<i32>>,
    versions: Vec<i64>,
    created: Vec<StoredInstant>,
    updated: Vec<StoredInstant>,
}

impl Columns {
    fn of(evaluations: &[Evaluation]) -> Self {
        let mut columns = Self::default();
        for evaluation in evaluations {
            let mark_of = |criterion| stored_mark(evaluation, criterion);
            columns.ids.push(evaluation.id.as_uuid());
            columns.personnel.push(evaluation.personnel.as_uuid());
            columns.years.push(evaluation.fields.year.into());
            columns
                .technical_competence
                .push(mark_of(Criterion::TechnicalCompetence));
            columns.organisation.push(mark_of(Criterion::Organisation));
            columns.initiative.push(mark_of(Criterion::Initiative));
            columns.diligence.push(mark_of(Criterion::Diligence));
            columns
                .working_relations
                .push(mark_of(Criterion::WorkingRelations));
            columns.observations.push(evaluation.fields.observations.clone());
            columns
                .final_marks
                .push(evaluation.final_mark.map(|mark| mark.hundredths().into()));
            columns.versions.push(evaluation.version);
            columns.created.push(evaluation.created_at.to_sqlx());
            columns.updated.push(evaluation.updated_at.to_sqlx());
        }
        columns
    }
}

impl Handle<'_> {
    /// Stores evaluations in one statement. One alone may be refused; of several, a refusal spoils the unit.
    async fn insert_evaluations(&mut self, evaluations: &[Evaluation]) -> Result<(), StoreError> {
        let columns = Columns::of(evaluations);
        let link = match evaluations {
            [_] => self.0.writing().await?,
            _ => self.0.batch().await?,
        };
        let done = sqlx::query!(
            r#"
                INSERT INTO evaluation (
                    evaluation_id, personnel_id, year, technical_competence, organisation, initiative, diligence,
                    working_relations, observations, final_mark, version, created_at, updated_at
                )
                SELECT * FROM unnest(
                    $1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::integer[], $6::integer[], $7::integer[],
                    $8::integer[], $9::text[], $10::integer[], $11::bigint[], $12::timestamptz[], $13::timestamptz[]
                )
            "#,
            &columns.ids,
            &columns.personnel,
            &columns.years,
            &columns.technical_competence as _,
            &columns.organisation as _,
            &columns.initiative as _,
            &columns.diligence as _,
            &columns.working_relations as _,
            &columns.observations as _,
            &columns.final_marks as _,
            &columns.versions,
            &columns.created as _,
            &columns.updated as _,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }
}

/// Separates the year from the name in a cursor.
const SEPARATOR: char = '\u{1f}';

/// What a cursor of this list says; another list's starts from the beginning.
fn position(cursor: &Cursor) -> Option<(i32, &str)> {
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
        query.push(" AND e.year = ").push_bind(i32::from(year));
    }
    if let Some(mark) = filter.mark_from {
        query.push(" AND e.final_mark >= ").push_bind(i32::from(mark));
    }
    if let Some(mark) = filter.mark_to {
        query.push(" AND e.final_mark <= ").push_bind(i32::from(mark));
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
    query.push(" WHERE TRUE");
    push_conditions(&mut query, filter);
    query.push(
        "), filtered AS NOT MATERIALIZED (SELECT e.evaluation_id AS id, e.year, p.name_key \
         FROM evaluation AS e JOIN personnel AS p ON p.personnel_id = e.personnel_id WHERE TRUE",
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
         d.name AS department_name FROM counted AS t LEFT JOIN page ON TRUE \
         LEFT JOIN evaluation AS e ON e.evaluation_id = page.id \
         LEFT JOIN personnel AS p ON p.personnel_id = e.personnel_id \
         LEFT JOIN department AS d ON d.department_id = p.department_id ORDER BY page.year DESC, page.name_key, page.id",
    );
    query
}

fn decode(rows: &[sqlx::postgres::PgRow], limit: u32) -> Result<Page<EvaluationRow>, BackendError> {
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
        self.insert_evaluations(std::slice::from_ref(evaluation)).await
    }

    async fn insert_many(&mut self, evaluations: &[Evaluation]) -> Result<(), StoreError> {
        for batch in evaluations.chunks(BATCH) {
            self.insert_evaluations(batch)
                .await
                .map_err(|err| self.0.abandon(err))?;
        }
        Ok(())
    }

    async fn update(&mut self, evaluation: &Evaluation) -> Result<(), StoreError> {
        let mark_of = |criterion| stored_mark(evaluation, criterion);
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                UPDATE evaluation SET
                    personnel_id = $2, year = $3, technical_competence = $4, organisation = $5, initiative = $6,
                    diligence = $7, working_relations = $8, observations = $9, final_mark = $10, version = $11,
                    updated_at = $12
                WHERE evaluation_id = $1 AND version = $11::bigint - 1
            "#,
            evaluation.id.as_uuid(),
            evaluation.personnel.as_uuid(),
            i32::from(evaluation.fields.year),
            mark_of(Criterion::TechnicalCompetence),
            mark_of(Criterion::Organisation),
            mark_of(Criterion::Initiative),
            mark_of(Criterion::Diligence),
            mark_of(Criterion::WorkingRelations),
            evaluation.fields.observations,
            evaluation.final_mark.map(|mark| i32::from(mark.hundredths())),
            evaluation.version,
            evaluation.updated_at.to_sqlx() as _,
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

    async fn find(&mut self, id: EvaluationId) -> Result<Option<Evaluation>, StoreError> {
        let link = self.0.reading().await?;
        let found = sqlx::query_as!(
            EvaluationRecord,
            r#"
                SELECT evaluation_id AS id, personnel_id, year, technical_competence,
                       organisation, initiative, diligence, working_relations, observations, final_mark, version,
                       created_at, updated_at
                FROM evaluation WHERE evaluation_id = $1
            "#,
            id.as_uuid(),
        )
        .fetch_optional(link)
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
        let link = self.0.reading().await?;
        let rows = query.build().fetch_all(link).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(decode(&rows, page.limit))
    }
}
