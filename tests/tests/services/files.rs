//! Personnel files: who sees what, what a change leaves in the journal, and what lists may not betray.

use mppeep_core::domain::activity::ActivityAction;
use mppeep_core::domain::codes::DepartureReason;
use mppeep_core::domain::permission::{Action, Resource};
use mppeep_core::domain::personnel::{Departure, FieldGroup, PersonnelField as F};
use mppeep_core::domain::user::Role;
use mppeep_core::ports::personnel::{ArchiveFilter, PersonnelFilter};
use mppeep_core::services::ServiceError;
use mppeep_core::services::personnel::Reveal;

use super::world::{World, input};

#[tokio::test]
async fn four_values_make_a_file_and_a_line_in_the_journal() {
    let world = World::new().await;
    let view = world.file("aa-001", &[]).await;
    assert_eq!(
        (view.matricule(), view.full_name().as_str()),
        ("AA-001", "KONÉ Awa")
    );
    let journal = world.journal().await;
    assert_eq!(journal[0].action, ActivityAction::Created);
    assert_eq!(journal[0].subject, Some(view.id()));
    assert_eq!(
        world.listed(&world.chief(), PersonnelFilter::default()).await,
        ["AA-001"]
    );
}

#[tokio::test]
async fn a_taken_matricule_leaves_no_trace() {
    let world = World::new().await;
    world.file("AA-001", &[]).await;
    let lines = world.journal().await.len();
    let refused = world
        .personnel
        .create(&world.chief(), &input("aa-001", &[]))
        .await;
    assert!(
        matches!(refused, Err(ServiceError::Taken { field: "matricule" })),
        "{refused:?}"
    );
    assert_eq!(world.journal().await.len(), lines);
}

