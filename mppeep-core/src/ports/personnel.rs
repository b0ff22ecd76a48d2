//! The repository of personnel files.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;

use super::error::StoreError;
use super::page::{Page, PageRequest};
use crate::domain::codes::{AdministrativePosition, AgentStatus, Sex, codes};
use crate::domain::grade::{Grade, GradeCategory};
use crate::domain::id::{DepartmentId, DirectorateId, PersonnelId, ProgrammeId};
use crate::domain::organisation::UnitRef;
use crate::domain::permission::Scope;
use crate::domain::personnel::{Matricule, Personnel};

codes! {
    /// What a list of files is sorted by.
    PersonnelSort {
        /// Folded name.
        Name = "name",
        /// Matricule.
        Matricule = "matricule",
        /// Name of the department; those without one last.
        Department = "department",
        /// Function; those without one last.
        JobTitle = "job_title",
        /// Grade, D1 to A7; those without one first.
        Grade = "grade",
        /// Administrative position.
        Position = "position",
        /// Start of service, the earliest first; those without one last.
        Seniority = "seniority",
        /// Number of absences.
        Absences = "absences",
        /// Mean mark; those without one first.
        Score = "score",
        /// Day of retirement; those without one last.
        Retirement = "retirement",
        /// Last change.
        Updated = "updated",
    }
}

/// Files of agents in service, of those who left, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ArchiveFilter {
    /// Agents in service.
    #[default]
    Current,
    /// Agents who left.
    Archived,
    /// Both.
    Both,
}

/// Conditions on files; all of them hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonnelFilter {
    /// Files the reader may see at all.
    pub scope: Scope,
    /// Folded words, each of which occurs in the search key.
    pub words: Vec<String>,
    /// Whether words are also sought in private data.
    pub search_private: bool,
    /// Agents of this unit and below it.
    pub unit: Option<UnitRef>,
    /// Agents without a department.
    pub unassigned: bool,
    /// Agents of this category.
    pub category: Option<GradeCategory>,
    /// Agents of this grade.
    pub grade: Option<Grade>,
    /// Agents without a grade.
    pub without_grade: bool,
    /// Agents in this position.
    pub position: Option<AdministrativePosition>,
    /// Agents of this status.
    pub status: Option<AgentStatus>,
    /// Agents of this sex.
    pub sex: Option<Sex>,
    /// Born on this day or later.
    pub born_from: Option<Date>,
    /// Born on this day or earlier.
    pub born_to: Option<Date>,
    /// In service since this day or later.
    pub in_service_from: Option<Date>,
    /// In service since this day or earlier.
    pub in_service_to: Option<Date>,
    /// Retiring on this day or later.
    pub retires_from: Option<Date>,
    /// Retiring on this day or earlier.
    pub retires_to: Option<Date>,
    /// Absent on this day (cancelled absences do not count).
    pub absent_on: Option<Date>,
    /// Agents without an account.
    pub without_account: bool,
    /// Files of which a part is missing.
    pub incomplete: bool,
    /// Current files, archived ones, or both.
    pub archive: ArchiveFilter,
}

/// A list of files asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonnelQuery {
    /// Which files.
    pub filter: PersonnelFilter,
    /// In which order.
    pub sort: PersonnelSort,
    /// Whether the order is reversed.
    pub descending: bool,
    /// Which page.
    pub page: PageRequest,
    /// First day of the year whose absences are counted apart.
    pub year_start: Date,
    /// Marks of this year and later enter the mean of the list.
    pub score_from_year: i16,
}

/// A file in a list.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PersonnelRow {
    /// The file.
    pub personnel: Personnel,
    /// Name of the department.
    pub department_name: Option<String>,
    /// Absences on record that were not cancelled.
    pub absence_count: u32,
    /// Those of them that touch the asked year.
    pub absence_count_year: u32,
    /// Mean of the final marks since the asked year, in hundredths, rounded half up.
    pub average_mark_hundredths: Option<u16>,
    /// Number of those marks.
    pub mark_count: u32,
}

/// Another file that may be of the same person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PossibleDuplicate {
    /// The other file.
    pub id: PersonnelId,
    /// Its matricule.
    pub matricule: Matricule,
    /// Its name.
    pub full_name: String,
    /// Whether the identity card is the same; otherwise name and birth date are.
    pub same_national_id: bool,
}

/// Agents of one value of something.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally<T> {
    /// The value.
    pub of: T,
    /// How many.
    pub count: u64,
}

/// A bar of the age pyramid.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AgeBand {
    /// Youngest age of the band, in years.
    pub from_age: u16,
    /// Oldest age of the band, in years.
    pub to_age: u16,
    /// Women.
    pub women: u64,
    /// Men.
    pub men: u64,
    /// Files without a sex.
    pub unknown: u64,
}

/// Absences of a month.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MonthlyAbsences {
    /// First day of the month.
    pub month: Date,
    /// Absences that begin in it.
    pub count: u64,
    /// Half-days counted for them.
    pub half_days: u64,
}

