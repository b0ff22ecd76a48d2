//! Settings by section, and facts about the database itself.

use async_trait::async_trait;
use mppeep_core::domain::settings::{Settings, SettingsSection};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::setting::SettingRepository;

use crate::codec::code;
use crate::error::ADAPTER;
use crate::unit::Handle;

const ENTITY: &str = "setting";

fn read_section(
    settings: &mut Settings,
    section: &str,
    value: &str,
    version: i64,
) -> Result<(), BackendError> {
    let section = code(section, SettingsSection::by_code, "setting.section")?;
    let unreadable = || BackendError::corrupt(ADAPTER, format!("the settings of « {} »", section.code()));
    let value = serde_json::from_str(value).map_err(|_| unreadable())?;
    settings.set_section(section, value).map_err(|_| unreadable())?;
    settings.versions.insert(section, version);
    Ok(())
}

#[async_trait]
impl SettingRepository for Handle<'_> {
    async fn load(&mut self) -> Result<Settings, StoreError> {
        let link = self.0.reading().await?;
        let rows = sqlx::query!("SELECT section, value, version FROM setting")
            .fetch_all(link)
            .await;
        let rows = self.0.settle(ENTITY, rows)?;
        let mut settings = Settings::default();
        for row in rows {
            let read = read_section(&mut settings, &row.section, &row.value, row.version);
            self.0.decoded(read)?;
        }
        Ok(settings)
    }

    async fn save(
        &mut self,
        section: SettingsSection,
        value: &serde_json::Value,
        version: i64,
    ) -> Result<(), StoreError> {
        let (section, value) = (section.code(), value.to_string());
        let link = self.0.writing().await?;
        let done = if version == 1 {
            sqlx::query!(
                "INSERT INTO setting (section, value, version) VALUES ($1, $2, 1) ON CONFLICT (section) DO NOTHING",
                section,
                value,
            )
            .execute(link)
            .await
        } else {
            sqlx::query!(
                "UPDATE setting SET value = $2, version = $3 WHERE section = $1 AND version + 1 = $3",
                section,
                value,
                version,
            )
            .execute(link)
            .await
        };
        let done = self.0.settle(ENTITY, done)?;
        if done.rows_affected() == 0 {
            Err(StoreError::StaleVersion)
        } else {
            Ok(())
        }
    }

    async fn fact(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        let link = self.0.reading().await?;
        let value = sqlx::query_scalar!("SELECT value FROM fact WHERE name = $1", name)
            .fetch_optional(link)
            .await;
        self.0.settle(ENTITY, value)
    }

    async fn set_fact(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        let link = self.0.writing().await?;
        let done = sqlx::query!(
            r#"
                INSERT INTO fact (name, value) VALUES ($1, $2)
                ON CONFLICT (name) DO UPDATE SET value = excluded.value
            "#,
            name,
            value,
        )
        .execute(link)
        .await;
        self.0.settle(ENTITY, done)?;
        Ok(())
    }
}
