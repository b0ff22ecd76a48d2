//! Checks of the repository of personnel files.

use std::collections::BTreeSet;

use jiff::civil::date;
use mppeep_core::domain::codes::DepartureReason;
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::domain::personnel::{Departure, Matricule, Personnel};
use mppeep_core::domain::text;
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::personnel::{PersonnelIdentity, RetirementInput};
use mppeep_core::ports::store::Store;

use crate::fixtures::{a_full_personnel, a_personnel, changed, department_id, personnel_id, store_personnel};
use crate::harness::StoreHarness;
use crate::ministry::{organisation, store_organisation};
use crate::support::at_once;

pub(crate) fn conflict_on(outcome: Result<(), StoreError>, wanted: &str) {
    match outcome {
        Err(StoreError::Conflict { field, .. }) if field == wanted => {}
        other => panic!("instead of a conflict on {wanted}: {other:?}"),
    }
}

async fn find(store: &dyn Store, id: PersonnelId) -> Option<Personnel> {
    let mut unit = store.begin_read().await.unwrap();
    unit.personnel().find(id).await.unwrap()
}

fn with_matricule(file: &Personnel, matricule: &str) -> Personnel {
    let mut file = file.clone();
    file.fields.matricule = Matricule::from_stored(matricule.to_owned());
    file
}

/// Every value comes back as it was given, present or not, after an insert and after an update.
pub async fn a_file_comes_back_as_it_was_stored(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let (least, full) = (a_personnel(1, "AA001"), a_full_personnel(2, department_id(1)));
    let mut unit = store.begin().await.unwrap();
    store_organisation(unit.as_mut(), &organisation()).await;
    unit.personnel().insert(&least).await.unwrap();
    unit.personnel().insert(&full).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(find(store.as_ref(), least.id).await, Some(least.clone()));
    assert_eq!(find(store.as_ref(), full.id).await, Some(full.clone()));
    assert_eq!(find(store.as_ref(), personnel_id(3)).await, None);
    // Each takes the other's values, but for what makes it itself.
    let exchange = |to: &Personnel, from: &Personnel| Personnel {
        id: to.id,
        version: to.version + 1,
        created_at: to.created_at,
        fields: with_matricule(from, &format!("{}-B", to.fields.matricule)).fields,
        ..from.clone()
    };
    let (now_full, now_least) = (exchange(&least, &full), exchange(&full, &least));
    let mut unit = store.begin().await.unwrap();
    unit.personnel().update(&now_full).await.unwrap();
    unit.personnel().update(&now_least).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(find(store.as_ref(), least.id).await, Some(now_full));
    assert_eq!(find(store.as_ref(), full.id).await, Some(now_least));
}

/// A matricule is taken once, in whatever case, by an insert as by an update.
pub async fn a_matricule_is_unique_whatever_its_case(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let second = a_personnel(2, "AA002");
    store_personnel(store.as_ref(), &[a_personnel(1, "AA001"), second.clone()]).await;
    let mut unit = store.begin().await.unwrap();
    for taken in ["AA001", "aa001", "Aa001"] {
        conflict_on(unit.personnel().insert(&a_personnel(3, taken)).await, "matricule");
        conflict_on(
            unit.personnel()
                .update(&with_matricule(&changed(&second), taken))
                .await,
            "matricule",
        );
    }
    unit.personnel().insert(&a_personnel(3, "AA0010")).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(find(store.as_ref(), second.id).await, Some(second));
}

/// A replaced matricule stays with its agent: nobody else gets it, and he may take it back.
pub async fn a_former_matricule_stays_taken(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let first = a_personnel(1, "AA001");
    let other = a_personnel(2, "AA002");
    store_personnel(store.as_ref(), &[first.clone(), other.clone()]).await;
    let renamed = with_matricule(&changed(&first), "BB001");
    let mut unit = store.begin().await.unwrap();
    unit.personnel().update(&renamed).await.unwrap();
    conflict_on(
        unit.personnel().insert(&a_personnel(3, "AA001")).await,
        "matricule",
    );
    conflict_on(
        unit.personnel().insert(&a_personnel(3, "aa001")).await,
        "matricule",
    );
    conflict_on(
        unit.personnel()
            .update(&with_matricule(&changed(&other), "AA001"))
            .await,
        "matricule",
    );
    unit.commit().await.unwrap();
    let mut unit = store.begin().await.unwrap();
    conflict_on(
        unit.personnel().insert(&a_personnel(3, "AA001")).await,
        "matricule",
    );
    let back = with_matricule(&changed(&renamed), "AA001");
    unit.personnel().update(&back).await.unwrap();
    conflict_on(
        unit.personnel().insert(&a_personnel(3, "BB001")).await,
        "matricule",
    );
    unit.commit().await.unwrap();
    assert_eq!(find(store.as_ref(), first.id).await, Some(back));
}

