//! Evaluations.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use mppeep_core::domain::evaluation::{Appraisal, Criterion, Evaluation, EvaluationInput, Mark, appraise};
use mppeep_core::domain::id::{DepartmentId, DirectorateId, EvaluationId, PersonnelId, ProgrammeId};
use mppeep_core::domain::permission::{Action, Actor, Resource};
use mppeep_core::domain::settings::EvaluationSettings;
use mppeep_core::domain::text::search_words;
use mppeep_core::ports::evaluation::{EvaluationFilter, EvaluationRow};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};
use utoipa_axum::routes;

use super::answers::{
    ApiError, ChangeProblems, CreateProblems, IfMatch, ListProblems, ReadProblems, created, versioned, wrong,
};
use super::schema::{
    List, Query, Text, known_reference, list_query, mark_as_text, mark_number, mark_text, nullable,
    nullable_code, out_of_range, over, reference, unit_of, with_example,
};
use crate::app::AppState;
use crate::extract::{CurrentUser, JsonBody, PathId};
use crate::problem::Problem;
use crate::routes::{Needs, RouteTable};

pub(super) fn routes() -> RouteTable {
    let reads = Needs::Right(Resource::Evaluation, Action::Read);
    let writes = Needs::Right(Resource::Evaluation, Action::Write);
    RouteTable::api()
        .operation(reads, routes!(list))
        .creation(writes, routes!(record))
        .operation(reads, routes!(get))
        .operation(writes, routes!(correct))
}

/// Marks out of 20 by criterion, with at most two decimals; null, or left out, is no mark.
fn marks_schema() -> Object {
    let marks = [12.5, 14.0, 13.25, 16.0, 15.5];
    Criterion::ALL
        .iter()
        .zip(marks)
        .fold(ObjectBuilder::new(), |object, (criterion, example)| {
            let mark = ObjectBuilder::new()
                .schema_type(SchemaType::from_iter([Type::Number, Type::Null]))
                .minimum(Some(0))
                .maximum(Some(20))
                .multiple_of(Some(0.01));
            object.property(criterion.code(), with_example(mark, json!(example)))
        })
        .additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::FreeForm(
            false,
        )))
        .description(Some(
            "Marks out of 20 by criterion, with at most two decimals; null is no mark.",
        ))
        .build()
}

fn appraisal_codes() -> Object {
    nullable_code(
        Appraisal::ALL.iter().map(|appraisal| appraisal.code()),
        Some("good"),
    )
}

