//! What a check needs of the adapter under test.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::domain::id::{PersonnelId, UserId};
use mppeep_core::domain::user::User;
use mppeep_core::ports::cache::Cache;
use mppeep_core::ports::clock::ManualClock;
use mppeep_core::ports::counters::Counters;
use mppeep_core::ports::epochs::Epochs;
use mppeep_core::ports::file_store::FileStore;
use mppeep_core::ports::idempotency::IdempotencyKeys;
use mppeep_core::ports::job_queue::JobQueue;
use mppeep_core::ports::locks::Locks;
use mppeep_core::ports::login_attempts::LoginAttempts;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::pubsub::PubSub;
use mppeep_core::ports::rate_limiter::RateLimiter;
use mppeep_core::ports::session::SessionStore;
use mppeep_core::ports::store::Store;

/// The clock that judges in a harness; a check turns it.
pub type TestClock = Arc<ManualClock>;

/// A fresh cache, of which a check may ask several instances. All of them see the same entries.
#[async_trait]
pub trait CacheHarness: Send + Sync {
    /// The instance of that number, as another process would open it. In-process adapters give the same one.
    async fn cache(&self, instance: usize) -> Arc<dyn Cache>;
    /// The clock that all instances judge by.
    fn clock(&self) -> TestClock;
    /// Size of the largest value that is taken, in bytes; at least 1 MiB.
    fn value_limit_bytes(&self) -> usize;
}

/// A fresh limiter.
#[async_trait]
pub trait RateLimiterHarness: Send + Sync {
    /// The instance of that number.
    async fn limiter(&self, instance: usize) -> Arc<dyn RateLimiter>;
    /// The clock that all instances judge by.
    fn clock(&self) -> TestClock;
}

/// A fresh record of login attempts.
#[async_trait]
pub trait LoginAttemptsHarness: Send + Sync {
    /// The instance of that number.
    async fn attempts(&self, instance: usize) -> Arc<dyn LoginAttempts>;
    /// Sweeps what is dead.
    async fn attempts_maintenance(&self) -> Arc<dyn Maintain>;
    /// The clock that all instances judge by.
    fn clock(&self) -> TestClock;
}

/// A fresh session store, with the accounts that its sessions belong to.
#[async_trait]
pub trait SessionHarness: Send + Sync {
    /// The instance of that number.
    async fn sessions(&self, instance: usize) -> Arc<dyn SessionStore>;
    /// Sweeps what is dead.
    async fn session_maintenance(&self) -> Arc<dyn Maintain>;
    /// The clock that all instances judge by.
    fn clock(&self) -> TestClock;
    /// Stores a new account.
    async fn add_user(&self, user: &User);
    /// The account as it is stored now.
    async fn user(&self, id: UserId) -> User;
    /// Replaces an account (the given version is one more than the stored), ending its sessions if asked.
    async fn change_user(&self, user: &User, end_sessions: bool);
    /// Everything that the backend keeps, as bytes, to be searched for secrets. Empty when nothing leaves the process.
    async fn dump(&self) -> Vec<u8>;
}

/// Fresh counters.
#[async_trait]
pub trait CountersHarness: Send + Sync {
    /// The instance of that number.
    async fn counters_at(&self, instance: usize) -> Arc<dyn Counters>;
    /// Sweeps what is dead.
    async fn counters_maintenance(&self) -> Arc<dyn Maintain>;
    /// The clock that all instances judge by.
    fn clock(&self) -> TestClock;
}

/// A fresh queue, with the store whose units enqueue.
#[async_trait]
pub trait JobQueueHarness: Send + Sync {
    /// The queue, through the instance of that number.
    async fn queue_at(&self, instance: usize) -> Arc<dyn JobQueue>;
    /// The store, through the instance of that number.
    async fn store_at(&self, instance: usize) -> Arc<dyn Store>;
    /// The clock that all instances judge by.
    fn clock(&self) -> TestClock;
}

/// Fresh locks.
#[async_trait]
pub trait LocksHarness: Send + Sync {
    /// The instance of that number.
    async fn locks_at(&self, instance: usize) -> Arc<dyn Locks>;
    /// Sweeps what is dead.
    async fn locks_maintenance(&self) -> Arc<dyn Maintain>;
    /// The clock that all instances judge by.
    fn clock(&self) -> TestClock;
}

/// Fresh idempotency keys, with the store whose units mark them.
#[async_trait]
pub trait IdempotencyHarness: Send + Sync {
    /// The keys, through the instance of that number.
    async fn keys_at(&self, instance: usize) -> Arc<dyn IdempotencyKeys>;
    /// The store, through the instance of that number.
    async fn keys_store(&self, instance: usize) -> Arc<dyn Store>;
    /// Sweeps what is dead.
    async fn keys_maintenance(&self) -> Arc<dyn Maintain>;
    /// The clock that all instances judge by.
    fn clock(&self) -> TestClock;
}

/// A fresh place of contents. Nothing here is judged by a clock that can be turned: contents are made older instead.
#[async_trait]
pub trait FileStoreHarness: Send + Sync {
    /// The instance of that number, as another process would open it. In-process adapters give the same one.
    async fn files(&self, instance: usize) -> Arc<dyn FileStore>;
    /// How many contents that are not finished the backend holds, whoever began them.
    async fn unfinished(&self) -> usize;
    /// Leaves behind what the writer of a process leaves that dies after some bytes.
    async fn leave_unfinished(&self);
    /// Makes everything that the backend holds, finished or not, older by so much.
    async fn grow_older(&self, by: Duration);
}

