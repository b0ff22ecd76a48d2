//! What a process writes, as it comes.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Lines that a process has written, as they come.
#[derive(Default)]
pub struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Log {
    pub(crate) fn follow(source: impl Read + Send + 'static) -> Arc<Self> {
        let log = Arc::new(Self::default());
        let writer = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                writer.lines.lock().expect("log").push(line);
                writer.grown.notify_all();
            }
        });
        log
    }

    /// Every line so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("log").clone()
    }

    /// Every line so far, as one text.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// Waits for a line for which `wanted` gives something.
    pub fn wait_for<T>(&self, patience: Duration, mut wanted: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let end = Instant::now() + patience;
        let mut lines = self.lines.lock().expect("log");
        let mut seen = 0;
        loop {
            for line in &lines[seen..] {
                if let Some(found) = wanted(line) {
                    return Some(found);
                }
            }
            seen = lines.len();
            let left = end.checked_duration_since(Instant::now())?;
            lines = self
                .grown
                .wait_timeout(lines, left.min(Duration::from_millis(200)))
                .expect("log")
                .0;
        }
    }
}
