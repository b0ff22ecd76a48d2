//! What runs by itself: tasks with one runner, counters, notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::domain::id::UserId;
use mppeep_core::domain::notice::NoticeKind;
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::user::{Role, UserInput};
use mppeep_core::services::ServiceError;
use mppeep_core::services::schedule::{ScheduleService, Task};
use uuid::Uuid;

use super::world::World;

struct Counted {
    runs: AtomicUsize,
    fails: bool,
}

#[async_trait]
impl Task for Counted {
    fn name(&self) -> &'static str {
        if self.fails { "failing" } else { "counted" }
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn run(&self) -> Result<u64, ServiceError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(30)).await;
        if self.fails {
            return Err(ServiceError::State("broken"));
        }
        Ok(3)
    }
}

fn task(fails: bool) -> Arc<Counted> {
    Arc::new(Counted {
        runs: AtomicUsize::new(0),
        fails,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_runs_once_an_hour_however_many_instances_there_are() {
    let world = World::new().await;
    let (counted, failing) = (task(false), task(true));
    let instance = || {
        let tasks: Vec<Arc<dyn Task>> = vec![counted.clone(), failing.clone()];
        Arc::new(ScheduleService::new(
            world.context.clone(),
            world.locks.clone(),
            tasks,
        ))
    };
    for hour in 1..=2 {
        let runs: Vec<_> = (0..4)
            .map(|_| {
                let instance = instance();
                tokio::spawn(async move { instance.run_due().await })
            })
            .collect();
        for run in runs {
            run.await.expect("ended").expect("looked");
        }
        assert_eq!(counted.runs.load(Ordering::SeqCst), hour);
        assert_eq!(failing.runs.load(Ordering::SeqCst), hour);
        world.wait(Duration::from_secs(3600));
    }
    let views = instance()
        .list(&world.of_role(Role::Admin))
        .await
        .expect("listed");
    let last = views[0].last.clone().expect("it ran");
    assert_eq!((last.dealt_with, last.error), (Some(3), None));
    let failed = views[1].last.clone().expect("it ran");
    assert!(failed.error.is_some_and(|error| error.contains("broken")));
    assert!(instance().list(&world.of_role(Role::Sdrh)).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_and_actions_are_counted_by_day() {
    let world = World::new().await;
    let chief = world.chief();
    let user = UserId::from_uuid(Uuid::from_u128(5));
    for _ in 0..3 {
        world.traffic.page_shown("/accueil");
    }
    world.counters.flush().await.expect("written");
    world.wait(Duration::from_secs(24 * 3600));
    world.traffic.page_shown("/accueil");
    world.traffic.page_shown("/personnel/{id}");
    world.traffic.action_done(user);
    world.counters.flush().await.expect("written");
    let traffic = world.traffic.lately(&chief).await.expect("read");
    assert_eq!(traffic.pages_by_day.len(), 30);
    let counts: Vec<i64> = traffic
        .pages_by_day
        .iter()
        .rev()
        .take(3)
        .map(|(_, count)| *count)
        .collect();
    assert_eq!(counts, [2, 3, 0]);
    assert_eq!(
        traffic.top_pages,
        [("/accueil".to_owned(), 4), ("/personnel/{id}".to_owned(), 1)]
    );
    assert_eq!(
        traffic.top_users,
        [(user.to_string(), 1)],
        "an account that is gone has no name"
    );
    assert!(world.traffic.lately(&world.of_role(Role::Agent)).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_told_of_what_others_record_for_him() {
    let world = World::new().await;
    let file = world.file("A-1", &[]).await.id();
    let input = UserInput {
        email: "awa@example.org".to_owned(),
        display_name: "Awa Koné".to_owned(),
        roles: vec!["agent".to_owned()],
        personnel_id: file.to_string(),
        ..UserInput::default()
    };
    let (user, _) = world
        .users
        .create(&world.chief(), &input, None)
        .await
        .expect("created");
    let absence = mppeep_core::domain::absence::AbsenceInput {
        kind: "annual_leave".to_owned(),
        start_date: "2026-12-01".to_owned(),
        end_date: "2026-12-04".to_owned(),
        ..Default::default()
    };
    let recorded = world
        .absences
        .record(&world.chief(), file, &absence)
        .await
        .expect("recorded");
    world
        .absences
        .cancel(&world.chief(), recorded.id, recorded.version)
        .await
        .expect("cancelled");
    let owner = Actor {
        user: Some(user.id),
        ..world.agent(file)
    };
    assert_eq!(world.notices.unread(&owner).await.expect("counted"), 2);
    let kinds: Vec<NoticeKind> = world
        .notices
        .list(&owner)
        .await
        .expect("listed")
        .iter()
        .map(|notice| notice.kind)
        .collect();
    assert!(kinds.contains(&NoticeKind::AbsenceRecorded) && kinds.contains(&NoticeKind::AbsenceChanged));
    assert_eq!(world.notices.mark_read(&owner, None).await.expect("marked"), 2);
    assert_eq!(world.notices.unread(&owner).await.expect("counted"), 0);
    let stranger = Actor {
        user: Some(UserId::from_uuid(Uuid::from_u128(77))),
        ..world.of_role(Role::Agent)
    };
    assert!(world.notices.list(&stranger).await.expect("listed").is_empty());
    // Not a word about what was rolled back.
    let mut unit = world.store.begin().await.expect("a unit");
    assert_eq!(unit.notices().unread(user.id).await.expect("counted"), 0);
}
