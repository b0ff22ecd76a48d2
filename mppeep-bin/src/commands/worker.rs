//! `mppeep worker`.

use std::process::ExitCode;

use crate::background::Background;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::signals::Signals;
use crate::wiring;
use crate::wiring::database::Patience;

/// Works until it is asked to end; what is in hand is then finished or given back.
pub(crate) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let signals = Signals::new()?;
    let metrics = Metrics::open(config)?;
    let wired = tokio::select! {
        wired = wiring::open(config, false, Patience::Configured) => wired?,
        () = signals.any() => return Ok(ExitCode::SUCCESS),
    };
    if wired.mailer.is_none() {
        tracing::warn!("smtp_url is unset: mails wait");
    }
    let mut background = Background::start(config, &wired, true);
    if let Some(metrics) = metrics {
        background.tell(metrics, &wired, None);
    }
    tracing::info!(
        database = wired.place(),
        concurrency = config.worker_concurrency,
        "working"
    );
    signals.any().await;
    background.end().await;
    wired.close().await;
    Ok(ExitCode::SUCCESS)
}
