//! Checks of epochs (CAC-4): they commit with their data, and only grow.

use mppeep_core::ports::epochs::{Epoch, Namespace};

use crate::fixtures::a_personnel;
use crate::harness::StoreHarness;
use crate::support::at_once;
use crate::units::{epoch, exists};

/// CAC-4: a bump is seen together with what was written in its unit; the commit names the new values.
pub async fn a_bump_commits_with_its_data(harness: &dyn StoreHarness) {
    let (store, here, elsewhere) = (
        harness.store(0).await,
        harness.epochs(0).await,
        harness.epochs(1).await,
    );
    let before = epoch(&elsewhere, Namespace::PERSONNEL).await;
    let mut unit = store.begin().await.unwrap();
    unit.personnel().insert(&a_personnel(1, "AA001")).await.unwrap();
    unit.bump(&[Namespace::PERSONNEL, Namespace::ORGANISATION])
        .await
        .unwrap();
    assert_eq!(
        epoch(&elsewhere, Namespace::PERSONNEL).await,
        before,
        "nothing is seen before the commit"
    );
    assert_eq!(epoch(&here, Namespace::PERSONNEL).await, before);
    let mut bumped = unit.commit().await.unwrap();
    bumped.sort_by_key(|epoch| epoch.namespace);
    let organisation = epoch(&elsewhere, Namespace::ORGANISATION).await;
    assert_eq!(
        bumped,
        [
            Epoch {
                namespace: Namespace::ORGANISATION,
                value: organisation
            },
            Epoch {
                namespace: Namespace::PERSONNEL,
                value: before + 1
            },
        ]
    );
    assert_eq!(epoch(&elsewhere, Namespace::PERSONNEL).await, before + 1);
    assert_eq!(epoch(&here, Namespace::PERSONNEL).await, before + 1);
    assert!(
        store.begin().await.unwrap().commit().await.unwrap().is_empty(),
        "a unit without bumps names none"
    );
}

/// CAC-4: a dropped unit bumps nothing.
pub async fn a_dropped_bump_changes_nothing(harness: &dyn StoreHarness) {
    let (store, epochs) = (harness.store(0).await, harness.epochs(0).await);
    let before = epochs.current().await.unwrap();
    let mut unit = store.begin().await.unwrap();
    unit.personnel().insert(&a_personnel(1, "AA001")).await.unwrap();
    unit.bump(&Namespace::ALL).await.unwrap();
    drop(unit);
    // The next unit begins after the dropped one is rolled back.
    drop(store.begin().await.unwrap());
    assert_eq!(epochs.current().await.unwrap(), before);
    assert!(!exists(store.as_ref(), 1).await);
}

/// CAC-4, COM-13: racing writers get epochs that are all different, and none is lost.
pub async fn epochs_of_racing_writers_are_all_different(harness: &dyn StoreHarness) {
    let instances = [harness.store(0).await, harness.store(1).await];
    let epochs = harness.epochs(0).await;
    let before = epoch(&epochs, Namespace::ABSENCES).await;
    let mut values: Vec<i64> = at_once((0..8usize).map(|n| {
        let store = instances[n % 2].clone();
        async move {
            let mut values = Vec::new();
            for _ in 0..5 {
                let mut unit = store.begin().await.unwrap();
                // Whatever order they are named in, no two units wait for each other.
                let both = [Namespace::ABSENCES, Namespace::USERS];
                let both = if n < 4 { both } else { [both[1], both[0]] };
                unit.bump(&both).await.unwrap();
                let bumped = unit.commit().await.unwrap();
                assert_eq!(bumped.len(), 2);
                values.extend(
                    bumped
                        .iter()
                        .find(|epoch| epoch.namespace == Namespace::ABSENCES)
                        .map(|e| e.value),
                );
            }
            values
        }
    }))
    .await
    .concat();
    values.sort_unstable();
    assert_eq!(values, (before + 1..=before + 40).collect::<Vec<i64>>());
    assert_eq!(epoch(&epochs, Namespace::ABSENCES).await, before + 40);
}

/// Bumping one namespace leaves the others alone; all can be bumped.
pub async fn every_namespace_stands_alone(harness: &dyn StoreHarness) {
    let (store, epochs) = (harness.store(0).await, harness.epochs(0).await);
    for namespace in Namespace::ALL {
        let mut before = Vec::new();
        for other in Namespace::ALL {
            before.push(epoch(&epochs, other).await);
        }
        let mut unit = store.begin().await.unwrap();
        unit.bump(&[namespace]).await.unwrap();
        unit.commit().await.unwrap();
        for (other, before) in Namespace::ALL.into_iter().zip(before) {
            assert_eq!(
                epoch(&epochs, other).await,
                before + i64::from(other == namespace),
                "{namespace:?}, {other:?}"
            );
        }
    }
}
