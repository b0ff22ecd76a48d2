//! Checks of units of work (COM-7, 8, 13, and the contract of `Store`).

use std::sync::Arc;

use mppeep_core::domain::id::ImportId;
use mppeep_core::domain::settings::SettingsSection;
use mppeep_core::ports::epochs::{Epochs, Namespace};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::import::{ImportFile, ImportStatus};
use mppeep_core::ports::store::{Store, UnitOfWork};

use crate::activities::a_line;
use crate::fixtures::{
    TODAY, a_full_personnel, a_personnel, a_user, an_absence, an_evaluation, changed, department_id,
    next_version, period, personnel_id, store_personnel, uuid,
};
use crate::harness::StoreHarness;
use crate::ministry::{department, directorate, programme};
use crate::support::{at_once, in_time, poll_then_drop, start};

pub(crate) async fn exists(store: &dyn Store, number: u128) -> bool {
    let mut unit = store.begin_read().await.unwrap();
    let found = unit.personnel().find(personnel_id(number)).await.unwrap();
    found.is_some()
}

pub(crate) async fn epoch(epochs: &Arc<dyn Epochs>, namespace: Namespace) -> i64 {
    let current = epochs.current().await.unwrap();
    current
        .iter()
        .find(|epoch| epoch.namespace == namespace)
        .map_or(0, |epoch| epoch.value)
}

/// A dropped unit leaves nothing, and the store goes on.
pub async fn a_dropped_unit_leaves_nothing(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut unit = store.begin().await.unwrap();
    unit.personnel().insert(&a_personnel(1, "AA001")).await.unwrap();
    unit.activities().append(&[a_line(1)]).await.unwrap();
    drop(unit);
    assert!(!exists(store.as_ref(), 1).await);
    store_personnel(store.as_ref(), &[a_personnel(2, "AA001")]).await;
    assert!(
        exists(store.as_ref(), 2).await,
        "the dropped unit keeps neither its values nor its locks"
    );
}

/// What is committed is seen by every instance; what is not, by none.
pub async fn a_commit_is_seen_by_every_instance(harness: &dyn StoreHarness) {
    let (one, two) = (harness.store(0).await, harness.store(1).await);
    one.ping().await.unwrap();
    two.ping().await.unwrap();
    let mut unit = one.begin().await.unwrap();
    unit.personnel().insert(&a_personnel(1, "AA001")).await.unwrap();
    assert!(
        unit.personnel().find(personnel_id(1)).await.unwrap().is_some(),
        "a unit sees its own writes"
    );
    assert!(!exists(two.as_ref(), 1).await);
    assert!(!exists(one.as_ref(), 1).await);
    unit.commit().await.unwrap();
    assert!(exists(two.as_ref(), 1).await);
    assert!(exists(one.as_ref(), 1).await);
}

/// A conflict is an answer, not a failure: the unit goes on, and commits the rest.
pub async fn a_conflict_leaves_the_unit_usable(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut unit = store.begin().await.unwrap();
    unit.personnel().insert(&a_personnel(1, "AA001")).await.unwrap();
    let err = unit
        .personnel()
        .insert(&a_personnel(2, "AA001"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            err,
            StoreError::Conflict {
                field: "matricule",
                ..
            }
        ),
        "{err:?}"
    );
    unit.personnel().insert(&a_personnel(3, "AA003")).await.unwrap();
    unit.commit().await.unwrap();
    assert!(
        exists(store.as_ref(), 1).await
            && exists(store.as_ref(), 3).await
            && !exists(store.as_ref(), 2).await
    );
}

/// A stale version leaves the unit usable.
pub async fn a_stale_version_leaves_the_unit_usable(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let file = a_personnel(1, "AA001");
    store_personnel(store.as_ref(), std::slice::from_ref(&file)).await;
    let mut unit = store.begin().await.unwrap();
    let err = unit.personnel().update(&file).await.unwrap_err();
    assert!(matches!(err, StoreError::StaleVersion), "{err:?}");
    unit.personnel().insert(&a_personnel(2, "AA002")).await.unwrap();
    unit.commit().await.unwrap();
    assert!(exists(store.as_ref(), 2).await);
}

/// A reference to nothing leaves the unit usable.
pub async fn a_dangling_reference_leaves_the_unit_usable(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut unit = store.begin().await.unwrap();
    let mut lost = a_personnel(1, "AA001");
    lost.fields.department = Some(department_id(77));
    let err = unit.personnel().insert(&lost).await.unwrap_err();
    assert!(matches!(err, StoreError::DanglingReference { .. }), "{err:?}");
    unit.personnel().insert(&a_personnel(2, "AA001")).await.unwrap();
    unit.commit().await.unwrap();
    assert!(exists(store.as_ref(), 2).await && !exists(store.as_ref(), 1).await);
}

