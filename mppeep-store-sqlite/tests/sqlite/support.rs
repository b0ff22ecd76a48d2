//! Small records for the tests of this crate.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::date;
use mppeep_core::domain::activity::{Activity, ActivityAction, EntityKind};
use mppeep_core::domain::email::Email;
use mppeep_core::domain::id::{ActivityId, PersonnelId, SessionHandle, UserId};
use mppeep_core::domain::personnel::{
    MatriculePattern, Personnel, PersonnelField, PersonnelFields, PersonnelInput, PersonnelRules,
};
use mppeep_core::domain::session::SessionToken;
use mppeep_core::domain::user::{Role, User, UserFields, UserStatus};
use mppeep_core::ports::activity::ActivityFilter;
use mppeep_core::ports::clock::SeededEntropy;
use mppeep_core::ports::page::PageRequest;
use mppeep_core::ports::session::NewSession;
use mppeep_core::ports::store::Store;
use uuid::Uuid;

fn at() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn id(number: u32) -> Uuid {
    Uuid::from_u128(u128::from(number))
}

pub(crate) fn personnel_id(number: u32) -> PersonnelId {
    PersonnelId::from_uuid(id(number))
}

pub(crate) fn a_personnel(number: u32) -> Personnel {
    let mut input = PersonnelInput::default();
    input.set(PersonnelField::Matricule, format!("M{number:05}"));
    input.set(PersonnelField::FamilyName, "Koné");
    input.set(PersonnelField::GivenNames, format!("Awa {number}"));
    input.set(PersonnelField::BirthDate, "1980-05-17");
    let matricule = MatriculePattern::new(MatriculePattern::DEFAULT).unwrap();
    let rules = PersonnelRules {
        matricule: &matricule,
        today: date(2026, 11, 22),
    };
    Personnel {
        id: personnel_id(number),
        fields: PersonnelFields::parse(&input, &rules).unwrap(),
        departure: None,
        retirement_date: Some(date(2040, 12, 31)),
        version: 1,
        created_at: at(),
        updated_at: at(),
    }
}

pub(crate) fn a_line(number: u32) -> Activity {
    Activity {
        id: ActivityId::from_uuid(id(number)),
        at: at(),
        actor: None,
        actor_name: "test".to_owned(),
        action: ActivityAction::Created,
        entity: EntityKind::Personnel,
        entity_id: Some(id(number)),
        subject: Some(personnel_id(number)),
        label: "KONÉ Awa".to_owned(),
        changes: Vec::new(),
        address: None,
        request_id: None,
    }
}

/// Number of lines in the journal, and the page of the latest.
pub(crate) async fn journal(store: &dyn Store) -> (u64, Vec<Activity>) {
    let mut unit = store.begin_read().await.unwrap();
    let page = unit
        .activities()
        .list(&ActivityFilter::default(), &PageRequest::first(10))
        .await
        .unwrap();
    (page.total, page.rows)
}

pub(crate) fn a_user(number: u32) -> User {
    User {
        id: UserId::from_uuid(id(number)),
        fields: UserFields {
            email: Email::parse(&format!("agent{number}@exemple.ci")).unwrap(),
            display_name: format!("Awa {number}"),
            roles: [Role::Agent].into(),
            status: UserStatus::Active,
            personnel: None,
            perimeter: None,
        },
        must_change_password: false,
        charter_version: 0,
        session_epoch: 0,
        last_login_at: None,
        version: 1,
        created_at: at(),
        updated_at: at(),
    }
}

pub(crate) fn token(number: u32) -> SessionToken {
    SessionToken::generate(a_user(1).id, &SeededEntropy::new(u64::from(number)))
}

pub(crate) fn a_session(number: u32, user: u32) -> NewSession {
    NewSession {
        key: token(number).key(),
        handle: SessionHandle::from_uuid(id(number)),
        user: a_user(user).id,
        user_epoch: 0,
        device: "Firefox".to_owned(),
        address: "192.0.2.1".to_owned(),
        country: None,
        lifetime: Duration::from_secs(3600),
    }
}
