//! Prints how long 10 000 agents take to make, load, export and import:
//! `cargo run --release -p mppeep-demo --example demo_timing`.
#![expect(
    clippy::print_stdout,
    reason = "printing the figures is what this example is for"
)]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use mppeep_cache_memory::{MemoryCache, MemoryCacheSettings};
use mppeep_core::domain::import::Mapping;
use mppeep_core::domain::permission::Actor;
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::ports::clock::{SystemClock, SystemEntropy, TimeSource};
use mppeep_core::ports::epochs::Epochs;
use mppeep_core::ports::personnel::PersonnelFilter;
use mppeep_core::ports::spreadsheet::{Cell, Sheet, SheetFormat};
use mppeep_core::ports::store::Store;
use mppeep_core::services::personnel_export::{ExportPersonnel, PersonnelExportService};
use mppeep_core::services::personnel_import::{PersonnelImportService, no_progress};
use mppeep_core::services::{Adapters, Context};
use mppeep_demo::{DEFAULT_SEED, generate, load};
use mppeep_password::Argon2Hasher;
use mppeep_spreadsheet::SpreadsheetFiles;
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};

fn context(store: &Arc<SqliteStore>) -> Arc<Context> {
    let board = Arc::new(EpochBoard::new(Arc::clone(store) as Arc<dyn Epochs>));
    let cache = Arc::new(MemoryCache::new(
        TimeSource::Backend,
        MemoryCacheSettings::default(),
    ));
    Context::new(Adapters {
        store: Arc::clone(store) as Arc<dyn Store>,
        epochs: Arc::clone(&board),
        cached: Arc::new(Cached::new(cache, board)),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    })
}

/// Every agent gets another step or, for those without any, a first one.
fn changed(sheet: &Sheet) -> Sheet {
    let header = sheet.rows.first().cloned().unwrap_or_default();
    let step = header.iter().position(|cell| cell.display() == "Échelon");
    let mut sheet = sheet.clone();
    for row in sheet.rows.iter_mut().skip(1) {
        row.resize(header.len(), Cell::Empty);
        if let Some(cell) = step.and_then(|step| row.get_mut(step)) {
            *cell = if *cell == Cell::Number(11.0) {
                Cell::Number(12.0)
            } else {
                Cell::Number(11.0)
            };
        }
    }
    sheet
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let start = Instant::now();
    let data = generate(10_000, jiff::civil::date(2026, 11, 22), DEFAULT_SEED)?;
    println!(
        "made in {:?}: {} agents, {} absences, {} evaluations, {} lines",
        start.elapsed(),
        data.personnel.len(),
        data.absences.len(),
        data.evaluations.len(),
        data.activities.len()
    );
    let store = Arc::new(SqliteStore::open(folder.path().join("timing.db"), SqliteOptions::default()).await?);
    let start = Instant::now();
    load(store.as_ref(), &Argon2Hasher::new(2), &data, &|_| {}).await?;
    println!("loaded in {:?}", start.elapsed());
    let context = context(&store);
    let files = Arc::new(SpreadsheetFiles::default());
    let exports = PersonnelExportService::new(Arc::clone(&context), files.clone());
    let imports = PersonnelImportService::new(context, files);
    let actor = Actor::operator("timing");
    // Agents in service: archived files are not changed by an import.
    let current = || ExportPersonnel {
        filter: PersonnelFilter::default(),
        ..ExportPersonnel::everything()
    };
    for format in [SheetFormat::Csv, SheetFormat::Xlsx] {
        let start = Instant::now();
        let bytes = exports.file(&actor, current(), format).await?;
        println!(
            "{} exported in {:?}: {} bytes",
            format.extension(),
            start.elapsed(),
            bytes.len()
        );
        let start = Instant::now();
        let sheet = imports.read(&actor, "export", bytes.into()).await?;
        println!("  read in {:?}", start.elapsed());
        let mapping = Mapping::detect(&sheet)?;
        let start = Instant::now();
        let plan = imports.dry_run(&actor, &sheet, &mapping, &no_progress()).await?;
        println!("  tried in {:?}: {:?}", start.elapsed(), plan.counts());
        let sheet = Arc::new(changed(&sheet));
        let start = Instant::now();
        let executed = imports
            .execute(&actor, "export", &sheet, &mapping, &no_progress())
            .await?;
        println!(
            "  changes written in {:?}: {:?}",
            start.elapsed(),
            executed.plan.counts()
        );
    }
    Ok(())
}
