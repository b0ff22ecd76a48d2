//! Checks of the repository of salary slips (LCK-4, and the contract of `PayrollRepository`).

use std::sync::Arc;
use std::time::Duration;

use mppeep_core::domain::id::{PersonnelId, SlipId};
use mppeep_core::domain::payroll::{Month, PayrollSettings, Slip, SlipStatus, compute};
use mppeep_core::domain::permission::Scope;
use mppeep_core::domain::personnel::Personnel;
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::locks::OwnerId;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::payroll::{SlipFilter, SlipRow, SlipWrite};
use mppeep_core::ports::store::Store;

use crate::fixtures::{a_personnel, a_user, personnel_id, store_personnel, uuid};
use crate::harness::StoreHarness;
use crate::support::{at_once, start};

pub(crate) fn month(year: i16, month: i8) -> Month {
    Month::new(year, month).unwrap()
}

fn slip_id(number: u128) -> SlipId {
    SlipId::from_uuid(uuid(0x4_0000 + number))
}

/// The draft of an agent for November 2026, as a computation makes it.
pub(crate) fn a_slip(number: u128, personnel: PersonnelId, fence: i64) -> Slip {
    let settings = PayrollSettings::default();
    let index = 1_000 + u16::try_from(number).unwrap();
    Slip {
        id: slip_id(number),
        personnel,
        month: month(2026, 11),
        status: SlipStatus::Draft,
        index,
        amounts: compute(index, &settings),
        settings,
        fence,
        version: 1,
        computed_at: start(),
        computed_by: None,
        validated: None,
    }
}

async fn write(store: &Arc<dyn Store>, slip: &Slip) -> SlipWrite {
    let mut unit = store.begin().await.unwrap();
    let outcome = unit.payroll().write(slip).await.unwrap();
    unit.commit().await.unwrap();
    outcome
}

async fn written(store: &Arc<dyn Store>, slip: &Slip) -> Slip {
    match write(store, slip).await {
        SlipWrite::Written(slip) => slip,
        other => panic!("not written: {other:?}"),
    }
}

async fn find(store: &Arc<dyn Store>, id: SlipId) -> Option<SlipRow> {
    let mut unit = store.begin_read().await.unwrap();
    unit.payroll().find(id).await.unwrap()
}

async fn validate(store: &Arc<dyn Store>, slip: &Slip) -> Result<(), StoreError> {
    let mut unit = store.begin().await.unwrap();
    let outcome = unit
        .payroll()
        .validate(slip.id, slip.version, a_user(2).id, start())
        .await;
    unit.commit().await.unwrap();
    outcome
}

pub(crate) fn everything() -> SlipFilter {
    SlipFilter {
        scope: Scope::everything(),
        ..SlipFilter::default()
    }
}

/// A slip comes back as it was written, with the agent's matricule and name; one of nobody is refused.
pub async fn a_slip_comes_back_as_it_was_written(harness: &dyn StoreHarness) {
    let (store, other) = (harness.store(0).await, harness.store(1).await);
    let agent = a_personnel(1, "AA001");
    store_personnel(store.as_ref(), &[agent.clone(), a_personnel(2, "AA002")]).await;
    let settings = PayrollSettings {
        point_value_millifrancs: 100_000_000,
        allowance_label: "Indemnité d'« éloignement » \"𝒂\"".to_owned(),
        allowance_francs: 100_000_000,
        deduction_basis_points: 10_000,
        ..PayrollSettings::default()
    };
    let great = Slip {
        index: u16::MAX,
        amounts: compute(u16::MAX, &settings),
        settings,
        month: month(2199, 12),
        computed_by: Some(a_user(1).id),
        computed_at: crate::support::at("2026-11-30T23:59:59.999999Z"),
        ..a_slip(1, agent.id, i64::MAX)
    };
    let small = Slip {
        index: 0,
        amounts: compute(0, &PayrollSettings::default()),
        month: month(1900, 1),
        ..a_slip(2, personnel_id(2), 1)
    };
    for slip in [&great, &small] {
        assert_eq!(write(&store, slip).await, SlipWrite::Written(slip.clone()));
    }
    let row = find(&other, great.id).await.unwrap();
    assert_eq!(
        row,
        SlipRow {
            slip: great,
            matricule: "AA001".to_owned(),
            name: agent.fields.full_name(),
        }
    );
    assert_eq!(find(&other, small.id).await.map(|row| row.slip), Some(small));
    assert_eq!(find(&store, slip_id(9)).await, None);
    let mut unit = store.begin().await.unwrap();
    let refused = unit.payroll().write(&a_slip(3, personnel_id(77), 1)).await;
    assert!(
        matches!(refused, Err(StoreError::DanglingReference { .. })),
        "{refused:?}"
    );
    unit.payroll()
        .write(&a_slip(4, personnel_id(1), 1))
        .await
        .unwrap();
    unit.commit().await.unwrap();
    assert!(find(&store, slip_id(4)).await.is_some(), "the unit went on");
    let mut reading = store.begin_read().await.unwrap();
    let refused = reading.payroll().write(&a_slip(5, personnel_id(2), 1)).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
}

