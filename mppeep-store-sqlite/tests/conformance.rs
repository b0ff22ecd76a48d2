//! The suite that every adapter passes, on SQLite: each check on a database of its own.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mppeep_conformance::{StoreHarness, TestClock, conformance_tests};
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::ports::clock::{ManualClock, TimeSource};
use mppeep_core::ports::counters::Counters;
use mppeep_core::ports::epochs::Epochs;
use mppeep_core::ports::idempotency::IdempotencyKeys;
use mppeep_core::ports::job_queue::JobQueue;
use mppeep_core::ports::locks::Locks;
use mppeep_core::ports::login_attempts::LoginAttempts;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::session::SessionStore;
use mppeep_core::ports::store::Store;
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;

/// A database in a folder that goes with the harness, and the instances opened on it.
struct SqliteHarness {
    folder: tempfile::TempDir,
    clock: TestClock,
    instances: Mutex<BTreeMap<usize, SqliteStore>>,
}

impl SqliteHarness {
    fn new() -> Self {
        let noon = "2026-11-22T12:00:00Z".parse().unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::new(noon)),
            instances: Mutex::default(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("mppeep.db")
    }

    async fn instance(&self, number: usize) -> Arc<SqliteStore> {
        let mut instances = self.instances.lock().await;
        if let Some(open) = instances.get(&number) {
            return Arc::new(open.clone());
        }
        let options = SqliteOptions {
            time: TimeSource::Clock(self.clock.clone()),
            // Crowds on two instances line up for one writer, on whatever disk this is, and SQLite keeps no order among them.
            busy_timeout: Duration::from_secs(60),
            ..SqliteOptions::default()
        };
        let opened = SqliteStore::open(self.path(), options).await.unwrap();
        instances.insert(number, opened.clone());
        Arc::new(opened)
    }
}

#[async_trait]
impl StoreHarness for SqliteHarness {
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

    async fn idempotency(&self, instance: usize) -> Arc<dyn IdempotencyKeys> {
        self.instance(instance).await
    }

    async fn maintenance(&self) -> Arc<dyn Maintain> {
        self.instance(0).await
    }

    fn test_clock(&self) -> TestClock {
        self.clock.clone()
    }

    async fn dump(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }
        bytes
    }

    async fn damage_personnel(&self, id: PersonnelId) {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path());
        let mut conn = options.connect().await.unwrap();
        let done = sqlx::query("UPDATE personnel SET grade = 'D7' WHERE personnel_id = ?1")
            .bind(id.as_uuid())
            .execute(&mut conn)
            .await
            .unwrap();
        assert_eq!(done.rows_affected(), 1);
        conn.close().await.unwrap();
    }
}

conformance_tests!(store, SqliteHarness::new());
conformance_tests!(sessions, SqliteHarness::new());
conformance_tests!(login_attempts, SqliteHarness::new());