/// Every write in a reading unit is refused as such, and the unit goes on reading.
pub async fn a_reading_unit_refuses_every_write(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let file = a_personnel(1, "AA001");
    store_personnel(store.as_ref(), std::slice::from_ref(&file)).await;
    let mut unit = store.begin_read().await.unwrap();
    let (absence, evaluation) = (
        an_absence(
            1,
            file.id,
            period(
                TODAY,
                mppeep_core::domain::calendar::Half::Am,
                TODAY,
                mppeep_core::domain::calendar::Half::Pm,
            ),
        ),
        an_evaluation(1, file.id, 2025, Some(1_000)),
    );
    let holiday = crate::absences::a_holiday(1, TODAY);
    let (user, upload) = (a_user(1), an_upload(1));
    let new = a_personnel(2, "AA002");
    let json = mppeep_core::domain::settings::Settings::default().section(SettingsSection::Maintenance);
    macro_rules! refused {
        ($($call:expr;)*) => {$(
            let outcome = $call.await;
            assert!(matches!(outcome, Err(StoreError::ReadOnly)), "{}: {:?}", stringify!($call), outcome.map(drop));
        )*};
    }
    refused! {
        unit.personnel().insert(&new);
        unit.personnel().insert_many(std::slice::from_ref(&new));
        unit.personnel().update(&changed(&file));
        unit.personnel().set_retirement_dates(&[(file.id, Some(TODAY))]);
        unit.organisation().insert_programme(&programme(1, "P1", "Un"));
        unit.organisation().insert_directorate(&directorate(1, 1, "D1", "Un"));
        unit.organisation().insert_department(&department(1, 1, "S1", "Un"));
        unit.organisation().update_programme(&programme(1, "P1", "Un"));
        unit.organisation().update_directorate(&directorate(1, 1, "D1", "Un"));
        unit.organisation().update_department(&department(1, 1, "S1", "Un"));
        unit.absences().insert(&absence);
        unit.absences().insert_many(std::slice::from_ref(&absence));
        unit.absences().update(&absence);
        unit.holidays().insert(&holiday);
        unit.holidays().update(&holiday);
        unit.holidays().delete(holiday.id);
        unit.evaluations().insert(&evaluation);
        unit.evaluations().insert_many(std::slice::from_ref(&evaluation));
        unit.evaluations().update(&evaluation);
        unit.users().insert(&user, None);
        unit.users().update(&next_version(&user), true);
        unit.users().set_password(user.id, "hash", false, None);
        unit.users().rehash(user.id, "old", "new");
        unit.users().note_login(user.id, start());
        unit.users().accept_charter(user.id, 1);
        unit.activities().append(&[a_line(1)]);
        unit.settings().save(SettingsSection::Maintenance, &json, 1);
        unit.settings().set_fact("name", "value");
        unit.imports().insert(&upload, b"bytes");
        unit.imports().update(&upload, ImportStatus::Uploaded);
        unit.imports().delete_before(start());
        unit.bump(&[Namespace::PERSONNEL]);
    }
    assert_eq!(unit.personnel().find(file.id).await.unwrap(), Some(file));
    unit.commit().await.unwrap();
    assert!(!exists(store.as_ref(), 2).await);
}

fn an_upload(number: u128) -> ImportFile {
    ImportFile {
        id: ImportId::from_uuid(uuid(0x9000 + number)),
        user: a_user(1).id,
        file_name: "agents.csv".to_owned(),
        status: ImportStatus::Uploaded,
        mapping: None,
        report: None,
        created_at: start(),
    }
}

/// A reading unit sees one moment: what others commit meanwhile does not enter it.
pub async fn a_reading_unit_sees_one_moment(harness: &dyn StoreHarness) {
    let (one, two) = (harness.store(0).await, harness.store(1).await);
    store_personnel(one.as_ref(), &[a_personnel(1, "AA001")]).await;
    let mut reading = one.begin_read().await.unwrap();
    assert!(reading.personnel().find(personnel_id(2)).await.unwrap().is_none());
    store_personnel(two.as_ref(), &[a_personnel(2, "AA002")]).await;
    assert!(exists(one.as_ref(), 2).await);
    assert!(reading.personnel().find(personnel_id(2)).await.unwrap().is_none());
    assert_eq!(reading.personnel().identities().await.unwrap().len(), 1);
    drop(reading);
}

