//! The activity journal; lines are only added.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as StoredInstant, ToSqlx};
use mppeep_core::domain::activity::{Activity, ActivityAction, EntityKind, FieldChange};
use mppeep_core::domain::id::{ActivityId, PersonnelId, UserId};
use mppeep_core::domain::text::fold;
use mppeep_core::ports::activity::{ActivityFilter, ActivityRepository};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::page::{Cursor, Page, PageRequest, PageStart, SortValue};
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::codec::code;
use crate::error::{self, ADAPTER};
use crate::filter::{Builder, page_of, push_limit, push_words_in};
use crate::unit::Handle;

const ENTITY: &str = "activity";
/// Rows of one statement when many are stored.
const BATCH: usize = 1_000;

/// A row of `activity`, in plain types.
#[derive(Debug, FromRow)]
struct ActivityRecord {
    id: Uuid,
    at: StoredInstant,
    actor_id: Option<Uuid>,
    actor_name: String,
    action: String,
    entity: String,
    entity_id: Option<Uuid>,
    subject_id: Option<Uuid>,
    label: String,
    changes: String,
    address: Option<String>,
    request_id: Option<String>,
}

/// Changes as JSON: an array of `[field, before, after]`.
fn changes_to_json(changes: &[FieldChange]) -> String {
    let triplets: Vec<(&str, Option<&str>, Option<&str>)> = changes
        .iter()
        .map(|change| {
            (
                change.field.as_str(),
                change.before.as_deref(),
                change.after.as_deref(),
            )
        })
        .collect();
    serde_json::json!(triplets).to_string()
}

fn changes_from_json(json: &str) -> Result<Vec<FieldChange>, BackendError> {
    let triplets: Vec<(String, Option<String>, Option<String>)> =
        serde_json::from_str(json).map_err(|_| BackendError::corrupt(ADAPTER, "activity.changes"))?;
    Ok(triplets
        .into_iter()
        .map(|(field, before, after)| FieldChange { field, before, after })
        .collect())
}

impl TryFrom<ActivityRecord> for Activity {
    type Error = BackendError;

    fn try_from(row: ActivityRecord) -> Result<Self, BackendError> {
        Ok(Self {
            id: ActivityId::from_uuid(row.id),
            at: row.at.to_jiff(),
            actor: row.actor_id.map(UserId::from_uuid),
            actor_name: row.actor_name,
            action: code(&row.action, ActivityAction::by_code, "activity.action")?,
            entity: code(&row.entity, EntityKind::by_code, "activity.entity")?,
            entity_id: row.entity_id,
            subject: row.subject_id.map(PersonnelId::from_uuid),
            label: row.label,
            changes: changes_from_json(&row.changes)?,
            address: row.address,
            request_id: row.request_id,
        })
    }
}

/// Lines as columns, for a statement that stores many.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    at: Vec<StoredInstant>,
    actors: Vec<Option<Uuid>>,
    actor_names: Vec<String>,
    actions: Vec<String>,
    entities: Vec<String>,
    entity_ids: Vec<Option<Uuid>>,
    subjects: Vec<Option<Uuid>>,
    labels: Vec<String>,
    changes: Vec<String>,
    addresses: Vec<Option<String>>,
    requests: Vec<Option<String>>,
    search_keys: Vec<String>,
}

impl Columns {
    fn of(activities: &[Activity]) -> Self {
        let mut columns = Self::default();
        for activity in activities {
            columns.ids.push(activity.id.as_uuid());
            columns.at.push(activity.at.to_sqlx());
            columns.actors.push(activity.actor.map(UserId::as_uuid));
            columns.actor_names.push(activity.actor_name.clone());
            columns.actions.push(activity.action.code().to_owned());
            columns.entities.push(activity.entity.code().to_owned());
            columns.entity_ids.push(activity.entity_id);
            columns.subjects.push(activity.subject.map(PersonnelId::as_uuid));
            columns.labels.push(activity.label.clone());
            columns.changes.push(changes_to_json(&activity.changes));
            columns.addresses.push(activity.address.clone());
            columns.requests.push(activity.request_id.clone());
            columns
                .search_keys
                .push(fold(&format!("{} {}", activity.actor_name, activity.label)));
        }
        columns
    }
}

fn push_codes(query: &mut Builder, condition: &'static str, codes: &[&'static str]) {
    if codes.is_empty() {
        return;
    }
    query.push(condition);
    let mut list = query.separated(", ");
    for code in codes {
        list.push_bind(*code);
    }
    query.push(")");
}

/// What a cursor of this list says; another list's starts from the beginning.
fn position(cursor: &Cursor) -> Option<Timestamp> {
    match cursor.value {
        SortValue::Integer(micros) => Timestamp::from_microsecond(micros).ok(),
        SortValue::Text(_) => None,
    }
}

