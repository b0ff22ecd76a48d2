//! Checks of the repositories of absences and public holidays, but for their lists.

use jiff::civil::{Date, date};
use mppeep_core::domain::absence::{Absence, AbsenceType};
use mppeep_core::domain::calendar::{Half, Holiday, Period};
use mppeep_core::domain::id::{AbsenceId, HolidayId, PersonnelId};
use mppeep_core::domain::permission::Scope;
use mppeep_core::ports::absence::AbsenceFilter;
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::store::Store;

use crate::fixtures::{TODAY, a_personnel, an_absence, period, personnel_id, store_personnel, uuid};
use crate::harness::StoreHarness;
use crate::ministry::{Ministry, touches};
use crate::personnel::conflict_on;
use crate::support::{at_once, start};

pub(crate) const DAY: Date = date(2026, 5, 11);
pub(crate) const NEXT: Date = date(2026, 5, 12);

pub(crate) fn a_holiday(number: u128, on: Date) -> Holiday {
    let id = HolidayId::from_uuid(uuid(0x8000 + number));
    Holiday {
        id,
        date: on,
        label: "Fête du Travail".to_owned(),
        estimated: false,
    }
}

pub(crate) async fn with_agents(harness: &dyn StoreHarness) -> std::sync::Arc<dyn Store> {
    let store = harness.store(0).await;
    store_personnel(
        store.as_ref(),
        &[a_personnel(1, "AA001"), a_personnel(2, "AA002")],
    )
    .await;
    store
}

pub(crate) async fn insert(store: &dyn Store, absences: &[Absence]) {
    let mut unit = store.begin().await.unwrap();
    unit.absences().insert_many(absences).await.unwrap();
    unit.commit().await.unwrap();
}

fn next(absence: &Absence) -> Absence {
    Absence {
        version: absence.version + 1,
        ..absence.clone()
    }
}

/// Every value comes back, after an insert and after an update; an update needs the next version.
pub async fn an_absence_comes_back_as_it_was_stored(harness: &dyn StoreHarness) {
    let store = with_agents(harness).await;
    let mut absence = an_absence(1, personnel_id(1), period(DAY, Half::Pm, NEXT, Half::Am));
    absence.fields.reason = Some("Congé — l'« été »\nsuite".to_owned());
    insert(store.as_ref(), std::slice::from_ref(&absence)).await;
    let mut unit = store.begin().await.unwrap();
    assert_eq!(
        unit.absences().find(absence.id).await.unwrap(),
        Some(absence.clone())
    );
    assert_eq!(
        unit.absences()
            .find(AbsenceId::from_uuid(uuid(0xdead)))
            .await
            .unwrap(),
        None
    );
    let mut changed = next(&absence);
    changed.fields.kind = AbsenceType::Unjustified;
    changed.fields.reason = None;
    changed.fields.period = period(NEXT, Half::Am, date(2028, 2, 29), Half::Am);
    changed.counted_half_days = 77;
    changed.cancelled_at = Some(start());
    changed.updated_at = start().checked_add(std::time::Duration::from_micros(1)).unwrap();
    for version in [1, 3] {
        let outcome = unit
            .absences()
            .update(&Absence {
                version,
                ..changed.clone()
            })
            .await;
        assert!(matches!(outcome, Err(StoreError::StaleVersion)), "{outcome:?}");
    }
    unit.absences().update(&changed).await.unwrap();
    let lost = an_absence(2, personnel_id(404), Period::days(DAY, DAY).unwrap());
    let outcome = unit.absences().insert(&lost).await;
    assert!(
        matches!(outcome, Err(StoreError::DanglingReference { .. })),
        "{outcome:?}"
    );
    unit.commit().await.unwrap();
    let mut unit = store.begin_read().await.unwrap();
    assert_eq!(unit.absences().find(absence.id).await.unwrap(), Some(changed));
}

