//! The adapters behind the services.
//!
//! | configured | cache | general limits | messages | copies of sessions |
//! | --- | --- | --- | --- | --- |
//! | SQLite | memory | memory | memory | none: the file is as near |
//! | SQLite, Redis | memory | Redis, or a share in memory | Redis | none |
//! | PostgreSQL | memory before PostgreSQL | PostgreSQL, or a share in memory | PostgreSQL | memory |
//! | PostgreSQL, Redis | memory before Redis | Redis, or a share in memory | PostgreSQL and Redis | memory before Redis |
//!
//! Sessions themselves, login attempts, epochs, counters, jobs and locks are always the database's.

pub(crate) mod contents;
pub(crate) mod database;
pub(crate) mod outside;

use std::sync::Arc;
use std::time::Duration;

use mppeep_cache_memory::{MemoryCache, MemoryCacheSettings, MemoryRateLimiter};
use mppeep_cache_redis::RedisAdapter;
use mppeep_core::layered::buffered_counters::BufferedCounters;
use mppeep_core::layered::cached::{Cached, CachedSettings};
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::layered::fallback_limiter::FallbackLimiter;
use mppeep_core::layered::near_cache::NearCache;
use mppeep_core::layered::session_cache::SessionCache;
use mppeep_core::ports::cache::Cache;
use mppeep_core::ports::clock::{SystemClock, SystemEntropy, TimeSource};
use mppeep_core::ports::login_attempts::AttemptLimits;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::password::PasswordHasher;
use mppeep_core::ports::pubsub::PubSub;
use mppeep_core::ports::rate_limiter::RateLimiter;
use mppeep_core::ports::session::SessionStore;
use mppeep_core::services::file_tasks::OrphanFilesTask;
use mppeep_core::services::schedule::{DeadJobsTask, ForgetImportsTask, SweepTask, Task};
use mppeep_core::services::uploads::Contents;
use mppeep_core::services::{Adapters, CacheTimes, Context};
use mppeep_files::ImagePhotoMaker;
use mppeep_http::{FrenchLetters, ServicePorts, Services, Urls};
use mppeep_mail::SmtpMailer;
use mppeep_password::Argon2Hasher;
use mppeep_spreadsheet::{Limits, SpreadsheetFiles};

use crate::config::Config;
use database::{Opened, Patience, Ports};

/// What the in-process cache may hold.
const CACHE_BYTES: u64 = 16 << 20;

/// Copies of sessions that are made at once while their cache is away.
const SESSION_LOADERS: usize = 16;

/// How long everybody with that session waits for an instance that was killed while it made the copy. A session is one row:
/// who takes longer may well be overtaken.
const SESSION_LEASE: Duration = Duration::from_secs(1);