/// COM-8: a row that cannot be read is `Corrupt`, other rows are unaffected; the unit that met it is poisoned.
pub async fn a_failed_unit_is_poisoned(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    store_personnel(
        store.as_ref(),
        &[a_personnel(1, "AA001"), a_personnel(2, "AA002")],
    )
    .await;
    harness.damage_personnel(personnel_id(1)).await;
    let mut unit = store.begin().await.unwrap();
    unit.personnel().insert(&a_personnel(3, "AA003")).await.unwrap();
    let err = unit.personnel().find(personnel_id(1)).await.unwrap_err();
    assert!(
        matches!(err, StoreError::Backend(BackendError::Corrupt { .. })),
        "{err:?}"
    );
    let later = unit.personnel().find(personnel_id(2)).await.unwrap_err();
    assert!(matches!(later, StoreError::Poisoned), "{later:?}");
    let write = unit.activities().append(&[a_line(1)]).await.unwrap_err();
    assert!(matches!(write, StoreError::Poisoned), "{write:?}");
    let bump = unit.bump(&[Namespace::PERSONNEL]).await.unwrap_err();
    assert!(matches!(bump, StoreError::Poisoned), "{bump:?}");
    let commit = unit.commit().await.map(drop).unwrap_err();
    assert!(matches!(commit, StoreError::Poisoned), "{commit:?}");
    assert!(!exists(store.as_ref(), 3).await);
    assert!(exists(store.as_ref(), 2).await, "other rows are read");
    store_personnel(store.as_ref(), &[a_personnel(4, "AA004")]).await;
}

/// COM-13: sixteen writers at once over two instances all commit, without an error.
pub async fn many_writers_on_two_instances_all_commit(harness: &dyn StoreHarness) {
    let instances = [harness.store(0).await, harness.store(1).await];
    let outcomes = at_once((0..16u128).map(|n| {
        let store = instances[(n % 2) as usize].clone();
        async move {
            // Read, then write: what a deferred transaction of SQLite fails at.
            let mut unit = store.begin().await?;
            unit.personnel().identities().await?;
            tokio::task::yield_now().await;
            unit.personnel()
                .insert(&a_personnel(n, &format!("AA{n:03}")))
                .await?;
            unit.bump(&[Namespace::PERSONNEL]).await?;
            unit.commit().await
        }
    }))
    .await;
    for outcome in outcomes {
        outcome.unwrap();
    }
    let mut unit = instances[0].begin_read().await.unwrap();
    assert_eq!(unit.personnel().identities().await.unwrap().len(), 16);
}

async fn write_one(store: &Arc<dyn Store>, number: u128) -> Result<(), StoreError> {
    let mut unit: Box<dyn UnitOfWork> = store.begin().await?;
    unit.personnel()
        .insert(&a_personnel(number, &format!("AA{number:03}")))
        .await?;
    unit.activities().append(&[a_line(number)]).await?;
    unit.bump(&[Namespace::PERSONNEL]).await?;
    unit.commit().await?;
    Ok(())
}

/// COM-7: a unit dropped at any await is committed wholly or not at all, and the next hundred units work.
pub async fn a_cancelled_unit_is_whole_or_nothing(harness: &dyn StoreHarness) {
    let (store, epochs) = (harness.store(0).await, harness.epochs(1).await);
    for polls in 0..=24u128 {
        let before = epoch(&epochs, Namespace::PERSONNEL).await;
        let outcome = poll_then_drop(usize::try_from(polls).unwrap(), write_one(&store, polls)).await;
        // A commit that was sent may still be under way: a unit that raises the same epoch comes after it.
        let mut next = in_time(store.begin()).await.unwrap();
        in_time(next.bump(&[Namespace::PERSONNEL])).await.unwrap();
        in_time(next.commit()).await.unwrap();
        let mut unit = in_time(store.begin()).await.unwrap();
        let file = unit.personnel().find(personnel_id(polls)).await.unwrap();
        let line = unit.activities().find(a_line(polls).id).await.unwrap();
        drop(unit);
        let after = epoch(&epochs, Namespace::PERSONNEL).await - 1;
        let whole = file.is_some() && line.is_some() && after == before + 1;
        let nothing = file.is_none() && line.is_none() && after == before;
        assert!(
            whole || outcome.is_none() && nothing,
            "{polls} polls: {outcome:?}, epoch {before} to {after}"
        );
        if polls % 6 == 0 {
            for n in 0..100 {
                in_time(write_one(&store, 1_000 * (polls + 1) + n)).await.unwrap();
            }
        }
    }
    full_unit_after(&store).await;
}

async fn full_unit_after(store: &Arc<dyn Store>) {
    let mut unit = store.begin().await.unwrap();
    unit.organisation()
        .insert_programme(&programme(1, "P1", "Un"))
        .await
        .unwrap();
    unit.organisation()
        .insert_directorate(&directorate(1, 1, "D1", "Un"))
        .await
        .unwrap();
    unit.organisation()
        .insert_department(&department(1, 1, "S1", "Un"))
        .await
        .unwrap();
    unit.personnel()
        .insert(&a_full_personnel(999_999, department_id(1)))
        .await
        .unwrap();
    unit.commit().await.unwrap();
}

/// A reader that stays open does not stop writers, nor do several.
pub async fn an_idle_reader_does_not_stop_writers(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut readers = Vec::new();
    for _ in 0..3 {
        let mut reader = in_time(store.begin_read()).await.unwrap();
        reader.personnel().identities().await.unwrap();
        readers.push(reader);
    }
    for number in 0..5 {
        in_time(write_one(&store, number)).await.unwrap();
    }
    assert!(in_time(exists(store.as_ref(), 4)).await);
    drop(readers);
}
