//! The repository of salary slips.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::StoreError;
use super::page::{Page, PageRequest};
use crate::domain::id::{PersonnelId, SlipId, UserId};
use crate::domain::payroll::{Month, Slip, SlipStatus};
use crate::domain::permission::Scope;

/// What became of a slip that was to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlipWrite {
    /// It is written; its identifier and version are the stored ones.
    Written(Slip),
    /// A later holder of the lock wrote it: the writer has lost his lock.
    FenceLost,
    /// It is validated and stays as it is.
    Validated(Slip),
}

/// Conditions on slips; all of them hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlipFilter {
    /// Whose slips the reader may see.
    pub scope: Scope,
    /// Of this month.
    pub month: Option<Month>,
    /// Of this agent.
    pub personnel: Option<PersonnelId>,
    /// Standing there.
    pub status: Option<SlipStatus>,
    /// Folded words, each of which occurs in the agent's search key (name, matricule, work telephone).
    pub words: Vec<String>,
}

/// A slip in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlipRow {
    /// The slip.
    pub slip: Slip,
    /// The agent's matricule.
    pub matricule: String,
    /// The agent's « NOM Prénoms ».
    pub name: String,
}

/// Sums over the slips of a month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlipTotals {
    /// How many slips.
    pub slips: u64,
    /// How many of them are validated.
    pub validated: u64,
    /// Sum of the bases, in francs.
    pub base: i64,
    /// Sum of the allowances.
    pub allowance: i64,
    /// Sum of the deductions.
    pub deduction: i64,
    /// Sum of what is paid.
    pub net: i64,
}

/// Stores slips.
#[async_trait]
pub trait PayrollRepository: Send {
    /// Writes a draft under a fence: makes the agent's slip of that month, or replaces the draft whose fence is not
    /// greater, in one statement. The identifier of an existing slip stays, its version grows by one.
    ///
    /// # Errors
    /// `DanglingReference` when there is no such agent.
    async fn write(&mut self, slip: &Slip) -> Result<SlipWrite, StoreError>;

    /// Validates a draft whose stored version this is.
    ///
    /// # Errors
    /// `StaleVersion` when it has another version or is no draft.
    async fn validate(
        &mut self,
        id: SlipId,
        version: i64,
        by: UserId,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// The slip of that identifier, with whose it is.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find(&mut self, id: SlipId) -> Result<Option<SlipRow>, StoreError>;

    /// A page of slips: the latest month first, then by the agent's name.
    ///
    /// # Errors
    /// `Backend` only.
    async fn list(&mut self, filter: &SlipFilter, page: &PageRequest) -> Result<Page<SlipRow>, StoreError>;

    /// Sums over the slips that a filter lets through.
    ///
    /// # Errors
    /// `Backend` only.
    async fn totals(&mut self, filter: &SlipFilter) -> Result<SlipTotals, StoreError>;

    /// Months that have slips, the latest first.
    ///
    /// # Errors
    /// `Backend` only.
    async fn months(&mut self) -> Result<Vec<Month>, StoreError>;

    /// The agents whose salary of a month is to be computed: not archived before it began, with an index, in
    /// identifier order.
    ///
    /// # Errors
    /// `Backend` only.
    async fn payable(&mut self, month: Month) -> Result<Vec<PersonnelId>, StoreError>;
}
