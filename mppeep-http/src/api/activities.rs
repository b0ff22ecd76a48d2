//! The activity journal.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use mppeep_core::domain::activity::{ActivityAction, EntityKind};
use mppeep_core::domain::id::{PersonnelId, UserId};
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::text::search_words;
use mppeep_core::ports::activity::ActivityFilter;
use mppeep_core::services::activity::ActivityView;
use serde::Serialize;
use utoipa_axum::routes;

use super::answers::{ApiError, ListProblems};
use super::schema::{List, Query, Text, code_schemas, list_query};
use crate::app::AppState;
use crate::extract::CurrentUser;
use crate::routes::{Needs, RouteTable};

pub(super) fn routes() -> RouteTable {
    RouteTable::api().operation(Needs::Right(Resource::Journal, Action::Read), routes!(list))
}

code_schemas! {
    action_codes = ActivityAction, "updated";
    entity_codes = EntityKind, "personnel";
}

fn several_actions() -> utoipa::openapi::schema::Array {
    utoipa::openapi::ArrayBuilder::new().items(action_codes()).build()
}

fn several_entities() -> utoipa::openapi::schema::Array {
    utoipa::openapi::ArrayBuilder::new().items(entity_codes()).build()
}

/// One field that changed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ActivityChange {
    /// The field, as the API names it.
    field: String,
    /// Its value before, as text.
    before: Option<String>,
    /// Its value after, as text.
    after: Option<String>,
    /// Whether the reader may not see the values.
    hidden: bool,
}

/// A line of the journal.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Activity)]
pub(super) struct ActivityItem {
    id: uuid::Uuid,
    #[schema(format = DateTime)]
    at: String,
    /// The account that acted.
    actor_id: Option<uuid::Uuid>,
    /// Its name at that time.
    actor_name: String,
    /// What was done.
    #[schema(schema_with = action_codes)]
    action: &'static str,
    /// To what kind of record.
    #[schema(schema_with = entity_codes)]
    entity: &'static str,
    /// To which record.
    entity_id: Option<uuid::Uuid>,
    /// The agent it is about.
    personnel_id: Option<uuid::Uuid>,
    /// How a person recognises the record.
    label: String,
    /// What changed.
    changes: Vec<ActivityChange>,
    /// The client's address.
    address: Option<String>,
    /// The request's number in the logs.
    request_id: Option<String>,
}

impl From<ActivityView> for ActivityItem {
    fn from(view: ActivityView) -> Self {
        let ActivityView {
            activity,
            hidden_fields,
        } = view;
        let changes = activity.changes.into_iter().map(|change| ActivityChange {
            hidden: hidden_fields.contains(&change.field),
            field: change.field,
            before: change.before,
            after: change.after,
        });
        Self {
            id: activity.id.as_uuid(),
            at: activity.at.to_string(),
            actor_id: activity.actor.map(|id| id.as_uuid()),
            actor_name: activity.actor_name,
            action: activity.action.code(),
            entity: activity.entity.code(),
            entity_id: activity.entity_id,
            personnel_id: activity.subject.map(|id| id.as_uuid()),
            label: activity.label,
            changes: changes.collect(),
            address: activity.address,
            request_id: activity.request_id,
        }
    }
}

/// An instant of a year that the journal can hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instant(Timestamp);

impl std::str::FromStr for Instant {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let at: Timestamp = text.parse().map_err(|_| ())?;
        let year = at.to_zoned(jiff::tz::TimeZone::UTC).year();
        (1900..=2200).contains(&year).then_some(Self(at)).ok_or(())
    }
}

list_query! {
    /// Conditions on lines; all of them hold together.
    ActivityParams {
        /// Words that occur in the actor's name or the label.
        #[param(example = "kone")]
        q: Option<String>,
        /// At this instant or later.
        #[param(value_type = Option<String>, format = DateTime)]
        from: Option<Text<Instant>>,
        /// Before this instant.
        #[param(value_type = Option<String>, format = DateTime)]
        before: Option<Text<Instant>>,
        /// By this account.
        #[param(value_type = Option<uuid::Uuid>)]
        actor_id: Option<Text<UserId>>,
        /// Any of these actions.
        #[param(schema_with = several_actions, required = false)]
        #[serde(default)]
        action: Vec<ActivityAction>,
        /// About any of these kinds of record.
        #[param(schema_with = several_entities, required = false)]
        #[serde(default)]
        entity: Vec<EntityKind>,
        /// About this record.
        #[param(value_type = Option<uuid::Uuid>)]
        entity_id: Option<Text<uuid::Uuid>>,
        /// About this agent.
        #[param(value_type = Option<uuid::Uuid>)]
        personnel_id: Option<Text<PersonnelId>>,
        /// From this address.
        #[param(example = "192.0.2.7")]
        address: Option<String>,
    }
}

/// The lines of the journal that the reader may see, the latest first.
#[utoipa::path(get, path = "/api/v1/activities", tag = "activities", operation_id = "list_activities",
    params(ActivityParams),
    responses((status = OK, description = "A page of lines.", body = List<ActivityItem>), ListProblems))]
pub(super) async fn list(
    State(state): State<AppState>,
    CurrentUser(actor): CurrentUser,
    Query(params): Query<ActivityParams>,
) -> Result<Json<List<ActivityItem>>, ApiError> {
    let page = params.page()?;
    let filter = ActivityFilter {
        from: params.from.map(|at| at.0.0),
        before: params.before.map(|at| at.0.0),
        actor: params.actor_id.map(|id| id.0),
        actions: params.action,
        entities: params.entity,
        entity_id: params.entity_id.map(|id| id.0),
        subject: params.personnel_id.map(|id| id.0),
        address: params.address,
        words: params.q.as_deref().map(search_words).unwrap_or_default(),
    };
    Ok(List::of(
        state.services.activity.list(&actor, filter, &page).await?,
        ActivityItem::from,
    ))
}
