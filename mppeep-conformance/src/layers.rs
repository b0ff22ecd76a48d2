//! Harnesses for the core's layers over adapters: the same checks, through the wrapper.

use std::sync::Arc;

use async_trait::async_trait;
use mppeep_core::domain::id::UserId;
use mppeep_core::domain::user::User;
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::layered::session_cache::SessionCache;
use mppeep_core::ports::cache::Cache;
use mppeep_core::ports::epochs::Namespace;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::session::SessionStore;

use crate::harness::{SessionHarness, StoreHarness, TestClock};

/// The sessions of a store through copies in a cache that all instances share. Every instance reads the epochs with each
/// look-up, as one does whose poll is silent: what one of them ends, the others refuse with the next request.
pub struct CopiedSessions<H> {
    store: H,
    cache: Arc<dyn Cache>,
}

impl<H: StoreHarness> CopiedSessions<H> {
    /// Copies in `cache` of the sessions of `store`.
    pub fn new(store: H, cache: Arc<dyn Cache>) -> Self {
        Self { store, cache }
    }
}

#[async_trait]
impl<H: StoreHarness> SessionHarness for CopiedSessions<H> {
    async fn sessions(&self, instance: usize) -> Arc<dyn SessionStore> {
        let board = Arc::new(EpochBoard::new(self.store.epochs(instance).await));
        let cached = Arc::new(Cached::new(self.cache.clone(), board.clone()));
        let inner = self.store.session_store(instance).await;
        Arc::new(SessionCache::new(inner, cached, board, self.store.test_clock()))
    }

    async fn session_maintenance(&self) -> Arc<dyn Maintain> {
        self.store.maintenance().await
    }

    fn clock(&self) -> TestClock {
        self.store.test_clock()
    }

    async fn add_user(&self, user: &User) {
        SessionHarness::add_user(&self.store, user).await;
    }

    async fn user(&self, id: UserId) -> User {
        SessionHarness::user(&self.store, id).await
    }

    /// As services do it: what sessions show of their user is made wrong in the same unit.
    async fn change_user(&self, user: &User, end_sessions: bool) {
        let mut unit = self.store.store(0).await.begin().await.unwrap();
        unit.users().update(user, end_sessions).await.unwrap();
        unit.bump(&[Namespace::session_of(user.id)]).await.unwrap();
        unit.commit().await.unwrap();
    }

    async fn dump(&self) -> Vec<u8> {
        StoreHarness::dump(&self.store).await
    }
}
