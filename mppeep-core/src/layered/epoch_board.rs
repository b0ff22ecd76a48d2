//! The process's view of the epochs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::ports::epochs::{Epoch, Epochs, Namespace};
use crate::ports::error::BackendError;
use crate::ports::pubsub::{Event, PubSub};

/// How often [`EpochBoard::poll`] reads the epochs: what another instance commits is known here after that long.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// Without a successful poll for that long, what the board remembers is not believed.
const SILENCE: Duration = Duration::from_millis(1_500);

/// The channel on which epochs are pushed: `name:value`, several with commas between them.
pub const CHANNEL: &str = "epochs";

/// What this process knows of the epochs.
///
/// A service hands over what its unit bumped ([`EpochBoard::observe`]) and so sees its own writes with the next
/// look-up. What other processes wrote is polled once a second. While the poll is silent, every look-up reads the
/// epochs for itself, so that the bound of one second holds without the poll as well, only at a higher price.
pub struct EpochBoard {
    source: Arc<dyn Epochs>,
    known: Mutex<Known>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Known {
    values: BTreeMap<Namespace, i64>,
    /// When the last successful poll began; what it read is at least that fresh.
    polled_at: Option<Instant>,
}

impl EpochBoard {
    /// A board over the store's epochs. It reads them with every look-up until it is polled.
    pub fn new(source: Arc<dyn Epochs>) -> Self {
        Self {
            source,
            known: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Takes note of epochs that a unit of this process committed.
    pub fn observe(&self, epochs: &[Epoch]) {
        self.raise(epochs.iter().copied());
    }

    /// Counts the changes of epochs that this process learnt of, by whatever way: whoever shows what may have changed
    /// waits for it to move.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The epochs of some namespaces as they are known here, without asking anybody.
    pub fn known_values(&self, namespaces: &[Namespace]) -> Vec<i64> {
        self.known().of(namespaces)
    }

    /// No longer believes what is known: the next look-ups read the epochs, until a poll succeeds.
    pub fn distrust(&self) {
        self.known().polled_at = None;
    }

    /// Takes note of the epochs that others push on [`CHANNEL`], for ever. A gap reads them all. Run it as a task beside
    /// [`EpochBoard::poll`], which holds the bound while messages are lost.
    pub async fn listen(self: Arc<Self>, messages: Arc<dyn PubSub>) {
        let mut pause = Duration::from_millis(100);
        loop {
            match messages.subscribe(&[CHANNEL]).await {
                Ok(mut subscription) => {
                    // What was pushed before the subscription is read.
                    let _polled_soon = self.refresh().await;
                    while let Some(event) = subscription.next().await {
                        pause = Duration::from_millis(100);
                        match event {
                            Event::Message { payload, .. } => self.raise(parse(&payload)),
                            Event::Gap => {
                                let _polled_soon = self.refresh().await;
                            }
                        }
                    }
                }
                Err(error) => tracing::debug!(%error, "epochs cannot be listened to"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    fn raise(&self, epochs: impl IntoIterator<Item = Epoch>) {
        let mut known = self.known();
        let mut moved = false;
        for epoch in epochs {
            moved |= known.raise(epoch);
        }
        drop(known);
        if moved {
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Reads the epochs once, and believes them for a while.
    ///
    /// # Errors
    /// When the store cannot be reached; what was known stays known, and grows old.
    pub async fn refresh(&self) -> Result<(), BackendError> {
        let began = Instant::now();
        let epochs = self.source.current().await?;
        self.raise(epochs);
        let mut known = self.known();
        known.polled_at = known.polled_at.max(Some(began));
        Ok(())
    }

    /// Reads the epochs once a second, for ever. Run it as a task, and abort the task to stop.
    pub async fn poll(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(POLL_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut heard = true;
        loop {
            ticks.tick().await;
            let now_heard = match tokio::time::timeout(POLL_EVERY, self.refresh()).await {
                Ok(Ok(())) => true,
                Ok(Err(error)) => {
                    if heard {
                        tracing::warn!(%error, "epochs cannot be polled: each look-up now reads them");
                    }
                    false
                }
                Err(_) => {
                    if heard {
                        tracing::warn!("the poll of the epochs hangs: each look-up now reads them");
                    }
                    false
                }
            };
            if now_heard && !heard {
                tracing::info!("epochs are polled again");
            }
            heard = now_heard;
        }
    }

    /// The epoch of one namespace; 0 when nothing was ever bumped in it.
    ///
    /// # Errors
    /// When the poll is silent and the store cannot be reached.
    pub async fn value(&self, namespace: Namespace) -> Result<i64, BackendError> {
        Ok(self.values(&[namespace]).await?.first().copied().unwrap_or(0))
    }

    /// The epochs of some namespaces, in the same order, as one view.
    ///
    /// # Errors
    /// As [`EpochBoard::value`].
    pub async fn values(&self, namespaces: &[Namespace]) -> Result<Vec<i64>, BackendError> {
        if let Some(values) = self.believed(namespaces) {
            return Ok(values);
        }
        // Not taken for a poll: the next look-up reads for itself again.
        let epochs = self.source.current().await?;
        self.raise(epochs);
        Ok(self.known().of(namespaces))
    }

    fn believed(&self, namespaces: &[Namespace]) -> Option<Vec<i64>> {
        let known = self.known();
        let fresh = known.polled_at.is_some_and(|at| at.elapsed() < SILENCE);
        fresh.then(|| known.of(namespaces))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Epochs only grow: a slow reader never takes back what a faster one saw.
    /// Says whether it moved.
    fn raise(&mut self, epoch: Epoch) -> bool {
        let value = self.values.entry(epoch.namespace).or_insert(0);
        let moved = *value < epoch.value;
        *value = (*value).max(epoch.value);
        moved
    }

    fn of(&self, namespaces: &[Namespace]) -> Vec<i64> {
        namespaces
            .iter()
            .map(|namespace| self.values.get(namespace).copied().unwrap_or(0))
            .collect()
    }
}

/// The epochs as they are pushed.
pub(super) fn push_payload(epochs: &[Epoch]) -> String {
    let parts: Vec<String> = epochs
        .iter()
        .map(|epoch| format!("{}:{}", epoch.namespace.0, epoch.value))
        .collect();
    parts.join(",")
}

/// Reads a push; what is not understood was written by a newer instance, and the poll brings it.
pub(super) fn parse(payload: &[u8]) -> Vec<Epoch> {
    let text = std::str::from_utf8(payload).unwrap_or_default();
    text.split(',')
        .filter_map(|part| part.split_once(':'))
        .filter_map(|(name, value)| {
            Some(Epoch {
                namespace: Namespace::by_name(name)?,
                value: value.parse().ok()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Source {
        value: AtomicI64,
        reads: AtomicUsize,
        down: AtomicBool,
    }

    #[async_trait::async_trait]
    impl Epochs for Source {
        async fn current(&self) -> Result<Vec<Epoch>, BackendError> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            if self.down.load(Ordering::SeqCst) {
                return Err(BackendError::Unavailable {
                    adapter: "test",
                    source: None,
                });
            }
            Ok(vec![Epoch {
                namespace: Namespace::PERSONNEL,
                value: self.value.load(Ordering::SeqCst),
            }])
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_polled_board_answers_by_itself_and_a_silent_one_reads() {
        let source = Arc::new(Source::default());
        let board = EpochBoard::new(source.clone());
        source.value.store(3, Ordering::SeqCst);
        assert_eq!(board.value(Namespace::PERSONNEL).await.unwrap(), 3);
        assert_eq!(board.value(Namespace::PERSONNEL).await.unwrap(), 3);
        assert_eq!(
            source.reads.load(Ordering::SeqCst),
            2,
            "an unpolled board reads with every look-up"
        );

        board.refresh().await.unwrap();
        source.value.store(4, Ordering::SeqCst);
        tokio::time::advance(SILENCE - Duration::from_millis(1)).await;
        assert_eq!(board.value(Namespace::PERSONNEL).await.unwrap(), 3);
        assert_eq!(source.reads.load(Ordering::SeqCst), 3);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(board.value(Namespace::PERSONNEL).await.unwrap(), 4);
        source.down.store(true, Ordering::SeqCst);
        assert!(
            board.value(Namespace::PERSONNEL).await.is_err(),
            "what is too old is not served"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn own_commits_are_known_at_once_and_never_taken_back() {
        let source = Arc::new(Source::default());
        let board = EpochBoard::new(source.clone());
        board.refresh().await.unwrap();
        board.observe(&[Epoch {
            namespace: Namespace::PERSONNEL,
            value: 9,
        }]);
        assert_eq!(board.value(Namespace::PERSONNEL).await.unwrap(), 9);
        source.value.store(8, Ordering::SeqCst);
        board.refresh().await.unwrap();
        assert_eq!(
            board
                .values(&[Namespace::USERS, Namespace::PERSONNEL])
                .await
                .unwrap(),
            [0, 9]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_poll_brings_what_others_wrote_within_a_second() {
        let source = Arc::new(Source::default());
        let board = Arc::new(EpochBoard::new(source.clone()));
        let task = tokio::spawn(board.clone().poll());
        tokio::time::sleep(Duration::from_millis(10)).await;
        source.value.store(5, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        let reads = source.reads.load(Ordering::SeqCst);
        assert_eq!(board.value(Namespace::PERSONNEL).await.unwrap(), 5);
        assert_eq!(
            source.reads.load(Ordering::SeqCst),
            reads,
            "a polled board does not read"
        );
        task.abort();
    }
}
