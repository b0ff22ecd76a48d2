//! Checks of the repository of salary slips (LCK-4, and the contract of `PayrollRepository`).

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::date;
use mppeep_core::domain::id::{PersonnelId, SlipId};
use mppeep_core::domain::payroll::{Month, PayrollSettings, Slip, SlipStatus, compute};
use mppeep_core::domain::permission::Scope;
use mppeep_core::domain::personnel::{Departure, Personnel};
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::locks::OwnerId;
use mppeep_core::ports::page::{PageRequest, PageStart};
use mppeep_core::ports::payroll::{SlipFilter, SlipRow, SlipTotals, SlipWrite};
use mppeep_core::ports::store::Store;

use crate::fixtures::{a_personnel, a_user, department_id, personnel_id, store_personnel, uuid};
use crate::harness::StoreHarness;
use crate::ministry::{Ministry, store_organisation};
use crate::support::{at_once, start};

fn month(year: i16, month: i8) -> Month {
    Month::new(year, month).unwrap()
}

fn slip_id(number: u128) -> SlipId {
    SlipId::from_uuid(uuid(0x4_0000 + number))
}

/// The draft of an agent for November 2026, as a computation makes it.
fn a_slip(number: u128, personnel: PersonnelId, fence: i64) -> Slip {
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

fn everything() -> SlipFilter {
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

/// A ministry with three months of slips, some of them validated, as they are stored.
async fn paid(store: &Arc<dyn Store>) -> (Ministry, Vec<Slip>) {
    let ministry = Ministry::new();
    let mut unit = store.begin().await.unwrap();
    store_organisation(unit.as_mut(), &ministry.organisation).await;
    unit.personnel().insert_many(&ministry.personnel).await.unwrap();
    unit.commit().await.unwrap();
    let months = [month(2025, 12), month(2026, 2), month(2026, 11)];
    let mut slips = Vec::new();
    let mut unit = store.begin().await.unwrap();
    for (agent, number) in ministry.personnel.iter().zip(0u128..) {
        for (month, of) in months.iter().zip(0u128..) {
            if (number + of) % 4 == 3 {
                continue;
            }
            let slip = Slip {
                month: *month,
                ..a_slip(100 * of + number, agent.id, 1)
            };
            let SlipWrite::Written(mut slip) = unit.payroll().write(&slip).await.unwrap() else {
                panic!("a new slip is written");
            };
            if number % 3 == of {
                unit.payroll()
                    .validate(slip.id, slip.version, a_user(1).id, start())
                    .await
                    .unwrap();
                slip.version += 1;
                slip.status = SlipStatus::Validated;
                slip.validated = Some((a_user(1).id, start()));
            }
            slips.push(slip);
        }
    }
    unit.commit().await.unwrap();
    (ministry, slips)
}

fn fulfils(ministry: &Ministry, filter: &SlipFilter, slip: &Slip) -> bool {
    let agent = ministry.agent(slip.personnel);
    let key = agent.fields.search_key();
    filter.scope.reaches(agent.id, agent.fields.department)
        && filter.month.is_none_or(|month| slip.month == month)
        && filter
            .personnel
            .is_none_or(|personnel| slip.personnel == personnel)
        && filter.status.is_none_or(|status| slip.status == status)
        && filter.words.iter().all(|word| key.contains(word.as_str()))
}

fn sums(slips: &[&Slip]) -> SlipTotals {
    let mut totals = SlipTotals::default();
    for slip in slips {
        totals.slips += 1;
        totals.validated += u64::from(slip.status == SlipStatus::Validated);
        totals.base += slip.amounts.base;
        totals.allowance += slip.amounts.allowance;
        totals.deduction += slip.amounts.deduction;
        totals.net += slip.amounts.net;
    }
    totals
}

/// Every filter lets through what it says; sums are those of the same slips; months are those that have slips.
pub async fn slip_filters_and_sums_give_what_they_say(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut unit = store.begin_read().await.unwrap();
    assert_eq!(
        unit.payroll().totals(&everything()).await.unwrap(),
        SlipTotals::default()
    );
    assert!(unit.payroll().months().await.unwrap().is_empty());
    drop(unit);
    let (ministry, slips) = paid(&store).await;
    let mut unit = store.begin_read().await.unwrap();
    let months = unit.payroll().months().await.unwrap();
    assert_eq!(months, [month(2026, 11), month(2026, 2), month(2025, 12)]);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let own = Scope {
        own: Some(personnel_id(9)),
        ..Scope::default()
    };
    let departments = Scope {
        departments: [1, 3].map(department_id).into(),
        own: Some(personnel_id(4)),
        ..Scope::default()
    };
    let november = SlipFilter {
        month: Some(month(2026, 11)),
        ..everything()
    };
    let filters = [
        everything(),
        SlipFilter::default(),
        november.clone(),
        SlipFilter {
            month: Some(month(2024, 1)),
            ..everything()
        },
        SlipFilter {
            personnel: Some(personnel_id(7)),
            ..everything()
        },
        SlipFilter {
            personnel: Some(personnel_id(77)),
            ..everything()
        },
        SlipFilter {
            status: Some(SlipStatus::Draft),
            ..everything()
        },
        SlipFilter {
            status: Some(SlipStatus::Validated),
            ..november.clone()
        },
        SlipFilter {
            words: words(&["kone"]),
            ..everything()
        },
        SlipFilter {
            words: words(&["kone", "awa"]),
            ..everything()
        },
        SlipFilter {
            words: words(&["m037"]),
            ..november.clone()
        },
        SlipFilter {
            words: words(&["%"]),
            ..everything()
        },
        SlipFilter {
            scope: own,
            ..SlipFilter::default()
        },
        SlipFilter {
            scope: departments.clone(),
            ..SlipFilter::default()
        },
        SlipFilter {
            scope: departments,
            words: words(&["e"]),
            ..november
        },
    ];
    for filter in filters {
        let mut expected: Vec<&Slip> = slips
            .iter()
            .filter(|slip| fulfils(&ministry, &filter, slip))
            .collect();
        expected.sort_by_key(|slip| {
            let name = ministry.agent(slip.personnel).fields.name_key();
            (std::cmp::Reverse(slip.month), name, slip.id)
        });
        let page = unit
            .payroll()
            .list(&filter, &PageRequest::first(1_000))
            .await
            .unwrap();
        assert_eq!(page.total, u64::try_from(expected.len()).unwrap(), "{filter:?}");
        assert_eq!(page.next, None);
        for (row, slip) in page.rows.iter().zip(&expected) {
            let agent = ministry.agent(slip.personnel);
            assert_eq!(row.slip, **slip, "{filter:?}");
            assert_eq!(
                (row.matricule.as_str(), &row.name),
                (agent.fields.matricule.as_str(), &agent.fields.full_name())
            );
        }
        assert_eq!(page.rows.len(), expected.len());
        assert_eq!(
            unit.payroll().totals(&filter).await.unwrap(),
            sums(&expected),
            "{filter:?}"
        );
    }
}

/// Pages of every size give each slip once, in one order, also across months and among equal names.
pub async fn slips_page_completely(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let (_, slips) = paid(&store).await;
    let mut unit = store.begin_read().await.unwrap();
    let all = unit
        .payroll()
        .list(&everything(), &PageRequest::first(1_000))
        .await
        .unwrap();
    let all: Vec<SlipId> = all.rows.iter().map(|row| row.slip.id).collect();
    assert_eq!(all.len(), slips.len());
    for limit in [1, 7, 20, 68, 200] {
        let (mut seen, mut start) = (Vec::new(), PageStart::First);
        loop {
            let page = unit
                .payroll()
                .list(&everything(), &PageRequest { limit, start })
                .await
                .unwrap();
            assert_eq!(page.total, u64::try_from(slips.len()).unwrap());
            seen.extend(page.rows.iter().map(|row| row.slip.id));
            match page.next {
                Some(next) => start = PageStart::After(next),
                None => break,
            }
        }
        assert_eq!(seen, all, "by {limit}");
    }
    let offset = PageRequest {
        limit: 5,
        start: PageStart::Offset(11),
    };
    let page = unit.payroll().list(&everything(), &offset).await.unwrap();
    let ids: Vec<SlipId> = page.rows.iter().map(|row| row.slip.id).collect();
    assert_eq!(ids, all[11..16]);
    let total = unit
        .payroll()
        .list(&everything(), &PageRequest::total_only())
        .await
        .unwrap();
    assert_eq!(
        (total.total, total.rows.len()),
        (u64::try_from(slips.len()).unwrap(), 0)
    );
}

/// Who is paid for a month: agents with an index who did not leave before it began, in identifier order.
pub async fn agents_to_pay_are_those_of_the_month(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let agent = |number: u128, index: Option<u16>, left: Option<jiff::civil::Date>| {
        let mut file = a_personnel(number, &format!("AA{number:03}"));
        file.fields.salary_index = index;
        file.departure = left.map(|date| Departure {
            date,
            reason: mppeep_core::domain::codes::DepartureReason::Retirement,
        });
        file
    };
    let files = [
        agent(6, Some(1_000), None),
        agent(1, Some(1), None),
        agent(2, None, None),
        agent(3, Some(900), Some(date(2026, 10, 31))),
        agent(4, Some(900), Some(date(2026, 11, 1))),
        agent(5, Some(900), Some(date(2026, 12, 31))),
    ];
    store_personnel(store.as_ref(), &files).await;
    let mut unit = store.begin_read().await.unwrap();
    for (month, expected) in [
        (month(2026, 11), vec![1, 4, 5, 6]),
        (month(2026, 10), vec![1, 3, 4, 5, 6]),
        (month(2027, 1), vec![1, 6]),
    ] {
        let payable = unit.payroll().payable(month).await.unwrap();
        assert_eq!(
            payable,
            expected.into_iter().map(personnel_id).collect::<Vec<_>>(),
            "{month}"
        );
    }
}
