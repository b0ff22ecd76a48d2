//! Small records for the tests of this crate.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::date;
use mppeep_core::domain::email::Email;
use mppeep_core::domain::id::{PersonnelId, SessionHandle, UserId};
use mppeep_core::domain::personnel::{
    MatriculePattern, Personnel, PersonnelField, PersonnelFields, PersonnelInput, PersonnelRules,
};
use mppeep_core::domain::session::SessionToken;
use mppeep_core::domain::user::{Role, User, UserFields, UserStatus};
use mppeep_core::ports::clock::SeededEntropy;
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::session::NewSession;
use mppeep_core::ports::store::Store;
use mppeep_store_pg::PgOptions;
use mppeep_testbed::{Cluster, Postgres, database_of};
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

/// A database without tables, its name, and the cluster it is on.
pub(crate) async fn fresh() -> (&'static Cluster, String) {
    let cluster = Postgres::shared().await;
    (cluster, cluster.fresh_database().await)
}

/// Few connections, so that one that is lost or spoilt is met again soon.
pub(crate) fn few_connections() -> PgOptions {
    PgOptions {
        connections: 2,
        quick_connections: 1,
        ..unhurried()
    }
}

/// Limits that a machine which does other things keeps to, where they are not what is looked at.
pub(crate) fn unhurried() -> PgOptions {
    PgOptions {
        acquire_timeout: Duration::from_secs(20),
        statement_timeout: Duration::from_secs(30),
        lock_timeout: Duration::from_secs(30),
        // What is left open is found by the tests, not ended by the server.
        idle_in_transaction_timeout: Duration::from_secs(120),
        ..PgOptions::default()
    }
}

/// Writes and commits one file.
pub(crate) async fn write_one(store: &dyn Store, number: u32) -> Result<(), StoreError> {
    let mut unit = store.begin().await?;
    unit.personnel().insert(&a_personnel(number)).await?;
    unit.commit().await?;
    Ok(())
}

/// Whether that file is there.
pub(crate) async fn is_there(store: &dyn Store, number: u32) -> bool {
    let mut unit = store.begin_read().await.unwrap();
    unit.personnel()
        .find(personnel_id(number))
        .await
        .unwrap()
        .is_some()
}

/// Fails unless no connection of a store stays within a transaction, idle or at work.
pub(crate) async fn nothing_is_left_open(cluster: &Cluster, url: &str) {
    let open = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND xact_start IS NOT NULL \
         AND backend_type = 'client backend'",
        database_of(url)
    );
    // A connection that comes back to its pool is looked at in the background.
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        if cluster.sql("postgres", &open).await == "0" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("connections stay within a transaction");
}

/// Polls a future at most `polls` times, then drops it.
pub(crate) async fn poll_then_drop<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
            std::task::Poll::Pending if left == 0 => std::task::Poll::Ready(None),
            std::task::Poll::Pending => std::task::Poll::Pending,
        }
    })
    .await
}
