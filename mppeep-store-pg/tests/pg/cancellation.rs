//! Futures dropped at any moment (COM-7): what was asked happened or did not, and no connection is left within a
//! transaction, where the next borrower would write in vain.

use mppeep_core::ports::epochs::{Epochs, Namespace};
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::session::{Created, Revoke, SessionStore};
use mppeep_core::ports::store::Store;
use mppeep_store_pg::PgStore;

use crate::support::{
    a_personnel, a_session, a_user, few_connections, fresh, is_there, nothing_is_left_open, poll_then_drop,
    token, write_one,
};

const POLLS: std::ops::RangeInclusive<usize> = 0..=20;

/// A hundred units that write and a hundred that read, on the same connections.
async fn everything_still_works(store: &PgStore, first: u32) {
    for number in first..first + 100 {
        write_one(store, number).await.unwrap();
        assert!(is_there(store, number).await, "what was committed is there");
    }
    store.current().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_dropped_while_it_begins_poisons_no_connection() {
    let (cluster, url) = fresh().await;
    let store = PgStore::open(&url, few_connections()).await.unwrap();
    let mut interrupted = 0;
    for round in 0..10 {
        for polls in POLLS {
            let begun = if round % 2 == 0 {
                poll_then_drop(polls, store.begin()).await
            } else {
                poll_then_drop(polls, store.begin_read()).await
            };
            interrupted += usize::from(begun.is_none());
        }
    }
    assert!(
        interrupted > 10,
        "{interrupted} futures were dropped while they waited"
    );
    everything_still_works(&store, 0).await;
    nothing_is_left_open(cluster, &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_whose_statement_was_dropped_half_way_cannot_be_committed() {
    let (cluster, url) = fresh().await;
    let store = PgStore::open(&url, few_connections()).await.unwrap();
    let mut interrupted = 0;
    for polls in POLLS {
        let number = u32::try_from(polls).unwrap() + 1;
        let mut unit = store.begin().await.unwrap();
        let files = [a_personnel(2 * number), a_personnel(2 * number + 1)];
        let ended = poll_then_drop(polls, unit.personnel().insert_many(&files)).await;
        let committed = unit.commit().await;
        let mut reading = store.begin_read().await.unwrap();
        let stored = reading
            .personnel()
            .find_many(&files.each_ref().map(|file| file.id))
            .await
            .unwrap();
        match ended {
            // Never polled: never begun.
            None if polls == 0 => assert!(committed.is_ok() && stored.is_empty()),
            None => {
                interrupted += 1;
                assert!(matches!(committed, Err(StoreError::Poisoned)), "{committed:?}");
                assert!(stored.is_empty());
            }
            Some(inserted) => {
                inserted.unwrap();
                committed.unwrap();
                assert_eq!(stored.len(), 2);
            }
        }
    }
    assert!(interrupted > 0, "no future was dropped while it waited");
    everything_still_works(&store, 1_000).await;
    nothing_is_left_open(cluster, &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_unit_dropped_anywhere_happened_or_did_not() {
    let (cluster, url) = fresh().await;
    let store = PgStore::open(&url, few_connections()).await.unwrap();
    let epoch = async || {
        let epochs = store.current().await.unwrap();
        let files = epochs
            .iter()
            .find(|epoch| epoch.namespace == Namespace::PERSONNEL);
        files.unwrap().value
    };
    let mut outcomes = [0, 0];
    for round in 0..3_u32 {
        for polls in POLLS {
            let number = round * 100 + u32::try_from(polls).unwrap();
            // The commit of the round before may still be under way, and raises the epoch.
            nothing_is_left_open(cluster, &url).await;
            let before = epoch().await;
            let unit = async {
                let mut unit = store.begin().await.unwrap();
                unit.personnel().insert(&a_personnel(number)).await.unwrap();
                unit.bump(&[Namespace::PERSONNEL]).await.unwrap();
                unit.commit().await.unwrap();
            };
            let ended = poll_then_drop(polls, unit).await;
            // A commit that was sent is carried out, but nobody waits for it: both are asked until they agree.
            let mut there = is_there(&store, number).await;
            let mut after = epoch().await;
            for _ in 0..50 {
                if there == (after > before) {
                    break;
                }
                (there, after) = (is_there(&store, number).await, epoch().await);
            }
            assert_eq!(
                there,
                after > before,
                "the data and its epoch are committed together"
            );
            if ended.is_some() {
                assert!(there);
            }
            outcomes[usize::from(there)] += 1;
        }
    }
    assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
    everything_still_works(&store, 1_000).await;
    nothing_is_left_open(cluster, &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_outside_units_dropped_anywhere_leave_the_connections_usable() {
    let (cluster, url) = fresh().await;
    let store = PgStore::open(&url, few_connections()).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    unit.users().insert(&a_user(1), None).await.unwrap();
    unit.commit().await.unwrap();
    for polls in POLLS {
        let number = u32::try_from(polls).unwrap() + 1;
        poll_then_drop(polls, store.create(a_session(number, 1))).await;
        poll_then_drop(polls, store.load(&token(number).key(), None)).await;
        poll_then_drop(polls, store.current()).await;
        poll_then_drop(polls, store.ping()).await;
        poll_then_drop(
            polls,
            store.revoke(Revoke::User {
                user: a_user(2).id,
                except: None,
            }),
        )
        .await;
    }
    for number in 101..=200 {
        assert_eq!(store.create(a_session(number, 1)).await.unwrap(), Created::Done);
        assert!(store.load(&token(number).key(), None).await.unwrap().is_some());
    }
    nothing_is_left_open(cluster, &url).await;
}
