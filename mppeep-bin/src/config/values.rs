//! Where values come from: defaults, the file, the environment, the flags, and files that hold a secret.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, anyhow, bail};

/// A name in the file and in the environment, and what happens without it.
pub(super) struct Setting {
    pub(super) key: &'static str,
    pub(super) variable: &'static str,
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
pub(super) const SETTINGS: &[Setting] = &[
    setting("listen", "MPPEEP_LISTEN", "127.0.0.1:9000"),
    setting("root_path", "MPPEEP_ROOT_PATH", "/mppeep"),
    setting("public_url", "MPPEEP_PUBLIC_URL", ""),
    setting("allowed_origins", "MPPEEP_ALLOWED_ORIGINS", ""),
    setting("tls_cert", "MPPEEP_TLS_CERT", ""),
    setting("tls_key", "MPPEEP_TLS_KEY", ""),
    setting("redirect_listen", "MPPEEP_REDIRECT_LISTEN", ""),
    setting("instances", "MPPEEP_INSTANCES", "1"),
    secret("database_url", "DATABASE_URL"),
    setting("database_url_file", "DATABASE_URL_FILE", ""),
    secret("database_listen_url", "MPPEEP_DATABASE_LISTEN_URL"),
    setting("database_listen_url_file", "MPPEEP_DATABASE_LISTEN_URL_FILE", ""),
    setting("database_pooler", "MPPEEP_DATABASE_POOLER", "false"),
    setting("database_connections", "MPPEEP_DATABASE_CONNECTIONS", "16"),
    setting("database_wait_seconds", "MPPEEP_DATABASE_WAIT_SECONDS", "30"),
    secret("redis_url", "REDIS_URL"),
    setting("redis_url_file", "REDIS_URL_FILE", ""),
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
    secret("smtp_url", "MPPEEP_SMTP_URL"),
    setting("smtp_url_file", "MPPEEP_SMTP_URL_FILE", ""),
    setting("mail_from", "MPPEEP_MAIL_FROM", ""),
    setting("worker_concurrency", "MPPEEP_WORKER_CONCURRENCY", "4"),
    setting("worker_lease_seconds", "MPPEEP_WORKER_LEASE_SECONDS", "30"),
    setting(
        "cache_statistics_seconds",
        "MPPEEP_CACHE_STATISTICS_SECONDS",
        "300",
    ),
    setting("cache_personnel_seconds", "MPPEEP_CACHE_PERSONNEL_SECONDS", "600"),
    setting("login_attempts", "MPPEEP_LOGIN_ATTEMPTS", "5"),
    setting("login_window_seconds", "MPPEEP_LOGIN_WINDOW_SECONDS", "900"),
    setting("request_rate", "MPPEEP_REQUEST_RATE", "10"),
    setting("request_burst", "MPPEEP_REQUEST_BURST", "20"),
    setting("user_request_rate", "MPPEEP_USER_REQUEST_RATE", "100"),
    setting("user_request_burst", "MPPEEP_USER_REQUEST_BURST", "500"),
    setting("max_connections", "MPPEEP_MAX_CONNECTIONS", "4096"),
    setting("max_requests", "MPPEEP_MAX_REQUESTS", "256"),
    setting("request_seconds", "MPPEEP_REQUEST_SECONDS", "30"),
    setting("metrics_listen", "MPPEEP_METRICS_LISTEN", ""),
    setting("log", "MPPEEP_LOG", "info"),
    setting("log_format", "MPPEEP_LOG_FORMAT", "auto"),
];

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

/// A rate that may be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Requests a second; 0 is off.
    pub(crate) per_second: u32,
    pub(crate) burst: u32,
}

/// A line of `config check`.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct ShownValue {
    pub(crate) key: &'static str,
    pub(crate) variable: &'static str,
    pub(crate) value: String,
    pub(crate) origin: String,
}

