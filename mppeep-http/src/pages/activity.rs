//! The activity journal.

mod export;

use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use mppeep_core::domain::activity::{Activity, ActivityAction, EntityKind};
use mppeep_core::domain::id::{PersonnelId, UserId};
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::settings::SettingsSection;
use mppeep_core::domain::text;
use mppeep_core::ports::activity::ActivityFilter;
use mppeep_core::services::activity::{ActivityService, ActivityView};
use serde::Deserialize;
use uuid::Uuid;

use super::frame::Frame;
use super::office::{Paging, day_of, given};
use super::ui::{Badge, Chip, Chips, Diff, EmptyState, Field, Pager, Query};
use super::visit::{Visit, show};
use crate::catalogue::{self, Label};
use crate::extract::QueryParams;
use crate::problem::Problem;
use crate::routes::{RouteTable, get};

/// What stands where a value is not for the reader.
const MASKED: &str = "masqué (réservé)";

pub(super) fn routes() -> RouteTable {
    RouteTable::pages()
        .route("/journal", get(journal).needs(Resource::Journal, Action::Read))
        .route(
            "/journal/export",
            get(export::export).needs(Resource::Journal, Action::Export),
        )
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JournalQuery {
    q: Option<String>,
    from: Option<String>,
    to: Option<String>,
    user: Option<String>,
    action: Option<String>,
    entity: Option<String>,
    entity_id: Option<String>,
    subject: Option<String>,
    address: Option<String>,
    size: Option<String>,
    start: Option<String>,
    cursor: Option<String>,
}

/// The query understood: what the service is asked, and the same as an address has it.
struct Asked {
    filter: ActivityFilter,
    query: Query,
}

impl JournalQuery {
    fn understand(&self) -> Asked {
        let words = given(self.q.as_ref());
        let (from, to) = (day_of(self.from.as_deref()), day_of(self.to.as_deref()));
        let action = self.action.as_deref().and_then(ActivityAction::by_code);
        let entity = self.entity.as_deref().and_then(EntityKind::by_code);
        let user = self.user.as_deref().and_then(|id| id.parse::<UserId>().ok());
        let subject = self
            .subject
            .as_deref()
            .and_then(|id| id.parse::<PersonnelId>().ok());
        let entity_id = self.entity_id.as_deref().and_then(|id| Uuid::try_parse(id).ok());
        let address = given(self.address.as_ref());
        let text_of = |text: Option<String>| text.unwrap_or_default();
        let query = Query::new()
            .and("q", words.unwrap_or_default())
            .and("from", text_of(from.map(|day| day.to_string())))
            .and("to", text_of(to.map(|day| day.to_string())))
            .and("user", text_of(user.map(|id| id.to_string())))
            .and("action", action.map(ActivityAction::code).unwrap_or_default())
            .and("entity", entity.map(EntityKind::code).unwrap_or_default())
            .and("entity_id", text_of(entity_id.map(|id| id.to_string())))
            .and("subject", text_of(subject.map(|id| id.to_string())))
            .and("address", address.unwrap_or_default());
        let midnight =
            |day: jiff::civil::Date| day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
        let filter = ActivityFilter {
            from: from.and_then(midnight),
            before: to.and_then(|day| midnight(day.saturating_add(1.day()))),
            actor: user,
            actions: action.into_iter().collect(),
            entities: entity.into_iter().collect(),
            entity_id,
            subject,
            address: address.map(str::to_owned),
            words: text::search_words(words.unwrap_or_default()),
        };
        Asked { filter, query }
    }
}

#[derive(Template)]
#[template(path = "activity/list.html")]
struct JournalPage {
    frame: Frame,
    words: String,
    filters: Vec<Field>,
    more: Vec<Field>,
    more_open: bool,
    hidden: Vec<(String, String)>,
    chips: Chips,
    days: Vec<(String, Vec<Line>)>,
    pager: Pager,
    empty: Option<EmptyState>,
    export: Option<String>,
}

struct Line {
    time: String,
    datetime: String,
    actor: String,
    actor_url: Option<String>,
    action: Badge,
    kind: &'static str,
    label: String,
    url: Option<String>,
    diff: Option<Diff>,
    changed: String,
    masked: bool,
    address: String,
    address_url: String,
    request: String,
}

async fn journal(visit: Visit, QueryParams(asked): QueryParams<JournalQuery>) -> Result<Response, Problem> {
    let units = visit.state.services.organisation.names().await?;
    let path = visit.url("/journal");
    let Asked { filter, query } = asked.understand();
    let paging = Paging::read(
        asked.size.as_deref(),
        asked.start.as_deref(),
        asked.cursor.as_deref(),
    );
    let page = visit
        .state
        .services
        .activity
        .list(&visit.actor, filter.clone(), &paging.request())
        .await?;
    let value = |name: &str| {
        query
            .pairs()
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    let chips = chips_of(&filter, &query, &path, page.rows.first());
    let kinds = catalogue::choices(ActivityService::readable_kinds(&visit.actor), EntityKind::code);
    let actions = catalogue::choices(ActivityAction::ALL, ActivityAction::code);
    let filters = vec![
        Field::select("action", "Action", Some("Toutes"), actions).value(value("action")),
        Field::select("entity", "Objet", Some("Tous"), kinds).value(value("entity")),
    ];
    let more = vec![
        Field::date("from", "Du").value(value("from")),
        Field::date("to", "Au").value(value("to")),
        Field::text("address", "Adresse IP")
            .value(value("address"))
            .attribute("maxlength", "45"),
    ];
    let hidden = ["user", "subject", "entity_id"]
        .into_iter()
        .map(|name| (name.to_owned(), value(name)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let empty = page.rows.is_empty().then(|| EmptyState {
        icon: "journal",
        title: "Rien à montrer".to_owned(),
        text: "Aucune ligne du journal ne répond à ces critères.".to_owned(),
        actions: vec![("Retirer les filtres".to_owned(), path.clone())],
    });
    let pager = paging.pager(
        &query,
        &path,
        page.rows.len(),
        page.total,
        page.next.as_ref(),
        ("ligne", "lignes"),
    );
    let lines = page.rows.iter().map(|row| {
        let day = catalogue::date_full(catalogue::day_of(row.activity.at));
        (day, line(&visit, row, &units, &query, &path))
    });
    show(&JournalPage {
        frame: visit.frame("Journal d’activité"),
        words: value("q"),
        filters,
        more_open: filter.from.is_some() || filter.before.is_some() || filter.address.is_some(),
        more,
        hidden,
        chips: Chips {
            chips,
            clear: path.clone(),
        },
        days: by_day(lines),
        pager,
        empty,
        export: visit
            .may(Resource::Journal, Action::Export)
            .then(|| query.url(&visit.url("/journal/export"))),
    })
}

/// Lines of one day under one heading; they come in order.
fn by_day(lines: impl Iterator<Item = (String, Line)>) -> Vec<(String, Vec<Line>)> {
    let mut days: Vec<(String, Vec<Line>)> = Vec::new();
    for (day, line) in lines {
        match days.last_mut() {
            Some((present, lines)) if *present == day => lines.push(line),
            _ => days.push((day, vec![line])),
        }
    }
    days
}

fn chips_of(filter: &ActivityFilter, query: &Query, path: &str, first: Option<&ActivityView>) -> Vec<Chip> {
    let first = first.map(|row| &row.activity);
    let mut chips = Vec::new();
    for (name, value) in query.pairs() {
        let label = match name.as_str() {
            "action" => filter.actions.first().map(|action| action.label().to_owned()),
            "entity" => filter.entities.first().map(|kind| kind.label().to_owned()),
            "user" => Some(format!(
                "Par {}",
                first.map_or("ce compte", |line| line.actor_name.as_str())
            )),
            "subject" | "entity_id" => Some(first.map_or_else(|| "Un seul objet".to_owned(), shown_label)),
            "from" | "to" => day_of(Some(value)).map(|day| {
                format!(
                    "{} {}",
                    if name == "from" { "Du" } else { "Au" },
                    catalogue::date(day)
                )
            }),
            "address" => Some(format!("Adresse : {value}")),
            _ => Some(format!("Recherche : {value}")),
        };
        if let Some(label) = label {
            chips.push(Chip {
                label,
                remove: query.without(name).url(path),
            });
        }
    }
    chips
}

/// What a line is about, as a reader knows it.
fn shown_label(activity: &Activity) -> String {
    if activity.entity == EntityKind::Setting
        && let Some(section) = SettingsSection::by_code(&activity.label)
    {
        return section.label().to_owned();
    }
    match (activity.entity, activity.label.split_once(" · ")) {
        (EntityKind::Setting, Some((first, rest))) => shown_holiday(first, rest),
        _ => activity.label.clone(),
    }
}

/// A line about public holidays: one of them, or all known ones of a year.
fn shown_holiday(first: &str, rest: &str) -> String {
    if let Some(year) = first.strip_prefix("holidays ") {
        let added = rest.parse().map_or_else(
            |_| rest.to_owned(),
            |count| catalogue::plural(count, "ajouté", "ajoutés"),
        );
        return format!("Jours fériés connus de {year} : {added}");
    }
    let day = first.parse().map_or_else(|_| first.to_owned(), catalogue::date);
    format!("Jour férié du {day} : {rest}")
}

/// The page of the record a line is about.
fn record_path(activity: &Activity) -> Option<String> {
    match (activity.entity, activity.entity_id) {
        (EntityKind::Personnel, Some(id)) => Some(format!("/personnel/{id}")),
        (EntityKind::Absence, Some(id)) => Some(format!("/rh/absences/{id}")),
        (EntityKind::Evaluation, Some(id)) => Some(format!("/evaluations/{id}")),
        (EntityKind::User, Some(id)) => Some(format!("/admin/utilisateurs/{id}")),
        (EntityKind::Slip, Some(id)) => Some(format!("/paie/bulletins/{id}")),
        (EntityKind::Job, _) => Some("/admin/files".to_owned()),
        (EntityKind::Unit, _) => Some("/organigramme".to_owned()),
        (EntityKind::Setting, None) => SettingsSection::by_code(&activity.label)
            .map(|section| format!("/admin/parametres/{}", section.code())),
        (EntityKind::Setting, Some(_)) => Some("/admin/parametres/feries".to_owned()),
        _ => None,
    }
}

/// Whether the reader may open pages of records of that kind.
fn opens(visit: &Visit, kind: EntityKind) -> bool {
    let resource = match kind {
        EntityKind::Personnel => Resource::Directory,
        EntityKind::Absence => Resource::Absence,
        EntityKind::Evaluation => Resource::Evaluation,
        EntityKind::Unit => Resource::Organisation,
        EntityKind::User => Resource::User,
        EntityKind::Setting => Resource::Setting,
        EntityKind::Slip => Resource::Payroll,
        EntityKind::Job => Resource::Queue,
        EntityKind::Document => Resource::Document,
        EntityKind::SharedFile => Resource::SharedFile,
        EntityKind::Photo => Resource::Directory,
        EntityKind::Session | EntityKind::Transfer => return false,
    };
    visit.may_all(resource, Action::Read)
}

/// The changes of a line; values that were taken out are said to be.
pub(super) fn diff(row: &ActivityView, units: &Organisation) -> Option<Diff> {
    if row.activity.changes.is_empty() {
        return None;
    }
    let of_settings = row.activity.entity == EntityKind::Setting;
    let mut changes = catalogue::changes(&row.activity.changes, Some(units));
    for (shown, change) in changes.iter_mut().zip(&row.activity.changes) {
        if of_settings {
            let said = |value: &Option<String>| {
                value
                    .as_deref()
                    .map(|value| catalogue::setting_value(&change.field, value))
                    .unwrap_or_default()
            };
            shown.field = catalogue::setting_field(&change.field);
            shown.before = said(&change.before);
            shown.after = said(&change.after);
        }
        if row.hidden_fields.contains(&change.field) {
            MASKED.clone_into(&mut shown.before);
            MASKED.clone_into(&mut shown.after);
        }
    }
    Some(Diff {
        changes,
        before: "Avant".to_owned(),
        after: "Après".to_owned(),
    })
}

fn line(visit: &Visit, row: &ActivityView, units: &Organisation, query: &Query, path: &str) -> Line {
    let activity = &row.activity;
    let local = activity.at.to_zoned(TimeZone::UTC);
    let diff = diff(row, units);
    let count = u64::try_from(activity.changes.len()).unwrap_or_default();
    let address = activity.address.clone().unwrap_or_default();
    Line {
        time: format!("{:02}:{:02}:{:02}", local.hour(), local.minute(), local.second()),
        datetime: activity.at.to_string(),
        actor: if activity.actor_name.is_empty() {
            "un visiteur non connecté".to_owned()
        } else {
            activity.actor_name.clone()
        },
        actor_url: activity
            .actor
            .map(|id| query.set("user", id.to_string()).url(path)),
        action: Badge::new(activity.action.label(), catalogue::action_tone(activity.action)),
        kind: activity.entity.label(),
        label: shown_label(activity),
        url: record_path(activity)
            .filter(|_| opens(visit, activity.entity))
            .map(|path| visit.url(&path)),
        changed: if diff.is_some() {
            catalogue::plural(count, "valeur", "valeurs")
        } else {
            String::new()
        },
        diff,
        masked: !row.hidden_fields.is_empty(),
        address_url: query.set("address", address.clone()).url(path),
        address,
        request: activity.request_id.clone().unwrap_or_default(),
    }
}

fn stamp(at: Timestamp) -> String {
    catalogue::instant_precise(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mppeep_core::domain::activity::FieldChange;
    use mppeep_core::domain::id::ActivityId;

    fn activity(entity: EntityKind, label: &str) -> Activity {
        Activity {
            id: ActivityId::from_uuid(Uuid::from_u128(1)),
            at: Timestamp::UNIX_EPOCH,
            actor: None,
            actor_name: "Awa".to_owned(),
            action: ActivityAction::Updated,
            entity,
            entity_id: None,
            subject: None,
            label: label.to_owned(),
            changes: vec![FieldChange {
                field: "address".to_owned(),
                before: None,
                after: None,
            }],
            address: None,
            request_id: None,
        }
    }

    #[test]
    fn masked_values_are_said_to_be() {
        let row = ActivityView {
            activity: activity(EntityKind::Personnel, "A1"),
            hidden_fields: vec!["address".to_owned()],
        };
        let diff = diff(&row, &Organisation::default()).unwrap();
        assert_eq!(
            (diff.changes[0].before.as_str(), diff.changes[0].after.as_str()),
            (MASKED, MASKED)
        );
    }

    #[test]
    fn settings_are_named_and_linked() {
        let line = activity(EntityKind::Setting, "retirement");
        assert_eq!(shown_label(&line), "Retraite");
        assert_eq!(
            record_path(&line).as_deref(),
            Some("/admin/parametres/retirement")
        );
        assert_eq!(record_path(&activity(EntityKind::Session, "x")), None);
        let holiday = activity(EntityKind::Setting, "2026-12-25 · Noël");
        assert_eq!(shown_label(&holiday), "Jour férié du 25/12/2026 : Noël");
        let known = activity(EntityKind::Setting, "holidays 2028 · 10");
        assert_eq!(shown_label(&known), "Jours fériés connus de 2028 : 10 ajoutés");
        assert_eq!(
            shown_label(&activity(EntityKind::Personnel, "A1 · KONÉ")),
            "A1 · KONÉ"
        );
    }

    #[test]
    fn the_last_day_of_a_period_belongs_to_it() {
        let asked = JournalQuery {
            from: Some("2026-11-01".to_owned()),
            to: Some("2026-11-22".to_owned()),
            action: Some("nonsense".to_owned()),
            ..JournalQuery::default()
        }
        .understand();
        assert_eq!(asked.filter.from.unwrap().to_string(), "2026-11-01T00:00:00Z");
        assert_eq!(asked.filter.before.unwrap().to_string(), "2026-11-23T00:00:00Z");
        assert!(asked.filter.actions.is_empty());
        assert_eq!(asked.query.url("/j"), "/j?from=2026-11-01&to=2026-11-22");
    }
}
