//! Checks of the repository of the activity journal.

use mppeep_core::domain::activity::{Activity, ActivityAction, EntityKind, FieldChange};
use mppeep_core::domain::id::ActivityId;
use mppeep_core::domain::text;
use mppeep_core::ports::activity::ActivityFilter;
use mppeep_core::ports::page::{Cursor, PageRequest, PageStart};
use mppeep_core::ports::store::Store;

use crate::fixtures::{a_personnel, a_user, personnel_id, store_personnel, uuid};
use crate::harness::StoreHarness;
use crate::support::start;

/// A line of the journal, with the least that a line has.
pub(crate) fn a_line(number: u128) -> Activity {
    Activity {
        id: ActivityId::from_uuid(uuid(0xb000 + number)),
        at: start(),
        actor: None,
        actor_name: "système".to_owned(),
        action: ActivityAction::Created,
        entity: EntityKind::Personnel,
        entity_id: None,
        subject: None,
        label: format!("KONÉ Awa {number}"),
        changes: Vec::new(),
        address: None,
        request_id: None,
    }
}

/// Thirty lines, several at each instant.
fn journal() -> Vec<Activity> {
    (0..30u8)
        .map(|n| {
            let mut line = a_line(u128::from(n));
            line.at = start()
                .checked_add(std::time::Duration::from_secs(u64::from(n / 4)))
                .unwrap();
            line.action = ActivityAction::ALL[usize::from(n) % ActivityAction::ALL.len()];
            line.entity = EntityKind::ALL[usize::from(n) % EntityKind::ALL.len()];
            line.actor = (n % 3 == 0).then(|| a_user(1 + u128::from(n % 2)).id);
            line.actor_name = ["Zoé N'Guessan", "système"][usize::from(n % 3 != 0)].to_owned();
            line.entity_id = (n % 5 == 0).then(|| uuid(u128::from(n % 2)));
            line.subject = (n % 7 < 3).then(|| personnel_id(1 + u128::from(n % 2)));
            line.address = (n % 4 == 0).then(|| format!("192.0.2.{}", n % 8));
            line
        })
        .collect()
}

async fn stored(store: &dyn Store, lines: &[Activity]) {
    store_personnel(store, &[a_personnel(1, "AA001"), a_personnel(2, "AA002")]).await;
    let mut unit = store.begin().await.unwrap();
    for number in 1..=2 {
        unit.users().insert(&a_user(number), None).await.unwrap();
    }
    unit.activities().append(lines).await.unwrap();
    unit.commit().await.unwrap();
}

