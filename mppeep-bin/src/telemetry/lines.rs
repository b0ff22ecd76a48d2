//! The way of lines from whoever logs to the standard error.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of lines that may wait to be written.
const MOST_WAITING: usize = 4 * 1024 * 1024;

/// Memory that is kept for the next lines; a burst needs more for its time only.
const KEPT: usize = 256 * 1024;

/// How long lines gather after some were written: a call of the system for each of them would cost more than the line.
/// The first one after a silence waits for nothing.
const GATHER: Duration = Duration::from_millis(2);

/// How long the end of the process waits for the lines that are left.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

/// Lines that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Lines {
    waiting: Mutex<Waiting>,
    /// Tells the writer that there is something to write, or that somebody waits for it.
    come: Condvar,
    /// Tells those who flush that something was written.
    written: Condvar,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Whether the writer sleeps until there is a line.
    asleep: bool,
    /// Pieces that the writer has taken, and how many of them it has written.
    taken: u64,
    done: u64,
    /// Who waits until all is written.
    flushing: u32,
}

impl Lines {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, whole, or loses it. Never waits for whoever reads the log.
    pub(super) fn add(&self, line: &[u8]) {
        let mut waiting = self.waiting();
        if waiting.bytes.len() + line.len() > MOST_WAITING {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes.extend_from_slice(line);
        let wake = std::mem::take(&mut waiting.asleep);
        drop(waiting);
        if wake {
            self.come.notify_one();
        }
    }

    /// Lines that were lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until every line so far is written. Whoever reads too slowly gets no more.
    pub(super) fn flush(&self) {
        let until = Instant::now() + FLUSH_PATIENCE;
        let mut waiting = self.waiting();
        waiting.flushing += 1;
        self.come.notify_one();
        let last = waiting.taken + u64::from(!waiting.bytes.is_empty());
        while waiting.done < last {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = self.written.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        waiting.flushing -= 1;
    }

    /// Writes what comes, for as long as the process lives.
    pub(super) fn write_to(&self, out: &mut impl Write) {
        let mut told = 0;
        let mut piece = Vec::new();
        loop {
            self.take(&mut piece);
            // Without a reader there is nobody to tell.
            let _written = out.write_all(&piece).and_then(|()| out.flush());
            piece.clear();
            piece.shrink_to(KEPT);
            self.finish();
            let lost = self.lost();
            if lost > told {
                tracing::warn!(
                    lines = lost - told,
                    "log lines were lost: they were not read fast enough"
                );
                told = lost;
            }
        }
    }

    /// Waits for lines and takes all there are.
    fn take(&self, piece: &mut Vec<u8>) {
        let mut waiting = self.waiting();
        while waiting.bytes.is_empty() {
            waiting.asleep = true;
            waiting = self.come.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.asleep = false;
        waiting.taken += 1;
        std::mem::swap(&mut waiting.bytes, piece);
    }

    /// Notes that what was taken is written, and lets lines gather, unless somebody waits for them.
    fn finish(&self) {
        let mut waiting = self.waiting();
        waiting.done = waiting.taken;
        self.written.notify_all();
        let until = Instant::now() + GATHER;
        while waiting.flushing == 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = self.come.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The subscriber that writes for terminals hands a line over in one piece.
impl Write for &Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Keeps what is written; each piece waits until it may be.
    struct Slow {
        kept: Arc<Mutex<Vec<u8>>>,
        may: Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Once nobody can say so any more, each may.
            let _said = self.may.recv();
            self.kept.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Lines whose writer writes one piece for each word of the sender, or freely when that is dropped.
    fn started() -> (Arc<Lines>, Arc<Mutex<Vec<u8>>>, Sender<()>) {
        let (lines, kept) = (Arc::<Lines>::default(), Arc::<Mutex<Vec<u8>>>::default());
        let (say, may) = channel();
        let mut out = Slow {
            kept: Arc::clone(&kept),
            may,
        };
        let writer = Arc::clone(&lines);
        std::thread::spawn(move || writer.write_to(&mut out));
        (lines, kept, say)
    }

    #[test]
    fn lines_are_written_in_order_and_a_flush_waits_for_them() {
        let (lines, kept, say) = started();
        drop(say);
        let mut expected = String::new();
        for round in 0..20 {
            for number in 0..50 {
                let line = format!("line {round} {number}\n");
                lines.add(line.as_bytes());
                expected.push_str(&line);
            }
            lines.flush();
            assert_eq!(String::from_utf8(kept.lock().unwrap().clone()).unwrap(), expected);
        }
    }

    #[test]
    fn lines_of_many_threads_stay_whole() {
        let (lines, kept, say) = started();
        drop(say);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let lines = &lines;
                scope.spawn(move || {
                    for number in 0..500 {
                        lines.add(format!("{thread} {number}\n").as_bytes());
                    }
                });
            }
        });
        lines.flush();
        let text = String::from_utf8(kept.lock().unwrap().clone()).unwrap();
        let mut next = [0; 4];
        for line in text.lines() {
            let (thread, number) = line.split_once(' ').expect("a whole line");
            let next = &mut next[thread.parse::<usize>().unwrap()];
            assert_eq!(number.parse::<usize>().unwrap(), *next, "{line}");
            *next += 1;
        }
        assert_eq!(next, [500; 4]);
    }

    #[test]
    fn who_logs_never_waits_and_what_is_lost_is_counted() {
        let (lines, kept, say) = started();
        let line = vec![b'-'; MOST_WAITING / 4];
        // The writer takes the first and is stuck with it.
        lines.add(b"first");
        while !lines.waiting().bytes.is_empty() {
            std::thread::yield_now();
        }
        for _ in 0..7 {
            lines.add(&line);
        }
        assert_eq!(lines.lost(), 3);
        assert!(kept.lock().unwrap().is_empty());
        drop(say);
        lines.flush();
        assert_eq!(kept.lock().unwrap().len(), 5 + MOST_WAITING);
        // There is room again.
        lines.add(b"last");
        lines.flush();
        assert!(kept.lock().unwrap().ends_with(b"last"));
        assert_eq!(lines.lost(), 3);
    }

    #[test]
    fn a_flush_gives_up_a_reader_who_is_stuck() {
        let (lines, kept, _say) = started();
        lines.add(b"a line");
        lines.flush();
        assert!(kept.lock().unwrap().is_empty());
    }
}
