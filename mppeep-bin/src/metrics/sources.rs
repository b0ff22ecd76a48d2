//! What is read when somebody asks: nothing here waits.

use std::fmt::Error;
use std::sync::Arc;

use jiff::Timestamp;
use mppeep_cache_redis::{BreakerState, RedisAdapter};
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::fallback_limiter::FallbackLimiter;
use mppeep_core::layered::worker::Worker;
use mppeep_http::{AppState, ComponentHealth};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::encode::{counters, float, gauges};
use super::samples::{Database, Samples};
use crate::server::Connections;
use crate::telemetry;

/// Parts of the server that tell of themselves.
pub(crate) struct Sources {
    /// The open database.
    pub(crate) database: Database,
    /// What was asked of it lately.
    pub(crate) samples: Arc<Samples>,
    /// Caches by what they hold.
    pub(crate) caches: Vec<(&'static str, Arc<Cached>)>,
    /// The limiter that decides by itself while the shared one is away.
    pub(crate) fallback: Option<Arc<FallbackLimiter>>,
    /// Redis, where there is one.
    pub(crate) redis: Option<RedisAdapter>,
    /// The worker, where this process has one.
    pub(crate) worker: Option<Arc<Worker>>,
    /// Parts that the server can do without.
    pub(crate) components: Vec<Arc<dyn ComponentHealth>>,
    /// The application, where this process serves it.
    pub(crate) site: Option<(AppState, Connections)>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let encoder = &mut encoder;
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        gauges(encoder, "build_info", "The release that runs.", [(version, 1.0)])?;
        counters(
            encoder,
            "log_lines_lost",
            "Lines that were not logged because whoever reads the log did not keep up.",
            [(Vec::new(), telemetry::lost_lines())],
        )?;
        let up = self.components.iter().map(|component| {
            let well = component.trouble().is_none();
            (
                vec![("component", component.name())],
                if well { 1.0 } else { 0.0 },
            )
        });
        gauges(
            encoder,
            "component_up",
            "Whether a part that the server can do without works.",
            up,
        )?;
        self.site(encoder)?;
        self.pools(encoder)?;
        self.sampled(encoder)?;
        self.cached(encoder)?;
        self.limits(encoder)?;
        self.redis(encoder)?;
        self.jobs(encoder)
    }
}

impl Sources {
    fn site(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let Some((state, connections)) = &self.site else {
            return Ok(());
        };
        let streams = u64::try_from(state.open_streams()).unwrap_or(u64::MAX);
        gauges(
            encoder,
            "live_streams",
            "Streams of events that are open.",
            [(Vec::new(), float(streams))],
        )?;
        gauges(
            encoder,
            "connections_open",
            "Connections of clients that are open.",
            [(Vec::new(), float(connections.open()))],
        )?;
        counters(
            encoder,
            "connections_refused",
            "Connections that were refused because their address has too many.",
            [(Vec::new(), connections.refused())],
        )
    }

    fn pools(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let pools = self.database.pools();
        let states = pools.iter().flat_map(|pool| {
            let row = |state, count: u32| (vec![("pool", pool.name), ("state", state)], f64::from(count));
            [
                row("idle", pool.idle.min(pool.open)),
                row("used", pool.open.saturating_sub(pool.idle)),
            ]
        });
        gauges(
            encoder,
            "database_connections",
            "Connections to the database, by pool and state.",
            states,
        )?;
        let most = pools
            .iter()
            .map(|pool| (vec![("pool", pool.name)], f64::from(pool.most)));
        gauges(
            encoder,
            "database_connections_max",
            "Connections that a pool may open.",
            most,
        )?;
        let waiting = pools
            .iter()
            .map(|pool| (vec![("pool", pool.name)], f64::from(pool.waiting)));
        gauges(
            encoder,
            "database_waiting",
            "Units that are being begun, which is waiting when no connection is idle.",
            waiting,
        )
    }

