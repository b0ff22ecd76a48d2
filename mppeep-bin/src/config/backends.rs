//! What stands behind the server: the database, Redis, the mail server.

use std::path::PathBuf;
use std::time::Duration;

use super::values::{Secret, Values};

/// Which database.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// A file; none named means the usual one in the data folder.
    Sqlite(Option<PathBuf>),
    /// A server.
    Postgres(PostgresSettings),
}

/// How PostgreSQL is reached.
#[derive(Debug, Clone)]
pub(crate) struct PostgresSettings {
    pub(crate) url: Secret,
    /// Where notifications are heard, when a pooler stands before `url`.
    pub(crate) listen_url: Option<Secret>,
    /// Whether a pooler lends connections by the transaction.
    pub(crate) pooler: bool,
    /// Connections of this process for units of work.
    pub(crate) connections: u32,
    /// How long a start waits for the server.
    pub(crate) wait: Duration,
}

/// A setting whose value an adapter has to understand, with the name to blame when it does not.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) place: String,
    pub(crate) value: Secret,
}

/// The mail server.
#[derive(Debug, Clone)]
pub(crate) struct MailSettings {
    pub(crate) url: Named,
    pub(crate) from: String,
}

/// The one of two keys that holds a secret.
fn named(values: &Values, key: &'static str, file_key: &'static str) -> anyhow::Result<Option<Named>> {
    let value = values.secret(key, file_key)?;
    let key = if values.text(key).is_empty() {
        file_key
    } else {
        key
    };
    Ok(value.map(|value| Named {
        place: values.place(key),
        value,
    }))
}

pub(super) fn database(values: &Values) -> anyhow::Result<Database> {
    let Some(Named { place, value }) = named(values, "database_url", "database_url_file")? else {
        return Ok(Database::Sqlite(None));
    };
    let wrong = |what: &str| anyhow::anyhow!("{place}: {what}");
    let url = value.expose();
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Database::Postgres(PostgresSettings {
            listen_url: values.secret("database_listen_url", "database_listen_url_file")?,
            pooler: values.word("database_pooler", &[("true", true), ("false", false)])?,
            connections: values.at_least_one("database_connections")?,
            wait: Duration::from_secs(u64::from(values.parsed::<u32>("database_wait_seconds")?)),
            url: value,
        }));
    }
    let path = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"));
    let path = path.map(|path| path.split('?').next().unwrap_or_default());
    match path {
        Some("" | ":memory:") | None => Err(wrong(
            "expected sqlite:<path of a file>, or postgres://user:password@host/database",
        )),
        Some(path) => Ok(Database::Sqlite(Some(PathBuf::from(path)))),
    }
}

pub(super) fn redis(values: &Values) -> anyhow::Result<Option<Named>> {
    named(values, "redis_url", "redis_url_file")
}

/// Without a sender, mails are in the name of the host that people type.
pub(super) fn mail(values: &Values, host: Option<&str>) -> anyhow::Result<Option<MailSettings>> {
    let Some(url) = named(values, "smtp_url", "smtp_url_file")? else {
        return Ok(None);
    };
    let from = match values.text("mail_from") {
        "" => format!("mppeep@{}", host.unwrap_or("localhost")),
        from => from.to_owned(),
    };
    Ok(Some(MailSettings { url, from }))
}
