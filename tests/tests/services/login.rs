//! Logging in, sessions, and one's own password.

use std::time::Duration;

use mppeep_core::domain::activity::ActivityAction;
use mppeep_core::domain::email::Email;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::session::SessionToken;
use mppeep_core::domain::settings::SettingsSection;
use mppeep_core::domain::user::{User, UserInput};
use mppeep_core::services::ServiceError;
use mppeep_core::services::auth::LoginOutcome;
use serde_json::json;

use super::world::World;

const EMAIL: &str = "awa.kone@exemple.ci";
const PASSWORD: &str = "pluie sur la lagune";

async fn somebody(world: &World, roles: &[&str]) -> User {
    let input = UserInput {
        email: EMAIL.to_owned(),
        display_name: "Awa Koné".to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..UserInput::default()
    };
    world
        .users
        .create_owned(&world.chief(), &input, PASSWORD)
        .await
        .expect("created")
}

fn input_of(user: &User) -> UserInput {
    UserInput {
        email: user.fields.email.to_string(),
        display_name: user.fields.display_name.clone(),
        roles: user
            .fields
            .roles
            .iter()
            .map(|role| role.code().to_owned())
            .collect(),
        status: user.fields.status.code().to_owned(),
        ..UserInput::default()
    }
}

async fn enter(world: &World) -> SessionToken {
    match world.login(EMAIL, PASSWORD, "192.0.2.1").await {
        LoginOutcome::In { token, .. } => token,
        other => panic!("{other:?}"),
    }
}

async fn opens(world: &World, token: &SessionToken) -> bool {
    world
        .auth
        .authenticate(token, "192.0.2.1", None)
        .await
        .expect("an answer")
        .is_some()
}

#[tokio::test]
async fn a_session_lives_seven_days_and_does_not_slide() {
    let world = World::new().await;
    somebody(&world, &["sdrh"]).await;
    let token = enter(&world).await;
    let verified = world.hasher.verified();
    for _ in 0..6 {
        world.wait(Duration::from_secs(24 * 3600));
        assert!(opens(&world, &token).await);
    }
    assert_eq!(
        world.hasher.verified(),
        verified,
        "a session asks for no password"
    );
    world.wait(Duration::from_secs(24 * 3600));
    assert!(!opens(&world, &token).await);
}

#[tokio::test]
async fn five_failures_block_the_address_and_nothing_tells_accounts_apart() {
    let world = World::new().await;
    somebody(&world, &["sdrh"]).await;
    for left in (0..5).rev() {
        match world
            .login(
                if left % 2 == 0 { EMAIL } else { "nobody@exemple.ci" },
                "wrong",
                "192.0.2.1",
            )
            .await
        {
            LoginOutcome::Wrong { remaining } => assert_eq!(remaining, left),
            other => panic!("{other:?}"),
        }
    }
    let verified = world.hasher.verified();
    match world.login(EMAIL, PASSWORD, "192.0.2.1").await {
        LoginOutcome::Blocked { retry_after } => assert!(retry_after <= Duration::from_secs(900)),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        world.hasher.verified(),
        verified,
        "a blocked attempt looks at no password"
    );
    assert!(matches!(
        world.login(EMAIL, PASSWORD, "192.0.2.2").await,
        LoginOutcome::In { .. }
    ));
    world.wait(Duration::from_secs(900));
    assert!(matches!(
        world.login(EMAIL, PASSWORD, "192.0.2.1").await,
        LoginOutcome::In { .. }
    ));
    let journal = world.journal().await;
    let count = |action| journal.iter().filter(|line| line.action == action).count();
    assert_eq!(count(ActivityAction::LoginFailed), 5);
    assert_eq!(count(ActivityAction::LoginBlocked), 1, "the fifth failure blocks");
}

#[tokio::test]
async fn a_closed_account_is_put_out_and_answers_like_a_wrong_password() {
    let world = World::new().await;
    let user = somebody(&world, &["sdrh"]).await;
    let token = enter(&world).await;
    let closed = UserInput {
        status: "inactive".to_owned(),
        ..input_of(&user)
    };
    world
        .users
        .update(&world.chief(), user.id, 1, &closed)
        .await
        .unwrap();
    assert!(!opens(&world, &token).await);
    assert!(matches!(
        world.login(EMAIL, PASSWORD, "192.0.2.1").await,
        LoginOutcome::Wrong { .. }
    ));
    world
        .users
        .update(&world.chief(), user.id, 2, &input_of(&user))
        .await
        .unwrap();
    assert!(!opens(&world, &token).await, "what was ended stays ended");
}

