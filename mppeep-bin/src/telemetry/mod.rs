//! Log lines: JSON or text, in UTC, on the standard error.
//!
//! A thread of its own writes them ([`Lines`]). Whoever reads them may be slow or stuck, and a pipe that is full would
//! otherwise stop the request that logs, and soon all of them: what does not fit any more is lost, counted, and told of once
//! lines flow again. Lines are flushed before the process ends; a kill may cost those of the last instant.

mod json;
mod lines;

use std::io::{self, IsTerminal as _};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Config, LogFormat};
use json::JsonLines;
use lines::Lines;

static LINES: OnceLock<Lines> = OnceLock::new();

/// Starts the log, and sends panics to it.
pub(crate) fn start(config: &Config) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(&config.log).context("log: not a filter such as info,mppeep_http=debug")?;
    let terminal = io::stderr().is_terminal();
    let json = match config.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    let lines = lines()?;
    let registry = tracing_subscriber::registry().with(filter);
    if json {
        registry.with(JsonLines::new(|line| lines.add(line))).try_init()?;
    } else {
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(terminal)
            .with_writer(move || lines);
        registry.with(lines).try_init()?;
    }
    std::panic::set_hook(Box::new(report));
    Ok(())
}

/// One line for a panic, within the span of the request that it belongs to.
fn report(panic: &PanicHookInfo<'_>) {
    // The message may quote values, which may be personal; the place says enough.
    let place = panic.location().map_or_else(String::new, ToString::to_string);
    tracing::error!(place, "panic");
}

/// Waits, not for long, until every line so far is written.
pub(crate) fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush();
    }
}

/// Lines that were lost so far.
pub(crate) fn lost_lines() -> u64 {
    LINES.get().map_or(0, Lines::lost)
}

fn lines() -> anyhow::Result<&'static Lines> {
    if let Some(lines) = LINES.get() {
        return Ok(lines);
    }
    let lines = LINES.get_or_init(Lines::default);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(|| lines.write_to(&mut io::stderr()))?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// L: a panic is one line with the number of its request, and nothing of what the panic says.
    #[test]
    fn a_panic_is_one_line_that_quotes_no_value() {
        let kept = Arc::<Mutex<Vec<u8>>>::default();
        let out = Arc::clone(&kept);
        let lines = JsonLines::new(move |line: &[u8]| out.lock().unwrap().extend_from_slice(line));
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(report));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            let _within = tracing::info_span!("request", request_id = "the-number").entered();
            let caught = std::panic::catch_unwind(|| panic!("somebody@example.org"));
            assert!(caught.is_err());
        });
        std::panic::set_hook(before);
        let text = String::from_utf8(kept.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "panic");
        assert_eq!(line["span"]["request_id"], "the-number");
        assert!(line["place"].as_str().unwrap().contains("telemetry"), "{line}");
        assert!(!text.contains("somebody"), "{text}");
    }
}