/// Every value comes back: before and after, present or not, whatever characters are in them.
pub async fn lines_come_back_as_they_were_written(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut full = a_line(1);
    full.actor = Some(a_user(1).id);
    full.entity_id = Some(uuid(7));
    full.subject = Some(personnel_id(2));
    full.address = Some("2001:db8::1".to_owned());
    full.request_id = Some("req-1".to_owned());
    full.at = start().checked_add(std::time::Duration::from_micros(1)).unwrap();
    let change = |field: &str, before: Option<&str>, after: Option<&str>| FieldChange {
        field: field.to_owned(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    };
    full.changes = vec![
        change("family_name", Some("KONÉ"), Some("KONÉ-\"TOURÉ\"\n\\")),
        change("notes", None, Some("")),
        change("grade", Some("A3"), None),
    ];
    stored(store.as_ref(), &[full.clone(), a_line(2)]).await;
    let mut unit = store.begin().await.unwrap();
    unit.activities().append(&[]).await.unwrap();
    assert_eq!(unit.activities().find(full.id).await.unwrap(), Some(full));
    assert_eq!(
        unit.activities().find(a_line(2).id).await.unwrap(),
        Some(a_line(2))
    );
    assert_eq!(
        unit.activities()
            .find(ActivityId::from_uuid(uuid(0xdead)))
            .await
            .unwrap(),
        None
    );
}

/// The latest line comes first; lines of one instant stand in the order of their identifiers. Pages are complete.
pub async fn lines_are_listed_the_latest_first(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut lines = journal();
    stored(store.as_ref(), &lines).await;
    lines.sort_by_key(|line| std::cmp::Reverse((line.at, line.id)));
    let mut unit = store.begin_read().await.unwrap();
    for limit in [1, 4, 7, 29, 30, 100] {
        let (mut seen, mut start) = (Vec::new(), PageStart::First);
        loop {
            let page = PageRequest { limit, start };
            let page = unit
                .activities()
                .list(&ActivityFilter::default(), &page)
                .await
                .unwrap();
            assert_eq!(page.total, 30);
            seen.extend(page.rows);
            assert!(seen.len() <= 30);
            let Some(next) = page.next else { break };
            start = PageStart::After(Cursor::decode(&next.encode()).unwrap());
        }
        assert_eq!(seen, lines, "{limit} a page");
    }
    let page = PageRequest {
        limit: 5,
        start: PageStart::Offset(27),
    };
    let page = unit
        .activities()
        .list(&ActivityFilter::default(), &page)
        .await
        .unwrap();
    assert_eq!(page.rows, lines[27..]);
    assert_eq!(page.next, None);
}

/// Every filter gives the lines that it describes.
pub async fn activity_filters_give_what_they_say(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let lines = journal();
    stored(store.as_ref(), &lines).await;
    let all = ActivityFilter::default;
    let middle = lines[13].at;
    let filters = [
        ActivityFilter {
            from: Some(middle),
            ..all()
        },
        ActivityFilter {
            before: Some(middle),
            ..all()
        },
        ActivityFilter {
            from: Some(lines[4].at),
            before: Some(lines[12].at),
            ..all()
        },
        ActivityFilter {
            actor: Some(a_user(1).id),
            ..all()
        },
        ActivityFilter {
            actions: vec![ActivityAction::Created],
            ..all()
        },
        ActivityFilter {
            actions: vec![ActivityAction::LoggedIn, ActivityAction::Updated],
            ..all()
        },
        ActivityFilter {
            entities: vec![EntityKind::User, EntityKind::Session],
            ..all()
        },
        ActivityFilter {
            entity_id: Some(uuid(1)),
            ..all()
        },
        ActivityFilter {
            subject: Some(personnel_id(2)),
            ..all()
        },
        ActivityFilter {
            address: Some("192.0.2.4".to_owned()),
            ..all()
        },
        ActivityFilter {
            address: Some("192.0.2".to_owned()),
            ..all()
        },
        ActivityFilter {
            words: text::search_words("n'guessan"),
            ..all()
        },
        ActivityFilter {
            words: text::search_words("zoe KONÉ 2"),
            ..all()
        },
        ActivityFilter {
            words: vec!["_".to_owned()],
            ..all()
        },
        ActivityFilter {
            from: Some(middle),
            actor: Some(a_user(2).id),
            entities: EntityKind::ALL.to_vec(),
            ..all()
        },
    ];
    let mut unit = store.begin_read().await.unwrap();
    for filter in filters {
        let mut expected: Vec<&Activity> = lines.iter().filter(|line| matches(&filter, line)).collect();
        expected.sort_by_key(|line| std::cmp::Reverse((line.at, line.id)));
        let page = unit
            .activities()
            .list(&filter, &PageRequest::first(100))
            .await
            .unwrap();
        assert_eq!(page.rows.iter().collect::<Vec<_>>(), expected, "{filter:?}");
        assert_eq!(page.total, u64::try_from(expected.len()).unwrap());
    }
}

fn matches(filter: &ActivityFilter, line: &Activity) -> bool {
    let words = text::fold(&format!("{} {}", line.actor_name, line.label));
    filter.from.is_none_or(|from| from <= line.at)
        && filter.before.is_none_or(|before| line.at < before)
        && filter.actor.is_none_or(|actor| line.actor == Some(actor))
        && (filter.actions.is_empty() || filter.actions.contains(&line.action))
        && (filter.entities.is_empty() || filter.entities.contains(&line.entity))
        && filter.entity_id.is_none_or(|id| line.entity_id == Some(id))
        && filter.subject.is_none_or(|subject| line.subject == Some(subject))
        && filter
            .address
            .as_ref()
            .is_none_or(|address| line.address.as_ref() == Some(address))
        && filter.words.iter().all(|word| words.contains(word.as_str()))
}
