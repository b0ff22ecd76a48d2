//! Prints how long the data of 10 000 agents takes to make: `cargo run --release -p mppeep-demo --example timing`.
#![expect(
    clippy::print_stdout,
    reason = "printing the figures is what this example is for"
)]

use std::time::Instant;

use mppeep_demo::{DEFAULT_SEED, generate};

fn main() -> Result<(), mppeep_demo::GenerateError> {
    let start = Instant::now();
    let data = generate(10_000, jiff::civil::date(2026, 11, 22), DEFAULT_SEED)?;
    println!(
        "{:?}: {} agents, {} absences, {} evaluations, {} lines",
        start.elapsed(),
        data.personnel.len(),
        data.absences.len(),
        data.evaluations.len(),
        data.activities.len()
    );
    Ok(())
}
