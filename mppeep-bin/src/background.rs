//! What runs beside the requests: epochs, counters, jobs, tasks, and a look at what is outside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mppeep_core::domain::session::SHARDS;
use mppeep_core::layered::epoch_board::{CHANNEL, EpochBoard};
use mppeep_core::layered::worker::{JobHandler, Worker, WorkerSettings};
use mppeep_core::ports::clock::SystemEntropy;
use mppeep_core::ports::epochs::Namespace;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::pubsub::{Event, PubSub};
use mppeep_core::services::mail::MailJobs;
use mppeep_core::services::payroll::PayrollJobs;
use mppeep_http::ComponentHealth;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::wiring::Wired;
use crate::wiring::outside::{MailComponent, RedisComponent};

/// How often this process sweeps what only it holds, and how many rows at once.
const SWEEP_PAUSE: Duration = Duration::from_secs(60);
const SWEEP_ROWS: u32 = 1000;

/// Pauses between two readings of the epochs that others caused, and before a lost subscription is made again.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
const RESUBSCRIBE_PAUSE: Duration = Duration::from_secs(1);

/// How long what is in hand may take to end: longer than the worker's own two patiences.
const LONGEST_END: Duration = Duration::from_secs(12);

/// Tasks of this process, until it ends.
pub(crate) struct Background {
    /// Ends the worker and the scheduled tasks.
    work: watch::Sender<bool>,
    /// Ends the counters, once nobody counts any more.
    count: watch::Sender<bool>,
    /// Tasks that end by themselves when asked.
    ending: JoinSet<()>,
    /// Tasks that may be cut at any moment.
    endless: JoinSet<()>,
    components: Vec<Arc<dyn ComponentHealth>>,
}

impl Background {
    /// Starts everything that an instance runs; jobs and scheduled tasks only `with_worker`.
    pub(crate) fn start(config: &Config, wired: &Wired, with_worker: bool) -> Self {
        let mut background = Self {
            work: watch::Sender::new(false),
            count: watch::Sender::new(false),
            ending: JoinSet::new(),
            endless: JoinSet::new(),
            components: Vec::new(),
        };
        background.follow_epochs(wired);
        background.endless.spawn(sweep(Arc::clone(&wired.own)));
        let counters = Arc::clone(&wired.counters).run(background.count.subscribe());
        background.ending.spawn(counters);
        background.look_outside(wired);
        if with_worker {
            background.work(config, wired);
        }
        background
    }

    fn follow_epochs(&mut self, wired: &Wired) {
        let board = &wired.board;
        self.endless.spawn(Arc::clone(board).poll());
        if let Some(messages) = &wired.pushed {
            self.endless.spawn(Arc::clone(board).listen(Arc::clone(messages)));
        }
        if let Some(messages) = &wired.relayed {
            self.endless.spawn(tell(Arc::clone(board), Arc::clone(messages)));
            self.endless.spawn(heed(Arc::clone(board), Arc::clone(messages)));
        }
    }

    fn look_outside(&mut self, wired: &Wired) {
        if let Some(redis) = &wired.redis {
            let component = Arc::new(RedisComponent(redis.clone()));
            self.endless.spawn(Arc::clone(&component).probe());
            self.components.push(component);
        }
        if let Some(mailer) = &wired.mailer {
            let component = Arc::new(MailComponent::new(Arc::clone(mailer)));
            self.endless.spawn(Arc::clone(&component).probe());
            self.components.push(component);
        }
    }

    fn work(&mut self, config: &Config, wired: &Wired) {
        let services = &wired.services;
        let payroll = PayrollJobs::new(Arc::clone(&services.payroll));
        let mut handlers: Vec<Arc<dyn JobHandler>> = vec![Arc::new(payroll)];
        if let Some(mailer) = &wired.mailer {
            let mails = MailJobs::new(Arc::clone(&services.context), Arc::clone(mailer) as _);
            handlers.push(Arc::new(mails));
        }
        let settings = WorkerSettings {
            concurrency: config.worker_concurrency,
            lease: config.worker_lease,
            ..WorkerSettings::default()
        };
        let worker = Worker::new(
            Arc::clone(&wired.ports.queue),
            handlers,
            Arc::new(SystemEntropy),
            settings,
        );
        self.ending.spawn(Arc::new(worker).run(self.work.subscribe()));
        self.ending
            .spawn(Arc::clone(&services.schedule).run(self.work.subscribe()));
    }

    /// Parts that the server can do without, for the page of health.
    pub(crate) fn components(&self) -> Vec<Arc<dyn ComponentHealth>> {
        self.components.clone()
    }

    /// Begins no more jobs.
    pub(crate) fn end_work(&self) -> watch::Sender<bool> {
        self.work.clone()
    }

    /// Ends everything: jobs in hand are finished or given back, and what was counted is written.
    pub(crate) async fn end(mut self) {
        self.work.send_replace(true);
        self.count.send_replace(true);
        let ended = async { while self.ending.join_next().await.is_some() {} };
        if tokio::time::timeout(LONGEST_END, ended).await.is_err() {
            tracing::warn!("some work did not end in time and is cut");
        }
        self.ending.shutdown().await;
        self.endless.shutdown().await;
    }
}