/// The values of all settings, with where each came from.
pub(super) struct Values(BTreeMap<&'static str, (String, From)>);

impl Values {
    pub(super) fn read(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
        flags: &[(&'static str, String)],
    ) -> anyhow::Result<Self> {
        let mut values = Self(
            SETTINGS
                .iter()
                .map(|setting| (setting.key, (setting.default.to_owned(), From::Default)))
                .collect(),
        );
        if let Some(path) = file {
            values.read_file(path)?;
        }
        for setting in SETTINGS {
            if let Some(value) = environment.get(setting.variable) {
                values.0.insert(
                    setting.key,
                    (value.trim().to_owned(), From::Environment(setting.variable)),
                );
            }
        }
        for (key, value) in flags {
            values.0.insert(key, (value.clone(), From::Flag));
        }
        Ok(values)
    }

    fn read_file(&mut self, path: &Path) -> anyhow::Result<()> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
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
            self.0.insert(setting.key, (text, From::File(path.to_owned())));
        }
        Ok(())
    }

    pub(super) fn text(&self, key: &'static str) -> &str {
        self.0.get(key).map_or("", |(value, _)| value)
    }

    /// A key and where its value came from.
    pub(super) fn place(&self, key: &'static str) -> String {
        match self.0.get(key) {
            Some((_, origin)) => format!("{key} ({origin})"),
            None => key.to_owned(),
        }
    }

    pub(super) fn wrong(&self, key: &'static str, what: &str) -> anyhow::Error {
        anyhow!("{}: {what}", self.place(key))
    }

    pub(super) fn parsed<T: FromStr>(&self, key: &'static str) -> anyhow::Result<T>
    where
        T::Err: fmt::Display,
    {
        self.text(key)
            .parse()
            .map_err(|error| self.wrong(key, &format!("{error}")))
    }

    pub(super) fn optional<T: FromStr>(&self, key: &'static str) -> anyhow::Result<Option<T>>
    where
        T::Err: fmt::Display,
    {
        if self.text(key).is_empty() {
            Ok(None)
        } else {
            self.parsed(key).map(Some)
        }
    }

    pub(super) fn list<T: FromStr>(&self, key: &'static str) -> anyhow::Result<Vec<T>>
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

    pub(super) fn at_least_one(&self, key: &'static str) -> anyhow::Result<u32> {
        match self.parsed(key)? {
            0 => Err(self.wrong(key, "expected at least 1")),
            number => Ok(number),
        }
    }

    pub(super) fn rate(&self, rate: &'static str, burst: &'static str) -> anyhow::Result<Rate> {
        let per_second = self.parsed(rate)?;
        let burst = if per_second == 0 {
            self.parsed(burst)?
        } else {
            self.at_least_one(burst)?
        };
        Ok(Rate { per_second, burst })
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> anyhow::Result<T> {
        let text = self.text(key);
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(*value),
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(self.wrong(key, &format!("expected {}, not {text:?}", known.join(" or "))))
            }
        }
    }

    /// A secret that is given as such, or as the first line of a file.
    pub(super) fn secret(&self, key: &'static str, file_key: &'static str) -> anyhow::Result<Option<Secret>> {
        let (direct, file) = (self.text(key), self.text(file_key));
        match (direct.is_empty(), file.is_empty()) {
            (true, true) => Ok(None),
            (false, true) => Ok(Some(Secret(direct.to_owned()))),
            (true, false) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("{}: cannot read {file}", self.place(file_key)))?;
                let line = text.lines().next().unwrap_or_default().trim();
                if line.is_empty() {
                    return Err(self.wrong(file_key, "the file's first line is empty"));
                }
                Ok(Some(Secret(line.to_owned())))
            }
            (false, false) => Err(self.wrong(file_key, &format!("{key} is set as well; keep one"))),
        }
    }

    pub(super) fn shown(&self) -> Vec<ShownValue> {
        let line = |setting: &Setting| {
            let value = self.text(setting.key);
            let shown = match (value.is_empty(), setting.secret) {
                (true, _) => "(unset)",
                (false, true) => "********",
                (false, false) => value,
            };
            let origin = self.0.get(setting.key).map(|(_, origin)| origin.to_string());
            ShownValue {
                key: setting.key,
                variable: setting.variable,
                value: shown.to_owned(),
                origin: origin.unwrap_or_default(),
            }
        };
        SETTINGS.iter().map(line).collect()
    }
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
