//! Epochs: the numbers that make cached values unreachable.

use async_trait::async_trait;

use super::error::BackendError;
use crate::domain::id::UserId;
use crate::domain::session::{SHARDS, shard_of};

/// A namespace of cached values, whose epoch each write that made them wrong bumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(pub &'static str);

impl Namespace {
    /// Personnel files, and everything listed or counted from them.
    pub const PERSONNEL: Self = Self("personnel");
    /// Absences.
    pub const ABSENCES: Self = Self("absences");
    /// Evaluations.
    pub const EVALUATIONS: Self = Self("evaluations");
    /// Programmes, directorates, departments and grades.
    pub const ORGANISATION: Self = Self("organisation");
    /// Users, roles and sessions.
    pub const USERS: Self = Self("users");
    /// Settings and public holidays.
    pub const SETTINGS: Self = Self("settings");

    /// Notices to users.
    pub const NOTICES: Self = Self("notices");
    /// Salary slips.
    pub const PAYROLL: Self = Self("payroll");
    /// Documents, files and photographs.
    pub const FILES: Self = Self("files");

    /// Every namespace but those of sessions, in name order.
    pub const ALL: [Self; 9] = [
        Self::ABSENCES,
        Self::EVALUATIONS,
        Self::FILES,
        Self::NOTICES,
        Self::ORGANISATION,
        Self::PAYROLL,
        Self::PERSONNEL,
        Self::SETTINGS,
        Self::USERS,
    ];

    /// The copies of a user's sessions. Whatever a session shows of its user (status, roles, perimeter, name, password
    /// and charter) bumps it in the writing unit, and so does every revocation. Users share [`SHARDS`] of them, so that
    /// one change makes few other copies unreachable.
    pub fn session_of(user: UserId) -> Self {
        Self::session_shard(shard_of(user))
    }

    /// The copies of sessions of one shard, a number below [`SHARDS`].
    pub fn session_shard(shard: u8) -> Self {
        SESSION_SHARDS
            .get(usize::from(shard % SHARDS))
            .copied()
            .map_or(Self::USERS, Self)
    }

    /// The namespace of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        let session = || SESSION_SHARDS.iter().copied().find(|known| *known == name);
        Self::ALL
            .into_iter()
            .find(|namespace| namespace.0 == name)
            .or_else(|| session().map(Self))
    }
}

/// Names of the namespaces of sessions, by shard.
const SESSION_SHARDS: [&str; SHARDS as usize] = [
    "session/00",
    "session/01",
    "session/02",
    "session/03",
    "session/04",
    "session/05",
    "session/06",
    "session/07",
    "session/08",
    "session/09",
    "session/10",
    "session/11",
    "session/12",
    "session/13",
    "session/14",
    "session/15",
    "session/16",
    "session/17",
    "session/18",
    "session/19",
    "session/20",
    "session/21",
    "session/22",
    "session/23",
    "session/24",
    "session/25",
    "session/26",
    "session/27",
    "session/28",
    "session/29",
    "session/30",
    "session/31",
    "session/32",
    "session/33",
    "session/34",
    "session/35",
    "session/36",
    "session/37",
    "session/38",
    "session/39",
    "session/40",
    "session/41",
    "session/42",
    "session/43",
    "session/44",
    "session/45",
    "session/46",
    "session/47",
    "session/48",
    "session/49",
    "session/50",
    "session/51",
    "session/52",
    "session/53",
    "session/54",
    "session/55",
    "session/56",
    "session/57",
    "session/58",
    "session/59",
    "session/60",
    "session/61",
    "session/62",
    "session/63",
    "session/64",
    "session/65",
    "session/66",
    "session/67",
    "session/68",
    "session/69",
    "session/70",
    "session/71",
    "session/72",
    "session/73",
    "session/74",
    "session/75",
    "session/76",
    "session/77",
    "session/78",
    "session/79",
    "session/80",
    "session/81",
    "session/82",
    "session/83",
    "session/84",
    "session/85",
    "session/86",
    "session/87",
    "session/88",
    "session/89",
    "session/90",
    "session/91",
    "session/92",
    "session/93",
    "session/94",
    "session/95",
    "session/96",
    "session/97",
    "session/98",
    "session/99",
];

/// A namespace's epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// The namespace.
    pub namespace: Namespace,
    /// Its number; it only grows.
    pub value: i64,
}

/// Reads epochs. Bumping is the unit of work's, so that it commits with the data.
#[async_trait]
pub trait Epochs: Send + Sync {
    /// The present epoch of every namespace.
    ///
    /// # Errors
    /// `BackendError` when the store cannot be reached.
    async fn current(&self) -> Result<Vec<Epoch>, BackendError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_is_found_by_its_name_and_every_user_has_one() {
        let mut names: Vec<&str> = Namespace::ALL.iter().map(|namespace| namespace.0).collect();
        names.extend(SESSION_SHARDS);
        for name in &names {
            assert_eq!(Namespace::by_name(name), Some(Namespace(name)));
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Namespace::ALL.len() + usize::from(SHARDS));
        assert_eq!(Namespace::by_name("session/100"), None);
        let user = UserId::from_uuid(uuid::Uuid::from_u128(7));
        assert_eq!(
            Namespace::session_of(user).0,
            format!("session/{:02}", shard_of(user))
        );
    }
}
