//! Documents on a real store: who may do what with them, what stays of a refusal, what is missing and what expires.

use std::time::Duration;

use mppeep_core::domain::activity::{ActivityAction, EntityKind};
use mppeep_core::domain::document::{DocumentInput, DocumentState, Expiry};
use mppeep_core::domain::id::{PersonnelId, UserId};
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::settings::SettingsSection;
use mppeep_core::domain::user::Role;
use mppeep_core::ports::document::DocumentFilter;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::services::documents::DocumentService;
use mppeep_core::services::{Reading, ServiceError};
use uuid::Uuid;

use super::contents::{Folder, PDF, filled, why};
use super::world::World;

fn account(actor: Actor, number: u128) -> Actor {
    Actor {
        user: Some(UserId::from_uuid(Uuid::from_u128(number))),
        ..actor
    }
}

fn input(kind: &str) -> DocumentInput {
    DocumentInput {
        kind: kind.to_owned(),
        ..DocumentInput::default()
    }
}

async fn deposit(
    service: &DocumentService,
    actor: &Actor,
    agent: PersonnelId,
    input: &DocumentInput,
) -> Result<mppeep_core::domain::document::Document, ServiceError> {
    let upload = filled(service.begin_upload(actor, agent, "pièce.pdf").await, PDF).await?;
    service.deposit(actor, agent, input, upload).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_deposits_is_checked_by_another() {
    let world = World::new().await;
    let folder = Folder::new();
    let service = DocumentService::new(world.context.clone(), folder.contents());
    let mine = world.file("A-1", &[]).await.id();
    let me = account(world.agent(mine), 1);
    let sdrh = account(world.of_role(Role::Sdrh), 2);
    let document = deposit(&service, &me, mine, &input("diploma"))
        .await
        .expect("kept");
    assert_eq!(document.state, DocumentState::ToCheck);
    assert_eq!(why(service.validate(&me, document.id, 1).await), "forbidden");
    let both = Actor {
        roles: [Role::Agent, Role::Sdrh].into(),
        ..me.clone()
    };
    assert_eq!(why(service.validate(&both, document.id, 1).await), "own-document");
    assert_eq!(why(service.validate(&sdrh, document.id, 9).await), "stale");
    assert_eq!(
        why(service.reject(&sdrh, document.id, 1, " ").await),
        "reason: required"
    );
    let rejected = service
        .reject(&sdrh, document.id, 1, "Illisible")
        .await
        .expect("rejected");
    assert_eq!(rejected.state_reason.as_deref(), Some("Illisible"));
    // A newer content is looked at anew.
    let upload = filled(service.begin_replacement(&me, document.id, "b.pdf").await, PDF).await;
    let newer = service
        .replace(&me, document.id, 2, "plus lisible", upload.expect("begun"))
        .await;
    assert_eq!(newer.expect("replaced").state, DocumentState::ToCheck);
    let valid = service.validate(&sdrh, document.id, 3).await.expect("validated");
    assert_eq!(valid.state, DocumentState::Validated);
    assert_eq!(
        why(service.begin_replacement(&me, document.id, "c.pdf").await),
        "document-validated"
    );
    assert_eq!(
        why(service.remove(&me, document.id, 4).await),
        "document-validated"
    );
    assert_eq!(folder.files(), 2, "both versions");
    service.remove(&sdrh, document.id, 4).await.expect("removed");
    assert_eq!(folder.files(), 0);
    let lines = world.journal().await;
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line.entity == EntityKind::Document)
        .map(|line| line.action)
        .collect();
    let count = |action| told.iter().filter(|done| **done == action).count();
    for action in [
        ActivityAction::Created,
        ActivityAction::Rejected,
        ActivityAction::Replaced,
        ActivityAction::Validated,
        ActivityAction::Cancelled,
    ] {
        assert_eq!(count(action), 1, "{told:?}");
    }
    assert!(
        lines
            .iter()
            .all(|line| line.entity != EntityKind::Document || line.subject == Some(mine))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_leaves_nothing() {
    let world = World::new().await;
    let folder = Folder::new();
    let service = DocumentService::new(world.context.clone(), folder.contents());
    let mine = world.file("A-1", &[]).await.id();
    let other = world.file("A-2", &[]).await.id();
    let me = account(world.agent(mine), 1);
    let sdrh = account(world.of_role(Role::Sdrh), 2);
    assert_eq!(why(service.begin_upload(&me, other, "a.pdf").await), "forbidden");
    assert_eq!(
        why(service.begin_upload(&me, mine, "a.exe").await),
        "file: file-type"
    );
    let disguised = filled(service.begin_upload(&me, mine, "a.pdf").await, b"<html></html>").await;
    let kept = match disguised {
        Ok(upload) => service
            .deposit(&me, mine, &input("other"), upload)
            .await
            .map(|_| ()),
        Err(error) => Err(error),
    };
    assert_eq!(why(kept), "file: file-content");
    assert_eq!(
        why(deposit(&service, &me, mine, &input("visa")).await),
        "kind: unknown"
    );
    let hidden = DocumentInput {
        confidential: true,
        ..input("other")
    };
    assert_eq!(
        why(deposit(&service, &me, mine, &hidden).await),
        "confidential: not-allowed"
    );
    // A file that went between the beginning and the end: the content goes with it.
    let nobody = PersonnelId::from_uuid(Uuid::from_u128(9));
    let upload = filled(service.begin_upload(&sdrh, mine, "a.pdf").await, PDF)
        .await
        .expect("begun");
    assert_eq!(
        why(service.deposit(&sdrh, nobody, &input("other"), upload).await),
        "not found"
    );
    drop(
        filled(service.begin_upload(&me, mine, "a.pdf").await, PDF)
            .await
            .expect("begun"),
    );
    for _ in 0..1_500 {
        if folder.files() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(folder.files(), 0);
    // A confidential one is not there for the agent.
    let secret = deposit(&service, &sdrh, mine, &hidden).await.expect("kept");
    assert_eq!(why(service.get(&me, secret.id).await), "not found");
    assert_eq!(
        why(service.open(&me, secret.id, None, |_| Reading::Nothing).await),
        "not found"
    );
    let all = PageRequest::first(10);
    let seen = service
        .list(&me, DocumentFilter::default(), &all)
        .await
        .expect("a page");
    assert_eq!(seen.total, 0);
    assert_eq!(
        why(service.missing(&me, DocumentFilter::default(), &all).await),
        "forbidden"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sizes_follow_the_settings() {
    let world = World::new().await;
    let folder = Folder::new();
    let service = DocumentService::new(world.context.clone(), folder.contents());
    let agent = world.file("A-1", &[]).await.id();
    let sdrh = world.of_role(Role::Sdrh);
    let small = serde_json::json!({ "max_upload_mib": 1 });
    let saved = world
        .settings
        .save(&world.chief(), SettingsSection::Files, 0, small)
        .await;
    saved.expect("saved");
    let mut upload = service.begin_upload(&sdrh, agent, "a.pdf").await.expect("begun");
    assert_eq!(upload.most(), 1024 * 1024);
    upload.write(PDF.into()).await.expect("written");
    let large = bytes::Bytes::from(vec![b' '; 1024 * 1024]);
    assert_eq!(why(upload.write(large).await), "too large");
    drop(upload);
    let closed = serde_json::json!({ "banner": "", "read_only": true });
    let saved = world
        .settings
        .save(&world.chief(), SettingsSection::Maintenance, 0, closed)
        .await;
    saved.expect("saved");
    assert_eq!(
        why(service.begin_upload(&sdrh, agent, "a.pdf").await),
        "read only"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_and_what_expires_is_told() {
    let world = World::new().await;
    let folder = Folder::new();
    let service = DocumentService::new(world.context.clone(), folder.contents());
    let agent = world.file("A-1", &[]).await.id();
    let sdrh = account(world.of_role(Role::Sdrh), 2);
    let all = PageRequest::first(10);
    let missing = async || {
        let page = service.missing(&sdrh, DocumentFilter::default(), &all).await;
        let rows = page.expect("a page").rows;
        rows.first().map(|row| row.missing.len()).unwrap_or_default()
    };
    let before = missing().await;
    assert_eq!(before, 4, "the usual mandatory ones");
    let today = world.context.today();
    let expiring = DocumentInput {
        expires_on: today.saturating_add(jiff::Span::new().days(30)).to_string(),
        ..input("identity_card")
    };
    let document = deposit(&service, &sdrh, agent, &expiring).await.expect("kept");
    assert_eq!(missing().await, before - 1);
    assert_eq!(document.expiry(today, 90), Expiry::Soon);
    let until = |days: i64| DocumentFilter {
        expires_until: Some(today.saturating_add(jiff::Span::new().days(days))),
        ..DocumentFilter::default()
    };
    let count = async |days| {
        service
            .list(&sdrh, until(days), &all)
            .await
            .expect("a page")
            .total
    };
    assert_eq!((count(29).await, count(30).await), (0, 1));
    // Somebody else rejects it: it counts no more.
    let colleague = account(world.of_role(Role::Sdrh), 3);
    let rejected = service
        .reject(&colleague, document.id, 1, "Copie illisible")
        .await;
    rejected.expect("rejected");
    assert_eq!(missing().await, before);
}