/// An evaluation on record.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Evaluation)]
pub(super) struct EvaluationItem {
    id: uuid::Uuid,
    /// The agent.
    personnel_id: uuid::Uuid,
    /// The agent's matricule.
    matricule: String,
    /// The agent's name.
    full_name: String,
    /// Name of the agent's department.
    department_name: Option<String>,
    /// The year that is evaluated.
    year: i16,
    /// Marks by criterion.
    #[schema(schema_with = marks_schema)]
    marks: BTreeMap<&'static str, Option<f64>>,
    /// The weighted mean of all marks; null while one is missing.
    final_mark: Option<f64>,
    /// What the final mark means.
    #[schema(schema_with = appraisal_codes)]
    appraisal: Option<&'static str>,
    /// Observations.
    observations: Option<String>,
    version: i64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl EvaluationItem {
    pub(super) fn of(row: EvaluationRow, settings: &EvaluationSettings) -> Self {
        let EvaluationRow {
            evaluation,
            matricule,
            full_name,
            department_name,
        } = row;
        let number = |mark: &Mark| mark_number(mark.hundredths());
        let marks = &evaluation.fields.marks;
        Self {
            id: evaluation.id.as_uuid(),
            personnel_id: evaluation.personnel.as_uuid(),
            matricule,
            full_name,
            department_name,
            year: evaluation.fields.year,
            marks: Criterion::ALL
                .iter()
                .map(|criterion| (criterion.code(), marks.get(criterion).map(number)))
                .collect(),
            final_mark: evaluation.final_mark.as_ref().map(number),
            appraisal: evaluation.final_mark.map(|mark| appraise(mark, settings).code()),
            observations: evaluation.fields.observations,
            version: evaluation.version,
            created_at: evaluation.created_at.to_string(),
            updated_at: evaluation.updated_at.to_string(),
        }
    }
}

list_query! {
    /// Conditions on evaluations; all of them hold together.
    EvaluationParams {
        /// Words that occur in the agent's matricule or names.
        #[param(example = "kone")]
        q: Option<String>,
        /// One agent's.
        #[param(value_type = Option<uuid::Uuid>)]
        personnel_id: Option<Text<PersonnelId>>,
        /// Of agents of this programme.
        #[param(value_type = Option<uuid::Uuid>)]
        programme_id: Option<Text<ProgrammeId>>,
        /// Of agents of this directorate.
        #[param(value_type = Option<uuid::Uuid>)]
        directorate_id: Option<Text<DirectorateId>>,
        /// Of agents of this department.
        #[param(value_type = Option<uuid::Uuid>)]
        department_id: Option<Text<DepartmentId>>,
        /// Of this year.
        #[param(example = 2025, minimum = 1900, maximum = 2200)]
        year: Option<i16>,
        /// With this final mark or a higher one.
        #[param(value_type = Option<f64>, minimum = 0, maximum = 20)]
        mark_from: Option<String>,
        /// With this final mark or a lower one.
        #[param(value_type = Option<f64>, minimum = 0, maximum = 20)]
        mark_to: Option<String>,
        /// Only those of which a mark is missing.
        unfinished: Option<bool>,
    }
}

fn mark_param(field: &str, text: Option<&str>) -> Result<Option<u16>, Problem> {
    let mark = text.map(Mark::parse).transpose();
    mark.map(|mark| mark.map(Mark::hundredths))
        .map_err(|rule| wrong(field, rule.code(), &crate::catalogue::rule_message(&rule)))
}

/// The evaluations the reader may see.
#[utoipa::path(get, path = "/api/v1/evaluations", tag = "evaluations", operation_id = "list_evaluations",
    params(EvaluationParams),
    responses((status = OK, description = "A page of evaluations.", body = List<EvaluationItem>), ListProblems))]
pub(super) async fn list(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    Query(params): Query<EvaluationParams>,
) -> Result<Json<List<EvaluationItem>>, ApiError> {
    let page = params.page()?;
    if params.year.is_some_and(|year| !(1900..=2200).contains(&year)) {
        return Err(out_of_range("year", 1900, 2200).into());
    }
    let organisation = state.services.organisation.names().await?;
    let filter = EvaluationFilter {
        personnel: params.personnel_id.map(|id| id.0),
        unit: unit_of(
            &organisation,
            params.programme_id,
            params.directorate_id,
            params.department_id,
        ),
        year: params.year,
        mark_from: mark_param("mark_from", params.mark_from.as_deref())?,
        mark_to: mark_param("mark_to", params.mark_to.as_deref())?,
        words: params.q.as_deref().map(search_words).unwrap_or_default(),
        unfinished: params.unfinished.unwrap_or(false),
        ..EvaluationFilter::default()
    };
    let settings = state.services.settings.current().await?;
    let page = state.services.evaluations.list(&actor, filter, &page).await?;
    Ok(List::of(page, |row| {
        EvaluationItem::of(row, &settings.evaluations)
    }))
}

/// Marks in a body: by criterion, a number or null.
type MarksBody = BTreeMap<Criterion, Option<f64>>;

/// An evaluation to record.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordEvaluation {
    /// The agent.
    #[schema(example = "0197a3c0-5e1c-7cc1-8a52-3f1d6c2b9e10", format = Uuid)]
    personnel_id: String,
    /// The year that is evaluated.
    #[schema(example = 2025, minimum = 1960, maximum = 2200)]
    year: i64,
    /// Marks by criterion.
    #[schema(schema_with = marks_schema)]
    marks: MarksBody,
    /// Observations.
    #[schema(example = "Agent consciencieuse.", max_length = 4000)]
    observations: Option<String>,
}

fn texts(marks: MarksBody) -> BTreeMap<Criterion, String> {
    marks
        .into_iter()
        .map(|(criterion, mark)| (criterion, mark.map(mark_text).unwrap_or_default()))
        .collect()
}

