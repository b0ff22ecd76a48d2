//! What runs beside the requests: epochs, counters, jobs, tasks, and a look at what is outside.

use std::sync::Arc;
use std::time::Duration;

use mppeep_core::layered::epoch_relay;
use mppeep_core::layered::worker::{JobHandler, Worker, WorkerSettings};
use mppeep_core::ports::clock::SystemEntropy;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::services::file_reading::FileJobs;
use mppeep_core::services::mail::MailJobs;
use mppeep_core::services::payroll::PayrollJobs;
use mppeep_http::{AppState, ComponentHealth};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::metrics::samples::{Database, Samples};
use crate::metrics::{Metrics, Sources};
use crate::server::Connections;
use crate::wiring::Wired;
use crate::wiring::database::make_private;
use crate::wiring::outside::{DiskComponent, MailComponent, QueueComponent, RedisComponent};

/// How often this process sweeps what only it holds, and how many rows at once.
const SWEEP_PAUSE: Duration = Duration::from_secs(60);
const SWEEP_ROWS: u32 = 1000;

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
    worker: Option<Arc<Worker>>,
    /// What the database was asked lately.
    samples: Arc<Samples>,
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
            worker: None,
            samples: Arc::default(),
            components: Vec::new(),
        };
        background.follow_epochs(wired);
        background.endless.spawn(sweep(Arc::clone(&wired.own)));
        let counters = Arc::clone(&wired.counters).run(background.count.subscribe());
        background.ending.spawn(counters);
        background.look_outside(wired);
        background.look_at_queues(wired);
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
            self.endless
                .spawn(epoch_relay::tell(Arc::clone(board), Arc::clone(messages)));
            self.endless
                .spawn(epoch_relay::heed(Arc::clone(board), Arc::clone(messages)));
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

    fn look_at_queues(&mut self, wired: &Wired) {
        let samples = Arc::clone(&self.samples);
        let queue = Arc::clone(&wired.ports.queue);
        self.endless
            .spawn(Arc::clone(&samples).take(queue, Database::of(&wired.database)));
        let component = QueueComponent::new(samples, wired.mailer.is_some());
        self.components.push(Arc::new(component));
    }

    /// Looks after the disk that files are kept on.
    pub(crate) fn look_at_disk(&mut self, config: &Config) {
        // What cannot be made is told of by the first look.
        let _made = make_private(&config.data_dir);
        let component = Arc::new(DiskComponent::new(config.data_dir.clone()));
        self.endless.spawn(Arc::clone(&component).probe());
        self.components.push(component);
    }

    /// Tells of metrics, also of the site's where this process serves one.
    pub(crate) fn tell(&mut self, metrics: Metrics, wired: &Wired, site: Option<(AppState, Connections)>) {
        let sources = Sources {
            database: Database::of(&wired.database),
            samples: Arc::clone(&self.samples),
            caches: wired.caches.clone(),
            fallback: wired.fallback.clone(),
            redis: wired.redis.clone(),
            worker: self.worker.clone(),
            components: self.components(),
            site,
        };
        self.endless.spawn(metrics.serve(sources));
    }

    fn work(&mut self, config: &Config, wired: &Wired) {
        let services = &wired.services;
        let payroll = PayrollJobs::new(Arc::clone(&services.payroll));
        let files = FileJobs::new(Arc::clone(&services.shared_files), Arc::clone(&services.imports));
        let mut handlers: Vec<Arc<dyn JobHandler>> = vec![Arc::new(payroll), Arc::new(files)];
        if let Some(mailer) = &wired.mailer {
            let mails = MailJobs::new(Arc::clone(&services.context), Arc::clone(mailer) as _);
            handlers.push(Arc::new(mails));
        }
        let settings = WorkerSettings {
            concurrency: config.worker_concurrency,
            lease: config.worker_lease,
            ..WorkerSettings::default()
        };
        let worker = Arc::new(Worker::new(
            Arc::clone(&wired.ports.queue),
            handlers,
            Arc::new(SystemEntropy),
            settings,
        ));
        self.worker = Some(Arc::clone(&worker));
        self.ending.spawn(worker.run(self.work.subscribe()));
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
