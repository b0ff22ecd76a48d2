//! Absences, evaluations, holidays, and the figures made of them.

use mppeep_core::domain::absence::AbsenceInput;
use mppeep_core::domain::evaluation::{Criterion, EvaluationInput};
use mppeep_core::domain::personnel::PersonnelField as F;
use mppeep_core::domain::user::Role;
use mppeep_core::ports::absence::AbsenceFilter;
use mppeep_core::ports::evaluation::EvaluationFilter;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::personnel::{PersonnelFilter, PersonnelSort};
use mppeep_core::services::ServiceError;
use mppeep_core::services::holidays::{HolidayEffect, HolidayInput};
use mppeep_core::services::personnel::ListPersonnel;

use super::world::World;

fn absence(kind: &str, start: &str, end: &str) -> AbsenceInput {
    AbsenceInput {
        kind: kind.into(),
        start_date: start.into(),
        end_date: end.into(),
        ..AbsenceInput::default()
    }
}

fn marks(year: i16, mark: &str) -> EvaluationInput {
    EvaluationInput {
        year: year.to_string(),
        marks: Criterion::ALL
            .iter()
            .map(|criterion| (*criterion, mark.to_owned()))
            .collect(),
        observations: String::new(),
    }
}

#[tokio::test]
async fn three_absences_and_two_evaluations_give_three_and_their_mean() {
    let world = World::new().await;
    let chief = world.chief();
    let id = world.file("AA-001", &[]).await.id();
    for day in ["2026-03-02", "2026-04-01", "2026-05-04"] {
        world
            .absences
            .record(&chief, id, &absence("short_leave", day, day))
            .await
            .unwrap();
    }
    for (year, mark) in [(2025, "13"), (2026, "14,5")] {
        world
            .evaluations
            .record(&chief, id, &marks(year, mark))
            .await
            .unwrap();
    }
    let list = ListPersonnel {
        filter: PersonnelFilter::default(),
        sort: PersonnelSort::Absences,
        descending: true,
        page: PageRequest::first(10),
    };
    let page = world.personnel.list(&chief, list).await.unwrap();
    let row = &page.rows[0];
    assert_eq!(
        (row.absence_count(), row.absence_count_year()),
        (Some(3), Some(3))
    );
    assert_eq!(
        (row.average_mark_hundredths(), row.mark_count()),
        (Some(1_375), Some(2))
    );
}

#[tokio::test]
async fn overlapping_absences_are_refused_by_name_and_halves_may_meet() {
    let world = World::new().await;
    let chief = world.chief();
    let id = world.file("AA-001", &[]).await.id();
    let morning = AbsenceInput {
        end_half: "am".into(),
        ..absence("short_leave", "2026-12-01", "2026-12-02")
    };
    let first = world.absences.record(&chief, id, &morning).await.unwrap();
    let refused = world
        .absences
        .record(&chief, id, &absence("mission", "2026-12-02", "2026-12-03"))
        .await;
    assert!(
        matches!(&refused, Err(ServiceError::Overlap(other)) if other.id == first.id),
        "{refused:?}"
    );
    let afternoon = AbsenceInput {
        start_half: "pm".into(),
        ..absence("mission", "2026-12-02", "2026-12-03")
    };
    let second = world.absences.record(&chief, id, &afternoon).await.unwrap();
    let moved = world
        .absences
        .correct(
            &chief,
            second.id,
            1,
            &absence("mission", "2026-12-01", "2026-12-03"),
        )
        .await;
    assert!(
        matches!(&moved, Err(ServiceError::Overlap(other)) if other.id == first.id),
        "{moved:?}"
    );
    world.absences.cancel(&chief, first.id, 1).await.unwrap();
    world
        .absences
        .correct(
            &chief,
            second.id,
            1,
            &absence("mission", "2026-12-01", "2026-12-03"),
        )
        .await
        .unwrap();
    let again = world.absences.cancel(&chief, first.id, 2).await;
    assert!(
        matches!(again, Err(ServiceError::State("cancelled"))),
        "{again:?}"
    );
}

#[tokio::test]
async fn absences_stay_in_the_scope_of_their_reader() {
    let world = World::new().await;
    let departments = world.departments(2).await;
    let department = departments[0].to_string();
    let id = world.file("AA-001", &[(F::Department, &department)]).await.id();
    let recorded = world
        .absences
        .record(
            &world.chief(),
            id,
            &absence("mission", "2026-12-01", "2026-12-03"),
        )
        .await
        .unwrap();
    let count = async |actor| {
        let page = world
            .absences
            .list(&actor, AbsenceFilter::default(), &PageRequest::first(10))
            .await
            .unwrap();
        (page.total, world.absences.get(&actor, recorded.id).await.is_ok())
    };
    assert_eq!(count(world.of_role(Role::Daf)).await, (1, true));
    assert_eq!(count(world.head_of([departments[0]])).await, (1, true));
    assert_eq!(count(world.head_of([departments[1]])).await, (0, false));
    assert_eq!(count(world.agent(id)).await, (1, true));
    let recording = world
        .absences
        .record(&world.agent(id), id, &absence("mission", "2027-01-04", ""))
        .await;
    assert!(
        matches!(recording, Err(ServiceError::Forbidden { .. })),
        "{recording:?}"
    );
}

