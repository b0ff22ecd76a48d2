//! Checks of the lists of absences.

use jiff::civil::{Date, date};
use mppeep_core::domain::absence::{Absence, AbsenceType};
use mppeep_core::domain::calendar::{Half, Period};
use mppeep_core::domain::id::AbsenceId;
use mppeep_core::domain::organisation::UnitRef;
use mppeep_core::domain::permission::Scope;
use mppeep_core::domain::text;
use mppeep_core::ports::absence::{AbsenceFilter, AbsenceRow};
use mppeep_core::ports::page::{Cursor, PageRequest, PageStart};
use mppeep_core::ports::store::Store;

use crate::absences::{DAY, NEXT, insert, with_agents};
use crate::fixtures::{TODAY, a_personnel, an_absence, department_id, personnel_id, store_personnel};
use crate::harness::StoreHarness;
use crate::ministry::Ministry;

async fn list(store: &dyn Store, filter: &AbsenceFilter) -> Vec<AbsenceRow> {
    let mut unit = store.begin_read().await.unwrap();
    let page = unit
        .absences()
        .list(filter, &PageRequest::first(200))
        .await
        .unwrap();
    assert_eq!(page.total, u64::try_from(page.rows.len()).unwrap());
    assert_eq!(page.next, None);
    page.rows
}

/// Every filter gives the rows that it describes, the latest start first.
pub async fn absence_filters_give_what_they_say(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let ministry = Ministry::new();
    ministry.store(store.as_ref()).await;
    let all = AbsenceFilter {
        scope: Scope::everything(),
        ..AbsenceFilter::default()
    };
    let own = Scope {
        own: Some(personnel_id(3)),
        ..Scope::default()
    };
    let departments = Scope {
        departments: [department_id(1)].into(),
        ..Scope::default()
    };
    let directorate = UnitRef::Directorate(ministry.organisation.directorates[2].id);
    let filters = [
        all.clone(),
        AbsenceFilter {
            with_cancelled: true,
            ..all.clone()
        },
        AbsenceFilter::default(),
        AbsenceFilter {
            scope: own,
            ..all.clone()
        },
        AbsenceFilter {
            scope: departments,
            with_cancelled: true,
            ..all.clone()
        },
        AbsenceFilter {
            personnel: Some(personnel_id(0)),
            ..all.clone()
        },
        AbsenceFilter {
            unit: Some(directorate),
            ..all.clone()
        },
        AbsenceFilter {
            kind: Some(AbsenceType::SickLeave),
            ..all.clone()
        },
        AbsenceFilter {
            from: Some(TODAY),
            ..all.clone()
        },
        AbsenceFilter {
            to: Some(date(2026, 2, 2)),
            ..all.clone()
        },
        AbsenceFilter {
            from: Some(date(2026, 1, 2)),
            to: Some(date(2026, 2, 16)),
            ..all.clone()
        },
        AbsenceFilter {
            words: text::search_words("kone"),
            with_cancelled: true,
            ..all.clone()
        },
        AbsenceFilter {
            words: vec!["%".to_owned()],
            ..all.clone()
        },
    ];
    for filter in filters {
        let mut expected: Vec<&Absence> = ministry
            .absences
            .iter()
            .filter(|absence| matches(&ministry, &filter, absence))
            .collect();
        expected.sort_by_key(|absence| absence.id);
        let rows = list(store.as_ref(), &filter).await;
        let starts: Vec<(Date, Half)> = rows.iter().map(|row| starts(&row.absence)).collect();
        assert!(starts.is_sorted_by(|a, b| a.0 >= b.0), "{filter:?}: {starts:?}");
        let mut found: Vec<&Absence> = rows.iter().map(|row| &row.absence).collect();
        found.sort_by_key(|absence| absence.id);
        assert_eq!(found, expected, "{filter:?}");
        for row in &rows {
            let agent = ministry.agent(row.absence.personnel);
            assert_eq!(row.matricule, agent.fields.matricule.as_str());
            assert_eq!(row.full_name, agent.fields.full_name());
            assert_eq!(row.department_name, ministry.department_name(agent));
        }
    }
}

fn starts(absence: &Absence) -> (Date, Half) {
    (absence.fields.period.start(), absence.fields.period.start_half())
}

fn matches(ministry: &Ministry, filter: &AbsenceFilter, absence: &Absence) -> bool {
    let agent = ministry.agent(absence.personnel);
    let period = absence.fields.period;
    filter.scope.reaches(agent.id, agent.fields.department)
        && filter.personnel.is_none_or(|personnel| personnel == agent.id)
        && filter.unit.is_none_or(|unit| ministry.is_in(agent, unit))
        && filter.kind.is_none_or(|kind| kind == absence.fields.kind)
        && filter.from.is_none_or(|from| from <= period.end())
        && filter.to.is_none_or(|to| period.start() <= to)
        && filter
            .words
            .iter()
            .all(|word| agent.fields.search_key().contains(word.as_str()))
        && (filter.with_cancelled || absence.cancelled_at.is_none())
}

/// Pages of every size give each row once, in one order.
pub async fn absences_page_completely(harness: &dyn StoreHarness) {
    let store = with_agents(harness).await;
    let agents: Vec<_> = (10..31).map(|n| a_personnel(n, &format!("BB{n}"))).collect();
    store_personnel(store.as_ref(), &agents).await;
    // Many begin on one day.
    let absences: Vec<Absence> = agents
        .iter()
        .zip(0u8..)
        .map(|(agent, n)| {
            let day = if n % 3 == 0 { DAY } else { NEXT };
            an_absence(u128::from(n), agent.id, Period::days(day, day).unwrap())
        })
        .collect();
    insert(store.as_ref(), &absences).await;
    let filter = AbsenceFilter {
        scope: Scope::everything(),
        ..AbsenceFilter::default()
    };
    let all: Vec<AbsenceId> = list(store.as_ref(), &filter)
        .await
        .iter()
        .map(|row| row.absence.id)
        .collect();
    for limit in [1, 5, 7, 20, 21] {
        let (mut seen, mut start) = (Vec::new(), PageStart::First);
        loop {
            let mut unit = store.begin_read().await.unwrap();
            let page = unit
                .absences()
                .list(&filter, &PageRequest { limit, start })
                .await
                .unwrap();
            assert_eq!(page.total, 21);
            seen.extend(page.rows.iter().map(|row| row.absence.id));
            assert!(seen.len() <= all.len());
            let Some(next) = page.next else { break };
            start = PageStart::After(Cursor::decode(&next.encode()).unwrap());
        }
        assert_eq!(seen, all, "{limit} a page");
        let mut unit = store.begin_read().await.unwrap();
        let page = PageRequest {
            limit,
            start: PageStart::Offset(4),
        };
        let page = unit.absences().list(&filter, &page).await.unwrap();
        let ids: Vec<AbsenceId> = page.rows.iter().map(|row| row.absence.id).collect();
        assert_eq!(ids, all[4..(4 + usize::try_from(limit).unwrap()).min(21)]);
    }
}
