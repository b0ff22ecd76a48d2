//! Redis and the mail server: what the house can do without for a while.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use mppeep_cache_redis::{RedisAdapter, RedisOptions};
use mppeep_core::ports::clock::{SystemClock, SystemEntropy, new_uuid};
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::locks::{Locks, OwnerId};
use mppeep_core::ports::store::Store;
use mppeep_http::ComponentHealth;
use mppeep_mail::{SmtpMailer, SmtpOptions};

use crate::config::Config;

/// The fact that tells this database from every other one, so that what Redis keeps of one is never taken for another's.
const IDENTITY: &str = "identity";

/// For how long one server keeps the others from naming the database.
const NAMING: Duration = Duration::from_secs(5);

/// How often it is tried whether they answer.
const PROBE_REDIS: Duration = Duration::from_secs(2);
const PROBE_MAIL: Duration = Duration::from_secs(30);

/// Redis as configured; it is connected to when it is first needed.
pub(crate) fn redis(config: &Config, identity: &str) -> anyhow::Result<Option<RedisAdapter>> {
    let Some(named) = &config.redis else {
        return Ok(None);
    };
    let options = RedisOptions {
        prefix: format!("mppeep:{identity}:"),
        ..RedisOptions::default()
    };
    RedisAdapter::open(named.value.expose(), options)
        .map(Some)
        .map_err(|error| anyhow!("{}: {error}", named.place))
}

/// The mail server as configured; it is connected to when there is a mail.
pub(crate) fn mailer(config: &Config) -> anyhow::Result<Option<Arc<SmtpMailer>>> {
    let Some(settings) = &config.mail else {
        return Ok(None);
    };
    SmtpMailer::new(
        settings.url.value.expose(),
        &settings.from,
        SmtpOptions::default(),
    )
    .map(|mailer| Some(Arc::new(mailer)))
    .map_err(|error| match error {
        mppeep_mail::MailConfigError::From => anyhow!("mail_from: {error}"),
        error => anyhow!("{}: {error}", settings.url.place),
    })
}

/// The name of this database among all that share a Redis, made when it is first asked for. Of several servers that start
/// at once one makes it, under a lock, and the others find it made.
pub(crate) async fn identity(store: &dyn Store, locks: &dyn Locks) -> Result<String, StoreError> {
    let owner = OwnerId(new_uuid(&SystemClock, &SystemEntropy));
    loop {
        let known = store.begin_read().await?.settings().fact(IDENTITY).await?;
        if let Some(identity) = known {
            return Ok(identity);
        }
        let Some(lease) = locks.acquire(IDENTITY, owner, NAMING).await? else {
            tokio::time::sleep(NAMING / 100).await;
            continue;
        };
        let known = store.begin_read().await?.settings().fact(IDENTITY).await?;
        let identity = match known {
            Some(identity) => Ok(identity),
            None => renew_identity(store).await,
        };
        // What is not given back ends by itself.
        let _held = locks.release(&lease).await;
        return identity;
    }
}

/// Gives the database another name, after which nothing that Redis keeps of it is found any more.
pub(crate) async fn renew_identity(store: &dyn Store) -> Result<String, StoreError> {
    let identity = new_uuid(&SystemClock, &SystemEntropy).simple().to_string();
    let mut unit = store.begin().await?;
    unit.settings().set_fact(IDENTITY, &identity).await?;
    unit.commit().await?;
    Ok(identity)
}

/// Redis, for the page of health.
pub(crate) struct RedisComponent(pub(crate) RedisAdapter);

impl RedisComponent {
    /// Asks for an answer from time to time, so that its health is known while nobody needs it.
    pub(crate) async fn probe(self: Arc<Self>) {
        loop {
            // Its outcome is what the adapter says of its health.
            let _noted = self.0.ping().await;
            tokio::time::sleep(PROBE_REDIS).await;
        }
    }
}

impl ComponentHealth for RedisComponent {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn trouble(&self) -> Option<String> {
        let health = self.0.health();
        let unknown = || "it does not answer".to_owned();
        (!health.is_well()).then(|| health.last_error.unwrap_or_else(unknown))
    }
}

/// The mail server, for the page of health.
pub(crate) struct MailComponent {
    mailer: Arc<SmtpMailer>,
    trouble: Mutex<Option<String>>,
}

impl MailComponent {
    pub(crate) fn new(mailer: Arc<SmtpMailer>) -> Self {
        Self {
            mailer,
            trouble: Mutex::default(),
        }
    }

    /// Connects and logs in from time to time.
    pub(crate) async fn probe(self: Arc<Self>) {
        loop {
            let failure = self.mailer.check().await.err();
            self.note(failure.map(|failure| failure.to_string()));
            tokio::time::sleep(PROBE_MAIL).await;
        }
    }

    fn note(&self, trouble: Option<String>) {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match (known.as_deref(), trouble.as_deref()) {
            (None, Some(failure)) => tracing::warn!(failure, "the mail server cannot be used: mails wait"),
            (Some(_), None) => tracing::info!("the mail server can be used again"),
            _ => {}
        }
        *known = trouble;
    }
}

impl ComponentHealth for MailComponent {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn trouble(&self) -> Option<String> {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use mppeep_store_sqlite::{SqliteOptions, SqliteStore};

    use super::*;

    #[tokio::test]
    async fn servers_that_start_at_once_agree_on_the_name_of_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let path = folder.path().join("mppeep.db");
            let store = SqliteStore::open(path, SqliteOptions::default()).await.unwrap();
            tasks.spawn(async move { identity(&store, &store).await.unwrap() });
        }
        let mut names = tasks.join_all().await;
        names.dedup();
        assert_eq!(names.len(), 1, "{names:?}");
        let store = SqliteStore::open(folder.path().join("mppeep.db"), SqliteOptions::default()).await;
        let store = store.unwrap();
        let renewed = renew_identity(&store).await.unwrap();
        assert_ne!(names.first(), Some(&renewed));
        assert_eq!(identity(&store, &store).await.unwrap(), renewed);
    }
}
