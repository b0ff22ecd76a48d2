//! Checks of the repository of settings.

use mppeep_core::domain::settings::{Settings, SettingsSection};
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::store::Store;

use crate::harness::StoreHarness;
use crate::support::at_once;

async fn load(store: &dyn Store) -> Settings {
    let mut unit = store.begin_read().await.unwrap();
    unit.settings().load().await.unwrap()
}

fn with_banner(text: &str) -> Settings {
    let mut settings = Settings::default();
    settings.maintenance.banner = text.to_owned();
    settings
}

/// Before anything is saved, settings are the defaults, of version 0.
pub async fn settings_never_saved_have_their_defaults(harness: &dyn StoreHarness) {
    assert_eq!(load(harness.store(0).await.as_ref()).await, Settings::default());
}

/// A section is saved when its version is the next one; others stay what they were.
pub async fn a_section_is_saved_under_its_next_version(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let section = SettingsSection::Maintenance;
    let (first, second) = (with_banner("Maintenance — ce soir"), with_banner("'\"\\"));
    let mut unit = store.begin().await.unwrap();
    for version in [0, 2] {
        let outcome = unit
            .settings()
            .save(section, &first.section(section), version)
            .await;
        assert!(
            matches!(outcome, Err(StoreError::StaleVersion)),
            "{version}: {outcome:?}"
        );
    }
    unit.settings()
        .save(section, &first.section(section), 1)
        .await
        .unwrap();
    unit.commit().await.unwrap();
    let mut stored = load(store.as_ref()).await;
    assert_eq!(stored.versions, [(section, 1)].into());
    stored.versions.clear();
    assert_eq!(stored, first);
    let mut unit = store.begin().await.unwrap();
    for version in [1, 3] {
        let outcome = unit
            .settings()
            .save(section, &second.section(section), version)
            .await;
        assert!(
            matches!(outcome, Err(StoreError::StaleVersion)),
            "{version}: {outcome:?}"
        );
    }
    unit.settings()
        .save(section, &second.section(section), 2)
        .await
        .unwrap();
    for other in SettingsSection::ALL.iter().filter(|other| **other != section) {
        unit.settings()
            .save(*other, &second.section(*other), 1)
            .await
            .unwrap();
    }
    unit.commit().await.unwrap();
    let mut stored = load(store.as_ref()).await;
    assert_eq!(stored.versions.len(), SettingsSection::ALL.len());
    assert_eq!(stored.versions.get(&section), Some(&2));
    stored.versions.clear();
    assert_eq!(stored, second);
}

/// Of saves at once of one version over two instances, one is kept, the first as any later one.
pub async fn racing_saves_of_one_version_are_one(harness: &dyn StoreHarness) {
    let instances = [harness.store(0).await, harness.store(1).await];
    let section = SettingsSection::Maintenance;
    for version in 1..=3 {
        let outcomes = at_once((0..10usize).map(|n| {
            let store = instances[n % 2].clone();
            let value = with_banner(&format!("{version} {n}")).section(section);
            async move {
                let mut unit = store.begin().await.unwrap();
                let outcome = unit.settings().save(section, &value, version).await;
                unit.commit().await.unwrap();
                outcome
            }
        }))
        .await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert!(
            outcomes
                .iter()
                .all(|outcome| matches!(outcome, Ok(()) | Err(StoreError::StaleVersion)))
        );
    }
}

/// Facts about the database are remembered, and replaced.
pub async fn facts_are_remembered(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut unit = store.begin().await.unwrap();
    assert_eq!(unit.settings().fact("demonstration").await.unwrap(), None);
    unit.settings().set_fact("demonstration", "yes").await.unwrap();
    unit.settings().set_fact("autre", "é").await.unwrap();
    unit.settings().set_fact("demonstration", "no").await.unwrap();
    unit.commit().await.unwrap();
    let mut unit = harness.store(1).await.begin_read().await.unwrap();
    assert_eq!(
        unit.settings().fact("demonstration").await.unwrap().as_deref(),
        Some("no")
    );
    assert_eq!(unit.settings().fact("autre").await.unwrap().as_deref(), Some("é"));
}
