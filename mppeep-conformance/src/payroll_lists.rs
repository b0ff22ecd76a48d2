//! Checks of the lists and sums of salary slips.

use std::sync::Arc;

use jiff::civil::date;
use mppeep_core::domain::id::SlipId;
use mppeep_core::domain::payroll::{Slip, SlipStatus};
use mppeep_core::domain::permission::Scope;
use mppeep_core::domain::personnel::Departure;
use mppeep_core::ports::page::{PageRequest, PageStart};
use mppeep_core::ports::payroll::{SlipFilter, SlipTotals, SlipWrite};
use mppeep_core::ports::store::Store;

use crate::fixtures::{a_personnel, a_user, department_id, personnel_id, store_personnel};
use crate::harness::StoreHarness;
use crate::ministry::{Ministry, store_organisation};
use crate::payroll::{a_slip, everything, month};
use crate::support::start;

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
