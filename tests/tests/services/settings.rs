//! Settings are applied where they matter.

use mppeep_core::domain::personnel::PersonnelField as F;
use mppeep_core::domain::settings::SettingsSection as S;
use mppeep_core::domain::user::Role;
use mppeep_core::services::ServiceError;
use mppeep_core::services::personnel::Reveal;
use serde_json::json;

use super::world::{World, input};

#[tokio::test]
async fn a_new_retirement_rule_reaches_every_file() {
    let world = World::new().await;
    let chief = world.chief();
    let id = world.file("AA-001", &[(F::Grade, "A3")]).await.id();
    let retires = async || {
        let view = world.personnel.get(&chief, id, Reveal::Hidden).await.unwrap();
        (view.retirement_date().unwrap().to_string(), view.version())
    };
    assert_eq!(retires().await, ("2040-12-31".to_owned(), 1));
    world
        .settings
        .save(
            &chief,
            S::Retirement,
            0,
            json!({"ages": {"A3": 62}, "mode": "birthday"}),
        )
        .await
        .unwrap();
    assert_eq!(retires().await, ("2042-05-17".to_owned(), 1));
}

#[tokio::test]
async fn the_form_of_matricules_and_the_read_only_mode_hold() {
    let world = World::new().await;
    let chief = world.chief();
    let create = async |matricule: &str| world.personnel.create(&chief, &input(matricule, &[])).await;
    world
        .settings
        .save(
            &chief,
            S::Personnel,
            0,
            json!({"matricule_pattern": "[0-9]{6}[A-Z]"}),
        )
        .await
        .unwrap();
    assert!(matches!(create("AA-001").await, Err(ServiceError::Invalid(_))));
    create("123456K").await.unwrap();
    world
        .settings
        .save(&chief, S::Maintenance, 0, json!({"read_only": true}))
        .await
        .unwrap();
    assert!(matches!(create("123457K").await, Err(ServiceError::ReadOnlyMode)));
    world
        .settings
        .save(&chief, S::Maintenance, 1, json!({"read_only": false}))
        .await
        .unwrap();
    create("123457K").await.unwrap();
}

#[tokio::test]
async fn settings_need_the_right_and_the_present_version() {
    let world = World::new().await;
    let refused = world
        .settings
        .save(&world.of_role(Role::Sdrh), S::Charter, 0, json!({"text": "…"}))
        .await;
    assert!(
        matches!(refused, Err(ServiceError::Forbidden { .. })),
        "{refused:?}"
    );
    let admin = world.of_role(Role::Admin);
    world
        .settings
        .save(&admin, S::Charter, 0, json!({"text": "Un."}))
        .await
        .unwrap();
    world.wait(std::time::Duration::from_secs(1));
    let stale = world
        .settings
        .save(&admin, S::Charter, 0, json!({"text": "Deux."}))
        .await;
    assert!(matches!(stale, Err(ServiceError::Stale)), "{stale:?}");
    world
        .settings
        .save(&admin, S::Charter, 1, json!({"text": "Deux."}))
        .await
        .unwrap();
    assert_eq!(world.settings.current().await.unwrap().charter.version, 2);
    let line = &world.journal().await[0];
    assert_eq!(line.label, "charter");
    assert_eq!(line.changes[0].before.as_deref(), Some("Un."));
}

#[tokio::test]
async fn a_demonstration_is_marked_while_the_database_is_empty_only() {
    let world = World::new().await;
    world.file("AA-001", &[]).await;
    let refused = world.settings.mark_demonstration().await;
    assert!(
        matches!(refused, Err(ServiceError::State("not-empty"))),
        "{refused:?}"
    );
    let fresh = World::new().await;
    fresh.settings.mark_demonstration().await.unwrap();
    assert!(fresh.settings.is_demonstration().await.unwrap());
}
