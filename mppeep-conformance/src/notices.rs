//! Checks of the repository of notices.

use std::time::Duration;

use mppeep_core::domain::id::NoticeId;
use mppeep_core::domain::notice::{Notice, NoticeKind};
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::notice::KEPT_PER_USER;
use mppeep_core::ports::store::Store;

use crate::fixtures::{a_user, uuid};
use crate::harness::StoreHarness;
use crate::support::start;

/// A notice to the account of that number, made so many seconds after the start.
fn a_notice(number: u128, user: u128, seconds: u64) -> Notice {
    Notice {
        id: NoticeId::from_uuid(uuid(0x5_0000 + number)),
        user: a_user(user).id,
        kind: NoticeKind::AbsenceRecorded,
        label: format!("du 1er au {number} « août »"),
        created_at: start().checked_add(Duration::from_secs(seconds)).unwrap(),
        read_at: None,
    }
}

async fn accounts(store: &dyn Store) {
    let mut unit = store.begin().await.unwrap();
    for number in 1..=2 {
        unit.users().insert(&a_user(number), None).await.unwrap();
    }
    unit.commit().await.unwrap();
}

async fn insert(store: &dyn Store, notices: &[Notice]) {
    let mut unit = store.begin().await.unwrap();
    unit.notices().insert(notices).await.unwrap();
    unit.commit().await.unwrap();
}

async fn list(store: &dyn Store, user: u128, limit: u32) -> Vec<Notice> {
    let mut unit = store.begin_read().await.unwrap();
    unit.notices().list(a_user(user).id, limit).await.unwrap()
}

async fn unread(store: &dyn Store, user: u128) -> u64 {
    let mut unit = store.begin_read().await.unwrap();
    unit.notices().unread(a_user(user).id).await.unwrap()
}

/// Notices of every kind come back as they were stored, to their user, the latest first.
pub async fn notices_come_back_the_latest_first(harness: &dyn StoreHarness) {
    let (store, other) = (harness.store(0).await, harness.store(1).await);
    accounts(store.as_ref()).await;
    let mut notices: Vec<Notice> = NoticeKind::ALL
        .iter()
        .zip(0u128..)
        .map(|(kind, number)| Notice {
            kind: *kind,
            // Two at each instant: the identifier tells them apart.
            ..a_notice(number, 1, u64::try_from(number / 2).unwrap())
        })
        .collect();
    notices[1].read_at = Some(start());
    notices[2].label = String::new();
    insert(store.as_ref(), &notices).await;
    insert(store.as_ref(), &[a_notice(50, 2, 9)]).await;
    insert(store.as_ref(), &[]).await;
    notices.sort_by_key(|notice| std::cmp::Reverse((notice.created_at, notice.id)));
    assert_eq!(list(other.as_ref(), 1, 100).await, notices);
    assert_eq!(list(other.as_ref(), 1, 3).await, notices[..3]);
    assert!(list(other.as_ref(), 1, 0).await.is_empty());
    assert_eq!(list(other.as_ref(), 2, 100).await, [a_notice(50, 2, 9)]);
    assert!(list(other.as_ref(), 3, 100).await.is_empty());
    assert_eq!(
        unread(other.as_ref(), 1).await,
        u64::try_from(notices.len()).unwrap() - 1
    );
}

/// A user's notices are marked as read one by one or all together, once, and by nobody else.
pub async fn notices_are_read_by_their_owner_only(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    accounts(store.as_ref()).await;
    let notices: Vec<Notice> = (0..5).map(|number| a_notice(number, 1, 0)).collect();
    insert(store.as_ref(), &notices).await;
    insert(store.as_ref(), &[a_notice(9, 2, 0)]).await;
    let mark = async |user: u128, which: Option<NoticeId>, seconds: u64| {
        let at = start().checked_add(Duration::from_secs(seconds)).unwrap();
        let mut unit = store.begin().await.unwrap();
        let marked = unit
            .notices()
            .mark_read(a_user(user).id, which, at)
            .await
            .unwrap();
        unit.commit().await.unwrap();
        marked
    };
    assert_eq!(mark(2, Some(notices[0].id), 1).await, 0, "another's");
    assert_eq!(mark(1, Some(a_notice(9, 2, 0).id), 1).await, 0, "another's");
    assert_eq!(mark(1, Some(a_notice(77, 1, 0).id), 1).await, 0, "nobody's");
    assert_eq!(mark(1, Some(notices[0].id), 1).await, 1);
    assert_eq!(mark(1, Some(notices[0].id), 2).await, 0, "it is read already");
    assert_eq!(unread(store.as_ref(), 1).await, 4);
    assert_eq!(mark(1, None, 3).await, 4);
    assert_eq!(mark(1, None, 4).await, 0);
    assert_eq!(
        (unread(store.as_ref(), 1).await, unread(store.as_ref(), 2).await),
        (0, 1)
    );
    let read: Vec<_> = list(store.as_ref(), 1, 10)
        .await
        .into_iter()
        .map(|notice| {
            (
                notice.id == notices[0].id,
                notice.read_at.map(|at| at.duration_since(start()).as_secs()),
            )
        })
        .collect();
    assert!(
        read.iter()
            .all(|(first, at)| *at == Some(if *first { 1 } else { 3 })),
        "{read:?}"
    );
}

/// A user keeps the latest hundred; the others' are not touched.
pub async fn the_oldest_notices_make_room(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    accounts(store.as_ref()).await;
    let kept = usize::try_from(KEPT_PER_USER).unwrap();
    let notices: Vec<Notice> = (0..250u128)
        .map(|number| a_notice(number, 1, u64::try_from(number).unwrap()))
        .collect();
    insert(store.as_ref(), &[a_notice(900, 2, 0)]).await;
    insert(store.as_ref(), &notices[..kept]).await;
    assert_eq!(list(store.as_ref(), 1, 1_000).await.len(), kept);
    insert(store.as_ref(), &notices[kept..=kept]).await;
    insert(store.as_ref(), &notices[kept + 1..]).await;
    let mut expected = notices[250 - kept..].to_vec();
    expected.reverse();
    assert_eq!(list(store.as_ref(), 1, 1_000).await, expected);
    assert_eq!(unread(store.as_ref(), 1).await, u64::from(KEPT_PER_USER));
    assert_eq!(list(store.as_ref(), 2, 10).await.len(), 1);
}

/// A notice to nobody is refused; one that comes after others takes them with it.
pub async fn notices_are_stored_together_or_refused(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    accounts(store.as_ref()).await;
    let mut unit = store.begin().await.unwrap();
    let refused = unit.notices().insert(&[a_notice(1, 77, 0)]).await;
    assert!(
        matches!(refused, Err(StoreError::DanglingReference { .. })),
        "{refused:?}"
    );
    drop(unit);
    let mut unit = store.begin().await.unwrap();
    let refused = unit
        .notices()
        .insert(&[a_notice(2, 1, 0), a_notice(3, 77, 0)])
        .await;
    assert!(
        matches!(refused, Err(StoreError::DanglingReference { .. })),
        "{refused:?}"
    );
    // Whether the unit goes on or not, half of it is not committed.
    let _committed = unit.commit().await;
    assert!(list(store.as_ref(), 1, 10).await.is_empty());
    let mut reading = store.begin_read().await.unwrap();
    let refused = reading.notices().insert(&[a_notice(4, 1, 0)]).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
    let refused = reading.notices().mark_read(a_user(1).id, None, start()).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
}
