//! `mppeep serve`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use mppeep_core::ports::clock::SystemEntropy;
use mppeep_core::ports::rate_limiter::Gcra;
use mppeep_core::services::users::FirstAdministrator;
use mppeep_http::{AppState, CookieSecurity, EdgeSettings, Readiness, Urls};
use tokio::net::TcpListener;

use super::demo;
use crate::background::Background;
use crate::cli::Serve;
use crate::config::{Config, Rate};
use crate::metrics::{self, Metrics};
use crate::server::{self, Certificates, Connections, Endpoint, Listeners, Reloads, ServerSettings, systemd};
use crate::signals::Signals;
use crate::terminal::say;
use crate::wiring::database::Patience;
use crate::wiring::{self, Wired};

pub(crate) async fn run(config: &Config, serve: &Serve) -> anyhow::Result<ExitCode> {
    // Bound first: a taken address is told before anything is opened, and early clients wait instead of failing.
    let listeners = Listeners::open(config.listen, config.redirect.as_ref().map(|to| to.listen))?;
    let metrics = Metrics::open(config)?;
    let certificates = config.tls.as_ref().map(Certificates::load).transpose()?;
    let signals = Signals::new()?;
    if config.cookie_security == CookieSecurity::Never {
        tracing::warn!("the session cookie is sent over plain HTTP as well: cookie_secure is never");
    }
    let wired = tokio::select! {
        wired = wiring::open(config, serve.demo, Patience::Configured) => wired?,
        () = signals.any() => return Ok(ExitCode::SUCCESS),
    };
    if serve.demo {
        demo::prepare(&wired, serve.agents).await?;
    } else {
        first_administrator(config, &wired).await?;
    }
    tokio::select! {
        served = until_ended(config, serve, wired, listeners, metrics, certificates.map(Arc::new), &signals) => {
            served?;
            Ok(ExitCode::SUCCESS)
        }
        () = signals.again() => {
            tracing::warn!("asked a second time to end: what runs is cut");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Serves until a signal, and then until what runs has ended.
async fn until_ended(
    config: &Config,
    serve: &Serve,
    wired: Wired,
    listeners: Listeners,
    metrics: Option<Metrics>,
    certificates: Option<Arc<Certificates>>,
    signals: &Signals,
) -> anyhow::Result<()> {
    let mut background = Background::start(config, &wired, !serve.no_worker);
    background.look_at_disk(config);
    let urls = Urls::new(&config.root_path);
    let store = Arc::clone(&wired.ports.store);
    let state = AppState::new(Arc::clone(&wired.services), store, urls, config.cookie_security)
        .with_mail(wired.mailer.is_some())
        .with_components(background.components());
    let readiness = Arc::clone(&state.readiness);
    let edge = EdgeSettings {
        observer: metrics::observer(metrics.as_ref()),
        ..edge(config)
    };
    let limiter = metrics::limiter(metrics.as_ref(), Arc::clone(&wired.limiter));
    let site = mppeep_http::site(state.clone(), edge, limiter, &SystemEntropy);
    let settings = ServerSettings::usual(config.max_connections, config.trusted_proxies.clone());
    let connections = Connections::default();
    if let Some(metrics) = metrics {
        background.tell(metrics, &wired, Some((state, connections.clone())));
    }
    let _reloads = Reloads::start(certificates.as_ref())?;
    let address = listeners.main.local_addr()?;
    tracing::info!(%address, root = config.root_path, tls = certificates.is_some(), "listening");
    let redirects = redirects(config, listeners.redirect, &settings, &readiness, signals)?;
    let _watchdog = systemd::watch(connections.clone());
    systemd::ready();
    let work = background.end_work();
    let stop = async {
        signals.any().await;
        systemd::stopping();
        work.send_replace(true);
    };
    let endpoint = Endpoint {
        listener: listeners.main,
        site,
        certificates,
        connections,
    };
    tokio::join!(server::serve(endpoint, settings, readiness, stop), redirects);
    background.end().await;
    wired.close().await;
    Ok(())
}

/// Sends those who come without https to it, where that is wanted.
fn redirects(
    config: &Config,
    listener: Option<TcpListener>,
    settings: &ServerSettings,
    readiness: &Arc<Readiness>,
    signals: &Signals,
) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let wanted = config.redirect.as_ref().zip(listener);
    let served = match wanted {
        None => None,
        Some((to, listener)) => {
            let address = listener.local_addr()?;
            tracing::info!(%address, to = %to.origin, "redirecting");
            let endpoint = Endpoint {
                listener,
                site: server::redirect(&to.origin).into(),
                certificates: None,
                connections: Connections::default(),
            };
            let (readiness, signals) = (Arc::clone(readiness), signals.clone());
            let settings = settings.of_redirects();
            Some(async move { server::serve(endpoint, settings, readiness, signals.any()).await })
        }
    };
    Ok(async {
        if let Some(served) = served {
            served.await;
        }
    })
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
        max_requests: config.max_requests,
        request_deadline: config.request_deadline,
        observer: Arc::new(mppeep_http::Unobserved),
    }
}

async fn first_administrator(config: &Config, wired: &Wired) -> anyhow::Result<()> {
    if wired.services.settings.is_demonstration().await? {
        tracing::warn!("this database holds demonstration data, and accounts whose password is public");
        return Ok(());
    }
    let password = config.admin_password.as_ref().map(crate::config::Secret::expose);
    let users = &wired.services.users;
    let mut made = users
        .ensure_first_administrator(&config.admin_email, password)
        .await;
    if made.is_err() {
        // Of several servers that start at once on a new database, another one may have made him meanwhile.
        made = users
            .ensure_first_administrator(&config.admin_email, password)
            .await;
    }
    match made {
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