/// Writing again replaces the draft: its identifier stays and its version counts. Other months and agents are others.
pub async fn writing_again_keeps_the_identifier_and_counts(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    store_personnel(
        store.as_ref(),
        &[a_personnel(1, "AA001"), a_personnel(2, "AA002")],
    )
    .await;
    written(&store, &a_slip(1, personnel_id(1), 5)).await;
    for (version, fence) in [(2, 5), (3, 6)] {
        let again = Slip {
            id: slip_id(10 + u128::try_from(version).unwrap()),
            ..a_slip(20 + u128::try_from(version).unwrap(), personnel_id(1), fence)
        };
        let stored = written(&store, &again).await;
        let expected = Slip {
            id: slip_id(1),
            version,
            ..again
        };
        assert_eq!(stored, expected);
        assert_eq!(find(&store, slip_id(1)).await.map(|row| row.slip), Some(expected));
    }
    let december = Slip {
        month: month(2026, 12),
        ..a_slip(2, personnel_id(1), 1)
    };
    assert_eq!(written(&store, &december).await.version, 1);
    assert_eq!(written(&store, &a_slip(3, personnel_id(2), 1)).await.version, 1);
}

/// A holder of an earlier fence writes nothing over what a later one wrote.
pub async fn an_older_fence_writes_nothing(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    store_personnel(store.as_ref(), &[a_personnel(1, "AA001")]).await;
    let current = written(&store, &a_slip(1, personnel_id(1), 8)).await;
    for fence in [7, 1, 0, i64::MIN] {
        let late = a_slip(2, personnel_id(1), fence);
        assert_eq!(write(&store, &late).await, SlipWrite::FenceLost);
        assert_eq!(
            find(&store, current.id).await.map(|row| row.slip),
            Some(current.clone())
        );
    }
    assert_eq!(written(&store, &a_slip(2, personnel_id(1), 8)).await.version, 2);
}

/// A draft is validated under its stored version, once; from then on it stays as it is.
pub async fn a_validated_slip_stays_as_it_is(harness: &dyn StoreHarness) {
    let (store, other) = (harness.store(0).await, harness.store(1).await);
    store_personnel(store.as_ref(), &[a_personnel(1, "AA001")]).await;
    written(&store, &a_slip(1, personnel_id(1), 1)).await;
    let draft = written(&store, &a_slip(2, personnel_id(1), 2)).await;
    for version in [1, 3, 0] {
        let stale = Slip {
            version,
            ..draft.clone()
        };
        let refused = validate(&store, &stale).await;
        assert!(matches!(refused, Err(StoreError::StaleVersion)), "{refused:?}");
    }
    validate(&store, &draft).await.unwrap();
    let validated = find(&other, draft.id).await.unwrap().slip;
    let expected = Slip {
        status: SlipStatus::Validated,
        version: draft.version + 1,
        validated: Some((a_user(2).id, start())),
        ..draft.clone()
    };
    assert_eq!(validated, expected);
    for again in [&draft, &validated] {
        let refused = validate(&store, again).await;
        assert!(matches!(refused, Err(StoreError::StaleVersion)), "{refused:?}");
    }
    for fence in [1, 2, 3] {
        let late = a_slip(3, personnel_id(1), fence);
        assert_eq!(write(&other, &late).await, SlipWrite::Validated(expected.clone()));
    }
    assert_eq!(find(&store, draft.id).await.map(|row| row.slip), Some(expected));
}

