//! The server and the command line of mppeep: configuration, telemetry, wiring of the adapters, and the accept loop.
//!
//! It is the only shipped room that names an adapter, and it holds no rule of the domain.

mod background;
mod cli;
mod commands;
mod config;
mod metrics;
mod server;
mod signals;
mod telemetry;
mod terminal;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return terminal::fail(&error.into()),
    };
    let outcome = runtime.block_on(commands::run(cli));
    // Work on blocking threads that nobody waits for any more does not hold the process up.
    runtime.shutdown_background();
    telemetry::flush();
    match outcome {
        Ok(code) => code,
        Err(error) => terminal::fail(&error),
    }
}
