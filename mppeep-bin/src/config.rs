//! Configuration: defaults, then the file, then the environment, then the flags; the last wins, and each value
//! remembers where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, anyhow, bail};
use mppeep_http::{ClientIpHeader, CookieSecurity, Network, Origin};

/// A name in the file and in the environment, and what happens without it.
struct Setting {
    key: &'static str,
    variable: &'static str,
    default: &'static str,
    secret: bool,
}

const fn setting(key: &'static str, variable: &'static str, default: &'static str) -> Setting {
    Setting {
        key,
        variable,
        default,
        secret: false,
    }
}

const fn secret(key: &'static str, variable: &'static str) -> Setting {
    Setting {
        key,
        variable,
        default: "",
        secret: true,
    }
}

/// Everything that can be set. An empty default means « not set ».
const SETTINGS: &[Setting] = &[
    setting("listen", "MPPEEP_LISTEN", "127.0.0.1:9000"),
    setting("root_path", "MPPEEP_ROOT_PATH", "/mppeep"),
    setting("public_url", "MPPEEP_PUBLIC_URL", ""),
    setting("allowed_origins", "MPPEEP_ALLOWED_ORIGINS", ""),
    secret("database_url", "DATABASE_URL"),
    secret("redis_url", "REDIS_URL"),
    setting("data_dir", "MPPEEP_DATA_DIR", "./data"),
    setting(
        "trusted_proxies",
        "MPPEEP_TRUSTED_PROXIES",
        "127.0.0.1/32,::1/128",
    ),
    setting("client_ip_header", "MPPEEP_CLIENT_IP_HEADER", "CF-Connecting-IP"),
    setting("cookie_secure", "MPPEEP_COOKIE_SECURE", "always"),
    setting("admin_email", "MPPEEP_ADMIN_EMAIL", "admin@mppeep.example"),
    secret("admin_password", "MPPEEP_ADMIN_PASSWORD"),
    setting("admin_password_file", "MPPEEP_ADMIN_PASSWORD_FILE", ""),
    setting("login_attempts", "MPPEEP_LOGIN_ATTEMPTS", "5"),
    setting("login_window_seconds", "MPPEEP_LOGIN_WINDOW_SECONDS", "900"),
    setting("request_rate", "MPPEEP_REQUEST_RATE", "10"),
    setting("request_burst", "MPPEEP_REQUEST_BURST", "20"),
    setting("user_request_rate", "MPPEEP_USER_REQUEST_RATE", "100"),
    setting("user_request_burst", "MPPEEP_USER_REQUEST_BURST", "500"),
    setting("max_connections", "MPPEEP_MAX_CONNECTIONS", "4096"),
    setting("log", "MPPEEP_LOG", "info"),
    setting("log_format", "MPPEEP_LOG_FORMAT", "auto"),
];

/// The file that is read when `--config` names none, if it exists.
const USUAL_FILE: &str = "mppeep.toml";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    Default,
    File(PathBuf),
    Environment(&'static str),
    Flag,
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// A value that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    Json,
    Text,
}

/// A rate that may be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Requests a second; 0 is off.
    pub(crate) per_second: u32,
    pub(crate) burst: u32,
}

/// The configuration in force.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) root_path: String,
    pub(crate) public_url: Option<Origin>,
    pub(crate) allowed_origins: Vec<Origin>,
    /// The database file, when one is named.
    pub(crate) database: Option<PathBuf>,
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
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    /// Each value with where it came from, secrets masked.
    pub(crate) origins: Vec<ShownValue>,
    /// Variables that look like ours and are not.
    pub(crate) unknown_variables: Vec<String>,
}

/// A line of `config check`.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct ShownValue {
    pub(crate) key: &'static str,
    pub(crate) variable: &'static str,
    pub(crate) value: String,
    pub(crate) origin: String,
}

type Values = BTreeMap<&'static str, (String, From)>;

