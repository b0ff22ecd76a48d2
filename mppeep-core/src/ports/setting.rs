//! The repository of settings, and facts about the database itself.

use async_trait::async_trait;

use super::error::StoreError;
use crate::domain::settings::{Settings, SettingsSection};

/// Stores settings by section.
#[async_trait]
pub trait SettingRepository: Send {
    /// All settings; sections never saved have their defaults.
    ///
    /// # Errors
    /// `Backend`; `Corrupt` for a stored section that cannot be read.
    async fn load(&mut self) -> Result<Settings, StoreError>;

    /// Saves a section whose stored version is `version - 1` (0 when it was never saved).
    ///
    /// # Errors
    /// `StaleVersion`.
    async fn save(
        &mut self,
        section: SettingsSection,
        value: &serde_json::Value,
        version: i64,
    ) -> Result<(), StoreError>;

    /// A fact about the database, such as `demonstration`.
    ///
    /// # Errors
    /// `Backend` only.
    async fn fact(&mut self, name: &str) -> Result<Option<String>, StoreError>;

    /// Notes a fact about the database.
    ///
    /// # Errors
    /// `Backend` only.
    async fn set_fact(&mut self, name: &str, value: &str) -> Result<(), StoreError>;
}
