//! Metrics for Prometheus, on an address of their own.
//!
//! They tell how much the site is used and by which routes, so they are not for everybody: nothing listens unless
//! `metrics_listen` is set, and then nothing but `GET /metrics`. Counting is done where things happen; what must be asked of
//! the database is asked by [`samples`], beside the scrapes, so that no scrape ever waits for it.

mod encode;
mod limits;
mod listener;
mod process;
mod requests;
pub(crate) mod samples;
mod sources;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use mppeep_core::ports::rate_limiter::RateLimiter;
use mppeep_http::{RequestObserver, Unobserved};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::config::Config;
use limits::CountedLimiter;
use requests::Requests;
pub(crate) use sources::Sources;

/// What every name begins with, but those of the process, which are the same for every program.
const PREFIX: &str = "mppeep";

/// The metrics, when they are wanted.
pub(crate) struct Metrics {
    listener: TcpListener,
    registry: Registry,
    requests: Arc<Requests>,
}

impl Metrics {
    /// Binds the configured address; nothing when there is none.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(address) = config.metrics_listen else {
            return Ok(None);
        };
        let listener =
            bind(address).with_context(|| format!("metrics_listen: cannot listen on {address}"))?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "metrics are told to whoever reaches this address: keep it from the public");
        }
        let mut registry = Registry::default();
        let requests = Arc::new(Requests::register(registry.sub_registry_with_prefix(PREFIX)));
        Ok(Some(Self {
            listener,
            registry,
            requests,
        }))
    }

    /// Tells of what is counted, until it is dropped.
    pub(crate) async fn serve(mut self, sources: Sources) {
        if let Ok(address) = self.listener.local_addr() {
            tracing::info!(%address, "metrics");
        }
        let own = self.registry.sub_registry_with_prefix(PREFIX);
        own.register_collector(Box::new(sources));
        self.registry
            .register_collector(Box::new(process::Process::new()));
        listener::serve(self.listener, self.registry).await;
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Who is told of requests.
pub(crate) fn observer(metrics: Option<&Metrics>) -> Arc<dyn RequestObserver> {
    match metrics {
        Some(metrics) => Arc::clone(&metrics.requests) as _,
        None => Arc::new(Unobserved),
    }
}

/// The limiter, its decisions counted where that is wanted.
pub(crate) fn limiter(metrics: Option<&Metrics>, limiter: Arc<dyn RateLimiter>) -> Arc<dyn RateLimiter> {
    match metrics {
        Some(metrics) => Arc::new(CountedLimiter::new(limiter, Arc::clone(&metrics.requests))),
        None => limiter,
    }
}
