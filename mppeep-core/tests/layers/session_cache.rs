//! Copies of sessions: no query for a known one, and nobody let in after the end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mppeep_cache_memory::{MemoryCache, MemoryCacheSettings, MemoryEpochs};
use mppeep_core::domain::id::{SessionHandle, UserId};
use mppeep_core::domain::session::{SessionKey, SessionToken};
use mppeep_core::layered::cached::Cached;
use mppeep_core::layered::epoch_board::EpochBoard;
use mppeep_core::layered::session_cache::SessionCache;
use mppeep_core::ports::clock::{Clock, ManualClock, SeededEntropy, TimeSource};
use mppeep_core::ports::epochs::Namespace;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::session::{Created, NewSession, Revoke, Session, SessionStore, SessionSummary};
use uuid::Uuid;

use crate::away;

/// A store of sessions in the shape of SQL: a revocation bumps the epoch in the same step.
struct Store {
    sessions: Mutex<HashMap<SessionKey, Session>>,
    epochs: Arc<MemoryEpochs>,
    loads: AtomicUsize,
    down: AtomicBool,
}

#[async_trait]
impl SessionStore for Store {
    async fn create(&self, _: NewSession) -> Result<Created, BackendError> {
        Err(away())
    }

    async fn load(&self, key: &SessionKey, _: Option<Duration>) -> Result<Option<Session>, BackendError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(away());
        }
        Ok(self.sessions.lock().unwrap().get(key).cloned())
    }

    async fn revoke(&self, what: Revoke<'_>) -> Result<u64, BackendError> {
        let Revoke::Key(key) = what else {
            return Err(away());
        };
        let ended = self.sessions.lock().unwrap().remove(key);
        if let Some(session) = &ended {
            self.epochs.bump(&[Namespace::session_of(session.user)]);
        }
        Ok(u64::from(ended.is_some()))
    }

    async fn list(&self, _: UserId, _: Option<Duration>) -> Result<Vec<SessionSummary>, BackendError> {
        Err(away())
    }
}

struct Scene {
    clock: Arc<ManualClock>,
    store: Arc<Store>,
    cache: Arc<MemoryCache>,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new("2026-11-22T12:00:00Z".parse().unwrap()));
        let time = TimeSource::Clock(clock.clone());
        Self {
            store: Arc::new(Store {
                sessions: Mutex::default(),
                epochs: Arc::new(MemoryEpochs::new()),
                loads: AtomicUsize::new(0),
                down: AtomicBool::new(false),
            }),
            cache: Arc::new(MemoryCache::new(time, MemoryCacheSettings::default())),
            clock,
        }
    }

    /// A process with its own view of the epochs; all share the cache.
    async fn process(&self) -> (Arc<EpochBoard>, SessionCache) {
        let board = Arc::new(EpochBoard::new(self.store.epochs.clone()));
        board.refresh().await.unwrap();
        let cached = Arc::new(Cached::new(self.cache.clone(), board.clone()));
        let sessions = SessionCache::new(self.store.clone(), cached, board.clone(), self.clock.clone());
        (board, sessions)
    }

    fn open(&self, number: u128, lives_for: Duration) -> SessionKey {
        let user = UserId::from_uuid(Uuid::from_u128(number));
        let token = SessionToken::generate(user, &SeededEntropy::new(number as u64));
        let session = Session {
            handle: SessionHandle::from_uuid(Uuid::from_u128(number)),
            user,
            email: "a@example.org".to_owned(),
            display_name: "A".to_owned(),
            roles: std::collections::BTreeSet::new(),
            personnel: None,
            perimeter: None,
            must_change_password: false,
            charter_version: 0,
            expires_at: self.clock.now() + lives_for,
        };
        self.store.sessions.lock().unwrap().insert(token.key(), session);
        token.key()
    }

    fn loads(&self) -> usize {
        self.store.loads.swap(0, Ordering::SeqCst)
    }
}

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

#[tokio::test(start_paused = true)]
async fn a_known_session_costs_no_query_on_any_instance() {
    let scene = Scene::new();
    let (_, one) = scene.process().await;
    let (_, other) = scene.process().await;
    let key = scene.open(1, WEEK);
    for sessions in [&one, &one, &other] {
        assert!(sessions.load(&key, None).await.unwrap().is_some());
    }
    assert_eq!(scene.loads(), 1);
    // With an idle limit the store judges each use.
    for _ in 0..3 {
        one.load(&key, Some(Duration::from_secs(60))).await.unwrap();
    }
    assert_eq!(scene.loads(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_ended_session_is_closed_here_at_once_and_elsewhere_with_the_epoch() {
    let scene = Scene::new();
    let (_, here) = scene.process().await;
    let (board, elsewhere) = scene.process().await;
    let key = scene.open(1, WEEK);
    assert!(here.load(&key, None).await.unwrap().is_some());
    assert!(elsewhere.load(&key, None).await.unwrap().is_some());
    assert_eq!(here.revoke(Revoke::Key(&key)).await.unwrap(), 1);
    assert!(
        here.load(&key, None).await.unwrap().is_none(),
        "the next request here"
    );
    board.refresh().await.unwrap();
    assert!(elsewhere.load(&key, None).await.unwrap().is_none());
    // The copy is still in the shared cache, under an epoch that nobody asks for any more; a process that starts now
    // does not find it either.
    let (_, third) = scene.process().await;
    assert!(third.load(&key, None).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_hears_nothing_stops_believing_its_copies() {
    let scene = Scene::new();
    let (_, here) = scene.process().await;
    let (_, deaf) = scene.process().await;
    let key = scene.open(1, WEEK);
    assert!(deaf.load(&key, None).await.unwrap().is_some());
    here.revoke(Revoke::Key(&key)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_501)).await;
    assert!(deaf.load(&key, None).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_not_remembered() {
    let scene = Scene::new();
    let (_, sessions) = scene.process().await;
    let key = scene.open(1, WEEK);
    let session = scene.store.sessions.lock().unwrap().remove(&key).unwrap();
    assert!(sessions.load(&key, None).await.unwrap().is_none());
    scene.store.sessions.lock().unwrap().insert(key, session);
    assert!(sessions.load(&key, None).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_store_alone_judges_the_end_of_a_session() {
    let scene = Scene::new();
    let (_, sessions) = scene.process().await;
    let key = scene.open(1, Duration::from_secs(90));
    assert!(sessions.load(&key, None).await.unwrap().is_some());
    scene.clock.advance(Duration::from_secs(35));
    scene.loads();
    for _ in 0..3 {
        sessions.load(&key, None).await.unwrap();
    }
    assert!(scene.loads() >= 3, "less than a minute is left");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_told_apart_from_a_session_that_is_not() {
    let scene = Scene::new();
    let (_, sessions) = scene.process().await;
    let known = scene.open(1, WEEK);
    let unknown = scene.open(2, WEEK);
    assert!(sessions.load(&known, None).await.unwrap().is_some());
    scene.store.down.store(true, Ordering::SeqCst);
    sessions.load(&unknown, None).await.unwrap_err();
    assert!(
        sessions.load(&known, None).await.unwrap().is_some(),
        "a copy serves while its epoch is believed"
    );
}
