//! The process's view of the epochs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::ports::epochs::{Epoch, Epochs, Namespace};
use crate::ports::error::BackendError;

/// How often [`EpochBoard::poll`] reads the epochs: what another instance commits is known here after that long.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// Without a successful poll for that long, what the board remembers is not believed.
const SILENCE: Duration = Duration::from_millis(1_500);

/// What this process knows of the epochs.
///
/// A service hands over what its unit bumped ([`EpochBoard::observe`]) and so sees its own writes with the next
/// look-up. What other processes wrote is polled once a second. While the poll is silent, every look-up reads the
/// epochs for itself, so that the bound of one second holds without the poll as well, only at a higher price.
pub struct EpochBoard {
    source: Arc<dyn Epochs>,
    known: Mutex<Known>,
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
        }
    }

    /// Takes note of epochs that a unit of this process committed.
    pub fn observe(&self, epochs: &[Epoch]) {
        let mut known = self.known();
        for epoch in epochs {
            known.raise(*epoch);
        }
    }

    /// Reads the epochs once, and believes them for a while.
    ///
    /// # Errors
    /// When the store cannot be reached; what was known stays known, and grows old.
    pub async fn refresh(&self) -> Result<(), BackendError> {
        let began = Instant::now();
        let epochs = self.source.current().await?;
        let mut known = self.known();
        for epoch in epochs {
            known.raise(epoch);
        }
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
        let mut known = self.known();
        for epoch in epochs {
            known.raise(epoch);
        }
        Ok(known.of(namespaces))
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
    fn raise(&mut self, epoch: Epoch) {
        let value = self.values.entry(epoch.namespace).or_insert(epoch.value);
        *value = (*value).max(epoch.value);
    }

    fn of(&self, namespaces: &[Namespace]) -> Vec<i64> {
        namespaces
            .iter()
            .map(|namespace| self.values.get(namespace).copied().unwrap_or(0))
            .collect()
    }
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
