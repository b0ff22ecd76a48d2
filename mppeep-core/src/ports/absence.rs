//! The repository of absences and public holidays.

use async_trait::async_trait;
use jiff::civil::Date;

use super::error::StoreError;
use super::page::{Page, PageRequest};
use crate::domain::absence::{Absence, AbsenceType};
use crate::domain::calendar::Holiday;
use crate::domain::id::{AbsenceId, HolidayId, PersonnelId};
use crate::domain::organisation::UnitRef;
use crate::domain::permission::Scope;

/// Conditions on absences; all of them hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AbsenceFilter {
    /// Agents whose absences the reader may see.
    pub scope: Scope,
    /// One agent's.
    pub personnel: Option<PersonnelId>,
    /// Agents of this unit and below it.
    pub unit: Option<UnitRef>,
    /// Of this type.
    pub kind: Option<AbsenceType>,
    /// Ending on this day or later.
    pub from: Option<Date>,
    /// Beginning on this day or earlier.
    pub to: Option<Date>,
    /// Folded words, each of which occurs in the agent's search key.
    pub words: Vec<String>,
    /// Whether cancelled ones are listed as well.
    pub with_cancelled: bool,
}

/// An absence in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsenceRow {
    /// The absence.
    pub absence: Absence,
    /// The agent's matricule.
    pub matricule: String,
    /// The agent's « NOM Prénoms ».
    pub full_name: String,
    /// The agent's department.
    pub department_name: Option<String>,
}

/// Stores absences. Two absences of one agent that are not cancelled never share a half-day.
#[async_trait]
pub trait AbsenceRepository: Send {
    /// Stores a new absence.
    ///
    /// # Errors
    /// `Conflict` on `period` when it overlaps another of the agent, `DanglingReference`.
    async fn insert(&mut self, absence: &Absence) -> Result<(), StoreError>;

    /// Stores many new absences, as `insert`; the first refusal ends it.
    ///
    /// # Errors
    /// As `insert`; the unit must then be dropped.
    async fn insert_many(&mut self, absences: &[Absence]) -> Result<(), StoreError>;

    /// Replaces an absence whose stored version is one less; a cancelled one gives its half-days back.
    ///
    /// # Errors
    /// `StaleVersion`, `Conflict` on `period`.
    async fn update(&mut self, absence: &Absence) -> Result<(), StoreError>;

    /// The absence of that identifier.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find(&mut self, id: AbsenceId) -> Result<Option<Absence>, StoreError>;

    /// The agent's absences that are not cancelled and touch the days from `from` to `to`.
    ///
    /// # Errors
    /// `Backend` only.
    async fn touching(
        &mut self,
        personnel: PersonnelId,
        from: Date,
        to: Date,
    ) -> Result<Vec<Absence>, StoreError>;

    /// All absences that are not cancelled and touch a day.
    ///
    /// # Errors
    /// `Backend` only.
    async fn touching_day(&mut self, day: Date) -> Result<Vec<Absence>, StoreError>;

    /// A page of the list, the latest start first.
    ///
    /// # Errors
    /// `Backend` only.
    async fn list(
        &mut self,
        filter: &AbsenceFilter,
        page: &PageRequest,
    ) -> Result<Page<AbsenceRow>, StoreError>;
}

/// Stores public holidays.
#[async_trait]
pub trait HolidayRepository: Send {
    /// The holidays from `from` to `to`, in order.
    ///
    /// # Errors
    /// `Backend` only.
    async fn between(&mut self, from: Date, to: Date) -> Result<Vec<Holiday>, StoreError>;

    /// Stores a new holiday.
    ///
    /// # Errors
    /// `Conflict` on `date` when the day already is one.
    async fn insert(&mut self, holiday: &Holiday) -> Result<(), StoreError>;

    /// Replaces a holiday.
    ///
    /// # Errors
    /// `Conflict` on `date`, `StaleVersion` when it does not exist any more.
    async fn update(&mut self, holiday: &Holiday) -> Result<(), StoreError>;

    /// Removes a holiday; whether there was one.
    ///
    /// # Errors
    /// `Backend` only.
    async fn delete(&mut self, id: HolidayId) -> Result<bool, StoreError>;

    /// The holiday of that identifier.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find(&mut self, id: HolidayId) -> Result<Option<Holiday>, StoreError>;
}
