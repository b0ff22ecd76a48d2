//! Checks of the repository of photographs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mppeep_core::domain::id::{PersonnelId, UserId};
use mppeep_core::domain::photo::{Photo, PhotoOwner};
use mppeep_core::domain::stored_file::StoredFile;
use mppeep_core::domain::user::User;
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::store::Store;

use crate::fixtures::{a_file, a_personnel, a_user, file_id, personnel_id, store_files, store_personnel};
use crate::harness::StoreHarness;
use crate::support::{at_once, start};

/// A photograph of two contents of its own.
fn a_photo(number: u128, owner: PhotoOwner) -> Photo {
    Photo {
        owner,
        large: file_id(2 * number),
        small: file_id(2 * number + 1),
        updated_at: start()
            .checked_add(Duration::from_micros(u64::try_from(number).unwrap()))
            .unwrap(),
    }
}

fn agent(number: u128) -> PhotoOwner {
    PhotoOwner::Personnel(personnel_id(number))
}

/// Two agents, and the contents of photographs of numbers 1 to 49.
async fn with_agents(harness: &dyn StoreHarness) -> (Arc<dyn Store>, Arc<dyn Store>) {
    let (store, other) = (harness.store(0).await, harness.store(1).await);
    store_personnel(
        store.as_ref(),
        &[a_personnel(1, "AA001"), a_personnel(2, "AA002")],
    )
    .await;
    let files: Vec<StoredFile> = (2..100).map(a_file).collect();
    store_files(store.as_ref(), &files).await;
    (store, other)
}

async fn put(store: &Arc<dyn Store>, photo: &Photo) -> Option<Photo> {
    let mut unit = store.begin().await.unwrap();
    let earlier = unit.photos().put(photo).await.unwrap();
    tokio::task::yield_now().await;
    unit.commit().await.unwrap();
    earlier
}

async fn delete(store: &Arc<dyn Store>, owner: PhotoOwner) -> Option<Photo> {
    let mut unit = store.begin().await.unwrap();
    let removed = unit.photos().delete(owner).await.unwrap();
    unit.commit().await.unwrap();
    removed
}

async fn find(store: &Arc<dyn Store>, owner: PhotoOwner) -> Option<Photo> {
    let mut unit = store.begin_read().await.unwrap();
    unit.photos().find(owner).await.unwrap()
}

/// A photograph comes back, and gives the earlier one back when it takes its place; so does its removal.
pub async fn a_photo_takes_the_place_of_the_earlier(harness: &dyn StoreHarness) {
    let (store, other) = with_agents(harness).await;
    assert_eq!(find(&store, agent(1)).await, None);
    assert_eq!(delete(&store, agent(1)).await, None);
    let (first, second) = (a_photo(1, agent(1)), a_photo(2, agent(1)));
    assert_eq!(put(&store, &first).await, None);
    assert_eq!(find(&other, agent(1)).await, Some(first.clone()));
    let mut dropped = store.begin().await.unwrap();
    assert_eq!(dropped.photos().put(&second).await.unwrap(), Some(first.clone()));
    drop(dropped);
    assert_eq!(put(&other, &second).await, Some(first));
    assert_eq!(find(&store, agent(1)).await, Some(second.clone()));
    assert_eq!(find(&store, agent(2)).await, None);
    assert_eq!(delete(&other, agent(1)).await, Some(second));
    assert_eq!(find(&store, agent(1)).await, None);
    let mut reading = store.begin_read().await.unwrap();
    let refused = reading.photos().put(&a_photo(3, agent(1))).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
    let refused = reading.photos().delete(agent(1)).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
}

/// COM-13: of photographs that take one place at the same time, each is given back once, but the one that stays.
pub async fn racing_photos_give_each_earlier_one_once(harness: &dyn StoreHarness) {
    let (store, other) = with_agents(harness).await;
    let stores = [store, other];
    put(&stores[0], &a_photo(1, agent(1))).await;
    let mut before = a_photo(1, agent(1));
    for round in 0..4u128 {
        let photos: Vec<Photo> = (0..8).map(|n| a_photo(2 + 8 * round + n, agent(1))).collect();
        let earlier = at_once(photos.iter().zip(0..).map(|(photo, n)| {
            let (store, photo) = (stores[n % 2].clone(), photo.clone());
            async move { put(&store, &photo).await }
        }))
        .await;
        let last = find(&stores[0], agent(1)).await.unwrap();
        let mut given: Vec<Photo> = earlier.into_iter().flatten().collect();
        given.push(last.clone());
        let larges: BTreeSet<_> = given.iter().map(|photo| photo.large).collect();
        let expected: BTreeSet<_> = photos.iter().chain([&before]).map(|photo| photo.large).collect();
        assert_eq!(given.len(), 9, "{given:?}");
        assert_eq!(larges, expected);
        before = last;
    }
}

/// An agent and an account are two owners, even of one identifier; lists ask for agents only.
pub async fn agents_and_accounts_have_photos_of_their_own(harness: &dyn StoreHarness) {
    let (store, _) = with_agents(harness).await;
    let user = User {
        id: UserId::from_uuid(personnel_id(1).as_uuid()),
        ..a_user(1)
    };
    let mut unit = store.begin().await.unwrap();
    unit.users().insert(&user, None).await.unwrap();
    unit.commit().await.unwrap();
    let owners = [PhotoOwner::User(user.id), agent(1), agent(2)];
    for (owner, number) in owners.into_iter().zip(1..) {
        assert_eq!(put(&store, &a_photo(number, owner)).await, None);
    }
    for (owner, number) in owners.into_iter().zip(1..) {
        assert_eq!(find(&store, owner).await, Some(a_photo(number, owner)));
    }
    let mut unit = store.begin_read().await.unwrap();
    for (asked, expected) in [
        (vec![1, 2, 77], vec![2, 3]),
        (vec![2], vec![3]),
        (vec![77], vec![]),
        (vec![], vec![]),
    ] {
        let asked: Vec<PersonnelId> = asked.into_iter().map(personnel_id).collect();
        let mut found = unit.photos().agents_with_photo(&asked).await.unwrap();
        found.sort_by_key(|photo| photo.owner);
        let expected: Vec<Photo> = expected
            .into_iter()
            .map(|number| a_photo(number, agent(number - 1)))
            .collect();
        assert_eq!(found, expected);
    }
    drop(unit);
    assert_eq!(delete(&store, owners[0]).await, Some(a_photo(1, owners[0])));
    assert_eq!(find(&store, agent(1)).await, Some(a_photo(2, agent(1))));
}

/// A photograph of nobody or of a content without a row is refused, and the earlier one stays.
pub async fn a_photo_of_nobody_or_of_nothing_is_refused(harness: &dyn StoreHarness) {
    let (store, _) = with_agents(harness).await;
    let kept = a_photo(1, agent(1));
    put(&store, &kept).await;
    let nobody = PhotoOwner::User(a_user(77).id);
    for wrong in [
        a_photo(2, nobody),
        a_photo(2, agent(77)),
        a_photo(200, agent(1)),
        a_photo(200, agent(2)),
        Photo {
            small: file_id(999),
            ..a_photo(2, agent(1))
        },
    ] {
        let mut unit = store.begin().await.unwrap();
        let refused = unit.photos().put(&wrong).await;
        assert!(
            matches!(refused, Err(StoreError::DanglingReference { .. })),
            "{refused:?}"
        );
        // Whether the unit goes on or not, half of it is not committed.
        let _committed = unit.commit().await;
        assert_eq!(find(&store, agent(1)).await, Some(kept.clone()));
    }
    assert_eq!(find(&store, agent(2)).await, None);
}
