//! Checks of the repository of units.

use mppeep_core::domain::id::ProgrammeId;
use mppeep_core::domain::organisation::{Department, Organisation, UnitRef};
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::store::Store;

use crate::fixtures::{a_personnel, department_id, personnel_id, store_personnel, uuid};
use crate::harness::StoreHarness;
use crate::ministry::{Ministry, department, directorate, organisation, programme, store_organisation};
use crate::personnel::conflict_on;

async fn load(store: &dyn Store) -> Organisation {
    let mut unit = store.begin_read().await.unwrap();
    unit.organisation().load().await.unwrap()
}

async fn stored(harness: &dyn StoreHarness) -> std::sync::Arc<dyn Store> {
    let store = harness.store(0).await;
    let mut unit = store.begin().await.unwrap();
    store_organisation(unit.as_mut(), &organisation()).await;
    unit.commit().await.unwrap();
    store
}

fn dangling(outcome: Result<(), StoreError>) {
    assert!(
        matches!(outcome, Err(StoreError::DanglingReference { .. })),
        "{outcome:?}"
    );
}

/// Units come back whole, in folded name order within each level, after inserts as after updates.
pub async fn units_come_back_in_name_order(harness: &dyn StoreHarness) {
    let empty = load(harness.store(0).await.as_ref()).await;
    assert_eq!(empty, Organisation::default());
    let store = stored(harness).await;
    let mut expected = organisation();
    assert_eq!(load(store.as_ref()).await, expected);
    store_personnel(store.as_ref(), &[a_personnel(1, "AA001")]).await;
    let last = expected.departments.last_mut().unwrap();
    last.fields.name = "Aide-mémoire".to_owned();
    last.fields.code = "ZZ".to_owned();
    last.fields.head = Some(personnel_id(1));
    last.fields.active = false;
    last.directorate = expected.directorates[1].id;
    last.version = 2;
    expected.directorates[0].programme = expected.programmes[1].id;
    expected.directorates[0].version = 2;
    expected.programmes[0].fields.head = Some(personnel_id(1));
    expected.programmes[0].version = 2;
    let mut unit = store.begin().await.unwrap();
    unit.organisation()
        .update_department(expected.departments.last().unwrap())
        .await
        .unwrap();
    unit.organisation()
        .update_directorate(&expected.directorates[0])
        .await
        .unwrap();
    unit.organisation()
        .update_programme(&expected.programmes[0])
        .await
        .unwrap();
    unit.commit().await.unwrap();
    expected.departments.rotate_right(1);
    assert_eq!(load(store.as_ref()).await, expected);
}

/// A code is taken once in its level, and may stand in another.
pub async fn codes_are_unique_within_their_level(harness: &dyn StoreHarness) {
    let store = stored(harness).await;
    let mut unit = store.begin().await.unwrap();
    let mut units = unit.organisation();
    conflict_on(units.insert_programme(&programme(9, "P1", "Autre")).await, "code");
    conflict_on(
        units.insert_directorate(&directorate(9, 1, "DAF", "Autre")).await,
        "code",
    );
    conflict_on(
        units.insert_department(&department(9, 1, "SC", "Autre")).await,
        "code",
    );
    units
        .insert_directorate(&directorate(9, 1, "P1", "Autre"))
        .await
        .unwrap();
    let taken = Department {
        version: 2,
        ..department(1, 1, "SE", "Solde")
    };
    conflict_on(units.update_department(&taken).await, "code");
    drop(units);
    unit.commit().await.unwrap();
}

/// What a unit refers to exists: its parent and its head.
pub async fn parents_and_heads_must_exist(harness: &dyn StoreHarness) {
    let store = stored(harness).await;
    let mut unit = store.begin().await.unwrap();
    let mut units = unit.organisation();
    dangling(units.insert_directorate(&directorate(9, 99, "D9", "Autre")).await);
    dangling(units.insert_department(&department(9, 99, "S9", "Autre")).await);
    let mut headed = programme(9, "P9", "Autre");
    headed.fields.head = Some(personnel_id(404));
    dangling(units.insert_programme(&headed).await);
    let mut moved = directorate(1, 1, "DRH", "Ressources humaines");
    moved.version = 2;
    moved.programme = ProgrammeId::from_uuid(uuid(0xdead));
    dangling(units.update_directorate(&moved).await);
    let mut headed = department(1, 1, "SS", "Solde");
    headed.version = 2;
    headed.fields.head = Some(personnel_id(404));
    dangling(units.update_department(&headed).await);
    drop(units);
    unit.commit().await.unwrap();
    assert_eq!(load(store.as_ref()).await, organisation());
}

/// An update replaces the version before it, and no other.
pub async fn a_unit_update_needs_the_next_version(harness: &dyn StoreHarness) {
    let store = stored(harness).await;
    let mut unit = store.begin().await.unwrap();
    for version in [0, 1, 3] {
        let mut units = unit.organisation();
        let mut first = programme(1, "P1", "Nouveau");
        first.version = version;
        assert!(
            matches!(
                units.update_programme(&first).await,
                Err(StoreError::StaleVersion)
            ),
            "{version}"
        );
        let mut second = directorate(1, 1, "DRH", "Nouveau");
        second.version = version;
        assert!(
            matches!(
                units.update_directorate(&second).await,
                Err(StoreError::StaleVersion)
            ),
            "{version}"
        );
        let mut third = department(1, 1, "SS", "Nouveau");
        third.version = version;
        assert!(
            matches!(
                units.update_department(&third).await,
                Err(StoreError::StaleVersion)
            ),
            "{version}"
        );
    }
    unit.commit().await.unwrap();
    assert_eq!(load(store.as_ref()).await, organisation());
}

/// Agents in service are counted in a unit and below it.
pub async fn agents_are_counted_below_a_unit(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let ministry = Ministry::new();
    ministry.store(store.as_ref()).await;
    let mut refs = vec![UnitRef::Department(department_id(404))];
    refs.extend(
        ministry
            .organisation
            .programmes
            .iter()
            .map(|unit| UnitRef::Programme(unit.id)),
    );
    refs.extend(
        ministry
            .organisation
            .directorates
            .iter()
            .map(|unit| UnitRef::Directorate(unit.id)),
    );
    refs.extend(
        ministry
            .organisation
            .departments
            .iter()
            .map(|unit| UnitRef::Department(unit.id)),
    );
    let mut unit = store.begin_read().await.unwrap();
    for wanted in refs {
        let in_service = ministry
            .personnel
            .iter()
            .filter(|file| file.departure.is_none() && ministry.is_in(file, wanted));
        let expected = u64::try_from(in_service.count()).unwrap();
        assert_eq!(
            unit.organisation().count_agents(wanted).await.unwrap(),
            expected,
            "{wanted}"
        );
    }
}
