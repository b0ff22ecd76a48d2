//! Salary slips: computed under a lock, validated by another person, seen by whom they concern.

use std::sync::Arc;
use std::time::Duration;

use mppeep_core::domain::activity::ActivityAction;
use mppeep_core::domain::id::{PersonnelId, UserId};
use mppeep_core::domain::payroll::{Month, SlipStatus};
use mppeep_core::domain::permission::Actor;
use mppeep_core::domain::personnel::PersonnelField as F;
use mppeep_core::domain::settings::SettingsSection;
use mppeep_core::domain::user::Role;
use mppeep_core::layered::worker::{JobHandler, Worker, WorkerSettings};
use mppeep_core::ports::clock::SystemEntropy;
use mppeep_core::ports::locks::OwnerId;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::payroll::SlipFilter;
use mppeep_core::services::ServiceError;
use mppeep_core::services::payroll::PayrollJobs;
use tokio::sync::watch;
use uuid::Uuid;

use super::world::World;

fn month(text: &str) -> Month {
    text.parse().expect("a month")
}

/// Somebody with an account.
fn account(actor: Actor, number: u128) -> Actor {
    Actor {
        user: Some(UserId::from_uuid(Uuid::from_u128(number))),
        ..actor
    }
}

fn state(result: Result<impl std::fmt::Debug, ServiceError>) -> &'static str {
    match result.expect_err("refused") {
        ServiceError::State(state) => state,
        ServiceError::Forbidden { .. } => "forbidden",
        ServiceError::NotFound(_) => "not found",
        ServiceError::Stale => "stale",
        other => panic!("{other}"),
    }
}

