//! Login accounts.

use mppeep_core::domain::activity::ActivityAction;
use mppeep_core::domain::personnel::PersonnelField as F;
use mppeep_core::domain::user::{Role, UserInput};
use mppeep_core::ports::activity::ActivityFilter;
use mppeep_core::services::ServiceError;
use mppeep_core::services::auth::LoginOutcome;
use mppeep_core::services::users::FirstAdministrator;

use super::world::World;

fn input(email: &str, roles: &[&str]) -> UserInput {
    UserInput {
        email: email.to_owned(),
        display_name: "Quelqu'un".to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..UserInput::default()
    }
}

#[tokio::test]
async fn the_first_administrator_is_made_once() {
    let world = World::new().await;
    let made = world
        .users
        .ensure_first_administrator("admin@exemple.ci", None)
        .await
        .unwrap();
    let FirstAdministrator::Made { password } = made else {
        panic!("{made:?}")
    };
    assert!(matches!(
        world.login("admin@exemple.ci", &password, "192.0.2.1").await,
        LoginOutcome::In { .. }
    ));
    let again = world
        .users
        .ensure_first_administrator("other@exemple.ci", Some("une phrase à moi"))
        .await
        .unwrap();
    assert_eq!(again, FirstAdministrator::Present);
}

#[tokio::test]
async fn only_an_administrator_makes_accounts_and_the_last_one_stays() {
    let world = World::new().await;
    for role in Role::ALL.iter().filter(|role| **role != Role::Admin) {
        let refused = world
            .users
            .create(&world.of_role(*role), &input("a@exemple.ci", &["agent"]), None)
            .await;
        assert!(matches!(refused, Err(ServiceError::Forbidden { .. })), "{role:?}");
    }
    let chief = world.chief();
    let (admin, generated) = world
        .users
        .create(&chief, &input("a@exemple.ci", &["admin"]), None)
        .await
        .unwrap();
    assert_eq!(generated.map(|password| password.len()), Some(20));
    assert!(admin.must_change_password);
    let demoted = world
        .users
        .update(&chief, admin.id, 1, &input("a@exemple.ci", &["agent"]))
        .await;
    assert!(
        matches!(demoted, Err(ServiceError::State("last-administrator"))),
        "{demoted:?}"
    );
    world
        .users
        .create(&chief, &input("b@exemple.ci", &["admin"]), None)
        .await
        .unwrap();
    world
        .users
        .update(&chief, admin.id, 1, &input("a@exemple.ci", &["agent"]))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_address_and_an_agent_have_one_account() {
    let world = World::new().await;
    let chief = world.chief();
    let file = world.file("AA-001", &[(F::Grade, "A3")]).await.id();
    let linked = UserInput {
        personnel_id: file.to_string(),
        ..input("a@exemple.ci", &["agent"])
    };
    world.users.create(&chief, &linked, None).await.unwrap();
    let same_address = world
        .users
        .create(&chief, &input("A@Exemple.CI", &["agent"]), None)
        .await;
    assert!(
        matches!(same_address, Err(ServiceError::Taken { field: "email" })),
        "{same_address:?}"
    );
    let same_agent = UserInput {
        email: "b@exemple.ci".to_owned(),
        ..linked
    };
    let refused = world.users.create(&chief, &same_agent, None).await;
    assert!(
        matches!(
            refused,
            Err(ServiceError::Taken {
                field: "personnel_id"
            })
        ),
        "{refused:?}"
    );
    let nobody = UserInput {
        personnel_id: uuid::Uuid::nil().to_string(),
        ..input("c@exemple.ci", &["agent"])
    };
    let refused = world.users.create(&chief, &nobody, None).await;
    assert!(matches!(&refused, Err(ServiceError::Invalid(broken)) if broken.0[0].field == "personnel_id"));
}

#[tokio::test]
async fn weak_passwords_are_refused_with_everything_else_that_is_wrong() {
    let world = World::new().await;
    let wrong = input("not an address", &["king"]);
    let refused = world
        .users
        .create(&world.chief(), &wrong, Some("motdepasse1"))
        .await;
    let Err(ServiceError::Invalid(broken)) = refused else {
        panic!("{refused:?}")
    };
    let fields: Vec<&str> = broken
        .0
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(fields, ["email", "roles", "password"]);
}

#[tokio::test]
async fn taking_the_journal_out_of_the_house_is_noted() {
    let world = World::new().await;
    world.file("AA-001", &[]).await;
    let filter = ActivityFilter::default();
    let refused = world
        .activity
        .export(&world.of_role(Role::Sdrh), &filter, 100)
        .await;
    assert!(
        matches!(refused, Err(ServiceError::Forbidden { .. })),
        "{refused:?}"
    );
    let lines = world
        .activity
        .export(&world.of_role(Role::Admin), &filter, 100)
        .await
        .unwrap();
    assert_eq!(lines.len(), 1);
    assert!(
        world
            .journal()
            .await
            .iter()
            .any(|line| line.action == ActivityAction::Exported)
    );
}