    fn sampled(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let Some(sample) = self.samples.last() else {
            return Ok(());
        };
        gauges(
            encoder,
            "sample_age_seconds",
            "How old the figures of the database are: of the queues and the sessions.",
            [(Vec::new(), sample.at.elapsed().as_secs_f64())],
        )?;
        gauges(
            encoder,
            "sessions",
            "Sessions that have not ended, on all instances.",
            [(Vec::new(), float(sample.sessions))],
        )?;
        let states = sample.queues.iter().flat_map(|depth| {
            let row = |state, count| {
                (
                    vec![("queue", depth.queue.code()), ("state", state)],
                    float(count),
                )
            };
            [
                row("ready", depth.ready),
                row("leased", depth.leased),
                row("dead", depth.dead),
            ]
        });
        gauges(encoder, "queue_jobs", "Jobs in the queues, by state.", states)?;
        let now = Timestamp::now();
        let oldest = sample.queues.iter().map(|depth| {
            let age = depth.oldest_due.map(|due| now.duration_since(due).as_secs_f64());
            (vec![("queue", depth.queue.code())], age.unwrap_or(0.0).max(0.0))
        });
        gauges(
            encoder,
            "queue_oldest_due_seconds",
            "For how long the oldest job that could be begun has waited; 0 when there is none.",
            oldest,
        )
    }

    fn cached(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let counts: Vec<_> = self
            .caches
            .iter()
            .map(|(name, cached)| (*name, cached.counts()))
            .collect();
        let asked = counts.iter().flat_map(|(name, counts)| {
            let row = |outcome, count| (vec![("cache", *name), ("outcome", outcome)], count);
            [
                row("fresh", counts.hits.saturating_sub(counts.stale)),
                row("stale", counts.stale),
                row("shared", counts.shared),
                row("loaded", counts.loads),
            ]
        });
        counters(
            encoder,
            "cache_values",
            "Values that were asked of a cache: served from it, fetched by another request, or loaded.",
            asked,
        )?;
        let failed = counts.iter().flat_map(|(name, counts)| {
            let row = |kind, count| (vec![("cache", *name), ("kind", kind)], count);
            [
                row("unavailable", counts.unavailable),
                row("undecodable", counts.undecodable),
                row("refused_fill", counts.refused_fills),
            ]
        });
        counters(
            encoder,
            "cache_failures",
            "What a cache could not do; the value was loaded instead, or not kept.",
            failed,
        )
    }

    fn limits(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let Some(fallback) = &self.fallback else {
            return Ok(());
        };
        counters(
            encoder,
            "limiter_local_decisions",
            "Decisions of the general limits that this instance made for want of the shared limiter.",
            [(Vec::new(), fallback.local_decisions())],
        )?;
        let degraded = if fallback.is_degraded() { 1.0 } else { 0.0 };
        gauges(
            encoder,
            "limiter_degraded",
            "Whether this instance applies its share of the general limits by itself.",
            [(Vec::new(), degraded)],
        )
    }

    fn redis(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let Some(redis) = &self.redis else {
            return Ok(());
        };
        let health = redis.health();
        let open = match health.breaker {
            BreakerState::Closed => 0.0,
            _ => 1.0,
        };
        gauges(
            encoder,
            "breaker_open",
            "Whether calls are held back for a while.",
            [(vec![("component", "redis")], open)],
        )?;
        counters(
            encoder,
            "breaker_openings",
            "How often calls began to be held back.",
            [(vec![("component", "redis")], health.counts.openings)],
        )?;
        let counts = &health.counts;
        let row = |outcome, count| (vec![("outcome", outcome)], count);
        let others = counts
            .failures
            .saturating_sub(counts.held_back)
            .saturating_sub(counts.timeouts);
        counters(
            encoder,
            "redis_calls",
            "Calls to Redis, by what became of them.",
            [
                row("done", counts.calls.saturating_sub(counts.failures)),
                row("held_back", counts.held_back),
                row("timed_out", counts.timeouts),
                row("failed", others),
            ],
        )?;
        counters(
            encoder,
            "redis_connects",
            "Connections to Redis that were opened for calls.",
            [(Vec::new(), counts.connects)],
        )
    }

    fn jobs(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let Some(worker) = &self.worker else {
            return Ok(());
        };
        let counts = worker.counts();
        let rows = counts.iter().flat_map(|(queue, counts)| {
            let row = |outcome, count| (vec![("queue", queue.code()), ("outcome", outcome)], count);
            [
                row("done", counts.done),
                row("retried", counts.retried),
                row("dead", counts.dead),
                row("released", counts.released),
                row("lost", counts.lost),
            ]
        });
        counters(
            encoder,
            "worker_jobs",
            "Jobs that were in this worker's hands, by what became of them.",
            rows,
        )
    }
}