/// The open database with the services on it.
pub(crate) struct Wired {
    pub(crate) database: Opened,
    pub(crate) ports: Ports,
    pub(crate) board: Arc<EpochBoard>,
    pub(crate) limiter: Arc<dyn RateLimiter>,
    /// The same, where it decides by itself while the shared one is away.
    pub(crate) fallback: Option<Arc<FallbackLimiter>>,
    /// Caches by what they hold.
    pub(crate) caches: Vec<(&'static str, Arc<Cached>)>,
    /// What only this process holds and only it can sweep.
    pub(crate) own: Arc<dyn Maintain>,
    /// Where the database tells of epochs as they are committed.
    pub(crate) pushed: Option<Arc<dyn PubSub>>,
    /// Where processes tell each other of the epochs they learn of.
    pub(crate) relayed: Option<Arc<dyn PubSub>>,
    pub(crate) counters: Arc<BufferedCounters>,
    pub(crate) services: Arc<Services>,
    pub(crate) hasher: Arc<dyn PasswordHasher>,
    /// Where contents of files are.
    pub(crate) contents: Contents,
    pub(crate) redis: Option<RedisAdapter>,
    pub(crate) mailer: Option<Arc<SmtpMailer>>,
}

/// What differs by what is configured.
struct Shared {
    cache: Arc<dyn Cache>,
    limiter: Arc<dyn RateLimiter>,
    fallback: Option<Arc<FallbackLimiter>>,
    sessions: Arc<dyn SessionStore>,
    copies: Option<Arc<Cached>>,
    pushed: Option<Arc<dyn PubSub>>,
    relayed: Option<Arc<dyn PubSub>>,
}

/// Opens the configured database, and puts everything together on it.
pub(crate) async fn open(config: &Config, demo: bool, patience: Patience) -> anyhow::Result<Wired> {
    let mailer = outside::mailer(config)?;
    // A bad address is told before the database is waited for.
    outside::redis(config, "")?;
    let database = database::open(config, demo, patience).await?;
    let ports = database.ports();
    let redis = match &config.redis {
        None => None,
        Some(_) => {
            let identity = outside::identity(ports.store.as_ref(), ports.locks.as_ref()).await?;
            outside::redis(config, &identity)?
        }
    };
    let contents = contents::open(config, demo, &ports).await?;
    Ok(wire(config, database, ports, contents, redis, mailer))
}

fn wire(
    config: &Config,
    database: Opened,
    ports: Ports,
    contents: Contents,
    redis: Option<RedisAdapter>,
    mailer: Option<Arc<SmtpMailer>>,
) -> Wired {
    let board = Arc::new(EpochBoard::new(Arc::clone(&ports.epochs)));
    let local = Arc::new(MemoryRateLimiter::new(TimeSource::Backend));
    let shared = share(config, &database, &ports, redis.as_ref(), &board, &local);
    let cached = Arc::new(Cached::new(shared.cache, Arc::clone(&board)));
    let copies = shared.copies.map(|copies| ("sessions", copies));
    let caches = [Some(("values", Arc::clone(&cached))), copies];
    let context = Context::with(
        Adapters {
            store: Arc::clone(&ports.store),
            epochs: Arc::clone(&board),
            cached,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        },
        CacheTimes {
            statistics: config.cache_statistics,
            personnel: config.cache_personnel,
        },
        Some(Arc::new(FrenchLetters::new(site(config)))),
    );
    let counters = Arc::new(BufferedCounters::new(
        Arc::clone(&ports.counters),
        Arc::new(SystemClock),
        Arc::new(SystemEntropy),
    ));
    let tasks: Vec<Arc<dyn Task>> = vec![
        Arc::new(SweepTask::new(vec![Arc::clone(&ports.maintain)])),
        Arc::new(ForgetImportsTask::new(Arc::clone(&context))),
        Arc::new(DeadJobsTask::new(Arc::clone(&context), Arc::clone(&ports.queue))),
        Arc::new(OrphanFilesTask::new(Arc::clone(&context), contents.clone())),
    ];
    let hasher: Arc<dyn PasswordHasher> = Arc::new(Argon2Hasher::default());
    let service_ports = ServicePorts {
        sessions: shared.sessions,
        attempts: Arc::clone(&ports.attempts),
        hasher: Arc::clone(&hasher),
        attempt_limits: AttemptLimits {
            per_address: config.login_attempts,
            window: Duration::from_secs(u64::from(config.login_window_seconds)),
            ..AttemptLimits::default()
        },
        spreadsheets: Arc::new(SpreadsheetFiles::new(Limits::default())),
        queue: Arc::clone(&ports.queue),
        locks: Arc::clone(&ports.locks),
        counters: Arc::clone(&counters),
        idempotency: Arc::clone(&ports.idempotency),
        contents: contents.clone(),
        photo_maker: Arc::new(ImagePhotoMaker),
        tasks,
    };
    Wired {
        services: Arc::new(Services::new(&context, service_ports)),
        database,
        ports,
        board,
        limiter: shared.limiter,
        fallback: shared.fallback,
        caches: caches.into_iter().flatten().collect(),
        own: local,
        pushed: shared.pushed,
        relayed: shared.relayed,
        counters,
        hasher,
        contents,
        redis,
        mailer,
    }
}

/// The address that links in mails begin with. Without a public one they only work on this machine, as `doctor` says.
fn site(config: &Config) -> String {
    let root = Urls::new(&config.root_path);
    match &config.public_url {
        Some(origin) => format!("{origin}{}", root.root()),
        None => format!("http://localhost:{}{}", config.listen.port(), root.root()),
    }
}

fn share(
    config: &Config,
    database: &Opened,
    ports: &Ports,
    redis: Option<&RedisAdapter>,
    board: &Arc<EpochBoard>,
    local: &Arc<MemoryRateLimiter>,
) -> Shared {
    let memory = || -> Arc<dyn Cache> {
        let settings = MemoryCacheSettings {
            capacity_bytes: CACHE_BYTES,
            ..MemoryCacheSettings::default()
        };
        Arc::new(MemoryCache::new(TimeSource::Backend, settings))
    };
    let shared_limiter: Option<Arc<dyn RateLimiter>> = match (database, redis) {
        (_, Some(redis)) => Some(Arc::new(redis.limiter())),
        (Opened::Postgres(store), None) => Some(Arc::new(store.clone())),
        (Opened::Sqlite { .. }, None) => None,
    };
    let fallback = shared_limiter.map(|limiter| {
        let local = Arc::clone(local) as Arc<dyn RateLimiter>;
        Arc::new(FallbackLimiter::new(limiter, local, config.instances))
    });
    let limiter: Arc<dyn RateLimiter> = match &fallback {
        Some(limiter) => Arc::clone(limiter) as _,
        None => Arc::clone(local) as _,
    };
    let copies = |cache: Arc<dyn Cache>| -> (Arc<dyn SessionStore>, Option<Arc<Cached>>) {
        let settings = CachedSettings {
            loaders_without_lease: SESSION_LOADERS,
            lease: SESSION_LEASE,
            ..CachedSettings::default()
        };
        let cached = Arc::new(Cached::with_settings(cache, Arc::clone(board), settings));
        let sessions = SessionCache::new(
            Arc::clone(&ports.sessions),
            Arc::clone(&cached),
            Arc::clone(board),
            Arc::new(SystemClock),
        );
        (Arc::new(sessions), Some(cached))
    };
    let by_redis = redis.map(|redis| Arc::new(redis.pubsub()) as Arc<dyn PubSub>);
    let pushed = match database {
        Opened::Sqlite { .. } => None,
        Opened::Postgres(store) => Some(Arc::new(store.clone()) as Arc<dyn PubSub>),
    };
    let (cache, (sessions, copies)): (Arc<dyn Cache>, _) = match (database, redis) {
        (Opened::Sqlite { .. }, _) => (memory(), (Arc::clone(&ports.sessions), None)),
        (Opened::Postgres(store), None) => {
            let far = Arc::new(store.clone());
            (Arc::new(NearCache::new(memory(), far)), copies(memory()))
        }
        (Opened::Postgres(_), Some(redis)) => {
            let near = || -> Arc<dyn Cache> { Arc::new(NearCache::new(memory(), Arc::new(redis.cache()))) };
            (near(), copies(near()))
        }
    };
    Shared {
        cache,
        limiter,
        fallback,
        sessions,
        copies,
        pushed,
        relayed: by_redis,
    }
}

impl Wired {
    /// Where the database is, for people.
    pub(crate) fn place(&self) -> String {
        self.database.place()
    }

    /// Closes every connection.
    pub(crate) async fn close(&self) {
        if let Some(redis) = &self.redis {
            redis.close();
        }
        self.database.close().await;
    }
}