/// The figures of the dashboard on one day.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DashboardFigures {
    /// Agents in service.
    pub total: u64,
    /// Of these, in the position « en activité ».
    pub active: u64,
    /// Of these, absent on the day.
    pub absent: u64,
    /// Of these, without a department.
    pub unassigned: u64,
    /// Of these, with an incomplete file.
    pub incomplete: u64,
    /// Retirements from the day to six months later.
    pub retiring_6_months: u64,
    /// Retirements from the day to twelve months later.
    pub retiring_12_months: u64,
    /// Mean of the final marks since the asked year, in hundredths.
    pub average_mark_hundredths: Option<u16>,
    /// Agents by category; none is « sans grade ».
    pub by_category: Vec<Tally<Option<GradeCategory>>>,
    /// Agents by grade; none is « sans grade ».
    pub by_grade: Vec<Tally<Option<Grade>>>,
    /// Agents by department; none is « sans affectation ».
    pub by_department: Vec<Tally<Option<DepartmentId>>>,
    /// Agents by directorate; none is « sans affectation ».
    pub by_directorate: Vec<Tally<Option<DirectorateId>>>,
    /// Agents by programme; none is « sans affectation ».
    pub by_programme: Vec<Tally<Option<ProgrammeId>>>,
    /// Agents by position.
    pub by_position: Vec<Tally<AdministrativePosition>>,
    /// Agents by sex; none is unknown.
    pub by_sex: Vec<Tally<Option<Sex>>>,
    /// Agents by age, in bands of five years.
    pub age_pyramid: Vec<AgeBand>,
    /// Retirements by year, from the year of the day on, six years.
    pub retirements: Vec<Tally<i16>>,
    /// Absences of the last twelve months, the oldest first.
    pub absences: Vec<MonthlyAbsences>,
    /// Arrivals (starts of service) by year, the last six years.
    pub arrivals: Vec<Tally<i16>>,
    /// Departures by year, the last six years.
    pub departures: Vec<Tally<i16>>,
    /// When the figures were made.
    pub made_at: Timestamp,
}

/// Figures asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiguresQuery {
    /// Files that are counted.
    pub filter: PersonnelFilter,
    /// The day.
    pub on: Date,
    /// Marks of this year and later enter the mean.
    pub score_from_year: i16,
    /// The present instant, for the stamp on the figures.
    pub now: Timestamp,
}

/// Stores personnel files.
#[async_trait]
pub trait PersonnelRepository: Send {
    /// Stores a new file.
    ///
    /// # Errors
    /// `Conflict` on `matricule` (whatever the case, former matricules included), `DanglingReference`.
    async fn insert(&mut self, personnel: &Personnel) -> Result<(), StoreError>;

    /// Stores many new files, as `insert`; the first refusal ends it.
    ///
    /// # Errors
    /// As `insert`; the unit must then be dropped.
    async fn insert_many(&mut self, personnel: &[Personnel]) -> Result<(), StoreError>;

    /// Replaces a file whose stored version is one less than the given one. A replaced matricule stays taken.
    ///
    /// # Errors
    /// `StaleVersion`, `Conflict` on `matricule`, `DanglingReference`.
    async fn update(&mut self, personnel: &Personnel) -> Result<(), StoreError>;

    /// The file of that identifier.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find(&mut self, id: PersonnelId) -> Result<Option<Personnel>, StoreError>;

    /// The files of those matricules, in no order; unknown ones are left out.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find_by_matricules(&mut self, matricules: &[Matricule]) -> Result<Vec<Personnel>, StoreError>;

    /// The files of those identifiers, in no order; unknown ones are left out.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find_many(&mut self, ids: &[PersonnelId]) -> Result<Vec<Personnel>, StoreError>;

    /// A page of the list, in one query.
    ///
    /// # Errors
    /// `Backend` only.
    async fn list(&mut self, query: &PersonnelQuery) -> Result<Page<PersonnelRow>, StoreError>;

    /// Files with the same folded name and birth date, or the same identity card, as the given one, at most 10.
    ///
    /// # Errors
    /// `Backend` only.
    async fn possible_duplicates(
        &mut self,
        except: Option<PersonnelId>,
        name_key: &str,
        birth_date: Date,
        national_id: Option<&str>,
    ) -> Result<Vec<PossibleDuplicate>, StoreError>;

    /// Everything by which duplicates are found: identifier, matricule, folded name, birth date, identity card.
    ///
    /// # Errors
    /// `Backend` only.
    async fn identities(&mut self) -> Result<Vec<PersonnelIdentity>, StoreError>;

    /// The dashboard's figures.
    ///
    /// # Errors
    /// `Backend` only.
    async fn figures(&mut self, query: &FiguresQuery) -> Result<DashboardFigures, StoreError>;

    /// Sets days of retirement without counting as a change of the files.
    ///
    /// # Errors
    /// `Backend` only.
    async fn set_retirement_dates(&mut self, dates: &[(PersonnelId, Option<Date>)])
    -> Result<(), StoreError>;

    /// Birth date, grade and extension of every file, for deriving days of retirement again.
    ///
    /// # Errors
    /// `Backend` only.
    async fn retirement_inputs(&mut self) -> Result<Vec<RetirementInput>, StoreError>;
}

/// What makes two files look alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonnelIdentity {
    /// The file.
    pub id: PersonnelId,
    /// Its matricule.
    pub matricule: Matricule,
    /// Folded « nom prénoms ».
    pub name_key: String,
    /// Birth date.
    pub birth_date: Date,
    /// Identity card.
    pub national_id: Option<String>,
}

/// What a day of retirement is derived from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetirementInput {
    /// The file.
    pub id: PersonnelId,
    /// Birth date.
    pub birth_date: Date,
    /// Grade.
    pub grade: Option<Grade>,
    /// Individual extension.
    pub extension: Option<Date>,
    /// The day stored now.
    pub stored: Option<Date>,
}
