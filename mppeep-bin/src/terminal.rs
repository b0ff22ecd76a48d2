//! What commands say to the person who typed them.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A line on the standard output. A reader that has gone away is no failure of the command.
pub(crate) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Bytes on the standard output, whole.
pub(crate) fn send(bytes: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// A line on the standard error.
pub(crate) fn warn(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Why the command failed, with its causes.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    warn(format_args!("mppeep: {error:#}"));
    ExitCode::FAILURE
}

/// How far long work is, on a terminal; nothing elsewhere.
pub(crate) struct Progress {
    shown: Mutex<Option<Instant>>,
    terminal: bool,
}

impl Progress {
    const PAUSE: Duration = Duration::from_millis(100);

    pub(crate) fn new() -> Self {
        Self {
            shown: Mutex::new(None),
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Shows `done` of `total`, ten times a second at most.
    pub(crate) fn show(&self, what: &str, done: usize, total: usize) {
        if !self.terminal {
            return;
        }
        let mut shown = self
            .shown
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if done < total && shown.is_some_and(|at| at.elapsed() < Self::PAUSE) {
            return;
        }
        *shown = Some(Instant::now());
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "\r\u{1b}[K{what}: {done}/{total} ({percent} %)");
        if done >= total {
            let _ = writeln!(err);
        }
        let _ = err.flush();
    }
}