/// Reads the configuration. `flags` are keys of the file with their values.
pub(crate) fn load(
    file: Option<&Path>,
    environment: &BTreeMap<String, String>,
    flags: &[(&'static str, String)],
) -> anyhow::Result<Config> {
    let mut values: Values = SETTINGS
        .iter()
        .map(|setting| (setting.key, (setting.default.to_owned(), From::Default)))
        .collect();
    let usual = Path::new(USUAL_FILE);
    if let Some(path) = file.or_else(|| usual.exists().then_some(usual)) {
        read_file(path, &mut values)?;
    }
    for setting in SETTINGS {
        if let Some(value) = environment.get(setting.variable) {
            values.insert(
                setting.key,
                (value.trim().to_owned(), From::Environment(setting.variable)),
            );
        }
    }
    for (key, value) in flags {
        values.insert(key, (value.clone(), From::Flag));
    }
    let unknown_variables = environment
        .keys()
        .filter(|name| {
            name.starts_with("MPPEEP_") && SETTINGS.iter().all(|setting| setting.variable != **name)
        })
        .cloned()
        .collect();
    assemble(&values, unknown_variables)
}

fn read_file(path: &Path, values: &mut Values) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let table: toml::Table =
        toml::from_str(&text).with_context(|| format!("{} is not valid TOML", path.display()))?;
    for (key, value) in table {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            let known: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
            bail!(
                "{}: unknown key `{key}`; known are {}",
                path.display(),
                known.join(", ")
            );
        };
        let text = plain(&value).with_context(|| format!("{}: `{key}`", path.display()))?;
        values.insert(setting.key, (text, From::File(path.to_owned())));
    }
    Ok(())
}

fn plain(value: &toml::Value) -> anyhow::Result<String> {
    Ok(match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(flag) => flag.to_string(),
        toml::Value::Array(items) => items
            .iter()
            .map(plain)
            .collect::<anyhow::Result<Vec<_>>>()?
            .join(","),
        _ => bail!("expected text, a whole number or a list"),
    })
}

fn assemble(values: &Values, unknown_variables: Vec<String>) -> anyhow::Result<Config> {
    let reader = Reader { values };
    let public_url: Option<Origin> = reader.optional("public_url")?;
    let cookie_security = match reader.text("cookie_secure") {
        "always" => CookieSecurity::Always,
        "never" => CookieSecurity::Never,
        other => {
            return Err(reader.wrong(
                "cookie_secure",
                &format!("expected always or never, not {other:?}"),
            ));
        }
    };
    if cookie_security == CookieSecurity::Never && public_url.as_ref().is_some_and(Origin::is_https) {
        return Err(reader.wrong("cookie_secure", "never is refused with an https public URL"));
    }
    if !reader.text("redis_url").is_empty() {
        return Err(reader.wrong(
            "redis_url",
            "Redis comes with a later version; unset it to start without",
        ));
    }
    let log_format = match reader.text("log_format") {
        "auto" => LogFormat::Auto,
        "json" => LogFormat::Json,
        "text" => LogFormat::Text,
        other => {
            return Err(reader.wrong(
                "log_format",
                &format!("expected auto, json or text, not {other:?}"),
            ));
        }
    };
    Ok(Config {
        listen: reader.parsed("listen")?,
        root_path: root_path(&reader)?,
        public_url,
        allowed_origins: reader.list("allowed_origins")?,
        database: database(&reader)?,
        data_dir: PathBuf::from(reader.text("data_dir")),
        trusted_proxies: reader.list("trusted_proxies")?,
        client_ip_header: reader.parsed("client_ip_header")?,
        cookie_security,
        admin_email: reader.text("admin_email").to_owned(),
        admin_password: admin_password(&reader)?,
        login_attempts: reader.at_least_one("login_attempts")?,
        login_window_seconds: reader.at_least_one("login_window_seconds")?,
        anonymous_rate: reader.rate("request_rate", "request_burst")?,
        user_rate: reader.rate("user_request_rate", "user_request_burst")?,
        max_connections: usize::try_from(reader.at_least_one("max_connections")?)?,
        log: reader.text("log").to_owned(),
        log_format,
        origins: SETTINGS.iter().map(|setting| reader.shown(setting)).collect(),
        unknown_variables,
    })
}

