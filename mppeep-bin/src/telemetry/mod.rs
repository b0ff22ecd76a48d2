//! Log lines: JSON or text, in UTC, on the standard error.
//!
//! A thread of its own writes them. Whoever reads them may be slow or stuck, and a pipe that is full would otherwise stop the
//! request that logs, and soon all of them: what does not fit into the queue is lost, counted, and told of once lines flow
//! again. Lines are flushed before the process ends; a kill may cost those of the last instant.

use std::io::{self, IsTerminal as _, Write};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Config, LogFormat};

/// Lines that may wait to be written: a few megabytes.
const MOST_WAITING: usize = 8192;

/// Lines are written together, up to about so many bytes.
const BATCH_BYTES: usize = 64 * 1024;

/// How long the end of the process waits for the lines that are left.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

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
        let lines = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(move || Line(lines));
        registry.with(lines).try_init()?;
    } else {
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(terminal)
            .with_writer(move || Line(lines));
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
    LINES.get().map_or(0, |lines| lines.lost.load(Ordering::Relaxed))
}

fn lines() -> anyhow::Result<&'static Lines> {
    if let Some(lines) = LINES.get() {
        return Ok(lines);
    }
    let (sender, receiver) = sync_channel(MOST_WAITING);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write(&receiver, &mut io::stderr()))?;
    Ok(LINES.get_or_init(|| Lines {
        waiting: sender,
        lost: AtomicU64::new(0),
    }))
}

enum Entry {
    Line(Vec<u8>),
    /// Is answered when everything before is written.
    Flush(SyncSender<()>),
}

/// The way of a line to the thread that writes.
struct Lines {
    waiting: SyncSender<Entry>,
    lost: AtomicU64,
}

impl Lines {
    fn flush(&self) {
        let until = Instant::now() + FLUSH_PATIENCE;
        let (done, told) = sync_channel(1);
        let mut entry = Entry::Flush(done);
        while let Err(TrySendError::Full(back)) = self.waiting.try_send(entry) {
            if Instant::now() > until {
                return;
            }
            entry = back;
            std::thread::sleep(Duration::from_millis(5));
        }
        // Whoever reads too slowly gets no more.
        let _flushed = told.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// One line: the subscriber hands it over in one piece.
struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.waiting.try_send(Entry::Line(bytes.to_vec())).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what comes, until nobody is left who could send anything.
fn write(lines: &Receiver<Entry>, out: &mut impl Write) {
    let mut told = 0;
    let mut batch = Vec::new();
    while let Ok(mut entry) = lines.recv() {
        let mut asked = None;
        loop {
            match entry {
                Entry::Line(line) => batch.extend_from_slice(&line),
                Entry::Flush(done) => asked = Some(done),
            }
            if asked.is_some() || batch.len() >= BATCH_BYTES {
                break;
            }
            match lines.try_recv() {
                Ok(next) => entry = next,
                Err(_) => break,
            }
        }
        // Without a reader there is nobody to tell.
        let _written = out.write_all(&batch).and_then(|()| out.flush());
        batch.clear();
        if let Some(done) = asked {
            let _gone = done.send(());
        }
        let lost = lost_lines();
        if lost > told {
            tracing::warn!(
                lines = lost - told,
                "log lines were lost: they were not read fast enough"
            );
            told = lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn started(most: usize) -> (Lines, Receiver<Entry>) {
        let (waiting, receiver) = sync_channel(most);
        let lost = AtomicU64::new(0);
        (Lines { waiting, lost }, receiver)
    }

    #[test]
    fn lines_are_written_in_order_and_a_flush_waits_for_them() {
        let (lines, receiver) = started(100);
        let kept = Kept::default();
        let mut out = kept.clone();
        let writer = std::thread::spawn(move || write(&receiver, &mut out));
        for number in 0..50 {
            let line = format!("line {number}\n");
            Line(&lines).write_all(line.as_bytes()).unwrap();
        }
        lines.flush();
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let expected: String = (0..50).map(|number| format!("line {number}\n")).collect();
        assert_eq!(text, expected);
        drop(lines);
        writer.join().unwrap();
    }

    #[test]
    fn who_logs_never_waits_and_what_is_lost_is_counted() {
        let (lines, _nobody_reads) = started(3);
        for _ in 0..10 {
            Line(&lines).write_all(b"a line\n").unwrap();
        }
        assert_eq!(lines.lost.load(Ordering::Relaxed), 7);
    }

    /// L: a panic is one line with the number of its request, and nothing of what the panic says.
    #[test]
    fn a_panic_is_one_line_that_quotes_no_value() {
        let kept = Kept::default();
        let out = kept.clone();
        let lines = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(move || out.clone());
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(report));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            let _within = tracing::info_span!("request", request_id = "the-number").entered();
            let caught = std::panic::catch_unwind(|| panic!("somebody@example.org"));
            assert!(caught.is_err());
        });
        std::panic::set_hook(before);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "panic");
        assert_eq!(line["span"]["request_id"], "the-number");
        assert!(line["place"].as_str().unwrap().contains("telemetry.rs"), "{line}");
        assert!(!text.contains("somebody"), "{text}");
    }
}
