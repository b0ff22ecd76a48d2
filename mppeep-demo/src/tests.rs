//! What demonstrations and tests may rely on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;
use mppeep_core::domain::calendar::Half;
use mppeep_core::domain::codes::BirthPrecision;
use mppeep_core::domain::document::{DocumentState, Expiry};
use mppeep_core::domain::permission::{Action, Actor, Resource};
use mppeep_core::domain::shared_file::{ACCEPTED_TYPES, SharedFileStatus};
use mppeep_core::domain::stored_file::FileName;
use mppeep_core::domain::text::fold;
use mppeep_core::domain::user::Role;

use super::*;

const TODAY: Date = date(2026, 11, 22);

fn data() -> DemoData {
    generate(1_500, TODAY, DEFAULT_SEED).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_data() {
    assert_eq!(generate(60, TODAY, 1).unwrap(), generate(60, TODAY, 1).unwrap());
    assert_ne!(generate(60, TODAY, 1).unwrap(), generate(60, TODAY, 2).unwrap());
}

#[test]
fn any_day_and_seed_gives_valid_data() {
    for (seed, today) in [
        (3, date(2024, 2, 29)),
        (4, date(2027, 1, 1)),
        (5, date(2030, 12, 31)),
        (6, date(2026, 3, 1)),
    ] {
        let data = generate(300, today, seed).unwrap();
        assert_eq!(data.personnel.len(), 300);
    }
    assert_eq!(
        generate(1, TODAY, 7).unwrap().personnel.len(),
        usize::try_from(FEWEST_AGENTS).unwrap()
    );
}

#[test]
fn matricules_and_cards_are_unique() {
    let data = data();
    let matricules: BTreeSet<&str> = data
        .personnel
        .iter()
        .map(|file| file.fields.matricule.as_str())
        .collect();
    assert_eq!(matricules.len(), data.personnel.len());
    let cards: Vec<&String> = data
        .personnel
        .iter()
        .filter_map(|file| file.fields.national_id.as_ref())
        .collect();
    assert_eq!(cards.iter().collect::<BTreeSet<_>>().len(), cards.len());
    let shape = |text: &str| {
        text.len() == 7
            && text.bytes().take(6).all(|byte| byte.is_ascii_digit())
            && text.ends_with(|letter: char| letter.is_ascii_uppercase())
    };
    assert!(matricules.iter().all(|matricule| shape(matricule)));
}

#[test]
fn lives_are_consistent() {
    for file in &data().personnel {
        let fields = &file.fields;
        let (Some(recruited), Some(start)) = (fields.recruitment_date, fields.service_start_date) else {
            panic!("{fields:?}")
        };
        assert!(recruited <= start && start < TODAY, "{fields:?}");
        let age = recruited.year() - fields.birth_date.year();
        assert!((20..=45).contains(&age), "{age}: {fields:?}");
        let retirement = file.retirement_date.unwrap();
        match &file.departure {
            None => assert!(retirement >= TODAY, "{fields:?}"),
            Some(departure) => assert!(departure.date >= start && departure.date < TODAY, "{departure:?}"),
        }
        assert!(file.updated_at >= file.created_at && file.created_at < random::morning_of(TODAY));
    }
}

#[test]
fn there_is_something_of_everything() {
    let data = data();
    let count = |what: &dyn Fn(&Personnel) -> bool| data.personnel.iter().filter(|file| what(file)).count();
    assert!(count(&|file| file.departure.is_some()) > 20);
    assert!(count(&|file| file.fields.department.is_none() && file.departure.is_none()) > 5);
    assert!(count(&|file| file.fields.completeness_percent() < 100) > 30);
    assert!(count(&|file| file.fields.birth_precision == BirthPrecision::Year) > 5);
    assert!(count(&|file| file.retirement_date.is_some_and(|day| day.year() == TODAY.year())) > 3);
    let kones = count(&|file| fold(&file.fields.full_name()).starts_with("kone "));
    assert!(kones > 10, "{kones} KONÉ");
    assert!(count(&|file| file.fields.family_name == "KOUAMÉ") > 5);
    let absent = data.absences.iter().filter(|absence| {
        absence.cancelled_at.is_none()
            && absence.fields.period.start() <= TODAY
            && absence.fields.period.end() >= TODAY
    });
    assert!(absent.count() > 20);
    assert!(data.absences.iter().any(|absence| absence.cancelled_at.is_some()));
    assert!(
        data.absences
            .iter()
            .any(|absence| absence.fields.period.start() > TODAY)
    );
    assert!(
        data.evaluations
            .iter()
            .any(|evaluation| evaluation.final_mark.is_none())
    );
    let scale = |number: usize| number * 100 / data.personnel.len();
    assert!(
        (600..=1_000).contains(&scale(data.absences.len())),
        "{} absences",
        data.absences.len()
    );
    assert!(
        (200..=350).contains(&scale(data.evaluations.len())),
        "{} evaluations",
        data.evaluations.len()
    );
}

#[test]
fn absences_of_one_agent_share_no_half_day() {
    let mut taken: BTreeSet<(uuid::Uuid, Date, Half)> = BTreeSet::new();
    for absence in data().absences {
        assert!(absence.counted_half_days > 0);
        if absence.cancelled_at.is_none() {
            for (day, half) in absence.fields.period.half_days() {
                assert!(
                    taken.insert((absence.personnel.as_uuid(), day, half)),
                    "{absence:?}"
                );
            }
        }
    }
}

#[test]
fn an_agent_has_one_evaluation_a_year() {
    let mut seen = BTreeMap::new();
    for evaluation in data().evaluations {
        assert!(evaluation.fields.year < TODAY.year());
        assert!(
            seen.insert((evaluation.personnel, evaluation.fields.year), evaluation.id)
                .is_none()
        );
    }
}

#[test]
fn every_role_has_its_account_and_its_agent() {
    let data = data();
    assert_eq!(data.users.len(), Role::ALL.len());
    let of = |role: Role| {
        data.users
            .iter()
            .find(|user| user.fields.roles.contains(&role))
            .unwrap()
    };
    let file = |role: Role| {
        let id = of(role).fields.personnel.unwrap();
        data.personnel.iter().find(|file| file.id == id).unwrap()
    };
    assert_eq!(of(Role::Sdrh).fields.email.as_str(), "sdrh@demo.mppeep.example");
    assert_eq!(of(Role::Invite).fields.personnel, None);
    let chief = file(Role::Cs);
    let headed = data.organisation.headed_by(chief.id);
    assert_eq!(headed.len(), 1);
    assert_eq!(headed[0].level(), "department");
    let agent = file(Role::Agent);
    assert!(data.organisation.headed_by(agent.id).is_empty());
    let department = agent.fields.department.unwrap();
    assert_eq!(
        data.organisation.superior_of(agent.id, department),
        Some(chief.id)
    );
}

#[test]
fn units_are_headed_by_their_own_agents_and_a_post_is_vacant() {
    let data = data();
    let organisation = &data.organisation;
    assert_eq!(organisation.programmes.len(), 3);
    assert_eq!(organisation.directorates.len(), 12);
    assert_eq!(organisation.departments.len(), 44);
    let mut heads = BTreeSet::new();
    for department in &organisation.departments {
        if let Some(head) = department.fields.head {
            let file = data.personnel.iter().find(|file| file.id == head).unwrap();
            assert_eq!(file.fields.department, Some(department.id));
            assert!(file.departure.is_none());
            assert!(heads.insert(head), "heads one unit at most");
        }
    }
    let vacant = organisation
        .departments
        .iter()
        .filter(|unit| unit.fields.head.is_none())
        .count();
    assert!((2..=6).contains(&vacant), "{vacant} vacant posts");
    assert!(
        organisation
            .directorates
            .iter()
            .all(|unit| unit.fields.head.is_some_and(|head| heads.insert(head)))
    );
    assert!(
        organisation
            .programmes
            .iter()
            .all(|unit| unit.fields.head.is_some_and(|head| heads.insert(head)))
    );
}

#[test]
fn the_journal_is_in_order_and_in_the_past() {
    let data = data();
    assert!(data.activities.is_sorted_by_key(|line| (line.at, line.id)));
    assert!(
        data.activities
            .iter()
            .all(|line| line.at < random::morning_of(TODAY))
    );
    assert!(data.activities.iter().any(|line| !line.changes.is_empty()));
    let changed = data.personnel.iter().filter(|file| file.version > 1).count();
    assert!(changed > 50, "{changed} changed files");
}

#[test]
fn documents_show_every_case_that_lists_look_for() {
    let data = data();
    let holders: BTreeSet<_> = data
        .documents
        .iter()
        .map(|made| made.document.personnel)
        .collect();
    assert!(
        (3..=8).contains(&holders.len()),
        "{} files have documents",
        holders.len()
    );
    for holder in &holders {
        let file = data.personnel.iter().find(|file| file.id == *holder).unwrap();
        assert!(file.departure.is_none());
    }
    let any = |case: fn(&DemoDocument) -> bool| data.documents.iter().any(case);
    assert!(any(|made| made.document.fields.confidential));
    assert!(any(|made| made.document.state == DocumentState::ToCheck));
    assert!(any(
        |made| made.document.state == DocumentState::Rejected && made.document.state_reason.is_some()
    ));
    let expiry = |wanted| {
        data.documents
            .iter()
            .any(|made| made.document.expiry(TODAY, 90) == wanted)
    };
    assert!(expiry(Expiry::Over) && expiry(Expiry::Soon) && expiry(Expiry::Far));
    for made in &data.documents {
        assert_eq!(
            usize::try_from(made.version.file.size).unwrap(),
            made.content.len()
        );
        assert!(made.content.starts_with(b"%PDF-"));
        assert!(made.document.created_at < random::morning_of(TODAY));
    }
}

#[test]
fn files_show_what_becomes_of_them() {
    let data = data();
    assert!((5..=12).contains(&data.files.len()), "{} files", data.files.len());
    for status in [
        SharedFileStatus::Processed,
        SharedFileStatus::Failed,
        SharedFileStatus::Archived,
    ] {
        let is = |made: &&DemoFile| made.file.status == status;
        assert!(data.files.iter().any(|made| is(&made)), "{status:?}");
    }
    for made in &data.files {
        let file = &made.file;
        let name = file.file_name.as_str();
        assert_eq!(
            FileName::parse(name, ACCEPTED_TYPES).as_ref(),
            Ok(&file.file_name)
        );
        assert_eq!(usize::try_from(file.file.size).unwrap(), made.content.len());
        assert!(
            file.fields.period.is_some() && file.uploaded_by.is_some(),
            "{name}"
        );
        assert!(file.updated_at < random::morning_of(TODAY), "{name}");
        let by = data.users.iter().find(|user| Some(user.id) == file.uploaded_by);
        let actor = Actor {
            user: file.uploaded_by,
            roles: by.unwrap().fields.roles.clone(),
            ..Actor::operator("")
        };
        let scope = actor.scope(Resource::SharedFile, Action::Write);
        assert!(scope.reaches_made(file.uploaded_by), "{name}");
    }
}
