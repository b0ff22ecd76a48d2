//! Checks of the repository of one-time tokens (COM-3, 13, and the contract of `AccountTokenRepository`).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mppeep_core::ports::account_token::{AccountToken, TokenPurpose};
use mppeep_core::ports::clock::Clock;
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::store::Store;

use crate::fixtures::a_user;
use crate::harness::StoreHarness;
use crate::support::{at_once, start};

const LIFE: Duration = Duration::from_secs(3600);

fn digest(number: u8) -> [u8; 32] {
    // Bytes that are no text, and digests that differ in their last byte only.
    let mut digest = [0xff; 32];
    digest[0] = 0;
    digest[31] = number;
    digest
}

fn a_token(number: u8, user: u128, purpose: TokenPurpose) -> AccountToken {
    AccountToken {
        digest: digest(number),
        user: a_user(user).id,
        purpose,
        expires_at: start().checked_add(LIFE).unwrap(),
    }
}

fn after(time: Duration) -> Timestamp {
    start().checked_add(time).unwrap()
}

async fn accounts(store: &Arc<dyn Store>) {
    let mut unit = store.begin().await.unwrap();
    for number in 1..=3 {
        unit.users().insert(&a_user(number), None).await.unwrap();
    }
    unit.commit().await.unwrap();
}

async fn insert(store: &Arc<dyn Store>, token: &AccountToken) {
    let mut unit = store.begin().await.unwrap();
    unit.account_tokens().insert(token).await.unwrap();
    unit.commit().await.unwrap();
}

async fn find(store: &Arc<dyn Store>, number: u8, now: Timestamp) -> Option<AccountToken> {
    let mut unit = store.begin_read().await.unwrap();
    unit.account_tokens().find(&digest(number), now).await.unwrap()
}

async fn take(store: &Arc<dyn Store>, number: u8, now: Timestamp) -> Option<AccountToken> {
    let mut unit = store.begin().await.unwrap();
    let taken = unit.account_tokens().take(&digest(number), now).await.unwrap();
    tokio::task::yield_now().await;
    unit.commit().await.unwrap();
    taken
}

/// COM-3: a token is found, and can be taken, until it ends, and not at that very instant.
pub async fn a_token_is_found_until_it_ends(harness: &dyn StoreHarness) {
    let (store, other) = (harness.store(0).await, harness.store(1).await);
    accounts(&store).await;
    let token = a_token(1, 1, TokenPurpose::Invitation);
    insert(&store, &token).await;
    let last = after(LIFE - Duration::from_micros(1));
    assert_eq!(find(&other, 1, start()).await, Some(token.clone()));
    assert_eq!(find(&other, 1, last).await, Some(token.clone()));
    assert_eq!(find(&other, 1, after(LIFE)).await, None);
    assert_eq!(find(&other, 2, start()).await, None);
    assert_eq!(take(&other, 2, start()).await, None);
    assert_eq!(take(&other, 1, after(LIFE)).await, None, "it is over");
    assert_eq!(
        take(&store, 1, last).await,
        Some(token),
        "what is over was not used up"
    );
    let mut unit = store.begin().await.unwrap();
    let refused = unit
        .account_tokens()
        .insert(&a_token(3, 77, TokenPurpose::Reset))
        .await;
    assert!(
        matches!(refused, Err(StoreError::DanglingReference { .. })),
        "{refused:?}"
    );
    drop(unit);
    let mut reading = store.begin_read().await.unwrap();
    let refused = reading
        .account_tokens()
        .insert(&a_token(3, 1, TokenPurpose::Reset))
        .await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
    let refused = reading.account_tokens().take(&digest(1), start()).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
}

/// A new token ends the earlier one of its account and purpose, and no other.
pub async fn a_new_token_ends_the_earlier_of_its_purpose(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    accounts(&store).await;
    insert(&store, &a_token(1, 1, TokenPurpose::Reset)).await;
    insert(&store, &a_token(2, 1, TokenPurpose::Invitation)).await;
    insert(&store, &a_token(3, 2, TokenPurpose::Reset)).await;
    insert(&store, &a_token(4, 1, TokenPurpose::Reset)).await;
    let mut live = Vec::new();
    for number in 1..=4 {
        live.push(find(&store, number, start()).await.is_some());
    }
    assert_eq!(live, [false, true, true, true]);
    assert_eq!(take(&store, 1, start()).await, None);
}

/// A token is taken once; the others of its account end with it, whatever they are for, and no others.
pub async fn a_token_is_taken_once_and_ends_the_others(harness: &dyn StoreHarness) {
    let (store, other) = (harness.store(0).await, harness.store(1).await);
    accounts(&store).await;
    let token = a_token(1, 1, TokenPurpose::Reset);
    insert(&store, &token).await;
    insert(&store, &a_token(2, 1, TokenPurpose::Invitation)).await;
    insert(&store, &a_token(3, 2, TokenPurpose::Reset)).await;
    assert_eq!(take(&other, 1, start()).await, Some(token));
    assert_eq!(take(&store, 1, start()).await, None);
    assert_eq!(find(&store, 1, start()).await, None);
    assert_eq!(find(&store, 2, start()).await, None);
    assert!(find(&store, 3, start()).await.is_some());
}

/// COM-13: of eight who take one token at the same time, one gets it; the two tokens of an account open it once.
pub async fn racing_takes_of_one_token_are_one(harness: &dyn StoreHarness) {
    let stores = [harness.store(0).await, harness.store(1).await];
    accounts(&stores[0]).await;
    for _ in 0..5 {
        insert(&stores[0], &a_token(1, 1, TokenPurpose::Reset)).await;
        insert(&stores[0], &a_token(2, 1, TokenPurpose::Invitation)).await;
        let taken = at_once((0..8usize).map(|n| {
            let store = stores[n % 2].clone();
            let number = if n < 4 { 1 } else { 2 };
            async move { take(&store, number, start()).await }
        }))
        .await;
        assert_eq!(taken.iter().flatten().count(), 1, "{taken:?}");
    }
}

/// A token that a dropped unit took is there as before.
pub async fn a_dropped_unit_takes_nothing(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    accounts(&store).await;
    insert(&store, &a_token(1, 1, TokenPurpose::Reset)).await;
    insert(&store, &a_token(2, 1, TokenPurpose::Invitation)).await;
    let mut unit = store.begin().await.unwrap();
    assert!(
        unit.account_tokens()
            .take(&digest(1), start())
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        unit.account_tokens()
            .find(&digest(2), start())
            .await
            .unwrap()
            .is_none()
    );
    drop(unit);
    assert!(take(&store, 1, start()).await.is_some());
}

/// COM-4: sweeping removes tokens that are over, and no live one.
pub async fn sweeping_removes_dead_tokens_only(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    accounts(&store).await;
    for user in 1..=3u8 {
        let mut token = a_token(user, u128::from(user), TokenPurpose::Reset);
        token.expires_at = after(LIFE * u32::from(user));
        insert(&store, &token).await;
    }
    let maintenance = harness.maintenance().await;
    assert_eq!(maintenance.sweep(100).await.unwrap(), 0);
    harness.test_clock().advance(LIFE * 2);
    assert_eq!(maintenance.sweep(1).await.unwrap(), 1);
    assert_eq!(maintenance.sweep(100).await.unwrap(), 1);
    assert_eq!(maintenance.sweep(100).await.unwrap(), 0);
    let now = harness.test_clock().now();
    assert!(find(&store, 3, now).await.is_some());
    assert_eq!(find(&store, 1, start()).await, None, "it is gone");
}
