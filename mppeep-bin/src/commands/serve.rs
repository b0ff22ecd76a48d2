//! `mppeep serve`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use mppeep_core::ports::clock::SystemEntropy;
use mppeep_core::ports::rate_limiter::Gcra;
use mppeep_core::services::users::FirstAdministrator;
use mppeep_http::{AppState, CookieSecurity, EdgeSettings, Urls};

use super::demo;
use crate::background::Background;
use crate::cli::Serve;
use crate::config::{Config, Rate};
use crate::server::{self, ServerSettings};
use crate::signals::Signals;
use crate::terminal::say;
use crate::wiring::database::Patience;
use crate::wiring::{self, Wired};

pub(crate) async fn run(config: &Config, serve: &Serve) -> anyhow::Result<ExitCode> {
    // Bound first: a taken address is told before anything is opened, and early clients wait instead of failing.
    let listener =
        server::bind(config.listen).with_context(|| format!("cannot listen on address {}", config.listen))?;
    let mut signals = Signals::new()?;
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
    let background = Background::start(config, &wired, !serve.no_worker);
    let urls = Urls::new(&config.root_path);
    let store = Arc::clone(&wired.ports.store);
    let state = AppState::new(Arc::clone(&wired.services), store, urls, config.cookie_security)
        .with_mail(wired.mailer.is_some())
        .with_components(background.components());
    let readiness = Arc::clone(&state.readiness);
    let router = mppeep_http::router(state, edge(config), Arc::clone(&wired.limiter), &SystemEntropy);
    let address = listener.local_addr()?;
    tracing::info!(%address, root = config.root_path, "listening");
    let work = background.end_work();
    let stop = async move {
        signals.any().await;
        work.send_replace(true);
    };
    server::serve(
        listener,
        router,
        ServerSettings::usual(config.max_connections),
        readiness,
        stop,
    )
    .await;
    background.end().await;
    wired.close().await;
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
        max_requests: config.max_requests,
        request_deadline: config.request_deadline,
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