/// Fresh channels. Nothing here is judged by a clock.
#[async_trait]
pub trait PubSubHarness: Send + Sync {
    /// The instance of that number; what one publishes the others hear. In-process adapters give the same one.
    async fn pubsub_at(&self, instance: usize) -> Arc<dyn PubSub>;
    /// Size of the largest payload that is taken, in bytes; at least what the port asks of every adapter.
    fn payload_limit_bytes(&self) -> usize;
    /// Messages that are kept at most for a subscriber who reads none; beyond it he hears a gap.
    fn backlog(&self) -> usize;
    /// Cuts the links over which that instance listens, as a restarted server would. Says whether there were any: an
    /// adapter inside one process has none.
    async fn cut(&self, instance: usize) -> bool;
}

/// A fresh store with everything that lives in one.
#[async_trait]
pub trait StoreHarness: Send + Sync {
    /// The store instance of that number, with its own connections.
    async fn store(&self, instance: usize) -> Arc<dyn Store>;
    /// Sessions, through the instance of that number.
    async fn session_store(&self, instance: usize) -> Arc<dyn SessionStore>;
    /// Login attempts, through the instance of that number.
    async fn login_attempts(&self, instance: usize) -> Arc<dyn LoginAttempts>;
    /// Epochs, through the instance of that number.
    async fn epochs(&self, instance: usize) -> Arc<dyn Epochs>;
    /// Counters, through the instance of that number.
    async fn counters(&self, instance: usize) -> Arc<dyn Counters>;
    /// The queue, through the instance of that number.
    async fn job_queue(&self, instance: usize) -> Arc<dyn JobQueue>;
    /// Locks, through the instance of that number.
    async fn locks(&self, instance: usize) -> Arc<dyn Locks>;
    /// Idempotency keys, through the instance of that number.
    async fn idempotency(&self, instance: usize) -> Arc<dyn IdempotencyKeys>;
    /// Sweeps what is dead.
    async fn maintenance(&self) -> Arc<dyn Maintain>;
    /// The clock that all instances judge by.
    fn test_clock(&self) -> TestClock;
    /// Everything that the backend keeps, as bytes.
    async fn dump(&self) -> Vec<u8>;
    /// Makes the stored file of that agent unreadable, behind the store's back: a grade that does not exist, say.
    async fn damage_personnel(&self, id: PersonnelId);
}

#[async_trait]
impl<T: StoreHarness> SessionHarness for T {
    async fn sessions(&self, instance: usize) -> Arc<dyn SessionStore> {
        self.session_store(instance).await
    }

    async fn session_maintenance(&self) -> Arc<dyn Maintain> {
        self.maintenance().await
    }

    fn clock(&self) -> TestClock {
        self.test_clock()
    }

    async fn add_user(&self, user: &User) {
        let mut unit = self.store(0).await.begin().await.unwrap();
        unit.users().insert(user, None).await.unwrap();
        unit.commit().await.unwrap();
    }

    async fn user(&self, id: UserId) -> User {
        let mut unit = self.store(0).await.begin_read().await.unwrap();
        unit.users().find(id).await.unwrap().expect("the account exists")
    }

    async fn change_user(&self, user: &User, end_sessions: bool) {
        let mut unit = self.store(0).await.begin().await.unwrap();
        unit.users().update(user, end_sessions).await.unwrap();
        unit.commit().await.unwrap();
    }

    async fn dump(&self) -> Vec<u8> {
        StoreHarness::dump(self).await
    }
}

#[async_trait]
impl<T: StoreHarness> LoginAttemptsHarness for T {
    async fn attempts(&self, instance: usize) -> Arc<dyn LoginAttempts> {
        self.login_attempts(instance).await
    }

    async fn attempts_maintenance(&self) -> Arc<dyn Maintain> {
        self.maintenance().await
    }

    fn clock(&self) -> TestClock {
        self.test_clock()
    }
}

#[async_trait]
impl<T: StoreHarness> CountersHarness for T {
    async fn counters_at(&self, instance: usize) -> Arc<dyn Counters> {
        self.counters(instance).await
    }

    async fn counters_maintenance(&self) -> Arc<dyn Maintain> {
        self.maintenance().await
    }

    fn clock(&self) -> TestClock {
        self.test_clock()
    }
}

#[async_trait]
impl<T: StoreHarness> JobQueueHarness for T {
    async fn queue_at(&self, instance: usize) -> Arc<dyn JobQueue> {
        self.job_queue(instance).await
    }

    async fn store_at(&self, instance: usize) -> Arc<dyn Store> {
        self.store(instance).await
    }

    fn clock(&self) -> TestClock {
        self.test_clock()
    }
}

#[async_trait]
impl<T: StoreHarness> LocksHarness for T {
    async fn locks_at(&self, instance: usize) -> Arc<dyn Locks> {
        self.locks(instance).await
    }

    async fn locks_maintenance(&self) -> Arc<dyn Maintain> {
        self.maintenance().await
    }

    fn clock(&self) -> TestClock {
        self.test_clock()
    }
}

#[async_trait]
impl<T: StoreHarness> IdempotencyHarness for T {
    async fn keys_at(&self, instance: usize) -> Arc<dyn IdempotencyKeys> {
        self.idempotency(instance).await
    }

    async fn keys_store(&self, instance: usize) -> Arc<dyn Store> {
        self.store(instance).await
    }

    async fn keys_maintenance(&self) -> Arc<dyn Maintain> {
        self.maintenance().await
    }

    fn clock(&self) -> TestClock {
        self.test_clock()
    }
}
