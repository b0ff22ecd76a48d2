//! The conformance suite on SQLite. Each check has its own file; an instance is a store with its own connections.

use std::sync::Arc;

use async_trait::async_trait;
use mppeep_conformance::{StoreHarness, TestClock, conformance_tests};
use mppeep_core::domain::id::PersonnelId;
use mppeep_core::ports::clock::{ManualClock, TimeSource};
use mppeep_core::ports::epochs::Epochs;
use mppeep_core::ports::login_attempts::LoginAttempts;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::session::SessionStore;
use mppeep_core::ports::store::Store;
use mppeep_store_sqlite::{SqliteOptions, SqliteStore};
use sqlx::Connection;
use tokio::sync::OnceCell;

struct Sqlite {
    folder: tempfile::TempDir,
    clock: TestClock,
    instances: [OnceCell<Arc<SqliteStore>>; 3],
}

impl Sqlite {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::new("2026-11-22T12:00:00Z".parse().unwrap())),
            instances: Default::default(),
        }
    }

    async fn instance(&self, number: usize) -> Arc<SqliteStore> {
        let open = || async {
            let time = TimeSource::Clock(self.clock.clone());
            let options = SqliteOptions { time, ..SqliteOptions::default() };
            Arc::new(SqliteStore::open(self.folder.path().join("mppeep.db"), options).await.unwrap())
        };
        self.instances[number].get_or_init(open).await.clone()
    }
}

#[async_trait]
impl StoreHarness for Sqlite {
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
        let url = format!("sqlite://{}", self.folder.path().join("mppeep.db").display());
        let mut conn = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("PRAGMA ignore_check_constraints = ON").execute(&mut conn).await.unwrap();
        let damaged = sqlx::query("UPDATE personnel SET grade = 'Z9' WHERE personnel_id = ?")
            .bind(id.as_uuid())
            .execute(&mut conn)
            .await
            .unwrap();
        assert_eq!(damaged.rows_affected(), 1);
        conn.close().await.unwrap();
    }
}

conformance_tests!(store, Sqlite::new());
conformance_tests!(sessions, Sqlite::new());
conformance_tests!(login_attempts, Sqlite::new());