/// Records the evaluation of an agent for a year.
#[utoipa::path(post, path = "/api/v1/evaluations", tag = "evaluations", operation_id = "record_evaluation",
    request_body = RecordEvaluation,
    responses((status = CREATED, description = "The evaluation, with its address in `Location`.", body = EvaluationItem), CreateProblems))]
pub(super) async fn record(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    JsonBody(body): JsonBody<RecordEvaluation>,
) -> Result<Response, ApiError> {
    let agent = reference::<PersonnelId>("personnel_id", &body.personnel_id)?;
    let input = EvaluationInput {
        year: body.year.to_string(),
        marks: texts(body.marks),
        observations: body.observations.unwrap_or_default(),
    };
    let recorded = state.services.evaluations.record(&actor, agent, &input).await;
    let evaluation = known_reference("personnel_id", recorded)?;
    let (id, version) = (evaluation.id, evaluation.version);
    Ok(created(
        &state,
        "evaluations",
        id,
        version,
        item(&state, &actor, id).await?,
    ))
}

/// One evaluation.
#[utoipa::path(get, path = "/api/v1/evaluations/{id}", tag = "evaluations", operation_id = "get_evaluation",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the evaluation.")),
    responses((status = OK, description = "The evaluation, with its version in `ETag`.", body = EvaluationItem), ReadProblems))]
pub(super) async fn get(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<EvaluationId>,
) -> Result<Response, ApiError> {
    let item = item(&state, &actor, id).await?;
    Ok(versioned(item.version, item))
}

/// A correction: members and marks that are left out stay as they are, null removes them.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CorrectEvaluation {
    /// The version the client read.
    #[schema(example = 1)]
    version: Option<i64>,
    /// The year that is evaluated.
    #[schema(example = 2025, minimum = 1960, maximum = 2200)]
    year: Option<i64>,
    /// Marks by criterion.
    #[schema(schema_with = marks_schema, required = false)]
    #[serde(default)]
    marks: MarksBody,
    /// Observations; null removes them.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, example = "Agent consciencieuse.", max_length = 4000)]
    observations: Option<Option<String>>,
}

/// Corrects an evaluation: members and marks that are left out stay as they are.
#[utoipa::path(patch, path = "/api/v1/evaluations/{id}", tag = "evaluations", operation_id = "correct_evaluation",
    params(("id" = uuid::Uuid, Path, description = "Identifier of the evaluation."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` the client read.")),
    request_body = CorrectEvaluation,
    responses((status = OK, description = "The evaluation as it is now.", body = EvaluationItem), ChangeProblems))]
pub(super) async fn correct(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    PathId(id): PathId<EvaluationId>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<CorrectEvaluation>,
) -> Result<Response, ApiError> {
    let (present, _) = state.services.evaluations.get(&actor, id).await?;
    let version = if_match.check(body.version, present.version)?;
    let input = merged(body, present);
    let evaluation = state
        .services
        .evaluations
        .correct(&actor, id, version, &input)
        .await?;
    Ok(versioned(evaluation.version, item(&state, &actor, id).await?))
}

fn merged(body: CorrectEvaluation, present: Evaluation) -> EvaluationInput {
    let fields = present.fields;
    let mut marks: BTreeMap<Criterion, String> = Criterion::ALL
        .iter()
        .map(|criterion| (*criterion, mark_as_text(fields.marks.get(criterion))))
        .collect();
    marks.extend(texts(body.marks));
    EvaluationInput {
        year: body.year.unwrap_or_else(|| i64::from(fields.year)).to_string(),
        marks,
        observations: over(body.observations, fields.observations),
    }
}

async fn item(state: &AppState, actor: &Actor, id: EvaluationId) -> Result<EvaluationItem, ApiError> {
    let (evaluation, agent) = state.services.evaluations.get(actor, id).await?;
    let organisation = state.services.organisation.names().await?;
    let settings = state.services.settings.current().await?;
    let department = agent.fields.department.and_then(|id| organisation.department(id));
    let row = EvaluationRow {
        evaluation,
        matricule: agent.fields.matricule.to_string(),
        full_name: agent.fields.full_name(),
        department_name: department.map(|unit| unit.fields.name.clone()),
    };
    Ok(EvaluationItem::of(row, &settings.evaluations))
}
