//! Checks of the repository of evaluations.

use mppeep_core::domain::evaluation::{Criterion, Evaluation, Mark};
use mppeep_core::domain::id::EvaluationId;
use mppeep_core::domain::organisation::UnitRef;
use mppeep_core::domain::permission::Scope;
use mppeep_core::domain::text;
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::evaluation::{EvaluationFilter, EvaluationRow};
use mppeep_core::ports::page::{Cursor, PageRequest, PageStart};
use mppeep_core::ports::store::Store;

use crate::fixtures::{a_personnel, an_evaluation, department_id, personnel_id, store_personnel, uuid};
use crate::harness::StoreHarness;
use crate::ministry::Ministry;
use crate::personnel::conflict_on;

fn next(evaluation: &Evaluation) -> Evaluation {
    Evaluation {
        version: evaluation.version + 1,
        ..evaluation.clone()
    }
}

async fn stored(store: &dyn Store, evaluation: &Evaluation) {
    store_personnel(store, &[a_personnel(1, "AA001"), a_personnel(2, "AA002")]).await;
    let mut unit = store.begin().await.unwrap();
    unit.evaluations().insert(evaluation).await.unwrap();
    unit.commit().await.unwrap();
}

/// Every value comes back: all marks or some, with and without a final mark.
pub async fn an_evaluation_comes_back_as_it_was_stored(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let mut full = an_evaluation(1, personnel_id(1), 2025, Some(2_000));
    for (criterion, hundredths) in Criterion::ALL.iter().zip([0, 1, 999, 1_999, 2_000]) {
        full.fields
            .marks
            .insert(*criterion, Mark::from_hundredths(hundredths).unwrap());
    }
    full.fields.observations = Some("Très bien.\n« À suivre » — l'an prochain".to_owned());
    stored(store.as_ref(), &full).await;
    let mut partial = an_evaluation(2, personnel_id(2), 1960, None);
    partial
        .fields
        .marks
        .retain(|criterion, _| *criterion == Criterion::Initiative);
    let mut unit = store.begin().await.unwrap();
    unit.evaluations().insert(&partial).await.unwrap();
    let lost = an_evaluation(3, personnel_id(404), 2025, None);
    let outcome = unit.evaluations().insert(&lost).await;
    assert!(
        matches!(outcome, Err(StoreError::DanglingReference { .. })),
        "{outcome:?}"
    );
    for evaluation in [&full, &partial] {
        assert_eq!(
            unit.evaluations().find(evaluation.id).await.unwrap().as_ref(),
            Some(evaluation)
        );
    }
    let exchanged = Evaluation {
        fields: partial.fields.clone(),
        final_mark: None,
        ..next(&full)
    };
    unit.evaluations().update(&exchanged).await.unwrap();
    unit.commit().await.unwrap();
    let mut unit = store.begin_read().await.unwrap();
    assert_eq!(unit.evaluations().find(full.id).await.unwrap(), Some(exchanged));
    assert_eq!(
        unit.evaluations()
            .find(EvaluationId::from_uuid(uuid(0xdead)))
            .await
            .unwrap(),
        None
    );
}

/// An agent has one evaluation a year, by an insert as by an update.
pub async fn an_agent_has_one_evaluation_a_year(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    stored(
        store.as_ref(),
        &an_evaluation(1, personnel_id(1), 2025, Some(1_000)),
    )
    .await;
    let other = an_evaluation(2, personnel_id(1), 2024, None);
    let mut unit = store.begin().await.unwrap();
    conflict_on(
        unit.evaluations()
            .insert(&an_evaluation(9, personnel_id(1), 2025, None))
            .await,
        "year",
    );
    unit.evaluations().insert(&other).await.unwrap();
    unit.evaluations()
        .insert(&an_evaluation(3, personnel_id(2), 2025, None))
        .await
        .unwrap();
    let mut moved = next(&other);
    moved.fields.year = 2025;
    conflict_on(unit.evaluations().update(&moved).await, "year");
    unit.commit().await.unwrap();
    let mut unit = store.begin().await.unwrap();
    let many = [
        an_evaluation(4, personnel_id(2), 2023, None),
        an_evaluation(5, personnel_id(1), 2024, None),
    ];
    conflict_on(unit.evaluations().insert_many(&many).await, "year");
    drop(unit);
    let mut unit = store.begin_read().await.unwrap();
    assert_eq!(unit.evaluations().find(many[0].id).await.unwrap(), None);
}

/// An update replaces the version before it, and no other.
pub async fn an_evaluation_update_needs_the_next_version(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let evaluation = an_evaluation(1, personnel_id(1), 2025, Some(1_000));
    stored(store.as_ref(), &evaluation).await;
    let mut unit = store.begin().await.unwrap();
    for version in [0, 1, 3] {
        let outcome = unit
            .evaluations()
            .update(&Evaluation {
                version,
                ..evaluation.clone()
            })
            .await;
        assert!(
            matches!(outcome, Err(StoreError::StaleVersion)),
            "{version}: {outcome:?}"
        );
    }
    unit.evaluations().update(&next(&evaluation)).await.unwrap();
    unit.commit().await.unwrap();
}