#[tokio::test]
async fn a_former_matricule_stays_taken() {
    let world = World::new().await;
    let view = world.file("AA-001", &[]).await;
    let renamed = input("BB-002", &[]);
    world
        .personnel
        .update(&world.chief(), view.id(), 1, &renamed)
        .await
        .unwrap();
    let refused = world
        .personnel
        .create(&world.chief(), &input("AA-001", &[]))
        .await;
    assert!(matches!(refused, Err(ServiceError::Taken { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_change_tells_before_and_after_and_needs_the_present_version() {
    let world = World::new().await;
    let view = world.file("AA-001", &[(F::Grade, "A3")]).await;
    let mut change = mppeep_core::domain::personnel::PersonnelInput::default();
    change.set(F::Grade, "A4");
    change.set(F::JobTitle, "Juriste");
    let changed = world
        .personnel
        .update(&world.chief(), view.id(), 1, &change)
        .await
        .unwrap();
    assert_eq!(changed.version(), 2);
    assert_eq!(changed.retirement_date().unwrap().to_string(), "2045-12-31");
    let line = &world.journal().await[0];
    let grade = line
        .changes
        .iter()
        .find(|change| change.field == "grade")
        .unwrap();
    assert_eq!(
        (grade.before.as_deref(), grade.after.as_deref()),
        (Some("A3"), Some("A4"))
    );
    assert_eq!(line.changes.len(), 2);
    let stale = world
        .personnel
        .update(&world.chief(), view.id(), 1, &change)
        .await;
    assert!(matches!(stale, Err(ServiceError::Stale)), "{stale:?}");
    let again = world
        .personnel
        .update(&world.chief(), view.id(), 2, &change)
        .await
        .unwrap();
    assert_eq!(again.version(), 2, "a change of nothing is no change");
}

#[tokio::test]
async fn each_reader_sees_his_part_of_a_file() {
    let world = World::new().await;
    let departments = world.departments(2).await;
    let own = departments[0].to_string();
    let values = [
        (F::Grade, "A3"),
        (F::Department, own.as_str()),
        (F::NationalId, "CI001"),
        (F::JobTitle, "Juriste"),
    ];
    let id = world.file("AA-001", &values).await.id();
    let seen = async |actor| {
        let view = world.personnel.get(&actor, id, Reveal::Shown).await.unwrap();
        (
            view.get(F::JobTitle).is_some(),
            view.get(F::Grade).is_some(),
            view.get(F::NationalId).is_some(),
        )
    };
    assert_eq!(seen(world.of_role(Role::Sdrh)).await, (true, true, true));
    assert_eq!(seen(world.of_role(Role::Admin)).await, (true, true, false));
    assert_eq!(seen(world.of_role(Role::Daf)).await, (true, true, false));
    assert_eq!(seen(world.head_of([departments[0]])).await, (true, true, false));
    assert_eq!(seen(world.head_of([departments[1]])).await, (true, false, false));
    assert_eq!(seen(world.agent(id)).await, (true, true, true));
    assert_eq!(seen(world.of_role(Role::Agent)).await, (true, false, false));
    let guest = world
        .personnel
        .get(&world.of_role(Role::Invite), id, Reveal::Hidden)
        .await;
    assert!(matches!(
        guest,
        Err(ServiceError::Forbidden {
            resource: Resource::Directory,
            action: Action::Read
        })
    ));
}

#[tokio::test]
async fn private_data_of_others_is_shown_on_demand_and_noted() {
    let world = World::new().await;
    let id = world.file("AA-001", &[(F::NationalId, "CI001")]).await.id();
    let officer = world.of_role(Role::Sdrh);
    let reads = async || {
        let journal = world.journal().await;
        journal
            .iter()
            .filter(|line| line.action == ActivityAction::PrivateRead)
            .count()
    };
    let hidden = world.personnel.get(&officer, id, Reveal::Hidden).await.unwrap();
    assert!(hidden.may_reveal() && !hidden.shows(FieldGroup::Private));
    assert_eq!(reads().await, 0);
    world.personnel.get(&officer, id, Reveal::Shown).await.unwrap();
    assert_eq!(reads().await, 1);
    world
        .personnel
        .get(&world.agent(id), id, Reveal::Shown)
        .await
        .unwrap();
    assert_eq!(reads().await, 1, "reading one's own file is not noted");
}

#[tokio::test]
async fn a_filter_on_careers_betrays_no_career_outside_the_scope() {
    let world = World::new().await;
    let departments = world.departments(2).await;
    for (matricule, department) in [("AA-001", departments[0]), ("AA-002", departments[1])] {
        let department = department.to_string();
        world
            .file(
                matricule,
                &[
                    (F::Grade, "A3"),
                    (F::Department, &department),
                    (F::Passport, "XY99"),
                ],
            )
            .await;
    }
    let head = world.head_of([departments[0]]);
    let by_grade = PersonnelFilter {
        grade: "A3".parse().ok(),
        ..PersonnelFilter::default()
    };
    assert_eq!(
        world.listed(&head, PersonnelFilter::default()).await,
        ["AA-001", "AA-002"],
        "the directory"
    );
    assert_eq!(world.listed(&head, by_grade.clone()).await, ["AA-001"]);
    assert!(
        world
            .listed(&world.of_role(Role::Agent), by_grade)
            .await
            .is_empty()
    );
    let by_passport = PersonnelFilter {
        words: vec!["xy99".to_owned()],
        ..PersonnelFilter::default()
    };
    assert!(world.listed(&head, by_passport.clone()).await.is_empty());
    assert_eq!(
        world.listed(&world.of_role(Role::Sdrh), by_passport).await.len(),
        2
    );
}

#[tokio::test]
async fn a_departed_agent_leaves_the_directory_and_comes_back() {
    let world = World::new().await;
    let id = world.file("AA-001", &[]).await.id();
    let chief = world.chief();
    let departure = Departure {
        date: jiff::civil::date(2026, 11, 1),
        reason: DepartureReason::Resignation,
    };
    world
        .personnel
        .archive(&chief, id, 1, departure.clone())
        .await
        .unwrap();
    assert!(world.listed(&chief, PersonnelFilter::default()).await.is_empty());
    let archived = PersonnelFilter {
        archive: ArchiveFilter::Archived,
        ..PersonnelFilter::default()
    };
    assert_eq!(world.listed(&chief, archived).await, ["AA-001"]);
    let directory = world
        .personnel
        .get(&world.of_role(Role::Sdb), id, Reveal::Hidden)
        .await;
    assert!(
        matches!(directory, Err(ServiceError::NotFound(_))),
        "{directory:?}"
    );
    let twice = world.personnel.archive(&chief, id, 2, departure).await;
    assert!(matches!(twice, Err(ServiceError::State("archived"))));
    let change = world
        .personnel
        .update(&chief, id, 2, &input("AA-001", &[(F::Grade, "A1")]))
        .await;
    assert!(matches!(change, Err(ServiceError::State("archived"))));
    world.personnel.restore(&chief, id, 2).await.unwrap();
    assert_eq!(world.listed(&chief, PersonnelFilter::default()).await, ["AA-001"]);
}

#[tokio::test]
async fn an_unknown_or_closed_department_is_refused() {
    let world = World::new().await;
    let nowhere = uuid::Uuid::from_u128(1).to_string();
    let refused = world
        .personnel
        .create(&world.chief(), &input("AA-001", &[(F::Department, &nowhere)]))
        .await;
    assert!(matches!(&refused, Err(ServiceError::Invalid(broken)) if broken.0[0].field == "department_id"));
}
