//! Copies of sessions, so that a request does not cost a query.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::cached::Cached;
use super::epoch_board::EpochBoard;
use crate::domain::id::UserId;
use crate::domain::session::SessionKey;
use crate::ports::cache::Ttl;
use crate::ports::clock::Clock;
use crate::ports::epochs::Namespace;
use crate::ports::error::BackendError;
use crate::ports::session::{Created, NewSession, Revoke, Session, SessionStore, SessionSummary};

/// Number of the copied shape.
const SCHEMA: u32 = 1;

/// How long a copy is fresh, and how long it may be served while it is read again. Within that time the session's last
/// use is noted with the read.
const TTL: Ttl = Ttl {
    soft: Duration::from_secs(30),
    hard: Duration::from_secs(60),
};

/// A session store with copies of its sessions in a cache. SQL stays the truth.
///
/// A copy's key holds the epoch of the shard that the token names. Everything that ends a session or changes what it shows
/// of its user bumps that epoch in the same transaction, so an old copy cannot be reached: by the process that wrote from
/// its next request on, by others as soon as they know the epoch, a second later at most. Sessions that do not exist are
/// not copied. With an idle limit every request asks the store, which judges the last use.
pub struct SessionCache {
    inner: Arc<dyn SessionStore>,
    cached: Arc<Cached>,
    board: Arc<EpochBoard>,
    clock: Arc<dyn Clock>,
}

enum NotLoaded {
    Absent,
    Failed(BackendError),
}

impl SessionCache {
    /// Copies of the sessions of `inner`, through `cached`, whose epochs `board` knows.
    pub fn new(
        inner: Arc<dyn SessionStore>,
        cached: Arc<Cached>,
        board: Arc<EpochBoard>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            inner,
            cached,
            board,
            clock,
        }
    }
}

#[async_trait]
impl SessionStore for SessionCache {
    async fn create(&self, new: NewSession) -> Result<Created, BackendError> {
        self.inner.create(new).await
    }

    async fn load(&self, key: &SessionKey, idle: Option<Duration>) -> Result<Option<Session>, BackendError> {
        if idle.is_some() {
            return self.inner.load(key, idle).await;
        }
        let namespace = Namespace::session_shard(key.shard());
        let name = URL_SAFE_NO_PAD.encode(key.0);
        let load = || async {
            match self.inner.load(key, None).await {
                Ok(Some(session)) => Ok(session),
                Ok(None) => Err(NotLoaded::Absent),
                Err(error) => Err(NotLoaded::Failed(error)),
            }
        };
        match self.cached.load(&[namespace], SCHEMA, &name, TTL, load).await {
            // Only the store judges when a session ends; near its end it is asked.
            Ok(session) if session.expires_at <= self.clock.now() + TTL.hard => {
                self.inner.load(key, None).await
            }
            // A copy filed under the shard of another user can only be somebody's mistake: it opens nothing.
            Ok(session) if Namespace::session_of(session.user) != namespace => Ok(None),
            Ok(session) => Ok(Some(session)),
            Err(NotLoaded::Absent) => Ok(None),
            Err(NotLoaded::Failed(error)) => Err(error),
        }
    }

    async fn revoke(&self, what: Revoke<'_>) -> Result<u64, BackendError> {
        let ended = self.inner.revoke(what).await;
        // Also after a failure: it may have been applied.
        if let Err(error) = self.board.refresh().await {
            tracing::debug!(%error, "the epochs cannot be read after a revocation");
            self.board.distrust();
        }
        ended
    }

    async fn list(&self, user: UserId, idle: Option<Duration>) -> Result<Vec<SessionSummary>, BackendError> {
        self.inner.list(user, idle).await
    }
}
