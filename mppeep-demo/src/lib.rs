//! Synthetic personnel of a ministry of Côte d'Ivoire, for demonstrations and tests.
//!
//! The people are invented: names are put together at random from lists of common ones, and nothing is taken from a
//! real file. The same number of agents, day and seed give the same data, so that a screenshot or a test can name an
//! agent. [`generate`] makes plain domain objects; [`load`], [`load_documents`] and [`load_files`] write them
//! through the core's ports.

mod absences;
mod accounts;
mod documents;
mod error;
mod evaluations;
mod history;
mod load;
mod names;
mod pdf;
mod people;
mod random;
mod shared_files;
mod units;

use jiff::civil::Date;
use mppeep_core::domain::absence::Absence;
use mppeep_core::domain::activity::Activity;
use mppeep_core::domain::calendar::{Holiday, ivorian_holidays};
use mppeep_core::domain::evaluation::Evaluation;
use mppeep_core::domain::id::HolidayId;
use mppeep_core::domain::organisation::Organisation;
use mppeep_core::domain::personnel::Personnel;
use mppeep_core::domain::user::User;

pub use documents::{DemoDocument, load_documents};
pub use error::{GenerateError, LoadError};
pub use load::{LoadProgress, LoadStep, load};
pub use shared_files::{DemoFile, load_files};

use random::Random;

/// Password of every demonstration account. Servers accept it only in a database of demonstration data.
pub const DEMO_PASSWORD: &str = "Demo-mppeep-2026";
/// Domain of the demonstration accounts: `<role>@demo.mppeep.example`.
pub const DEMO_DOMAIN: &str = "demo.mppeep.example";
/// Fewest agents: one for each part that the accounts need.
pub const FEWEST_AGENTS: u32 = 14;
/// The seed of the data shown everywhere.
pub const DEFAULT_SEED: u64 = 225;

/// Everything that a demonstration database holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoData {
    /// Programmes, directorates and departments, with their heads.
    pub organisation: Organisation,
    /// Public holidays of four years.
    pub holidays: Vec<Holiday>,
    /// The files, archived ones included.
    pub personnel: Vec<Personnel>,
    /// Absences of three years, a few to come and a few cancelled.
    pub absences: Vec<Absence>,
    /// Evaluations of up to four years.
    pub evaluations: Vec<Evaluation>,
    /// One account a role.
    pub users: Vec<User>,
    /// The journal, the earliest line first.
    pub activities: Vec<Activity>,
    /// Documents of a few files.
    pub documents: Vec<DemoDocument>,
    /// Files that services handed in.
    pub files: Vec<DemoFile>,
}

/// Makes the data of `agents` agents (at least [`FEWEST_AGENTS`]) as of `today`.
///
/// # Errors
/// [`GenerateError`] when the rules of the domain refuse what was made; the tests of this crate keep that from
/// happening for the rules it was written against.
pub fn generate(agents: u32, today: Date, seed: u64) -> Result<DemoData, GenerateError> {
    let mut random = Random::new(seed);
    let plan = units::Plan::new(&mut random, today)?;
    let mut personnel = people::make(agents.max(FEWEST_AGENTS), today, &plan, &mut random)?;
    let organisation = plan.with_heads(&personnel);
    let holidays = holidays(today, &mut random);
    let absences = absences::make(&personnel, &holidays, today, &mut random);
    let evaluations = evaluations::make(&personnel, today, &mut random);
    let users = accounts::make(&personnel, today, &mut random)?;
    let activities = history::make(&mut personnel, &organisation, &users, today, &mut random);
    let documents = documents::make(&personnel, &users, today, &mut random);
    let files = shared_files::make(&personnel, &users, today, &mut random);
    Ok(DemoData {
        organisation,
        holidays,
        personnel,
        absences,
        evaluations,
        users,
        activities,
        documents,
        files,
    })
}

fn holidays(today: Date, random: &mut Random) -> Vec<Holiday> {
    (today.year() - 2..=today.year() + 1)
        .flat_map(ivorian_holidays)
        .map(|draft| Holiday {
            id: HolidayId::from_uuid(random.uuid(random::morning_of(today.first_of_year()))),
            date: draft.date,
            label: draft.label.to_owned(),
            estimated: draft.estimated,
        })
        .collect()
}

#[cfg(test)]
mod tests;