fn root_path(reader: &Reader<'_>) -> anyhow::Result<String> {
    let text = reader.text("root_path");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
    if text.bytes().all(plain) && !text.contains("//") && !text.contains("..") {
        Ok(text.to_owned())
    } else {
        Err(reader.wrong("root_path", "expected a path such as /mppeep"))
    }
}

/// The path of the SQLite file that `database_url` names.
fn database(reader: &Reader<'_>) -> anyhow::Result<Option<PathBuf>> {
    let url = reader.text("database_url");
    if url.is_empty() {
        return Ok(None);
    }
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        return Err(reader.wrong(
            "database_url",
            "PostgreSQL comes with a later version; use sqlite:<path>, or unset it for a file in the data directory",
        ));
    }
    let path = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"));
    let path = path.map(|path| path.split('?').next().unwrap_or_default());
    match path {
        Some("" | ":memory:") | None => Err(reader.wrong("database_url", "expected sqlite:<path of a file>")),
        Some(path) => Ok(Some(PathBuf::from(path))),
    }
}

fn admin_password(reader: &Reader<'_>) -> anyhow::Result<Option<Secret>> {
    let (direct, file) = (reader.text("admin_password"), reader.text("admin_password_file"));
    match (direct.is_empty(), file.is_empty()) {
        (true, true) => Ok(None),
        (false, true) => Ok(Some(Secret(direct.to_owned()))),
        (true, false) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("admin_password_file: cannot read {file}"))?;
            let line = text.lines().next().unwrap_or_default();
            if line.is_empty() {
                return Err(reader.wrong("admin_password_file", "the file's first line is empty"));
            }
            Ok(Some(Secret(line.to_owned())))
        }
        (false, false) => Err(reader.wrong("admin_password_file", "admin_password is set as well; keep one")),
    }
}

struct Reader<'a> {
    values: &'a Values,
}

