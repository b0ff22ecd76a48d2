//! Configuration: defaults, then the file, then the environment, then the flags; the last wins, and each value
//! remembers where it came from.

mod backends;
#[cfg(test)]
mod tests;
mod tls;
mod values;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mppeep_http::{ClientIpHeader, CookieSecurity, Network, Origin};

pub(crate) use backends::{Database, MailSettings, Named, PostgresSettings};
pub(crate) use tls::Redirect;
pub(crate) use values::{Rate, Secret, ShownValue};
use values::{SETTINGS, Values};

use crate::server::TlsFiles;

/// The file that is read when `--config` names none, if it exists.
const USUAL_FILE: &str = "mppeep.toml";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    Json,
    Text,
}

/// The configuration in force.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) root_path: String,
    pub(crate) public_url: Option<Origin>,
    pub(crate) allowed_origins: Vec<Origin>,
    /// The certificate and its key, when https is spoken here and not by a proxy.
    pub(crate) tls: Option<TlsFiles>,
    /// Where those who come without https are sent to it.
    pub(crate) redirect: Option<Redirect>,
    /// How many servers share the database: each takes its share of the limits while Redis is away.
    pub(crate) instances: u32,
    pub(crate) database: Database,
    pub(crate) redis: Option<Named>,
    pub(crate) mail: Option<MailSettings>,
    pub(crate) worker_concurrency: usize,
    /// How long a job is leased; what a worker that died had in hand comes back after that.
    pub(crate) worker_lease: Duration,
    pub(crate) cache_statistics: Duration,
    pub(crate) cache_personnel: Duration,
    pub(crate) data_dir: PathBuf,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) client_ip_header: ClientIpHeader,
    pub(crate) cookie_security: CookieSecurity,
    pub(crate) admin_email: String,
    pub(crate) admin_password: Option<Secret>,
    pub(crate) login_attempts: u32,
    pub(crate) login_window_seconds: u32,
    pub(crate) anonymous_rate: Rate,
    pub(crate) user_rate: Rate,
    pub(crate) max_connections: usize,
    /// Requests under way at once; more wait a second, and are then told to come back.
    pub(crate) max_requests: usize,
    /// How long a request may be worked on.
    pub(crate) request_deadline: Duration,
    /// Where metrics are told; nowhere when unset.
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    /// Each value with where it came from, secrets masked.
    pub(crate) origins: Vec<ShownValue>,
    /// Variables that look like ours and are not.
    pub(crate) unknown_variables: Vec<String>,
}

/// Reads the configuration. `flags` are keys of the file with their values.
pub(crate) fn load(
    file: Option<&Path>,
    environment: &BTreeMap<String, String>,
    flags: &[(&'static str, String)],
) -> anyhow::Result<Config> {
    let usual = Path::new(USUAL_FILE);
    let file = file.or_else(|| usual.exists().then_some(usual));
    let values = Values::read(file, environment, flags)?;
    let unknown_variables = environment
        .keys()
        .filter(|name| {
            name.starts_with("MPPEEP_") && SETTINGS.iter().all(|setting| setting.variable != **name)
        })
        .cloned()
        .collect();
    assemble(&values, unknown_variables)
}

fn assemble(values: &Values, unknown_variables: Vec<String>) -> anyhow::Result<Config> {
    let public_url: Option<Origin> = values.optional("public_url")?;
    let root_path = root_path(values)?;
    check_public_path(values, &root_path)?;
    let cookie_security = values.word(
        "cookie_secure",
        &[
            ("always", CookieSecurity::Always),
            ("never", CookieSecurity::Never),
        ],
    )?;
    if cookie_security == CookieSecurity::Never && public_url.as_ref().is_some_and(Origin::is_https) {
        return Err(values.wrong("cookie_secure", "never is refused with an https public URL"));
    }
    let tls = tls::files(values)?;
    if tls.is_some() {
        tls::needs_https(values, public_url.as_ref(), cookie_security)?;
    }
    let log_format = values.word(
        "log_format",
        &[
            ("auto", LogFormat::Auto),
            ("json", LogFormat::Json),
            ("text", LogFormat::Text),
        ],
    )?;
    let seconds = |key| anyhow::Ok(Duration::from_secs(u64::from(values.at_least_one(key)?)));
    Ok(Config {
        listen: values.parsed("listen")?,
        root_path,
        allowed_origins: values.list("allowed_origins")?,
        tls,
        redirect: tls::redirect(values, public_url.as_ref())?,
        instances: values.at_least_one("instances")?,
        database: backends::database(values)?,
        redis: backends::redis(values)?,
        mail: backends::mail(values, public_url.as_ref().map(Origin::host))?,
        worker_concurrency: usize::try_from(values.at_least_one("worker_concurrency")?)?,
        worker_lease: Duration::from_secs(values.at_least_one("worker_lease_seconds")?.into()),
        cache_statistics: seconds("cache_statistics_seconds")?,
        cache_personnel: seconds("cache_personnel_seconds")?,
        data_dir: PathBuf::from(values.text("data_dir")),
        trusted_proxies: values.list("trusted_proxies")?,
        client_ip_header: values.parsed("client_ip_header")?,
        cookie_security,
        admin_email: values.text("admin_email").to_owned(),
        admin_password: values.secret("admin_password", "admin_password_file")?,
        login_attempts: values.at_least_one("login_attempts")?,
        login_window_seconds: values.at_least_one("login_window_seconds")?,
        anonymous_rate: values.rate("request_rate", "request_burst")?,
        user_rate: values.rate("user_request_rate", "user_request_burst")?,
        max_connections: usize::try_from(values.at_least_one("max_connections")?)?,
        max_requests: usize::try_from(values.at_least_one("max_requests")?)?,
        request_deadline: seconds("request_seconds")?,
        metrics_listen: values.optional("metrics_listen")?,
        log: values.text("log").to_owned(),
        log_format,
        origins: values.shown(),
        public_url,
        unknown_variables,
    })
}

fn root_path(values: &Values) -> anyhow::Result<String> {
    let text = values.text("root_path");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
    if text.bytes().all(plain) && !text.contains("//") && !text.contains("..") {
        Ok(text.to_owned())
    } else {
        Err(values.wrong("root_path", "expected a path such as /mppeep"))
    }
}

/// A public URL may name the path of the site on a shared domain. No proxy may change paths: links would lead nowhere.
fn check_public_path(values: &Values, root_path: &str) -> anyhow::Result<()> {
    let text = values.text("public_url");
    let path = text
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or("", |(_, path)| path.trim_matches('/'));
    if path.is_empty() || path == root_path.trim_matches('/') {
        Ok(())
    } else {
        let what = format!("its path is /{path}, and root_path is {root_path}");
        Err(values.wrong("public_url", &what))
    }
}
