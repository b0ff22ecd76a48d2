//! What each command does.

mod backup;
mod contents;
mod demo;
mod doctor;
mod health;
mod postgres_tools;
mod serve;
mod transfer;
mod users;
mod worker;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context as _;
use mppeep_core::domain::permission::Actor;

use crate::cli::{Cli, Command, Common, ConfigCommand};
use crate::config::{self, Config};
use crate::server::Certificates;
use crate::telemetry;
use crate::terminal::say;
use crate::wiring::database::Patience;
use crate::wiring::{self, Wired, outside};

/// Runs a command to its end.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut flags = flags_of(&cli.common);
    if let Command::Serve(serve) = &cli.command
        && let Some(listen) = serve.listen
    {
        flags.push(("listen", listen.to_string()));
    }
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let config = config::load(cli.common.config.as_deref(), &environment, &flags)?;
    telemetry::start(&config)?;
    for name in &config.unknown_variables {
        tracing::warn!(variable = name, "this variable is unknown: {name}");
    }
    match cli.command {
        Command::Serve(serve) => serve::run(&config, &serve).await,
        Command::Worker => worker::run(&config).await,
        Command::Migrate => backup::migrate(&config).await,
        Command::Demo(demo) => demo::run(&config, &demo).await,
        Command::User(user) => users::run(&config, user).await,
        Command::Import(crate::cli::Import::Personnel(import)) => transfer::import(&config, import).await,
        Command::Export(crate::cli::Export::Personnel(export)) => transfer::export(&config, export).await,
        Command::Backup(backup) => backup::backup(&config, backup).await,
        Command::Restore(restore) => backup::restore(&config, &restore).await,
        Command::Doctor(report) => doctor::run(&config, &report).await,
        Command::Health(health) => health::run(&config, &health).await,
        Command::Openapi => {
            say(mppeep_http::openapi_json(&mppeep_http::Urls::new(
                &config.root_path,
            )));
            Ok(ExitCode::SUCCESS)
        }
        Command::Config(ConfigCommand::Check(report)) => check_config(&config, report.json),
    }
}

fn flags_of(common: &Common) -> Vec<(&'static str, String)> {
    let mut flags = Vec::new();
    if let Some(folder) = &common.data_dir {
        flags.push(("data_dir", folder.display().to_string()));
    }
    if let Some(filter) = &common.log {
        flags.push(("log", filter.clone()));
    }
    if let Some(format) = &common.log_format {
        flags.push(("log_format", format.clone()));
    }
    flags
}

fn check_config(config: &Config, json: bool) -> anyhow::Result<ExitCode> {
    // What adapters alone understand is told here rather than at the next start.
    outside::redis(config, "")?;
    outside::mailer(config)?;
    if let Some(files) = &config.tls {
        Certificates::load(files)?;
    }
    if json {
        say(serde_json::to_string_pretty(&config.origins)?);
        return Ok(ExitCode::SUCCESS);
    }
    let width =
        |length: fn(&config::ShownValue) -> usize| config.origins.iter().map(length).max().unwrap_or(0);
    let (keys, values) = (width(|shown| shown.key.len()), width(|shown| shown.value.len()));
    for shown in &config.origins {
        say(format_args!(
            "{:keys$}  {:values$}  {}",
            shown.key, shown.value, shown.origin
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Who the journal names for changes from the command line.
fn operator() -> Actor {
    Actor::operator("Ligne de commande")
}

/// Opens the configured database.
async fn open(config: &Config) -> anyhow::Result<Wired> {
    wiring::open(config, false, Patience::Configured).await
}

/// The path that ends with `suffix` after the name.
fn beside(path: &std::path::Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The first line of a file.
fn first_line(path: &std::path::Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