async fn sweep(own: Arc<dyn Maintain>) {
    loop {
        tokio::time::sleep(SWEEP_PAUSE).await;
        match own.sweep(SWEEP_ROWS).await {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "swept"),
            Err(error) => tracing::warn!(%error, "sweeping failed"),
        }
    }
}

/// Every namespace that there is.
fn namespaces() -> Vec<Namespace> {
    let sessions = (0..SHARDS).map(Namespace::session_shard);
    Namespace::ALL.into_iter().chain(sessions).collect()
}

/// Tells others of epochs as this process learns of them. Whoever hears of nothing new tells nothing, so it ends by itself.
async fn tell(board: Arc<EpochBoard>, messages: Arc<dyn PubSub>) {
    let namespaces = namespaces();
    let mut changes = board.changes();
    let mut told: BTreeMap<Namespace, i64> = BTreeMap::new();
    while changes.changed().await.is_ok() {
        let known = namespaces.iter().copied().zip(board.known_values(&namespaces));
        let new: Vec<(Namespace, i64)> = known
            .filter(|(namespace, value)| told.get(namespace).copied().unwrap_or(0) < *value)
            .collect();
        if new.is_empty() {
            continue;
        }
        let text: Vec<String> = new
            .iter()
            .map(|(namespace, value)| format!("{}:{value}", namespace.0))
            .collect();
        told.extend(new);
        // What is not heard now is polled within a second.
        if let Err(error) = messages.publish(CHANNEL, Bytes::from(text.join(","))).await {
            tracing::debug!(%error, "epochs could not be told");
        }
    }
}

/// Reads the epochs when somebody tells of newer ones. What he tells is not believed: these messages come from a place
/// that may hold anything, and an epoch that is too high would never move again.
async fn heed(board: Arc<EpochBoard>, messages: Arc<dyn PubSub>) {
    loop {
        if let Ok(mut subscription) = messages.subscribe(&[CHANNEL]).await {
            while let Some(event) = subscription.next().await {
                let worth_a_look = match event {
                    Event::Message { payload, .. } => is_news(&board, &payload),
                    Event::Gap => true,
                };
                if worth_a_look {
                    // What cannot be read now is polled soon.
                    let _polled_soon = board.refresh().await;
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                }
            }
        }
        tokio::time::sleep(RESUBSCRIBE_PAUSE).await;
    }
}

fn is_news(board: &EpochBoard, payload: &[u8]) -> bool {
    let text = std::str::from_utf8(payload).unwrap_or_default();
    text.split(',').any(|part| {
        let told = part
            .split_once(':')
            .and_then(|(name, value)| Some((Namespace::by_name(name)?, value.parse::<i64>().ok()?)));
        told.is_some_and(|(namespace, value)| {
            board
                .known_values(&[namespace])
                .iter()
                .all(|known| *known < value)
        })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use mppeep_cache_memory::MemoryPubSub;
    use mppeep_core::ports::epochs::{Epoch, Epochs};
    use mppeep_core::ports::error::BackendError;

    use super::*;

    #[derive(Default)]
    struct Source {
        value: AtomicI64,
        reads: AtomicUsize,
    }

    #[async_trait::async_trait]
    impl Epochs for Source {
        async fn current(&self) -> Result<Vec<Epoch>, BackendError> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            Ok(vec![Epoch {
                namespace: Namespace::PERSONNEL,
                value: self.value.load(Ordering::SeqCst),
            }])
        }
    }

    async fn known(board: &EpochBoard, wanted: i64) -> bool {
        for _ in 0..200 {
            if board.known_values(&[Namespace::PERSONNEL]) == [wanted] {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    #[tokio::test]
    async fn one_process_tells_and_the_other_reads_for_itself() {
        let source = Arc::new(Source::default());
        let messages: Arc<dyn PubSub> = Arc::new(MemoryPubSub::default());
        let boards = [(); 2].map(|()| Arc::new(EpochBoard::new(source.clone())));
        for board in &boards {
            tokio::spawn(tell(Arc::clone(board), Arc::clone(&messages)));
            tokio::spawn(heed(Arc::clone(board), Arc::clone(&messages)));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        source.value.store(4, Ordering::SeqCst);
        boards[0].observe(&[Epoch {
            namespace: Namespace::PERSONNEL,
            value: 4,
        }]);
        assert!(known(&boards[1], 4).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let reads = source.reads.load(Ordering::SeqCst);
        assert!(reads < 6, "{reads} reads for one change: they echo");
    }

    #[tokio::test]
    async fn a_lie_is_not_believed() {
        let source = Arc::new(Source::default());
        source.value.store(4, Ordering::SeqCst);
        let messages: Arc<dyn PubSub> = Arc::new(MemoryPubSub::default());
        let board = Arc::new(EpochBoard::new(source.clone()));
        tokio::spawn(heed(Arc::clone(&board), Arc::clone(&messages)));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let lie = Bytes::from_static(b"personnel:9000000000000000000,nonsense,users:x");
        messages.publish(CHANNEL, lie).await.unwrap();
        assert!(known(&board, 4).await, "the lie makes it read");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(board.known_values(&[Namespace::PERSONNEL]), [4]);
    }
}
