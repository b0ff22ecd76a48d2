//! Log lines: JSON or text, in UTC, on the standard error.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Config, LogFormat};

/// Starts the log, and sends panics to it.
pub(crate) fn start(config: &Config) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(&config.log).context("log: not a filter such as info,mppeep_http=debug")?;
    let terminal = std::io::stderr().is_terminal();
    let json = match config.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    let registry = tracing_subscriber::registry().with(filter);
    if json {
        let lines = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(std::io::stderr);
        registry.with(lines).try_init()?;
    } else {
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(terminal)
            .with_writer(std::io::stderr);
        registry.with(lines).try_init()?;
    }
    std::panic::set_hook(Box::new(|panic| {
        // The message may quote values, which may be personal; the place says enough.
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::error!(place, "panic");
    }));
    Ok(())
}
