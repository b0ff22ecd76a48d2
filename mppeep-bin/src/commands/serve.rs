//! `mppeep serve`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use mppeep_core::ports::clock::SystemEntropy;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::rate_limiter::Gcra;
use mppeep_core::services::users::FirstAdministrator;
use mppeep_http::{AppState, CookieSecurity, EdgeSettings, Urls};
use tokio::signal::unix::{SignalKind, signal};

use super::demo;
use crate::cli::Serve;
use crate::config::{Config, Rate};
use crate::server::{self, ServerSettings};
use crate::terminal::say;
use crate::wiring::{self, Wired};

/// How often expired rows are swept, and how many of each kind at once.
const SWEEP_PAUSE: Duration = Duration::from_secs(60);
const SWEEP_ROWS: u32 = 1000;

pub(crate) async fn run(config: &Config, serve: &Serve) -> anyhow::Result<ExitCode> {
    // Bound first: a taken address is told before anything is opened, and early clients wait instead of failing.
    let listener =
        server::bind(config.listen).with_context(|| format!("cannot listen on address {}", config.listen))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    if config.cookie_security == CookieSecurity::Never {
        tracing::warn!("the session cookie is sent over plain HTTP as well: cookie_secure is never");
    }
    let wired = wiring::open(config, &wiring::database(config, serve.demo)).await?;
    if serve.demo {
        demo::prepare(&wired, serve.agents).await?;
    } else {
        first_administrator(config, &wired).await?;
    }
    tokio::spawn(Arc::clone(&wired.board).poll());
    tokio::spawn(sweep(wired.store.clone(), Arc::clone(&wired.limiter)));
    let urls = Urls::new(&config.root_path);
    let store = Arc::new(wired.store.clone());
    let state = AppState::new(Arc::clone(&wired.services), store, urls, config.cookie_security);
    let readiness = Arc::clone(&state.readiness);
    let router = mppeep_http::router(
        state,
        edge(config),
        Arc::clone(&wired.limiter) as _,
        &SystemEntropy,
    );
    let address = listener.local_addr()?;
    tracing::info!(%address, root = config.root_path, "listening");
    let stop = async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "asked to end");
    };
    server::serve(
        listener,
        router,
        ServerSettings::usual(config.max_connections),
        readiness,
        stop,
    )
    .await;
    wired.store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn edge(config: &Config) -> EdgeSettings {
    let limit = |name, rate: Rate| {
        (rate.per_second > 0).then_some(Gcra {
            name,
            count: rate.per_second,
            period: Duration::from_secs(1),
            burst: rate.burst,
        })
    };
    EdgeSettings {
        trusted_proxies: config.trusted_proxies.clone(),
        client_ip_header: config.client_ip_header,
        origins: config
            .public_url
            .iter()
            .chain(&config.allowed_origins)
            .cloned()
            .collect(),
        anonymous_limit: limit("anonymous", config.anonymous_rate),
        user_limit: limit("user", config.user_rate),
    }
}

async fn first_administrator(config: &Config, wired: &Wired) -> anyhow::Result<()> {
    if wired.services.settings.is_demonstration().await? {
        tracing::warn!("this database holds demonstration data, and accounts whose password is public");
        return Ok(());
    }
    let password = config.admin_password.as_ref().map(crate::config::Secret::expose);
    match wired
        .services
        .users
        .ensure_first_administrator(&config.admin_email, password)
        .await
    {
        Ok(FirstAdministrator::Present) => {}
        Ok(FirstAdministrator::AsGiven) => tracing::info!("the first administrator was made as configured"),
        Ok(FirstAdministrator::Made { password }) => {
            say(format_args!("The first administrator is {}", config.admin_email));
            say(format_args!("with the password {password}"));
            say("It is shown this once. Log in and change it.");
        }
        Err(error) => bail!("admin_email, admin_password: {error}"),
    }
    Ok(())
}

async fn sweep(
    store: mppeep_store_sqlite::SqliteStore,
    limiter: Arc<mppeep_cache_memory::MemoryRateLimiter>,
) {
    loop {
        tokio::time::sleep(SWEEP_PAUSE).await;
        let adapters: [(&str, &dyn Maintain); 2] = [("sqlite", &store), ("memory", &*limiter)];
        for (adapter, maintained) in adapters {
            match maintained.sweep(SWEEP_ROWS).await {
                Ok(0) => {}
                Ok(swept) => tracing::debug!(adapter, swept, "swept"),
                Err(error) => tracing::warn!(adapter, %error, "sweeping failed"),
            }
        }
    }
}
