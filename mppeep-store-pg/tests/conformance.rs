//! The suite that every adapter passes, on PostgreSQL: each check on a database of its own.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mppeep_conformance::{StoreHarness, TestClock, conformance_tests};
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::ports::clock::{ManualClock, TimeSource};
use mppeep_core::ports::counters::Counters;
use mppeep_core::ports::epochs::Epochs;
use mppeep_core::ports::job_queue::JobQueue;
use mppeep_core::ports::locks::Locks;
use mppeep_core::ports::login_attempts::LoginAttempts;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::session::SessionStore;
use mppeep_core::ports::store::Store;
use mppeep_store_pg::{PgOptions, PgStore};
use mppeep_testbed::Postgres;
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
struct PgHarness {
    url: String,
    clock: TestClock,
    instances: Mutex<BTreeMap<usize, PgStore>>,
}

impl PgHarness {
    async fn new() -> Self {
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
            clock: Arc::new(ManualClock::new(noon)),
            instances: Mutex::default(),
        }
    }

    async fn instance(&self, number: usize) -> Arc<PgStore> {
        let mut instances = self.instances.lock().await;
        if let Some(open) = instances.get(&number) {
            return Arc::new(open.clone());
        }
        let options = PgOptions {
            time: TimeSource::Clock(self.clock.clone()),
            ..PgOptions::default()
        };
        let opened = PgStore::open(&self.url, options).await.unwrap();
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

conformance_tests!(store, PgHarness::new().await);
conformance_tests!(sessions, PgHarness::new().await);
conformance_tests!(login_attempts, PgHarness::new().await);
