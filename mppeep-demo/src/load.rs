//! Writes demonstration data into an empty database, all of it in one unit.

use mppeep_core::domain::organisation::Organisation;
use mppeep_core::ports::epochs::{Epoch, Namespace};
use mppeep_core::ports::password::PasswordHasher;
use mppeep_core::ports::store::{Store, UnitOfWork};
use mppeep_core::services::settings::DEMONSTRATION;

use crate::{DEMO_PASSWORD, DemoData, LoadError};

/// Records written at a time.
const BATCH: usize = 1_000;

/// What is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadStep {
    /// Files.
    Personnel,
    /// Absences.
    Absences,
    /// Evaluations.
    Evaluations,
    /// Lines of the journal.
    Activities,
}

impl LoadStep {
    /// A stable English code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Personnel => "personnel",
            Self::Absences => "absences",
            Self::Evaluations => "evaluations",
            Self::Activities => "activities",
        }
    }
}

/// How far the writing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadProgress {
    /// What is being written.
    pub step: LoadStep,
    /// Records written in this step.
    pub done: usize,
    /// Records of this step.
    pub total: usize,
}

/// Writes everything, and marks the database as one of demonstration data. Gives the epochs that moved, for the caller
/// to observe. A failure or a killed process leaves nothing of it.
///
/// # Errors
/// `NotEmpty` when there are accounts or files already, `Hash`, `Store`.
pub async fn load(
    store: &dyn Store,
    hasher: &dyn PasswordHasher,
    data: &DemoData,
    progress: &(dyn Fn(LoadProgress) + Send + Sync),
) -> Result<Vec<Epoch>, LoadError> {
    let mut hashes = Vec::with_capacity(data.users.len());
    for _ in &data.users {
        hashes.push(hasher.hash(DEMO_PASSWORD).await?);
    }
    let mut unit = store.begin().await?;
    if unit.users().count().await? > 0 || !unit.personnel().identities().await?.is_empty() {
        return Err(LoadError::NotEmpty);
    }
    unit.settings().set_fact(DEMONSTRATION, "yes").await?;
    load_units(&mut unit, &data.organisation).await?;
    load_holidays(&mut unit, data).await?;
    let said = |step, total: usize| move |done: usize| progress(LoadProgress { step, done, total });
    let tell = said(LoadStep::Personnel, data.personnel.len());
    let mut done = 0;
    for batch in data.personnel.chunks(BATCH) {
        unit.personnel().insert_many(batch).await?;
        done += batch.len();
        tell(done);
    }
    load_heads(&mut unit, &data.organisation).await?;
    for (user, hash) in data.users.iter().zip(&hashes) {
        unit.users().insert(user, Some(hash)).await?;
    }
    let tell = said(LoadStep::Absences, data.absences.len());
    let mut done = 0;
    for batch in data.absences.chunks(BATCH) {
        unit.absences().insert_many(batch).await?;
        done += batch.len();
        tell(done);
    }
    let tell = said(LoadStep::Evaluations, data.evaluations.len());
    let mut done = 0;
    for batch in data.evaluations.chunks(BATCH) {
        unit.evaluations().insert_many(batch).await?;
        done += batch.len();
        tell(done);
    }
    let tell = said(LoadStep::Activities, data.activities.len());
    let mut done = 0;
    for batch in data.activities.chunks(BATCH) {
        unit.activities().append(batch).await?;
        done += batch.len();
        tell(done);
    }
    unit.bump(&Namespace::ALL).await?;
    Ok(unit.commit().await?)
}

/// Units come before the agents who work in them, and so without their heads.
async fn load_units(unit: &mut Box<dyn UnitOfWork>, organisation: &Organisation) -> Result<(), LoadError> {
    for programme in &organisation.programmes {
        let mut headless = programme.clone();
        headless.fields.head = None;
        unit.organisation().insert_programme(&headless).await?;
    }
    for directorate in &organisation.directorates {
        let mut headless = directorate.clone();
        headless.fields.head = None;
        unit.organisation().insert_directorate(&headless).await?;
    }
    for department in &organisation.departments {
        let mut headless = department.clone();
        headless.fields.head = None;
        unit.organisation().insert_department(&headless).await?;
    }
    Ok(())
}

async fn load_heads(unit: &mut Box<dyn UnitOfWork>, organisation: &Organisation) -> Result<(), LoadError> {
    for programme in organisation
        .programmes
        .iter()
        .filter(|unit| unit.fields.head.is_some())
    {
        let mut headed = programme.clone();
        headed.version += 1;
        unit.organisation().update_programme(&headed).await?;
    }
    for directorate in organisation
        .directorates
        .iter()
        .filter(|unit| unit.fields.head.is_some())
    {
        let mut headed = directorate.clone();
        headed.version += 1;
        unit.organisation().update_directorate(&headed).await?;
    }
    for department in organisation
        .departments
        .iter()
        .filter(|unit| unit.fields.head.is_some())
    {
        let mut headed = department.clone();
        headed.version += 1;
        unit.organisation().update_department(&headed).await?;
    }
    Ok(())
}

/// A new database may have its holidays already.
async fn load_holidays(unit: &mut Box<dyn UnitOfWork>, data: &DemoData) -> Result<(), LoadError> {
    let dates = || data.holidays.iter().map(|holiday| holiday.date);
    let (Some(first), Some(last)) = (dates().min(), dates().max()) else {
        return Ok(());
    };
    let known = unit.holidays().between(first, last).await?;
    for holiday in &data.holidays {
        if !known.iter().any(|other| other.date == holiday.date) {
            unit.holidays().insert(holiday).await?;
        }
    }
    Ok(())
}