async fn agent(world: &World, matricule: &str, index: &str) -> PersonnelId {
    world.file(matricule, &[(F::SalaryIndex, index)]).await.id()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slip_is_computed_again_as_long_as_it_is_a_draft() {
    let world = World::new().await;
    let sdrh = account(world.of_role(Role::Sdrh), 1);
    let agent = agent(&world, "A-1", "1000").await;
    let first = world
        .payroll
        .process(&sdrh, agent, month("2026-11"))
        .await
        .expect("computed");
    assert_eq!(first.amounts.base, 233_457);
    assert_eq!(first.amounts.net, 244_010);
    let raised = serde_json::json!({"allowance_francs": 50_000});
    world
        .settings
        .save(&world.chief(), SettingsSection::Payroll, 0, raised)
        .await
        .expect("saved");
    let second = world
        .payroll
        .process(&sdrh, agent, month("2026-11"))
        .await
        .expect("computed");
    assert_eq!((second.id, second.version), (first.id, 2), "the same slip");
    assert_eq!(second.amounts.net, 264_010);
    assert!(second.fence > first.fence, "fences grow");
    let daf = account(world.of_role(Role::Daf), 2);
    assert_eq!(
        state(world.payroll.validate(&sdrh, first.id, 2).await),
        "forbidden"
    );
    assert_eq!(state(world.payroll.validate(&daf, first.id, 1).await), "stale");
    let both = Actor {
        roles: [Role::Sdrh, Role::Daf].into(),
        ..sdrh.clone()
    };
    assert_eq!(
        state(world.payroll.validate(&both, first.id, 2).await),
        "same-person"
    );
    let valid = world
        .payroll
        .validate(&daf, first.id, 2)
        .await
        .expect("validated");
    assert_eq!(valid.status, SlipStatus::Validated);
    assert_eq!(
        state(world.payroll.validate(&daf, first.id, 3).await),
        "slip-validated"
    );
    // What is validated is given back as it is.
    let third = world
        .payroll
        .process(&sdrh, agent, month("2026-11"))
        .await
        .expect("given back");
    assert_eq!((third.version, third.status), (3, SlipStatus::Validated));
    assert_eq!(third.amounts, second.amounts);
    let actions: Vec<_> = world.journal().await.iter().map(|line| line.action).collect();
    let count = |action| actions.iter().filter(|done| **done == action).count();
    assert_eq!(count(ActivityAction::Computed), 2);
    assert_eq!(count(ActivityAction::Validated), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_salary_that_somebody_computes_is_busy_and_free_after_his_lease() {
    let world = World::new().await;
    let sdrh = world.of_role(Role::Sdrh);
    let agent = agent(&world, "A-1", "500").await;
    let name = format!("salary_processing:{agent}");
    let other = OwnerId(Uuid::from_u128(5));
    let ttl = Duration::from_secs(300);
    let lease = world.locks.acquire(&name, other, ttl).await.expect("asked");
    assert!(lease.is_some());
    let busy = world.payroll.process(&sdrh, agent, month("2026-11")).await;
    assert_eq!(state(busy), "salary-busy");
    world.wait(ttl);
    world
        .payroll
        .process(&sdrh, agent, month("2026-11"))
        .await
        .expect("free");
    // He who slept past his lease has a fence that is too old to write with.
    let mut unit = world.store.begin().await.expect("a unit");
    let filter = SlipFilter {
        scope: mppeep_core::domain::permission::Scope::everything(),
        ..SlipFilter::default()
    };
    let page = unit
        .payroll()
        .list(&filter, &PageRequest::first(10))
        .await
        .expect("listed");
    let mut late = page.rows[0].slip.clone();
    late.fence = lease.expect("held").fence;
    late.amounts.net = 0;
    let written = unit.payroll().write(&late).await.expect("an answer");
    assert_eq!(written, mppeep_core::ports::payroll::SlipWrite::FenceLost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_left_or_has_no_index_has_no_slip() {
    let world = World::new().await;
    let sdrh = world.of_role(Role::Sdrh);
    let without = world.file("A-1", &[]).await.id();
    let refused = world.payroll.process(&sdrh, without, month("2026-11")).await;
    assert_eq!(state(refused), "no-salary-index");
    let nobody = PersonnelId::from_uuid(Uuid::from_u128(9));
    assert_eq!(
        state(world.payroll.process(&sdrh, nobody, month("2026-11")).await),
        "not found"
    );
    let agent = agent(&world, "A-2", "500").await;
    assert_eq!(
        state(
            world
                .payroll
                .process(&world.of_role(Role::Daf), agent, month("2026-11"))
                .await
        ),
        "forbidden"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slips_are_seen_by_their_agent_and_by_who_sees_all() {
    let world = World::new().await;
    let sdrh = world.of_role(Role::Sdrh);
    let mine = agent(&world, "A-1", "500").await;
    let other = agent(&world, "A-2", "600").await;
    let slip = world
        .payroll
        .process(&sdrh, mine, month("2026-11"))
        .await
        .expect("computed");
    let foreign = world
        .payroll
        .process(&sdrh, other, month("2026-11"))
        .await
        .expect("computed");
    let me = world.agent(mine);
    assert_eq!(
        world.payroll.get(&me, slip.id).await.expect("mine").matricule,
        "A-1"
    );
    assert_eq!(state(world.payroll.get(&me, foreign.id).await), "not found");
    let all = PageRequest::first(10);
    let (page, totals) = world
        .payroll
        .list(&me, SlipFilter::default(), &all)
        .await
        .expect("a page");
    assert_eq!((page.total, totals.net), (1, slip.amounts.net));
    let (page, totals) = world
        .payroll
        .list(&sdrh, SlipFilter::default(), &all)
        .await
        .expect("a page");
    assert_eq!(page.total, 2);
    assert_eq!(totals.net, slip.amounts.net + foreign.amounts.net);
    let head = world.head_of([]);
    assert_eq!(
        state(world.payroll.list(&head, SlipFilter::default(), &all).await),
        "forbidden"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_batches_at_once_give_each_agent_one_slip() {
    let world = World::new().await;
    let sdrh = account(world.of_role(Role::Sdrh), 1);
    for number in 0..30 {
        agent(&world, &format!("A-{number}"), &format!("{}", 400 + number)).await;
    }
    let november = month("2026-11");
    let started = world.payroll.start(&sdrh, november).await.expect("started");
    assert_eq!((started.enqueued, started.waiting), (30, 0));
    let again = world.payroll.start(&sdrh, november).await.expect("started");
    assert_eq!((again.enqueued, again.waiting), (0, 30), "each waits once");
    let (stop, told) = watch::channel(false);
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let handler: Arc<dyn JobHandler> = Arc::new(PayrollJobs::new(world.payroll.clone()));
            let worker = Worker::new(
                world.job_queue.clone(),
                vec![handler],
                Arc::new(SystemEntropy),
                WorkerSettings {
                    poll: Duration::from_millis(50),
                    ..WorkerSettings::default()
                },
            );
            tokio::spawn(Arc::new(worker).run(told.clone()))
        })
        .collect();
    let progress = loop {
        let progress = world.payroll.progress(&sdrh, november).await.expect("progress");
        if progress.queue.ready + progress.queue.leased == 0 {
            break progress;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    stop.send_replace(true);
    for worker in workers {
        worker.await.expect("ended");
    }
    assert_eq!((progress.payable, progress.totals.slips), (30, 30));
    assert_eq!(progress.queue.dead, 0);
    let sum = progress.totals;
    assert_eq!(sum.net, sum.base + sum.allowance - sum.deduction);
    let expected: i64 = (400..430)
        .map(|index| mppeep_core::domain::payroll::compute(index, &Default::default()).net)
        .sum();
    assert_eq!(sum.net, expected);
}