#[tokio::test]
async fn a_list_can_be_asked_for_its_total_alone() {
    let world = World::new().await;
    let chief = world.chief();
    let id = world.file("AA-001", &[]).await.id();
    for day in ["2026-03-02", "2026-04-01", "2026-05-04"] {
        world
            .absences
            .record(&chief, id, &absence("short_leave", day, day))
            .await
            .unwrap();
    }
    for (year, mark) in [(2025, "13"), (2026, "14,5")] {
        world
            .evaluations
            .record(&chief, id, &marks(year, mark))
            .await
            .unwrap();
    }
    let page = PageRequest::total_only();
    let absences = world
        .absences
        .list(&chief, AbsenceFilter::default(), &page)
        .await
        .unwrap();
    assert_eq!((absences.total, absences.rows.len(), absences.next), (3, 0, None));
    let evaluations = world
        .evaluations
        .list(&chief, EvaluationFilter::default(), &page)
        .await
        .unwrap();
    assert_eq!(
        (evaluations.total, evaluations.rows.len(), evaluations.next),
        (2, 0, None)
    );
}

#[tokio::test]
async fn a_new_holiday_gives_days_back_in_the_same_unit() {
    let world = World::new().await;
    let chief = world.chief();
    let id = world.file("AA-001", &[]).await.id();
    let coming = world
        .absences
        .record(&chief, id, &absence("short_leave", "2026-12-07", "2026-12-11"))
        .await
        .unwrap();
    let past = world
        .absences
        .record(&chief, id, &absence("short_leave", "2026-11-09", "2026-11-13"))
        .await
        .unwrap();
    assert_eq!(coming.counted_half_days, 10);
    let holiday = |date: &str| HolidayInput {
        date: date.into(),
        label: "Jour chômé".into(),
        estimated: false,
    };
    let effect = world.holidays.add(&chief, &holiday("2026-12-08")).await.unwrap();
    assert_eq!(
        effect,
        HolidayEffect {
            absences: 1,
            half_days_returned: 2
        }
    );
    assert_eq!(
        world.holidays.add(&chief, &holiday("2026-11-10")).await.unwrap(),
        HolidayEffect::default()
    );
    let counted = async |id| world.absences.get(&chief, id).await.unwrap().0.counted_half_days;
    assert_eq!((counted(coming.id).await, counted(past.id).await), (8, 10));
    let stored = world
        .holidays
        .between(jiff::civil::date(2026, 12, 1), jiff::civil::date(2026, 12, 31))
        .await
        .unwrap();
    let effect = world
        .holidays
        .update(&chief, stored[0].id, &holiday("2026-12-25"))
        .await
        .unwrap();
    assert_eq!(
        effect,
        HolidayEffect {
            absences: 1,
            half_days_returned: -2
        }
    );
    assert_eq!(counted(coming.id).await, 10);
    let twice = world.holidays.add(&chief, &holiday("2026-12-25")).await;
    assert!(
        matches!(twice, Err(ServiceError::Taken { field: "date" })),
        "{twice:?}"
    );
}

#[tokio::test]
async fn nobody_evaluates_himself_and_a_head_evaluates_his_own() {
    let world = World::new().await;
    let departments = world.departments(2).await;
    let department = departments[0].to_string();
    let head_file = world.file("AA-001", &[(F::Department, &department)]).await.id();
    let agent = world.file("AA-002", &[(F::Department, &department)]).await.id();
    let head = mppeep_core::domain::permission::Actor {
        personnel: Some(head_file),
        ..world.head_of([departments[0]])
    };
    let himself = world
        .evaluations
        .record(&head, head_file, &marks(2026, "20"))
        .await;
    assert!(
        matches!(himself, Err(ServiceError::Forbidden { .. })),
        "{himself:?}"
    );
    world
        .evaluations
        .record(&head, agent, &marks(2026, "15"))
        .await
        .unwrap();
    let other = world
        .evaluations
        .record(&world.head_of([departments[1]]), agent, &marks(2025, "5"))
        .await;
    assert!(matches!(other, Err(ServiceError::Forbidden { .. })), "{other:?}");
    let twice = world.evaluations.record(&head, agent, &marks(2026, "16")).await;
    assert!(
        matches!(twice, Err(ServiceError::Taken { field: "year" })),
        "{twice:?}"
    );
}

#[tokio::test]
async fn figures_follow_every_change_at_once_and_equal_the_lists() {
    let world = World::new().await;
    let chief = world.chief();
    let total = async || {
        world
            .dashboard
            .figures(&chief, None, None)
            .await
            .unwrap()
            .figures
            .total
    };
    assert_eq!(total().await, 0);
    let id = world.file("AA-001", &[(F::Grade, "A3")]).await.id();
    world.file("AA-002", &[]).await;
    assert_eq!(total().await, 2);
    let today = world.context.today();
    world
        .absences
        .record(&chief, id, &absence("sick_leave", &today.to_string(), ""))
        .await
        .unwrap();
    let figures = world.dashboard.figures(&chief, None, None).await.unwrap().figures;
    let absent = PersonnelFilter {
        absent_on: Some(today),
        ..PersonnelFilter::default()
    };
    assert_eq!(figures.absent, 1);
    let officer = world.of_role(Role::Sdrh);
    assert_eq!(world.listed(&officer, absent).await, ["AA-001"]);
    let graded: u64 = figures.by_grade.iter().map(|tally| tally.count).sum();
    assert_eq!(graded, 2);
}