/// Two absences of one agent meet if they share a half-day, and only then; another agent's never.
pub async fn two_absences_never_share_a_half_day(harness: &dyn StoreHarness) {
    let store = with_agents(harness).await;
    let (before, after) = (date(2026, 5, 8), date(2026, 5, 15));
    let first = an_absence(
        1,
        personnel_id(1),
        period(DAY, Half::Pm, date(2026, 5, 13), Half::Am),
    );
    let mut unit = store.begin().await.unwrap();
    unit.absences().insert(&first).await.unwrap();
    let meeting = [
        period(DAY, Half::Pm, date(2026, 5, 13), Half::Am),
        period(DAY, Half::Pm, DAY, Half::Pm),
        period(date(2026, 5, 13), Half::Am, date(2026, 5, 13), Half::Am),
        period(before, Half::Am, after, Half::Pm),
        period(before, Half::Am, DAY, Half::Pm),
        period(date(2026, 5, 13), Half::Am, after, Half::Pm),
        period(NEXT, Half::Am, NEXT, Half::Pm),
    ];
    for (number, period) in (10..).zip(meeting) {
        let absence = an_absence(number, personnel_id(1), period);
        conflict_on(unit.absences().insert(&absence).await, "period");
    }
    unit.absences()
        .insert(&an_absence(
            2,
            personnel_id(1),
            period(before, Half::Am, DAY, Half::Am),
        ))
        .await
        .unwrap();
    let rest = period(date(2026, 5, 13), Half::Pm, after, Half::Pm);
    unit.absences()
        .insert(&an_absence(3, personnel_id(1), rest))
        .await
        .unwrap();
    unit.absences()
        .insert(&an_absence(
            4,
            personnel_id(2),
            period(before, Half::Am, after, Half::Pm),
        ))
        .await
        .unwrap();
    unit.commit().await.unwrap();
}

/// Of absences of one half-day recorded at once over two instances, one is stored.
pub async fn racing_absences_of_one_day_are_one(harness: &dyn StoreHarness) {
    with_agents(harness).await;
    let instances = [harness.store(0).await, harness.store(1).await];
    let outcomes = at_once((0..12u128).map(|n| {
        let store = instances[(n % 2) as usize].clone();
        let absence = an_absence(n, personnel_id(1), period(DAY, Half::Am, DAY, Half::Am));
        async move {
            let mut unit = store.begin().await.unwrap();
            let outcome = unit.absences().insert(&absence).await;
            unit.commit().await.unwrap();
            outcome
        }
    }))
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    outcomes
        .into_iter()
        .filter(Result::is_err)
        .for_each(|outcome| conflict_on(outcome, "period"));
}

/// A cancelled absence stays readable, and its half-days are free for another.
pub async fn a_cancelled_absence_gives_its_half_days_back(harness: &dyn StoreHarness) {
    let store = with_agents(harness).await;
    let whole = Period::days(DAY, NEXT).unwrap();
    let absence = an_absence(1, personnel_id(1), whole);
    insert(store.as_ref(), std::slice::from_ref(&absence)).await;
    let mut cancelled = next(&absence);
    cancelled.cancelled_at = Some(start());
    let mut unit = store.begin().await.unwrap();
    unit.absences().update(&cancelled).await.unwrap();
    unit.absences()
        .insert(&an_absence(2, personnel_id(1), whole))
        .await
        .unwrap();
    assert_eq!(
        unit.absences().find(absence.id).await.unwrap(),
        Some(cancelled.clone())
    );
    let mut stored_cancelled = an_absence(3, personnel_id(1), whole);
    stored_cancelled.cancelled_at = Some(start());
    unit.absences().insert(&stored_cancelled).await.unwrap();
    // Taking the first one back would take half-days that are not free any more.
    let restored = Absence {
        cancelled_at: None,
        ..next(&cancelled)
    };
    conflict_on(unit.absences().update(&restored).await, "period");
    unit.commit().await.unwrap();
}

/// An update may move within its own half-days, and not into another's; a refused one changes nothing.
pub async fn an_update_keeps_its_own_half_days(harness: &dyn StoreHarness) {
    let store = with_agents(harness).await;
    let first = an_absence(1, personnel_id(1), Period::days(DAY, NEXT).unwrap());
    let second = an_absence(
        2,
        personnel_id(1),
        Period::days(date(2026, 5, 13), date(2026, 5, 14)).unwrap(),
    );
    insert(store.as_ref(), &[first.clone(), second.clone()]).await;
    let mut unit = store.begin().await.unwrap();
    let mut moved = next(&first);
    moved.fields.period = Period::days(NEXT, date(2026, 5, 13)).unwrap();
    conflict_on(unit.absences().update(&moved).await, "period");
    assert_eq!(unit.absences().find(first.id).await.unwrap(), Some(first.clone()));
    conflict_on(
        unit.absences()
            .insert(&an_absence(3, personnel_id(1), Period::days(DAY, DAY).unwrap()))
            .await,
        "period",
    );
    moved.fields.period = period(DAY, Half::Pm, NEXT, Half::Am);
    unit.absences().update(&moved).await.unwrap();
    unit.absences()
        .insert(&an_absence(
            4,
            personnel_id(1),
            period(DAY, Half::Am, DAY, Half::Am),
        ))
        .await
        .unwrap();
    unit.absences()
        .insert(&an_absence(
            5,
            personnel_id(1),
            period(NEXT, Half::Pm, NEXT, Half::Pm),
        ))
        .await
        .unwrap();
    unit.commit().await.unwrap();
}

