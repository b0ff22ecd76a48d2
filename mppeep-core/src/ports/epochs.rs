//! Epochs: the numbers that make cached values unreachable.

use async_trait::async_trait;

use super::error::BackendError;

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

    /// Every namespace, in name order.
    pub const ALL: [Self; 6] = [
        Self::ABSENCES,
        Self::EVALUATIONS,
        Self::ORGANISATION,
        Self::PERSONNEL,
        Self::SETTINGS,
        Self::USERS,
    ];

    /// The namespace of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|namespace| namespace.0 == name)
    }
}

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