/// However units race, the slip ends as the holder of the greatest fence wrote it, and counts what was written.
pub async fn racing_writes_follow_their_fences(harness: &dyn StoreHarness) {
    let stores = [harness.store(0).await, harness.store(1).await];
    let agents: Vec<Personnel> = (1..=5).map(|n| a_personnel(n, &format!("AA{n:03}"))).collect();
    store_personnel(stores[0].as_ref(), &agents).await;
    for (agent, number) in agents.iter().zip(1u128..) {
        let outcomes = at_once((1..=8i64).map(|fence| {
            let store = stores[usize::from(fence % 2 == 0)].clone();
            let slip = a_slip(u128::try_from(fence).unwrap() + 10, agent.id, fence);
            let slip = Slip {
                id: slip_id(100 * number + u128::try_from(fence).unwrap()),
                ..slip
            };
            async move {
                let mut unit = store.begin().await.unwrap();
                let outcome = unit.payroll().write(&slip).await.unwrap();
                tokio::task::yield_now().await;
                unit.commit().await.unwrap();
                outcome
            }
        }))
        .await;
        let mut stored: Vec<(i64, i64)> = Vec::new();
        for outcome in &outcomes {
            match outcome {
                SlipWrite::Written(slip) => stored.push((slip.version, slip.fence)),
                SlipWrite::FenceLost => {}
                SlipWrite::Validated(_) => panic!("nobody validated it"),
            }
        }
        stored.sort_unstable();
        let versions: Vec<i64> = stored.iter().map(|(version, _)| *version).collect();
        assert_eq!(
            versions,
            (1..=i64::try_from(stored.len()).unwrap()).collect::<Vec<_>>()
        );
        assert!(stored.is_sorted_by_key(|(_, fence)| *fence), "{stored:?}");
        let filter = SlipFilter {
            personnel: Some(agent.id),
            ..everything()
        };
        let mut unit = stores[0].begin_read().await.unwrap();
        let page = unit
            .payroll()
            .list(&filter, &PageRequest::first(10))
            .await
            .unwrap();
        assert_eq!(page.total, 1, "one slip of an agent and a month");
        assert_eq!(page.rows[0].slip.fence, 8);
        assert_eq!(page.rows[0].slip.version, i64::try_from(stored.len()).unwrap());
    }
}

/// Of two who validate one draft at the same time, one does.
pub async fn racing_validations_are_one(harness: &dyn StoreHarness) {
    let stores = [harness.store(0).await, harness.store(1).await];
    let agents: Vec<Personnel> = (1..=5).map(|n| a_personnel(n, &format!("AA{n:03}"))).collect();
    store_personnel(stores[0].as_ref(), &agents).await;
    for (agent, number) in agents.iter().zip(1..) {
        let draft = written(&stores[0], &a_slip(number, agent.id, 1)).await;
        let outcomes = at_once((0..4usize).map(|n| {
            let (store, draft) = (stores[n % 2].clone(), draft.clone());
            async move { validate(&store, &draft).await }
        }))
        .await;
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
            1,
            "{outcomes:?}"
        );
        assert_eq!(find(&stores[1], draft.id).await.unwrap().slip.version, 2);
    }
}

/// LCK-4: a holder who slept through the end of his lease writes nothing once another took the lock and wrote.
pub async fn a_paused_holder_writes_nothing(harness: &dyn StoreHarness) {
    const TTL: Duration = Duration::from_secs(30);
    let (store, locks, others) = (
        harness.store(0).await,
        harness.locks(0).await,
        harness.locks(1).await,
    );
    store_personnel(store.as_ref(), &[a_personnel(1, "AA001")]).await;
    let owner = |number: u128| OwnerId(uuid(0x2_0000 + number));
    let paused = locks.acquire("payroll", owner(1), TTL).await.unwrap().unwrap();
    written(&store, &a_slip(1, personnel_id(1), paused.fence)).await;
    harness.test_clock().advance(TTL);
    let holder = others.acquire("payroll", owner(2), TTL).await.unwrap().unwrap();
    let current = written(&store, &a_slip(2, personnel_id(1), holder.fence)).await;
    let late = a_slip(3, personnel_id(1), paused.fence);
    assert_eq!(write(&store, &late).await, SlipWrite::FenceLost);
    assert_eq!(find(&store, current.id).await.map(|row| row.slip), Some(current));
}