fn build(filter: &ActivityFilter, page: &PageRequest) -> Builder {
    let mut query = Builder::new(
        "WITH filtered AS NOT MATERIALIZED (SELECT v.activity_id AS id, v.at AS sort_key FROM activity AS v WHERE TRUE",
    );
    if let Some(from) = filter.from {
        query.push(" AND v.at >= ").push_bind(from.to_sqlx());
    }
    if let Some(before) = filter.before {
        query.push(" AND v.at < ").push_bind(before.to_sqlx());
    }
    if let Some(actor) = filter.actor {
        query.push(" AND v.actor_id = ").push_bind(actor.as_uuid());
    }
    let actions: Vec<&str> = filter.actions.iter().map(|action| action.code()).collect();
    push_codes(&mut query, " AND v.action IN (", &actions);
    let entities: Vec<&str> = filter.entities.iter().map(|entity| entity.code()).collect();
    push_codes(&mut query, " AND v.entity IN (", &entities);
    if let Some(id) = filter.entity_id {
        query.push(" AND v.entity_id = ").push_bind(id);
    }
    if let Some(subject) = filter.subject {
        query.push(" AND v.subject_id = ").push_bind(subject.as_uuid());
    }
    match &filter.address {
        // No stored text has such a character, and none can be sent.
        Some(address) if address.contains('\0') => {
            query.push(" AND FALSE");
        }
        Some(address) => {
            query.push(" AND v.address = ").push_bind(address.clone());
        }
        None => {}
    }
    push_words_in(&mut query, "v.search_key", &filter.words);
    query.push("), page AS MATERIALIZED (SELECT f.id, f.sort_key FROM filtered AS f");
    if let PageStart::After(cursor) = &page.start
        && let Some(at) = position(cursor)
    {
        query
            .push(" WHERE (f.sort_key, f.id) < (")
            .push_bind(at.to_sqlx())
            .push(", ")
            .push_bind(cursor.id)
            .push(")");
    }
    query.push(" ORDER BY f.sort_key DESC, f.id DESC");
    push_limit(&mut query, page);
    query.push(
        ") SELECT t.total, v.activity_id AS id, v.at, v.actor_id, v.actor_name, v.action, v.entity, v.entity_id, \
         v.subject_id, v.label, v.changes, v.address, v.request_id FROM (SELECT count(*) AS total FROM filtered) AS t \
         LEFT JOIN page ON TRUE LEFT JOIN activity AS v ON v.activity_id = page.id \
         ORDER BY page.sort_key DESC, page.id DESC",
    );
    query
}

fn decode(rows: &[sqlx::postgres::PgRow], limit: u32) -> Result<Page<Activity>, BackendError> {
    let mut total = 0;
    let mut listed = Vec::new();
    for row in rows {
        total = row.try_get::<i64, _>("total").map_err(error::backend)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id").map_err(error::backend)? else {
            continue;
        };
        let record = ActivityRecord::from_row(row).map_err(error::backend)?;
        listed.push((
            Cursor {
                value: SortValue::Integer(record.at.to_jiff().as_microsecond()),
                id,
            },
            record.try_into()?,
        ));
    }
    page_of(listed, limit, total)
}

#[async_trait]
impl ActivityRepository for Handle<'_> {
    async fn append(&mut self, activities: &[Activity]) -> Result<(), StoreError> {
        for batch in activities.chunks(BATCH) {
            let columns = Columns::of(batch);
            let link = self.0.batch().await?;
            let done = sqlx::query!(
                r#"
                    INSERT INTO activity (
                        activity_id, at, actor_id, actor_name, action, entity, entity_id, subject_id, label, changes,
                        address, request_id, search_key
                    )
                    SELECT * FROM unnest(
                        $1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::uuid[],
                        $8::uuid[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[]
                    )
                "#,
                &columns.ids,
                &columns.at as _,
                &columns.actors as _,
                &columns.actor_names,
                &columns.actions,
                &columns.entities,
                &columns.entity_ids as _,
                &columns.subjects as _,
                &columns.labels,
                &columns.changes,
                &columns.addresses as _,
                &columns.requests as _,
                &columns.search_keys,
            )
            .execute(link)
            .await;
            self.0.settle(ENTITY, done)?;
        }
        Ok(())
    }

    async fn list(
        &mut self,
        filter: &ActivityFilter,
        page: &PageRequest,
    ) -> Result<Page<Activity>, StoreError> {
        let mut query = build(filter, page);
        let link = self.0.reading().await?;
        let rows = query.build().fetch_all(link).await;
        let rows = self.0.settle(ENTITY, rows)?;
        self.0.decoded(decode(&rows, page.limit))
    }

    async fn find(&mut self, id: ActivityId) -> Result<Option<Activity>, StoreError> {
        let link = self.0.reading().await?;
        let found = sqlx::query_as!(
            ActivityRecord,
            r#"
                SELECT activity_id AS id, at, actor_id, actor_name, action, entity,
                       entity_id, subject_id, label, changes, address, request_id
                FROM activity WHERE activity_id = $1
            "#,
            id.as_uuid(),
        )
        .fetch_optional(link)
        .await;
        let found = self.0.settle(ENTITY, found)?;
        self.0.decoded(found.map(Activity::try_from).transpose())
    }
}
