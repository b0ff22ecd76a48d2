//! Redis, the mail server, the disk and the worker: what the house can do without for a while.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use jiff::Timestamp;
use mppeep_cache_redis::{RedisAdapter, RedisOptions};
use mppeep_core::ports::clock::{SystemClock, SystemEntropy, new_uuid};
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::job_queue::Queue;
use mppeep_core::ports::locks::{Locks, OwnerId};
use mppeep_core::ports::store::Store;
use mppeep_http::ComponentHealth;
use mppeep_mail::{SmtpMailer, SmtpOptions};

use crate::config::Config;
use crate::metrics::samples::Samples;

/// The fact that tells this database from every other one, so that what Redis keeps of one is never taken for another's.
const IDENTITY: &str = "identity";

/// For how long one server keeps the others from naming the database.
const NAMING: Duration = Duration::from_secs(5);

/// How often it is tried whether they answer.
const PROBE_REDIS: Duration = Duration::from_secs(2);
const PROBE_MAIL: Duration = Duration::from_secs(30);
const PROBE_DISK: Duration = Duration::from_secs(5);

/// How long the disk may take to answer.
const DISK_PATIENCE: Duration = Duration::from_secs(3);

/// With less than this left, files may soon not be kept any more.
const LEAST_FREE_BYTES: u64 = 100 * 1024 * 1024;

/// With a job that could have been begun so long ago, nobody seems to work.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);

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

/// The name of this database among all that share a Redis.
pub(crate) async fn identity(store: &dyn Store, locks: &dyn Locks) -> Result<String, StoreError> {
    name_of(store, locks, IDENTITY).await
}

/// Gives the database another name, after which nothing that Redis keeps of it is found any more.
pub(crate) async fn renew_identity(store: &dyn Store) -> Result<String, StoreError> {
    rename(store, IDENTITY).await
}

/// The name that a database has for a purpose, made when it is first asked for. Of several servers that start at once one
/// makes it, under a lock, and the others find it made.
pub(crate) async fn name_of(
    store: &dyn Store,
    locks: &dyn Locks,
    purpose: &'static str,
) -> Result<String, StoreError> {
    let owner = OwnerId(new_uuid(&SystemClock, &SystemEntropy));
    loop {
        let known = store.begin_read().await?.settings().fact(purpose).await?;
        if let Some(name) = known {
            return Ok(name);
        }
        let Some(lease) = locks.acquire(purpose, owner, NAMING).await? else {
            tokio::time::sleep(NAMING / 100).await;
            continue;
        };
        let known = store.begin_read().await?.settings().fact(purpose).await?;
        let name = match known {
            Some(name) => Ok(name),
            None => rename(store, purpose).await,
        };
        // What is not given back ends by itself.
        let _held = locks.release(&lease).await;
        return name;
    }
}

async fn rename(store: &dyn Store, purpose: &'static str) -> Result<String, StoreError> {
    let name = new_uuid(&SystemClock, &SystemEntropy).simple().to_string();
    let mut unit = store.begin().await?;
    unit.settings().set_fact(purpose, &name).await?;
    unit.commit().await?;
    Ok(name)
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

/// The folder of the data, for the page of health.
pub(crate) struct DiskComponent {
    folder: PathBuf,
    trouble: Mutex<Option<String>>,
}

impl DiskComponent {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            trouble: Mutex::default(),
        }
    }

    /// Writes a byte and looks at what is free, from time to time. A disk that hangs is asked once, until it answers.
    pub(crate) async fn probe(self: Arc<Self>) {
        loop {
            let folder = self.folder.clone();
            let mut asked = tokio::task::spawn_blocking(move || disk_trouble(&folder));
            loop {
                match tokio::time::timeout(DISK_PATIENCE, &mut asked).await {
                    Ok(Ok(trouble)) => {
                        self.note(trouble);
                        break;
                    }
                    Ok(Err(_)) => break,
                    Err(_) => self.note(Some("the data folder does not answer".to_owned())),
                }
            }
            tokio::time::sleep(PROBE_DISK).await;
        }
    }

    fn note(&self, trouble: Option<String>) {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match (known.as_deref(), trouble.as_deref()) {
            (None, Some(trouble)) => tracing::warn!(trouble, "files may not be kept"),
            (Some(_), None) => tracing::info!("files can be kept again"),
            _ => {}
        }
        *known = trouble;
    }
}

impl ComponentHealth for DiskComponent {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn trouble(&self) -> Option<String> {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Why a file could not be kept in the folder now. Names no place: the page of health is public.
fn disk_trouble(folder: &Path) -> Option<String> {
    if let Err(error) = write_and_remove(folder) {
        return Some(format!("the data folder cannot be written: {}", error.kind()));
    }
    // What cannot be told is no trouble: not every file system tells.
    let told = rustix::fs::statvfs(folder).ok()?;
    let free = told.f_bavail.saturating_mul(told.f_frsize);
    (told.f_blocks > 0 && free < LEAST_FREE_BYTES)
        .then(|| format!("only {} MB are free in the data folder", free / 1_000_000))
}

fn write_and_remove(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".health-{}", std::process::id()));
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&path).and_then(|mut file| file.write_all(b"."));
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => written.and(Err(error)),
        _ => written,
    }
}

/// The queues, for the page of health: whether anybody works on them.
pub(crate) struct QueueComponent {
    samples: Arc<Samples>,
    /// Without a mail server mails wait by intention.
    with_mail: bool,
}

impl QueueComponent {
    pub(crate) fn new(samples: Arc<Samples>, with_mail: bool) -> Self {
        Self { samples, with_mail }
    }
}

impl ComponentHealth for QueueComponent {
    fn name(&self) -> &'static str {
        "queue"
    }

    fn trouble(&self) -> Option<String> {
        let sample = self.samples.last()?;
        let now = Timestamp::now();
        let worked_on = |queue| self.with_mail || queue != Queue::Mail;
        let oldest = sample
            .queues
            .iter()
            .filter(|depth| worked_on(depth.queue))
            .filter_map(|depth| depth.oldest_due)
            .min()?;
        let waited = now.duration_since(oldest).unsigned_abs();
        (oldest < now && waited > LONGEST_WAIT)
            .then(|| format!("jobs have waited for {} minutes", waited.as_secs() / 60))
    }
}

#[cfg(test)]
mod tests {
    use mppeep_store_sqlite::{SqliteOptions, SqliteStore};

    use super::*;

    #[test]
    fn a_folder_that_takes_no_file_is_told_of_without_its_name() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(disk_trouble(folder.path()), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let gone = folder.path().join("gone");
        let trouble = disk_trouble(&gone).unwrap();
        assert!(trouble.contains("cannot be written"), "{trouble}");
        assert!(!trouble.contains("gone"), "{trouble}");
    }

    #[tokio::test]
    async fn servers_that_start_at_once_agree_on_the_name_of_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let path = folder.path().join("mppeep.db");
            let options = SqliteOptions {
                busy_timeout: Duration::from_secs(60),
                ..SqliteOptions::default()
            };
            let store = SqliteStore::open(path, options).await.unwrap();
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
