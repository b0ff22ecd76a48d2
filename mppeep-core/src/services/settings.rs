//! Settings, and facts about the database.

use std::sync::Arc;

use super::context::{Context, Note, require_all};
use super::error::ServiceError;
use crate::domain::activity::{ActivityAction, EntityKind, FieldChange};
use crate::domain::permission::{Action, Actor, Resource};
use crate::domain::retirement;
use crate::domain::settings::{Settings, SettingsSection};
use crate::domain::validation::{Rule, Violations};
use crate::ports::epochs::Namespace;
use crate::ports::store::UnitOfWork;

/// The fact that the database was created with demonstration data.
pub const DEMONSTRATION: &str = "demonstration";

const MADE_WRONG: &[Namespace] = &[Namespace::PERSONNEL, Namespace::SETTINGS];

/// Settings.
pub struct SettingsService {
    context: Arc<Context>,
}

impl SettingsService {
    /// The service over its context.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// The settings in force, for the server itself.
    ///
    /// # Errors
    /// `Store`.
    pub async fn current(&self) -> Result<Arc<Settings>, ServiceError> {
        self.context.settings().await
    }

    /// The settings, for the page that shows and changes them.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn read(&self, actor: &Actor) -> Result<Arc<Settings>, ServiceError> {
        require_all(actor, Resource::Setting, Action::Read)?;
        self.context.settings().await
    }

    /// Saves a section that the reader saw at `version`. Rules of retirement are applied to every file in the same
    /// unit. A new text of the charter takes the next number by itself.
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`, `Stale`, `Store`. The read-only mode does not apply here, or it could not be left.
    pub async fn save(
        &self,
        actor: &Actor,
        section: SettingsSection,
        version: i64,
        value: serde_json::Value,
    ) -> Result<(), ServiceError> {
        require_all(actor, Resource::Setting, Action::Write)?;
        let mut unit = self.context.store().begin().await?;
        let before = unit.settings().load().await?;
        if before.versions.get(&section).copied().unwrap_or(0) != version {
            return Err(ServiceError::Stale);
        }
        let mut after = before.clone();
        after.set_section(section, value)?;
        if section == SettingsSection::Charter {
            let renewed = after.charter.text != before.charter.text;
            after.charter.version = before.charter.version + u32::from(renewed);
        }
        let saved = after.section(section);
        let changes = flat_changes(&before.section(section), &saved);
        if changes.is_empty() {
            return Ok(());
        }
        unit.settings().save(section, &saved, version + 1).await?;
        if section == SettingsSection::Retirement {
            derive_again(&mut unit, &after).await?;
        }
        let note = Note {
            action: ActivityAction::Updated,
            entity: EntityKind::Setting,
            entity_id: None,
            subject: None,
            label: section.code().to_owned(),
            changes,
        };
        let line = self.context.activity(actor, note);
        unit.activities().append(&[line]).await?;
        self.context.commit(unit, MADE_WRONG).await
    }

    /// Marks a database as one of demonstration data. Refused once it holds accounts or files.
    ///
    /// # Errors
    /// `State("not-empty")`, `Store`.
    pub async fn mark_demonstration(&self) -> Result<(), ServiceError> {
        let mut unit = self.context.store().begin().await?;
        if unit.settings().fact(DEMONSTRATION).await?.is_some() {
            return Ok(());
        }
        if unit.users().count().await? > 0 || !unit.personnel().identities().await?.is_empty() {
            return Err(ServiceError::State("not-empty"));
        }
        unit.settings().set_fact(DEMONSTRATION, "yes").await?;
        self.context.commit(unit, &[Namespace::SETTINGS]).await
    }

    /// Whether the database was created with demonstration data.
    ///
    /// # Errors
    /// `Store`.
    pub async fn is_demonstration(&self) -> Result<bool, ServiceError> {
        self.context.is_demonstration().await
    }
}

/// Derives every day of retirement by the new rules.
async fn derive_again(unit: &mut Box<dyn UnitOfWork>, settings: &Settings) -> Result<(), ServiceError> {
    let inputs = unit.personnel().retirement_inputs().await?;
    let changed: Vec<_> = inputs
        .into_iter()
        .filter_map(|input| {
            let derived = retirement::derive(
                input.birth_date,
                input.grade,
                input.extension,
                &settings.retirement,
            )
            .map(|derivation| derivation.date);
            (derived != input.stored).then_some((input.id, derived))
        })
        .collect();
    Ok(unit.personnel().set_retirement_dates(&changed).await?)
}

/// The leaves in which two JSON values differ, by dotted path.
fn flat_changes(before: &serde_json::Value, after: &serde_json::Value) -> Vec<FieldChange> {
    let mut flat_before = Vec::new();
    let mut flat_after = Vec::new();
    flatten("", before, &mut flat_before);
    flatten("", after, &mut flat_after);
    let of = |flat: &[(String, String)], path: &str| {
        flat.iter()
            .find(|(known, _)| known == path)
            .map(|(_, value)| value.clone())
    };
    let mut paths: Vec<&String> = flat_before
        .iter()
        .chain(&flat_after)
        .map(|(path, _)| path)
        .collect();
    paths.sort();
    paths.dedup();
    paths
        .into_iter()
        .map(|path| FieldChange {
            field: path.clone(),
            before: of(&flat_before, path),
            after: of(&flat_after, path),
        })
        .filter(|change| change.before != change.after)
        .collect()
}

fn flatten(path: &str, value: &serde_json::Value, into: &mut Vec<(String, String)>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                flatten(&below(name), member, into);
            }
        }
        serde_json::Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&below(&index.to_string()), item, into);
            }
        }
        serde_json::Value::String(text) => into.push((path.to_owned(), text.clone())),
        other => into.push((path.to_owned(), other.to_string())),
    }
}

/// A section's code, or the violation that says it is not one.
///
/// # Errors
/// `Invalid` on `section`.
pub fn section_of(code: &str) -> Result<SettingsSection, ServiceError> {
    SettingsSection::by_code(code).ok_or_else(|| {
        let nearest =
            crate::domain::text::nearest(code, SettingsSection::ALL.iter().map(|section| section.code()), 3);
        Violations::one("section", Rule::Unknown { nearest }).into()
    })
}
