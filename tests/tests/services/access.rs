//! Invitations and forgotten passwords: by mail, once, and telling strangers nothing.

use std::time::Duration;

use mppeep_core::domain::mail::MailKind;
use mppeep_core::domain::notice::NoticeKind;
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::user::{Role, User, UserInput, UserStatus};
use mppeep_core::ports::account_token::TokenPurpose;
use mppeep_core::ports::job_queue::{JobFilter, Outcome, Queue};
use mppeep_core::ports::page::PageRequest;
use mppeep_core::services::ServiceError;
use mppeep_core::services::account_access::{Asked, INVITATION_VALID_FOR, RESET_VALID_FOR};
use mppeep_core::services::auth::LoginOutcome;
use mppeep_core::services::queue::mail_of;

use super::world::World;

const OLD: &str = "Six-palmiers-au-bord-du-fleuve";
const NEW: &str = "Sept-palmiers-au-bord-du-fleuve";
const EMAIL: &str = "awa@example.org";

async fn user(world: &World) -> User {
    let input = UserInput {
        email: EMAIL.to_owned(),
        display_name: "Awa Koné".to_owned(),
        roles: vec!["agent".to_owned()],
        ..UserInput::default()
    };
    world
        .users
        .create_owned(&world.chief(), &input, OLD)
        .await
        .expect("created")
}

async fn ask(world: &World, email: &str, address: &str) -> Asked {
    world
        .access
        .ask_reset(email, address, address, None)
        .await
        .expect("an answer")
}

/// The mails that wait: kind, recipient and text, the latest first.
async fn mails(world: &World) -> Vec<(MailKind, String, String)> {
    let filter = JobFilter {
        queue: Some(Queue::Mail),
        state: None,
    };
    let page = world
        .job_queue
        .list(filter, &PageRequest::first(100))
        .await
        .expect("jobs");
    let mails = page.rows.iter().map(|job| mail_of(job).expect("a mail"));
    mails.map(|mail| (mail.kind, mail.to, mail.text)).collect()
}

async fn token(world: &World, kind: MailKind) -> String {
    let mails = mails(world).await;
    let text = &mails.iter().find(|mail| mail.0 == kind).expect("a mail").2;
    text.split_once(' ').expect("a token").1.to_owned()
}

async fn choose(world: &World, token: &str, new: &str) -> Result<(), ServiceError> {
    world.access.choose_password(token, new, "192.0.2.1", None).await
}

fn is_over(result: Result<(), ServiceError>) -> bool {
    matches!(result, Err(ServiceError::State("link-over")))
}