/// Of inserts at once with one matricule over two instances, one is stored.
pub async fn racing_inserts_of_one_matricule_are_one(harness: &dyn StoreHarness) {
    let instances = [harness.store(0).await, harness.store(1).await];
    let outcomes = at_once((0..16u128).map(|n| {
        let store = instances[(n % 2) as usize].clone();
        async move {
            let mut unit = store.begin().await.unwrap();
            let outcome = unit.personnel().insert(&a_personnel(n, "AA001")).await;
            unit.commit().await.unwrap();
            outcome
        }
    }))
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    outcomes
        .into_iter()
        .filter(Result::is_err)
        .for_each(|outcome| conflict_on(outcome, "matricule"));
}

/// An update replaces the version before it, and no other.
pub async fn an_update_needs_the_next_version(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let file = a_personnel(1, "AA001");
    store_personnel(store.as_ref(), std::slice::from_ref(&file)).await;
    let mut unit = store.begin().await.unwrap();
    for version in [0, 1, 3] {
        let outcome = unit
            .personnel()
            .update(&Personnel {
                version,
                ..changed(&file)
            })
            .await;
        assert!(
            matches!(outcome, Err(StoreError::StaleVersion)),
            "version {version}: {outcome:?}"
        );
    }
    let unknown = Personnel {
        id: personnel_id(9),
        ..with_matricule(&changed(&file), "AA009")
    };
    let outcome = unit.personnel().update(&unknown).await;
    assert!(matches!(outcome, Err(StoreError::StaleVersion)), "{outcome:?}");
    unit.personnel().update(&changed(&file)).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(find(store.as_ref(), file.id).await, Some(changed(&file)));
}

/// Of changes at once to one version, one is kept whole, and the others are told.
pub async fn racing_updates_of_one_version_are_one(harness: &dyn StoreHarness) {
    let instances = [harness.store(0).await, harness.store(1).await];
    let file = a_personnel(1, "AA001");
    store_personnel(instances[0].as_ref(), std::slice::from_ref(&file)).await;
    let outcomes = at_once((0..12u128).map(|n| {
        let (store, mut next) = (instances[(n % 2) as usize].clone(), changed(&file));
        next.fields.given_names = format!("Numéro {n}");
        async move {
            let mut unit = store.begin().await.unwrap();
            let outcome = unit.personnel().update(&next).await;
            unit.commit().await.unwrap();
            (outcome, next)
        }
    }))
    .await;
    let kept: Vec<&Personnel> = outcomes
        .iter()
        .filter(|(outcome, _)| outcome.is_ok())
        .map(|(_, next)| next)
        .collect();
    assert_eq!(kept.len(), 1);
    assert!(
        outcomes
            .iter()
            .all(|(outcome, _)| matches!(outcome, Ok(()) | Err(StoreError::StaleVersion)))
    );
    assert_eq!(find(instances[1].as_ref(), file.id).await.as_ref(), Some(kept[0]));
}

/// A department that does not exist is refused, in an insert as in an update.
pub async fn unknown_references_are_refused(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let file = a_personnel(1, "AA001");
    store_personnel(store.as_ref(), std::slice::from_ref(&file)).await;
    let mut unit = store.begin().await.unwrap();
    let mut lost = changed(&file);
    lost.fields.department = Some(department_id(404));
    let outcome = unit.personnel().update(&lost).await;
    assert!(
        matches!(outcome, Err(StoreError::DanglingReference { .. })),
        "{outcome:?}"
    );
    unit.commit().await.unwrap();
    assert_eq!(find(store.as_ref(), file.id).await, Some(file));
}

/// Many files are stored in one go; the first refusal ends it, and dropping the unit leaves none of them.
pub async fn many_files_are_stored_together_or_refused(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut files: Vec<Personnel> = (0..1_200).map(|n| a_personnel(n, &format!("AA{n:04}"))).collect();
    let mut unit = store.begin().await.unwrap();
    unit.personnel().insert_many(&[]).await.unwrap();
    files.push(a_personnel(5_000, "aa0600"));
    conflict_on(unit.personnel().insert_many(&files).await, "matricule");
    drop(unit);
    let mut unit = store.begin_read().await.unwrap();
    assert_eq!(unit.personnel().identities().await.unwrap(), Vec::new());
    drop(unit);
    files.pop();
    store_personnel(store.as_ref(), &files).await;
    let mut unit = store.begin_read().await.unwrap();
    assert_eq!(unit.personnel().identities().await.unwrap().len(), 1_200);
}

