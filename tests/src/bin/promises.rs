//! Holds the promises under failure against real servers, and prints what was seen.
//!
//! `promises [--short] [ROW…]`: all rows without a name. The time that it takes is that of the promises, some minutes;
//! `--short` takes some seconds a row and judges no times.

use std::process::ExitCode;

use mppeep_tests::promises::{ROWS, Scale, row};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut scale = Scale::full();
    let mut rows = Vec::new();
    for word in std::env::args().skip(1) {
        match word.as_str() {
            "--short" => scale = Scale::short(),
            id => rows.push(row(id)),
        }
    }
    if rows.is_empty() {
        rows.extend(ROWS);
    }
    println!(
        "{} requests a second by {} people, whether they are answered or not",
        scale.rate, scale.sessions
    );
    let mut broken = Vec::new();
    for row in rows {
        let report = row.run(&scale).await;
        println!("{report}");
        if !report.broken.is_empty() {
            broken.push(row.id);
        }
    }
    if broken.is_empty() {
        println!("every promise was kept");
        ExitCode::SUCCESS
    } else {
        println!("broken: {}", broken.join(", "));
        ExitCode::FAILURE
    }
}
