//! Fresh databases, and stores opened on them as several processes would.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mppeep_conformance::{CacheHarness, PubSubHarness, RateLimiterHarness, StoreHarness, TestClock};
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::ports::cache::Cache;
use mppeep_core::ports::clock::{ManualClock, TimeSource};
use mppeep_core::ports::counters::Counters;
use mppeep_core::ports::epochs::Epochs;
use mppeep_core::ports::idempotency::IdempotencyKeys;
use mppeep_core::ports::job_queue::JobQueue;
use mppeep_core::ports::locks::Locks;
use mppeep_core::ports::login_attempts::LoginAttempts;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::pubsub::PubSub;
use mppeep_core::ports::rate_limiter::RateLimiter;
use mppeep_core::ports::session::SessionStore;
use mppeep_core::ports::store::Store;
use mppeep_store_pg::{PgOptions, PgStore};
use mppeep_testbed::{PgBouncer, Postgres, database_of};
use sqlx::{Connection, PgConnection};
use tokio::sync::Mutex;

/// The name of a database to copy, which depends on the schema: a server for tests may outlive this program.
fn template_name() -> String {
    let mut hasher = DefaultHasher::new();
    let mut migrations: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    migrations.sort();
    for path in migrations {
        std::fs::read(path).unwrap().hash(&mut hasher);
    }
    format!("store_pg_{:x}", hasher.finish())
}

/// A database, and the instances opened on it.
pub(crate) struct PgHarness {
    url: String,
    pooler: Option<PgBouncer>,
    clock: TestClock,
    instances: Mutex<BTreeMap<usize, PgStore>>,
}

/// The name under which the server shows the connections of an instance.
fn name_of(instance: usize) -> String {
    format!("instance{instance}")
}

impl PgHarness {
    /// Instances that are connected to the server.
    pub(crate) async fn direct() -> Self {
        Self::over(None).await
    }

    /// Instances behind a pooler with fewer servers than they have connections.
    pub(crate) async fn pooled() -> Self {
        Self::over(Some(PgBouncer::start(Postgres::shared().await, 8).await)).await
    }

    async fn over(pooler: Option<PgBouncer>) -> Self {
        let cluster = Postgres::shared().await;
        let template = cluster
            .template(&template_name(), async |url| {
                PgStore::open(&url, PgOptions::default())
                    .await
                    .unwrap()
                    .close()
                    .await;
            })
            .await;
        let noon = "2026-11-22T12:00:00Z".parse().unwrap();
        Self {
            url: cluster.fresh_from(&template).await,
            pooler,
            clock: Arc::new(ManualClock::new(noon)),
            instances: Mutex::default(),
        }
    }

    async fn instance(&self, number: usize) -> Arc<PgStore> {
        let mut instances = self.instances.lock().await;
        if let Some(open) = instances.get(&number) {
            return Arc::new(open.clone());
        }
        let named = format!("{}?application_name={}", self.url, name_of(number));
        let options = PgOptions {
            time: TimeSource::Clock(self.clock.clone()),
            pooler: self.pooler.is_some(),
            listen_url: Some(named.clone()),
            // Hundreds of calls at once line up for a few connections and for one row, on whatever machine this is. That
            // limits are kept is checked under faults.
            acquire_timeout: Duration::from_secs(20),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(30),
            idle_in_transaction_timeout: Duration::from_secs(60),
            ..PgOptions::default()
        };
        let url = self
            .pooler
            .as_ref()
            .map_or(named, |pooler| pooler.url(database_of(&self.url)));
        let opened = PgStore::open(&url, options).await.unwrap();
        instances.insert(number, opened.clone());
        Arc::new(opened)
    }
}

#[async_trait]
impl StoreHarness for PgHarness {
    async fn store(&self, instance: usize) -> Arc<dyn Store> {
        self.instance(instance).await
    }

    async fn session_store(&self, instance: usize) -> Arc<dyn SessionStore> {
        self.instance(instance).await
    }

    async fn login_attempts(&self, instance: usize) -> Arc<dyn LoginAttempts> {
        self.instance(instance).await
    }

    async fn epochs(&self, instance: usize) -> Arc<dyn Epochs> {
        self.instance(instance).await
    }

    async fn counters(&self, instance: usize) -> Arc<dyn Counters> {
        self.instance(instance).await
    }

    async fn job_queue(&self, instance: usize) -> Arc<dyn JobQueue> {
        self.instance(instance).await
    }

    async fn idempotency(&self, instance: usize) -> Arc<dyn IdempotencyKeys> {
        self.instance(instance).await
    }

    async fn locks(&self, instance: usize) -> Arc<dyn Locks> {
        self.instance(instance).await
    }

    async fn maintenance(&self) -> Arc<dyn Maintain> {
        self.instance(0).await
    }

    fn test_clock(&self) -> TestClock {
        self.clock.clone()
    }

    async fn dump(&self) -> Vec<u8> {
        let mut conn = PgConnection::connect(&self.url).await.unwrap();
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema()",
        )
        .fetch_all(&mut conn)
        .await
        .unwrap();
        assert!(!tables.is_empty());
        let mut bytes = Vec::new();
        for table in tables {
            // Binary: texts and bytes as they are.
            let copy = format!("COPY {table} TO STDOUT (FORMAT binary)");
            let chunks = conn.copy_out_raw(&copy).await.unwrap();
            let chunks: Vec<_> = chunks.try_collect().await.unwrap();
            bytes.extend(chunks.concat());
        }
        conn.close().await.unwrap();
        bytes
    }

    async fn damage_personnel(&self, id: PersonnelId) {
        let mut conn = PgConnection::connect(&self.url).await.unwrap();
        let done = sqlx::query("UPDATE personnel SET grade = 'D7' WHERE personnel_id = $1")
            .bind(id.as_uuid())
            .execute(&mut conn)
            .await
            .unwrap();
        assert_eq!(done.rows_affected(), 1);
        conn.close().await.unwrap();
    }
}

#[async_trait]
impl CacheHarness for PgHarness {
    async fn cache(&self, instance: usize) -> Arc<dyn Cache> {
        self.instance(instance).await
    }

    fn clock(&self) -> TestClock {
        self.clock.clone()
    }

    fn value_limit_bytes(&self) -> usize {
        PgStore::CACHE_VALUE_LIMIT_BYTES
    }
}

#[async_trait]
impl RateLimiterHarness for PgHarness {
    async fn limiter(&self, instance: usize) -> Arc<dyn RateLimiter> {
        self.instance(instance).await
    }

    fn clock(&self) -> TestClock {
        self.clock.clone()
    }
}

#[async_trait]
impl PubSubHarness for PgHarness {
    async fn pubsub_at(&self, instance: usize) -> Arc<dyn PubSub> {
        self.instance(instance).await
    }

    fn payload_limit_bytes(&self) -> usize {
        PgStore::MESSAGE_LIMIT_BYTES
    }

    fn backlog(&self) -> usize {
        PgStore::MESSAGE_BACKLOG
    }

    async fn cut(&self, instance: usize) -> bool {
        let mut conn = PgConnection::connect(&self.url).await.unwrap();
        // With a time, it waits for their end: one that is still ending is not counted with the next.
        let cut: i64 = sqlx::query_scalar(
            "SELECT count(pg_terminate_backend(pid, 30000)) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = $1 AND query LIKE 'LISTEN %'",
        )
        .bind(name_of(instance))
        .fetch_one(&mut conn)
        .await
        .unwrap();
        conn.close().await.unwrap();
        assert_eq!(cut, 1, "an instance listens on one connection");
        true
    }
}