#[tokio::test]
async fn a_lowered_role_is_seen_by_the_next_request() {
    let world = World::new().await;
    let user = somebody(&world, &["sdrh"]).await;
    let token = enter(&world).await;
    let actor = world
        .auth
        .authenticate(&token, "192.0.2.1", None)
        .await
        .unwrap()
        .unwrap();
    assert!(actor.may(Resource::Private, Action::Read));
    let lowered = UserInput {
        roles: vec!["invite".to_owned()],
        ..input_of(&user)
    };
    world
        .users
        .update(&world.chief(), user.id, 1, &lowered)
        .await
        .unwrap();
    assert!(!opens(&world, &token).await);
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_only() {
    let world = World::new().await;
    somebody(&world, &["sdrh"]).await;
    let (here, elsewhere) = (enter(&world).await, enter(&world).await);
    let actor = world
        .auth
        .authenticate(&here, "192.0.2.1", None)
        .await
        .unwrap()
        .unwrap();
    let change = async |old: &str, new: &str| world.auth.change_password(&actor, "192.0.2.1", old, new).await;
    for (old, new, field) in [
        ("not the one", "une autre phrase", "old_password"),
        (PASSWORD, "court", "new_password"),
        (PASSWORD, "Awa.Kone1987", "new_password"),
        (PASSWORD, PASSWORD, "new_password"),
    ] {
        let refused = change(old, new).await;
        assert!(
            matches!(&refused, Err(ServiceError::Invalid(broken)) if broken.0[0].field == field),
            "{refused:?}"
        );
    }
    change(PASSWORD, "une autre phrase").await.unwrap();
    assert!(opens(&world, &here).await);
    assert!(!opens(&world, &elsewhere).await);
    assert!(matches!(
        world.login(EMAIL, PASSWORD, "192.0.2.9").await,
        LoginOutcome::Wrong { .. }
    ));
    assert!(matches!(
        world.login(EMAIL, "une autre phrase", "192.0.2.9").await,
        LoginOutcome::In { .. }
    ));
}

#[tokio::test]
async fn a_hash_of_an_older_system_is_accepted_once_and_upgraded() {
    let world = World::new().await;
    let user = somebody(&world, &["sdrh"]).await;
    let old = bcrypt::hash(PASSWORD, 4).expect("a hash");
    let stored = async || {
        let mut unit = world.store.begin_read().await.unwrap();
        unit.users()
            .credentials(&Email::parse(EMAIL).expect("an address"))
            .await
            .unwrap()
            .unwrap()
            .password_hash
            .unwrap()
    };
    let mut unit = world.store.begin().await.unwrap();
    let present = unit
        .users()
        .credentials(&Email::parse(EMAIL).expect("an address"))
        .await
        .unwrap()
        .unwrap()
        .password_hash
        .unwrap();
    unit.users().rehash(user.id, &present, &old).await.unwrap();
    unit.commit().await.unwrap();
    assert!(stored().await.starts_with("$2b$"));
    enter(&world).await;
    assert!(stored().await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    enter(&world).await;
}

#[tokio::test]
async fn an_idle_session_ends_when_the_setting_says_so() {
    let world = World::new().await;
    somebody(&world, &["sdrh"]).await;
    let limit = json!({ "idle_minutes": 30 });
    world
        .settings
        .save(&world.chief(), SettingsSection::Security, 0, limit)
        .await
        .unwrap();
    let token = enter(&world).await;
    for _ in 0..3 {
        world.wait(Duration::from_secs(25 * 60));
        assert!(opens(&world, &token).await);
    }
    world.wait(Duration::from_secs(31 * 60));
    assert!(!opens(&world, &token).await);
}

#[tokio::test]
async fn one_ends_ones_own_sessions_from_the_profile() {
    let world = World::new().await;
    somebody(&world, &["sdrh"]).await;
    let (here, there, third) = (enter(&world).await, enter(&world).await, enter(&world).await);
    let actor = world
        .auth
        .authenticate(&here, "192.0.2.1", None)
        .await
        .unwrap()
        .unwrap();
    let list = world.auth.sessions(&actor).await.unwrap();
    assert_eq!(list.len(), 3);
    let other = world
        .auth
        .authenticate(&there, "192.0.2.1", None)
        .await
        .unwrap()
        .unwrap()
        .session
        .unwrap();
    assert!(world.auth.end_session(&actor, other).await.unwrap());
    assert!(!world.auth.end_session(&actor, other).await.unwrap());
    assert!(opens(&world, &here).await && !opens(&world, &there).await && opens(&world, &third).await);
    assert_eq!(world.auth.end_other_sessions(&actor).await.unwrap(), 1);
    assert!(opens(&world, &here).await && !opens(&world, &third).await);
    world.auth.logout(&actor, &here).await.unwrap();
    assert!(!opens(&world, &here).await);
}

#[tokio::test]
async fn a_password_typed_into_the_wrong_field_is_not_kept() {
    let world = World::new().await;
    world.login(PASSWORD, "", "192.0.2.1").await;
    assert!(
        world
            .journal()
            .await
            .iter()
            .all(|line| !line.label.contains("pluie"))
    );
}