/// Files are found by their present matricules and identifiers; unknown ones are left out, doubled ones come once.
pub async fn files_are_found_by_matricule_and_identifier(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let files: Vec<Personnel> = (0..700).map(|n| a_personnel(n, &format!("AA{n:04}"))).collect();
    store_personnel(store.as_ref(), &files).await;
    let mut unit = store.begin_read().await.unwrap();
    let mut asked: Vec<Matricule> = files.iter().map(|file| file.fields.matricule.clone()).collect();
    asked.extend(["ZZ", "AA0001", "AA%", "' OR 1=1"].map(|text| Matricule::from_stored(text.to_owned())));
    let found = unit.personnel().find_by_matricules(&asked).await.unwrap();
    assert_eq!(found.len(), 700);
    let found: BTreeSet<PersonnelId> = found.iter().map(|file| file.id).collect();
    assert_eq!(found.len(), 700);
    assert_eq!(
        unit.personnel().find_by_matricules(&[]).await.unwrap(),
        Vec::new()
    );
    let mut ids: Vec<PersonnelId> = files.iter().rev().map(|file| file.id).collect();
    ids.extend([personnel_id(9_999), files[3].id]);
    let mut found = unit.personnel().find_many(&ids).await.unwrap();
    found.sort_by_key(|file| file.id);
    assert_eq!(found, files);
    assert_eq!(unit.personnel().find_many(&[]).await.unwrap(), Vec::new());
}

/// Look-alikes are found by folded name and birth date, or by identity card, and never the file itself.
pub async fn duplicates_are_found_by_name_and_birth_or_card(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut files: Vec<Personnel> = (0..14).map(|n| a_personnel(n, &format!("AA{n:03}"))).collect();
    for file in &mut files {
        file.fields.given_names = "Zoé".to_owned();
        file.fields.birth_date = date(1990, 1, 1);
    }
    files[0].fields.birth_date = date(1990, 1, 2);
    files[1].fields.given_names = "ZOE".to_owned();
    for (index, file) in files.iter_mut().enumerate().skip(2) {
        file.fields.family_name = format!("AUTRE {index}");
    }
    files[2].fields.national_id = Some("CI001".to_owned());
    files[1].fields.national_id = Some("CI001".to_owned());
    store_personnel(store.as_ref(), &files).await;
    let mut unit = store.begin_read().await.unwrap();
    let name = text::fold("Koné Zoé");
    let mut found = unit
        .personnel()
        .possible_duplicates(Some(files[0].id), &name, date(1990, 1, 1), Some("CI001"))
        .await
        .unwrap();
    found.sort_by_key(|duplicate| duplicate.id);
    let seen: Vec<(PersonnelId, bool)> = found
        .iter()
        .map(|found| (found.id, found.same_national_id))
        .collect();
    assert_eq!(seen, [(files[1].id, true), (files[2].id, true)]);
    assert_eq!(found[0].full_name, "KONÉ ZOE");
    assert_eq!(found[0].matricule.as_str(), "AA001");
    let by_name = unit
        .personnel()
        .possible_duplicates(None, &name, date(1990, 1, 1), None)
        .await
        .unwrap();
    assert_eq!(
        by_name
            .iter()
            .map(|found| (found.id, found.same_national_id))
            .collect::<Vec<_>>(),
        [(files[1].id, false)]
    );
    let itself = unit
        .personnel()
        .possible_duplicates(Some(files[1].id), &name, date(1990, 1, 1), None)
        .await
        .unwrap();
    assert_eq!(itself, Vec::new());
    let mut identities = unit.personnel().identities().await.unwrap();
    identities.sort_by_key(|identity| identity.id);
    let expected = PersonnelIdentity {
        id: files[1].id,
        matricule: files[1].fields.matricule.clone(),
        name_key: files[1].fields.name_key(),
        birth_date: files[1].fields.birth_date,
        national_id: Some("CI001".to_owned()),
    };
    assert_eq!((identities.len(), &identities[1]), (14, &expected));
}

/// Days of retirement are derived again for all files without counting as a change of them.
pub async fn retirement_days_are_set_without_a_change(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut files = [
        a_personnel(1, "AA001"),
        a_personnel(2, "AA002"),
        a_personnel(3, "AA003"),
    ];
    files[1].retirement_date = Some(date(2040, 12, 31));
    files[1].fields.grade = "A4".parse().ok();
    files[1].fields.retirement_extension = Some(date(2041, 6, 30));
    files[2].retirement_date = Some(date(2039, 12, 31));
    files[2].departure = Some(Departure {
        date: date(2026, 1, 1),
        reason: DepartureReason::Death,
    });
    store_personnel(store.as_ref(), &files).await;
    let mut unit = store.begin().await.unwrap();
    let mut inputs = unit.personnel().retirement_inputs().await.unwrap();
    inputs.sort_by_key(|input| input.id);
    let expected: Vec<RetirementInput> = files
        .iter()
        .map(|file| RetirementInput {
            id: file.id,
            birth_date: file.fields.birth_date,
            grade: file.fields.grade,
            extension: file.fields.retirement_extension,
            stored: file.retirement_date,
        })
        .collect();
    assert_eq!(inputs, expected);
    let days = [(files[0].id, Some(date(2045, 12, 31))), (files[1].id, None)];
    unit.personnel().set_retirement_dates(&days).await.unwrap();
    unit.commit().await.unwrap();
    (files[0].retirement_date, files[1].retirement_date) = (days[0].1, days[1].1);
    for file in files {
        assert_eq!(find(store.as_ref(), file.id).await, Some(file));
    }
}