impl Reader<'_> {
    fn text(&self, key: &'static str) -> &str {
        self.values.get(key).map_or("", |(value, _)| value)
    }

    fn wrong(&self, key: &'static str, what: &str) -> anyhow::Error {
        let origin = self
            .values
            .get(key)
            .map_or_else(String::new, |(_, origin)| origin.to_string());
        anyhow!("{key} ({origin}): {what}")
    }

    fn parsed<T: FromStr>(&self, key: &'static str) -> anyhow::Result<T>
    where
        T::Err: fmt::Display,
    {
        self.text(key)
            .parse()
            .map_err(|error| self.wrong(key, &format!("{error}")))
    }

    fn optional<T: FromStr>(&self, key: &'static str) -> anyhow::Result<Option<T>>
    where
        T::Err: fmt::Display,
    {
        if self.text(key).is_empty() {
            Ok(None)
        } else {
            self.parsed(key).map(Some)
        }
    }

    fn list<T: FromStr>(&self, key: &'static str) -> anyhow::Result<Vec<T>>
    where
        T::Err: fmt::Display,
    {
        let parts = self
            .text(key)
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts
            .map(|part| part.parse().map_err(|error| self.wrong(key, &format!("{error}"))))
            .collect()
    }

    fn at_least_one(&self, key: &'static str) -> anyhow::Result<u32> {
        match self.parsed(key)? {
            0 => Err(self.wrong(key, "expected at least 1")),
            number => Ok(number),
        }
    }

    fn rate(&self, rate: &'static str, burst: &'static str) -> anyhow::Result<Rate> {
        let per_second = self.parsed(rate)?;
        let burst = if per_second == 0 {
            self.parsed(burst)?
        } else {
            self.at_least_one(burst)?
        };
        Ok(Rate { per_second, burst })
    }

    fn shown(&self, setting: &Setting) -> ShownValue {
        let (value, origin) = self
            .values
            .get(setting.key)
            .cloned()
            .unwrap_or_else(|| (String::new(), From::Default));
        let value = match (value.is_empty(), setting.secret) {
            (true, _) => "(unset)".to_owned(),
            (false, true) => "********".to_owned(),
            (false, false) => value,
        };
        ShownValue {
            key: setting.key,
            variable: setting.variable,
            value,
            origin: origin.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_last_source_wins_and_is_named() {
        let file =
            file("listen = \"127.0.0.1:1\"\nrequest_rate = 3\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n");
        let variables = environment(&[("MPPEEP_LISTEN", "127.0.0.1:2"), ("MPPEEP_LOG", "debug")]);
        let flags = [("listen", "127.0.0.1:3".to_owned())];
        let config = load(Some(file.path()), &variables, &flags).unwrap();
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.anonymous_rate.per_second, 3);
        assert_eq!(config.trusted_proxies.len(), 2);
        let origin = |key: &str| {
            config
                .origins
                .iter()
                .find(|shown| shown.key == key)
                .unwrap()
                .origin
                .clone()
        };
        assert_eq!(origin("listen"), "flag");
        assert_eq!(origin("log"), "environment MPPEEP_LOG");
        assert!(origin("request_rate").starts_with("file "));
        assert_eq!(origin("root_path"), "default");
    }

    #[test]
    fn unknown_keys_are_errors_and_unknown_variables_are_named() {
        let error = load(Some(file("listten = \"x\"").path()), &environment(&[]), &[]).unwrap_err();
        assert!(error.to_string().contains("listten"), "{error}");
        let config = load(None, &environment(&[("MPPEEP_LISTTEN", "x"), ("HOME", "/")]), &[]).unwrap();
        assert_eq!(config.unknown_variables, ["MPPEEP_LISTTEN"]);
    }

    #[test]
    fn secrets_are_masked() {
        let variables = environment(&[
            ("MPPEEP_ADMIN_PASSWORD", "hunter2"),
            ("DATABASE_URL", "sqlite:/x/secret.db"),
        ]);
        let config = load(None, &variables, &[]).unwrap();
        let shown = serde_json::to_string(&config.origins).unwrap()
            + &format!("{config:?}").replace("/x/secret.db", "");
        assert!(
            !shown.contains("hunter2") && !shown.contains("secret.db"),
            "{shown}"
        );
        assert_eq!(config.admin_password.unwrap().expose(), "hunter2");
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_name() {
        for (name, value, word) in [
            ("MPPEEP_LISTEN", "nonsense", "listen"),
            ("DATABASE_URL", "postgres://localhost/mppeep", "later version"),
            ("DATABASE_URL", "mysql://localhost", "sqlite:"),
            ("DATABASE_URL", "sqlite::memory:", "sqlite:"),
            ("REDIS_URL", "redis://localhost", "later version"),
            ("MPPEEP_TRUSTED_PROXIES", "localhost", "trusted_proxies"),
            ("MPPEEP_CLIENT_IP_HEADER", "X-Forwarded-For", "client_ip_header"),
            ("MPPEEP_LOGIN_ATTEMPTS", "0", "at least 1"),
            ("MPPEEP_REQUEST_RATE", "-1", "request_rate"),
            ("MPPEEP_COOKIE_SECURE", "maybe", "cookie_secure"),
            ("MPPEEP_ROOT_PATH", "/a b", "root_path"),
            ("MPPEEP_PUBLIC_URL", "mppeep.example", "public_url"),
        ] {
            let error = load(None, &environment(&[(name, value)]), &[]).unwrap_err();
            assert!(error.to_string().contains(word), "{name}={value}: {error}");
        }
        let both = environment(&[
            ("MPPEEP_PUBLIC_URL", "https://a.example"),
            ("MPPEEP_COOKIE_SECURE", "never"),
        ]);
        assert!(load(None, &both, &[]).is_err());
    }

    #[test]
    fn sqlite_addresses_name_their_file() {
        for url in [
            "sqlite:/srv/m.db",
            "sqlite:///srv/m.db",
            "sqlite:/srv/m.db?mode=rwc",
        ] {
            let config = load(None, &environment(&[("DATABASE_URL", url)]), &[]).unwrap();
            assert_eq!(config.database.as_deref(), Some(Path::new("/srv/m.db")), "{url}");
        }
        assert_eq!(load(None, &environment(&[]), &[]).unwrap().database, None);
    }

    #[test]
    fn a_rate_of_zero_is_off() {
        let config = load(None, &environment(&[("MPPEEP_REQUEST_RATE", "0")]), &[]).unwrap();
        assert_eq!(config.anonymous_rate.per_second, 0);
    }
}