/// Many absences are stored in one go; the first refusal ends it, and dropping the unit leaves none.
pub async fn many_absences_are_stored_together_or_refused(harness: &dyn StoreHarness) {
    let store = with_agents(harness).await;
    let mut absences: Vec<Absence> = (0..400i32)
        .map(|n| {
            let day = DAY.checked_add(jiff::Span::new().days(n)).unwrap();
            an_absence(
                u128::try_from(n).unwrap(),
                personnel_id(1),
                Period::days(day, day).unwrap(),
            )
        })
        .collect();
    absences.push(an_absence(
        5_000,
        personnel_id(1),
        period(NEXT, Half::Pm, NEXT, Half::Pm),
    ));
    let mut unit = store.begin().await.unwrap();
    conflict_on(unit.absences().insert_many(&absences).await, "period");
    drop(unit);
    absences.pop();
    insert(store.as_ref(), &absences).await;
    let mut unit = store.begin_read().await.unwrap();
    let filter = AbsenceFilter {
        scope: Scope::everything(),
        ..AbsenceFilter::default()
    };
    assert_eq!(
        unit.absences()
            .list(&filter, &PageRequest::first(1))
            .await
            .unwrap()
            .total,
        400
    );
}

/// The absences that touch a day, or days, are found, but for cancelled ones.
pub async fn absences_touching_days_are_found(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let ministry = Ministry::new();
    ministry.store(store.as_ref()).await;
    let mut unit = store.begin_read().await.unwrap();
    let ids = |absences: Vec<Absence>| {
        let mut ids: Vec<AbsenceId> = absences.iter().map(|absence| absence.id).collect();
        ids.sort_unstable();
        ids
    };
    let expected = |agent: Option<PersonnelId>, from, to| {
        let wanted = |absence: &&Absence| agent.is_none_or(|agent| absence.personnel == agent);
        let live = ministry
            .absences
            .iter()
            .filter(wanted)
            .filter(|absence| absence.cancelled_at.is_none());
        ids(live
            .filter(|absence| touches(absence, from, to))
            .cloned()
            .collect())
    };
    for day in [
        TODAY,
        date(2026, 11, 16),
        date(2026, 11, 27),
        date(2026, 1, 2),
        date(2030, 1, 1),
    ] {
        assert_eq!(
            ids(unit.absences().touching_day(day).await.unwrap()),
            expected(None, day, day),
            "{day}"
        );
    }
    let spans = [
        (date(2026, 1, 1), date(2026, 12, 31)),
        (date(2026, 1, 2), date(2026, 1, 2)),
        (date(2026, 1, 3), date(2026, 2, 1)),
        (date(2025, 12, 23), date(2025, 12, 24)),
    ];
    for (from, to) in spans {
        for agent in [personnel_id(0), personnel_id(2), personnel_id(3)] {
            let found = unit.absences().touching(agent, from, to).await.unwrap();
            assert_eq!(ids(found), expected(Some(agent), from, to), "{from} to {to}");
        }
    }
}

/// A day is a holiday once; holidays are listed in order, changed and removed.
pub async fn holidays_are_one_a_day(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let (labour, easter) = (a_holiday(1, date(2026, 5, 1)), a_holiday(2, date(2026, 4, 6)));
    let mut unit = store.begin().await.unwrap();
    let mut holidays = unit.holidays();
    holidays.insert(&labour).await.unwrap();
    holidays.insert(&easter).await.unwrap();
    conflict_on(holidays.insert(&a_holiday(3, labour.date)).await, "date");
    let year = (date(2026, 1, 1), date(2026, 12, 31));
    assert_eq!(
        holidays.between(year.0, year.1).await.unwrap(),
        [easter.clone(), labour.clone()]
    );
    assert_eq!(
        holidays.between(labour.date, labour.date).await.unwrap(),
        std::slice::from_ref(&labour)
    );
    assert_eq!(
        holidays
            .between(date(2026, 4, 7), date(2026, 4, 30))
            .await
            .unwrap(),
        []
    );
    conflict_on(
        holidays
            .update(&Holiday {
                date: labour.date,
                ..easter.clone()
            })
            .await,
        "date",
    );
    let moved = Holiday {
        label: "Tabaski".to_owned(),
        estimated: true,
        ..easter.clone()
    };
    holidays.update(&moved).await.unwrap();
    assert_eq!(holidays.find(easter.id).await.unwrap(), Some(moved));
    assert!(holidays.delete(labour.id).await.unwrap());
    assert!(!holidays.delete(labour.id).await.unwrap());
    assert_eq!(holidays.find(labour.id).await.unwrap(), None);
    let outcome = holidays.update(&labour).await;
    assert!(matches!(outcome, Err(StoreError::StaleVersion)), "{outcome:?}");
    holidays.insert(&a_holiday(3, labour.date)).await.unwrap();
    drop(holidays);
    unit.commit().await.unwrap();
}