fn matches(ministry: &Ministry, filter: &EvaluationFilter, evaluation: &Evaluation) -> bool {
    let agent = ministry.agent(evaluation.personnel);
    let mark = evaluation.final_mark.map(Mark::hundredths);
    filter.scope.reaches(agent.id, agent.fields.department)
        && filter.personnel.is_none_or(|personnel| personnel == agent.id)
        && filter.unit.is_none_or(|unit| ministry.is_in(agent, unit))
        && filter.year.is_none_or(|year| year == evaluation.fields.year)
        && filter
            .mark_from
            .is_none_or(|from| mark.is_some_and(|mark| from <= mark))
        && filter
            .mark_to
            .is_none_or(|to| mark.is_some_and(|mark| mark <= to))
        && filter
            .words
            .iter()
            .all(|word| agent.fields.search_key().contains(word.as_str()))
        && (!filter.unfinished || evaluation.fields.marks.len() < Criterion::ALL.len())
}

/// Every filter gives the rows that it describes: the latest year first, then by folded name.
pub async fn evaluation_filters_give_what_they_say(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let ministry = Ministry::new();
    ministry.store(store.as_ref()).await;
    let all = EvaluationFilter {
        scope: Scope::everything(),
        ..EvaluationFilter::default()
    };
    let scope = Scope {
        departments: [department_id(2)].into(),
        own: Some(personnel_id(0)),
        everything: false,
        made_by: None,
    };
    let programme = UnitRef::Programme(ministry.organisation.programmes[0].id);
    let filters = [
        all.clone(),
        EvaluationFilter::default(),
        EvaluationFilter { scope, ..all.clone() },
        EvaluationFilter {
            personnel: Some(personnel_id(0)),
            ..all.clone()
        },
        EvaluationFilter {
            unit: Some(programme),
            ..all.clone()
        },
        EvaluationFilter {
            year: Some(2025),
            ..all.clone()
        },
        EvaluationFilter {
            mark_from: Some(1_000),
            ..all.clone()
        },
        EvaluationFilter {
            mark_to: Some(1_000),
            ..all.clone()
        },
        EvaluationFilter {
            mark_from: Some(0),
            mark_to: Some(0),
            ..all.clone()
        },
        EvaluationFilter {
            words: text::search_words("éboué"),
            ..all.clone()
        },
        EvaluationFilter {
            unfinished: true,
            ..all.clone()
        },
        EvaluationFilter {
            unfinished: true,
            year: Some(2025),
            personnel: Some(personnel_id(4)),
            ..all.clone()
        },
    ];
    for filter in filters {
        let mut expected: Vec<&Evaluation> = ministry
            .evaluations
            .iter()
            .filter(|evaluation| matches(&ministry, &filter, evaluation))
            .collect();
        let place = |evaluation: &Evaluation| {
            let agent = ministry.agent(evaluation.personnel);
            (std::cmp::Reverse(evaluation.fields.year), agent.fields.name_key())
        };
        expected.sort_by_key(|evaluation| place(evaluation));
        let mut unit = store.begin_read().await.unwrap();
        let page = unit
            .evaluations()
            .list(&filter, &PageRequest::first(200))
            .await
            .unwrap();
        assert_eq!(
            page.rows.iter().map(|row| &row.evaluation).collect::<Vec<_>>(),
            expected,
            "{filter:?}"
        );
        assert_eq!(page.total, u64::try_from(expected.len()).unwrap());
        for row in &page.rows {
            let EvaluationRow {
                evaluation,
                matricule,
                full_name,
                department_name,
            } = row;
            let agent = ministry.agent(evaluation.personnel);
            assert_eq!(matricule, agent.fields.matricule.as_str());
            assert_eq!(*full_name, agent.fields.full_name());
            assert_eq!(*department_name, ministry.department_name(agent));
        }
    }
}

/// Pages of every size give each row once, in one order, also across years and among equal names.
pub async fn evaluations_page_completely(harness: &dyn StoreHarness) {
    let store = harness.store(0).await;
    let agents: Vec<_> = (0..7)
        .map(|n| {
            let mut agent = a_personnel(n, &format!("AA{n:03}"));
            agent.fields.given_names = ["Awa", "Zoé"][usize::from(n > 3)].to_owned();
            agent
        })
        .collect();
    store_personnel(store.as_ref(), &agents).await;
    let evaluations: Vec<Evaluation> = (0..21u8)
        .map(|n| {
            let year = 2023 + i16::from(n / 7);
            an_evaluation(
                u128::from(n),
                personnel_id(u128::from(n % 7)),
                year,
                Some(1_000 + u16::from(n)),
            )
        })
        .collect();
    let mut unit = store.begin().await.unwrap();
    unit.evaluations().insert_many(&evaluations).await.unwrap();
    unit.commit().await.unwrap();
    let filter = EvaluationFilter {
        scope: Scope::everything(),
        ..EvaluationFilter::default()
    };
    let mut unit = store.begin_read().await.unwrap();
    let all = unit
        .evaluations()
        .list(&filter, &PageRequest::first(100))
        .await
        .unwrap();
    let all: Vec<EvaluationId> = all.rows.iter().map(|row| row.evaluation.id).collect();
    assert_eq!(all.len(), 21);
    for limit in [1, 4, 7, 20, 21] {
        let (mut seen, mut start) = (Vec::new(), PageStart::First);
        loop {
            let page = unit
                .evaluations()
                .list(&filter, &PageRequest { limit, start })
                .await
                .unwrap();
            assert_eq!(page.total, 21);
            seen.extend(page.rows.iter().map(|row| row.evaluation.id));
            assert!(seen.len() <= all.len());
            let Some(next) = page.next else { break };
            start = PageStart::After(Cursor::decode(&next.encode()).unwrap());
        }
        assert_eq!(seen, all, "{limit} a page");
    }
}