async fn logs_in(world: &World, password: &str) -> bool {
    matches!(
        world.login(EMAIL, password, "192.0.2.77").await,
        LoginOutcome::In { .. }
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_password_is_replaced_once_and_its_owner_is_told() {
    let world = World::new().await;
    let user = user(&world).await;
    let LoginOutcome::In { token: session, .. } = world.login(EMAIL, OLD, "192.0.2.9").await else {
        panic!("in")
    };
    assert_eq!(ask(&world, "  AWA@example.org ", "192.0.2.1").await, Asked::Taken);
    let link = token(&world, MailKind::PasswordReset).await;
    let opening = world.access.opening(&link).await.expect("read").expect("open");
    assert_eq!(
        (opening.purpose, opening.email.as_str()),
        (TokenPurpose::Reset, EMAIL)
    );
    assert!(matches!(
        choose(&world, &link, "court").await,
        Err(ServiceError::Invalid(_))
    ));
    choose(&world, &link, NEW).await.expect("chosen");
    assert!(is_over(choose(&world, &link, NEW).await), "a link works once");
    assert!(logs_in(&world, NEW).await);
    assert!(!logs_in(&world, OLD).await);
    let actor = world
        .auth
        .authenticate(&session, "192.0.2.9", None)
        .await
        .expect("read");
    assert!(actor.is_none(), "sessions from before are ended");
    let told = mails(&world).await;
    let security = told.iter().find(|mail| mail.0 == MailKind::Security);
    assert_eq!(security.expect("told").1, EMAIL);
    let owner = Actor {
        user: Some(user.id),
        ..world.of_role(Role::Agent)
    };
    let notices = world.notices.list(&owner).await.expect("notices");
    assert!(
        notices
            .iter()
            .any(|notice| notice.kind == NoticeKind::PasswordChanged)
    );
    // Nothing that is stored opens anything: only the mail that waits holds the link.
    let lines = world.journal().await;
    assert!(lines.iter().all(|line| !format!("{line:?}").contains(&link)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_learn_nothing_and_are_slowed_down() {
    let world = World::new().await;
    user(&world).await;
    for email in ["nobody@example.org", "no address"] {
        assert_eq!(ask(&world, email, "192.0.2.1").await, Asked::Taken);
    }
    assert!(mails(&world).await.is_empty());
    for _ in 0..3 {
        ask(&world, EMAIL, "192.0.2.1").await;
    }
    assert!(matches!(
        ask(&world, EMAIL, "192.0.2.1").await,
        Asked::Blocked { .. }
    ));
    assert!(
        matches!(
            world.login(EMAIL, OLD, "192.0.2.1").await,
            LoginOutcome::In { .. }
        ),
        "asking is counted apart from logging in"
    );
    // Each new link ends the one before.
    let links: Vec<String> = mails(&world)
        .await
        .iter()
        .map(|mail| mail.2.split_once(' ').expect("a token").1.to_owned())
        .collect();
    assert_eq!(links.len(), 3);
    let mut open = 0;
    for link in &links {
        open += usize::from(world.access.opening(link).await.expect("read").is_some());
    }
    assert_eq!(open, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_ends_with_its_hour_and_with_the_account() {
    let world = World::new().await;
    let user = user(&world).await;
    ask(&world, EMAIL, "192.0.2.1").await;
    let link = token(&world, MailKind::PasswordReset).await;
    world.wait(RESET_VALID_FOR - Duration::from_secs(1));
    assert!(world.access.opening(&link).await.expect("read").is_some());
    world.wait(Duration::from_secs(1));
    assert!(world.access.opening(&link).await.expect("read").is_none());
    assert!(is_over(choose(&world, &link, NEW).await));
    ask(&world, EMAIL, "192.0.2.2").await;
    let link = token(&world, MailKind::PasswordReset).await;
    let closed = UserInput {
        email: EMAIL.to_owned(),
        display_name: "Awa Koné".to_owned(),
        roles: vec!["agent".to_owned()],
        status: "suspended".to_owned(),
        ..UserInput::default()
    };
    world
        .users
        .update(&world.chief(), user.id, user.version, &closed)
        .await
        .expect("closed");
    assert!(is_over(choose(&world, &link, NEW).await));
    assert!(!logs_in(&world, NEW).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_use_one_link_at_once_one_chooses() {
    let world = std::sync::Arc::new(World::new().await);
    user(&world).await;
    ask(&world, EMAIL, "192.0.2.1").await;
    let link = token(&world, MailKind::PasswordReset).await;
    let tries: Vec<_> = (0..6)
        .map(|number| {
            let (world, link) = (world.clone(), link.clone());
            tokio::spawn(async move { choose(&world, &link, &format!("{NEW}-{number}")).await.is_ok() })
        })
        .collect();
    let mut chosen = Vec::new();
    for (number, task) in tries.into_iter().enumerate() {
        if task.await.expect("ended") {
            chosen.push(number);
        }
    }
    let [winner] = chosen[..] else {
        panic!("{chosen:?} chose")
    };
    assert!(logs_in(&world, &format!("{NEW}-{winner}")).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invited_account_waits_for_its_owner() {
    let world = World::new().await;
    let user = user(&world).await;
    let waiting = world
        .access
        .invite(&world.chief(), user.id)
        .await
        .expect("invited");
    assert_eq!(waiting.fields.status, UserStatus::Pending);
    assert!(!logs_in(&world, OLD).await, "nobody gets in before");
    let lost = token(&world, MailKind::Invitation).await;
    world
        .access
        .invite(&world.chief(), user.id)
        .await
        .expect("invited again");
    let link = token(&world, MailKind::Invitation).await;
    assert!(is_over(choose(&world, &lost, NEW).await));
    world.wait(INVITATION_VALID_FOR - Duration::from_secs(1));
    choose(&world, &link, NEW).await.expect("chosen");
    assert!(logs_in(&world, NEW).await);
    let again = world.access.invite(&world.chief(), user.id).await;
    assert!(
        matches!(again, Err(ServiceError::State("account-opened"))),
        "{again:?}"
    );
    let other = world.access.invite(&world.of_role(Role::Sdrh), user.id).await;
    assert!(matches!(other, Err(ServiceError::Forbidden { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_mails_are_seen_revived_and_removed_by_administrators() {
    let world = World::new().await;
    user(&world).await;
    ask(&world, EMAIL, "192.0.2.1").await;
    let admin = world.of_role(Role::Admin);
    for round in 0..2 {
        let lease = Duration::from_secs(30);
        let jobs = world
            .job_queue
            .claim(&[Queue::Mail], 5, lease)
            .await
            .expect("jobs");
        assert_eq!(jobs.len(), 1, "round {round}");
        let outcome = Outcome::Dead {
            error: "no such recipient".to_owned(),
        };
        world
            .job_queue
            .settle(&jobs[0].lease, &outcome)
            .await
            .expect("settled");
        let depth = world.queue.depths(&admin).await.expect("depths")[0];
        assert_eq!((depth.ready, depth.dead), (0, 1));
        let job = jobs[0].lease.job;
        assert!(
            world
                .queue
                .revive(&world.of_role(Role::Sdrh), &[job])
                .await
                .is_err()
        );
        if round == 0 {
            assert_eq!(world.queue.revive(&admin, &[job]).await.expect("revived"), 1);
        } else {
            assert_eq!(world.queue.discard(&admin, &[job]).await.expect("removed"), 1);
        }
    }
    assert!(mails(&world).await.is_empty());
}
