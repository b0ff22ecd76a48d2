//! The repository of units.

use async_trait::async_trait;

use super::error::StoreError;
use crate::domain::organisation::{Department, Directorate, Organisation, Programme, UnitRef};

/// Stores programmes, directorates and departments.
#[async_trait]
pub trait OrganisationRepository: Send {
    /// All units, in folded name order within each level.
    ///
    /// # Errors
    /// `Backend` only.
    async fn load(&mut self) -> Result<Organisation, StoreError>;

    /// Stores a new programme.
    ///
    /// # Errors
    /// `Conflict` on `code`, `DanglingReference` for an unknown head.
    async fn insert_programme(&mut self, unit: &Programme) -> Result<(), StoreError>;

    /// Stores a new directorate.
    ///
    /// # Errors
    /// As `insert_programme`, and `DanglingReference` for an unknown programme.
    async fn insert_directorate(&mut self, unit: &Directorate) -> Result<(), StoreError>;

    /// Stores a new department.
    ///
    /// # Errors
    /// As `insert_programme`, and `DanglingReference` for an unknown directorate.
    async fn insert_department(&mut self, unit: &Department) -> Result<(), StoreError>;

    /// Replaces a programme whose stored version is one less.
    ///
    /// # Errors
    /// `StaleVersion`, `Conflict` on `code`, `DanglingReference`.
    async fn update_programme(&mut self, unit: &Programme) -> Result<(), StoreError>;

    /// Replaces a directorate whose stored version is one less.
    ///
    /// # Errors
    /// As `update_programme`.
    async fn update_directorate(&mut self, unit: &Directorate) -> Result<(), StoreError>;

    /// Replaces a department whose stored version is one less.
    ///
    /// # Errors
    /// As `update_programme`.
    async fn update_department(&mut self, unit: &Department) -> Result<(), StoreError>;

    /// Agents in service of a unit and below it.
    ///
    /// # Errors
    /// `Backend` only.
    async fn count_agents(&mut self, unit: UnitRef) -> Result<u64, StoreError>;
}
