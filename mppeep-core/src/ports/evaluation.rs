//! The repository of evaluations.

use async_trait::async_trait;

use super::error::StoreError;
use super::page::{Page, PageRequest};
use crate::domain::evaluation::Evaluation;
use crate::domain::id::{EvaluationId, PersonnelId};
use crate::domain::organisation::UnitRef;
use crate::domain::permission::Scope;

/// Conditions on evaluations; all of them hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EvaluationFilter {
    /// Agents whose evaluations the reader may see.
    pub scope: Scope,
    /// One agent's.
    pub personnel: Option<PersonnelId>,
    /// Agents of this unit and below it.
    pub unit: Option<UnitRef>,
    /// Of this year.
    pub year: Option<i16>,
    /// Final mark at least, in hundredths.
    pub mark_from: Option<u16>,
    /// Final mark at most, in hundredths.
    pub mark_to: Option<u16>,
    /// Folded words, each of which occurs in the agent's search key.
    pub words: Vec<String>,
    /// Those of which a mark is missing.
    pub unfinished: bool,
}

/// An evaluation in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationRow {
    /// The evaluation.
    pub evaluation: Evaluation,
    /// The agent's matricule.
    pub matricule: String,
    /// The agent's « NOM Prénoms ».
    pub full_name: String,
    /// The agent's department.
    pub department_name: Option<String>,
}

/// Stores evaluations; an agent has one a year.
#[async_trait]
pub trait EvaluationRepository: Send {
    /// Stores a new evaluation.
    ///
    /// # Errors
    /// `Conflict` on `year`, `DanglingReference`.
    async fn insert(&mut self, evaluation: &Evaluation) -> Result<(), StoreError>;

    /// Stores many new evaluations, as `insert`; the first refusal ends it.
    ///
    /// # Errors
    /// As `insert`; the unit must then be dropped.
    async fn insert_many(&mut self, evaluations: &[Evaluation]) -> Result<(), StoreError>;

    /// Replaces an evaluation whose stored version is one less.
    ///
    /// # Errors
    /// `StaleVersion`, `Conflict` on `year`.
    async fn update(&mut self, evaluation: &Evaluation) -> Result<(), StoreError>;

    /// The evaluation of that identifier.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find(&mut self, id: EvaluationId) -> Result<Option<Evaluation>, StoreError>;

    /// A page of the list: the latest year first, then by folded name.
    ///
    /// # Errors
    /// `Backend` only.
    async fn list(
        &mut self,
        filter: &EvaluationFilter,
        page: &PageRequest,
    ) -> Result<Page<EvaluationRow>, StoreError>;
}
