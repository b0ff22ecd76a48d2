//! Counters that cost a request nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use crate::ports::clock::{Clock, Entropy, new_uuid};
use crate::ports::counters::{BatchId, CounterSet, Counters, Delta, MEMBER_MAX_BYTES};
use crate::ports::error::BackendError;

/// How often what was counted is written: as much as a killed process can lose.
pub const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Buckets that wait at most; beyond that, new ones are not counted until the store takes some.
const MOST_BUCKETS: usize = 50_000;

/// How long the last flush of an ending process may take.
const LAST_FLUSH: Duration = Duration::from_secs(3);

type Buckets = BTreeMap<(CounterSet, Date, String), i64>;

/// Counts in memory, and writes once a second, in one batch that a repetition does not count again.
pub struct BufferedCounters {
    counters: Arc<dyn Counters>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    pending: Mutex<Buckets>,
    /// The batch that was sent last and is not known to be written: it is sent again as it is.
    sent: tokio::sync::Mutex<Option<(BatchId, Vec<Delta>)>>,
}

impl BufferedCounters {
    /// A buffer before `counters`.
    pub fn new(counters: Arc<dyn Counters>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            counters,
            clock,
            entropy,
            pending: Mutex::default(),
            sent: tokio::sync::Mutex::default(),
        }
    }

    /// The counters behind the buffer.
    pub fn counters(&self) -> &dyn Counters {
        self.counters.as_ref()
    }

    /// Counts one for a member today, in UTC.
    pub fn count(&self, set: CounterSet, member: &str) {
        if member.len() > MEMBER_MAX_BYTES {
            return;
        }
        let day = self.clock.now().to_zoned(TimeZone::UTC).date();
        let mut pending = self.pending();
        let key = (set, day, member.to_owned());
        if pending.len() < MOST_BUCKETS || pending.contains_key(&key) {
            let count = pending.entry(key).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Writes what was counted.
    ///
    /// # Errors
    /// When the store cannot be reached: nothing is lost, the same batch is sent again.
    pub async fn flush(&self) -> Result<(), BackendError> {
        let mut sent = self.sent.lock().await;
        if let Some((batch, deltas)) = sent.as_ref() {
            self.counters.add(*batch, deltas).await?;
            *sent = None;
        }
        let pending = std::mem::take(&mut *self.pending());
        if pending.is_empty() {
            return Ok(());
        }
        let deltas = pending
            .into_iter()
            .map(|((set, day, member), by)| Delta { set, day, member, by })
            .collect();
        let batch = BatchId(new_uuid(self.clock.as_ref(), self.entropy.as_ref()));
        let (batch, deltas) = sent.insert((batch, deltas));
        self.counters.add(*batch, deltas).await?;
        *sent = None;
        Ok(())
    }

    /// Flushes once a second until `stop` turns true (or its sender is gone), and then a last time.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut failing = false;
        loop {
            let ended = tokio::select! {
                () = tokio::time::sleep(FLUSH_EVERY) => false,
                // An error says that the sender is gone, which means the same.
                _asked_or_gone = stop.wait_for(|stop| *stop) => true,
            };
            if ended {
                break;
            }
            let flushed = self.flush().await;
            if let Err(error) = &flushed
                && !failing
            {
                tracing::warn!(%error, "counters cannot be written: they are kept and sent again");
            }
            failing = flushed.is_err();
        }
        match tokio::time::timeout(LAST_FLUSH, self.flush()).await {
            Ok(Ok(())) => {}
            _ => tracing::warn!("the last counters could not be written"),
        }
    }

    fn pending(&self) -> MutexGuard<'_, Buckets> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
