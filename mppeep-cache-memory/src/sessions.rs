//! Sessions of an embedding program.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mppeep_core::domain::id::{SessionHandle, UserId};
use mppeep_core::domain::session::SessionKey;
use mppeep_core::domain::user::{User, UserStatus};
use mppeep_core::ports::clock::TimeSource;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::maintain::Maintain;
use mppeep_core::ports::session::{Created, NewSession, Revoke, Session, SessionStore, SessionSummary};

use crate::time::wall_clock;
use crate::users::MemoryUsers;

/// Use of a session is noted once in that time.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Sessions in this process, of the accounts in a [`MemoryUsers`]. They are lost with the process.
pub struct MemorySessions {
    users: Arc<MemoryUsers>,
    time: TimeSource,
    sessions: Mutex<HashMap<SessionKey, Kept>>,
}

struct Kept {
    handle: SessionHandle,
    user: UserId,
    user_epoch: i64,
    device: String,
    address: String,
    country: Option<String>,
    created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: Timestamp,
}

impl Kept {
    /// The account, if the session lives. Its end is the first instant at which it does not.
    fn live_user(&self, users: &MemoryUsers, now: Timestamp, idle: Option<Duration>) -> Option<User> {
        let idle_over = idle.is_some_and(|idle| after(self.last_used_at, idle) <= now);
        if self.expires_at <= now || idle_over {
            return None;
        }
        users
            .find(self.user)
            .filter(|user| user.session_epoch == self.user_epoch && is_active(user))
    }
}

fn is_active(user: &User) -> bool {
    user.fields.status == UserStatus::Active
}

fn after(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

impl MemorySessions {
    /// No sessions yet, of these accounts.
    pub fn new(users: Arc<MemoryUsers>, time: TimeSource) -> Self {
        Self {
            users,
            time,
            sessions: Mutex::default(),
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<SessionKey, Kept>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SessionStore for MemorySessions {
    async fn create(&self, new: NewSession) -> Result<Created, BackendError> {
        let mut sessions = self.locked();
        let user = self.users.find(new.user);
        let current = user.is_some_and(|user| user.session_epoch == new.user_epoch && is_active(&user));
        if !current || sessions.contains_key(&new.key) {
            return Ok(Created::StaleEpoch);
        }
        let now = wall_clock(&self.time);
        let kept = Kept {
            handle: new.handle,
            user: new.user,
            user_epoch: new.user_epoch,
            device: new.device,
            address: new.address,
            country: new.country,
            created_at: now,
            last_used_at: now,
            expires_at: after(now, new.lifetime),
        };
        sessions.insert(new.key, kept);
        Ok(Created::Done)
    }

    async fn load(&self, key: &SessionKey, idle: Option<Duration>) -> Result<Option<Session>, BackendError> {
        let mut sessions = self.locked();
        let now = wall_clock(&self.time);
        let Some(kept) = sessions.get_mut(key) else {
            return Ok(None);
        };
        let Some(user) = kept.live_user(&self.users, now, idle) else {
            return Ok(None);
        };
        if after(kept.last_used_at, NOTE_EVERY) <= now {
            kept.last_used_at = now;
        }
        Ok(Some(Session {
            handle: kept.handle,
            user: user.id,
            email: user.fields.email.to_string(),
            display_name: user.fields.display_name,
            roles: user.fields.roles,
            personnel: user.fields.personnel,
            perimeter: user.fields.perimeter,
            must_change_password: user.must_change_password,
            charter_version: user.charter_version,
            expires_at: kept.expires_at,
        }))
    }

    async fn revoke(&self, what: Revoke<'_>) -> Result<u64, BackendError> {
        let mut sessions = self.locked();
        let now = wall_clock(&self.time);
        let mut ended = 0u64;
        let mut end_if = |matches: &dyn Fn(&SessionKey, &Kept) -> bool| {
            sessions.retain(|key, kept| {
                let goes = matches(key, kept);
                ended += u64::from(goes && kept.live_user(&self.users, now, None).is_some());
                !goes
            });
        };
        match what {
            Revoke::Key(wanted) => end_if(&|key, _| key == wanted),
            Revoke::Handle { user, handle } => end_if(&|_, kept| kept.user == user && kept.handle == handle),
            Revoke::User { user, except } => {
                end_if(&|_, kept| kept.user == user && Some(kept.handle) != except);
                // A login that read the account before must not bring a session back: the epoch moves on, and the
                // spared session with it.
                if let Some(epoch) = self.users.move_epoch(user) {
                    for kept in sessions.values_mut().filter(|kept| kept.user == user) {
                        // One that was dead before stays behind.
                        if kept.user_epoch == epoch - 1 {
                            kept.user_epoch = epoch;
                        }
                    }
                }
            }
        }
        Ok(ended)
    }

    async fn list(&self, user: UserId, idle: Option<Duration>) -> Result<Vec<SessionSummary>, BackendError> {
        let sessions = self.locked();
        let now = wall_clock(&self.time);
        let mut live: Vec<SessionSummary> = sessions
            .values()
            .filter(|kept| kept.user == user && kept.live_user(&self.users, now, idle).is_some())
            .map(|kept| SessionSummary {
                handle: kept.handle,
                device: kept.device.clone(),
                address: kept.address.clone(),
                country: kept.country.clone(),
                created_at: kept.created_at,
                last_used_at: kept.last_used_at,
                expires_at: kept.expires_at,
            })
            .collect();
        live.sort_by_key(|summary| std::cmp::Reverse((summary.created_at, summary.handle)));
        Ok(live)
    }
}

#[async_trait]
impl Maintain for MemorySessions {
    async fn sweep(&self, limit: u32) -> Result<u64, BackendError> {
        let mut sessions = self.locked();
        let now = wall_clock(&self.time);
        let mut swept = 0u64;
        sessions.retain(|_, kept| {
            let dead = swept < u64::from(limit) && kept.live_user(&self.users, now, None).is_none();
            swept += u64::from(dead);
            !dead
        });
        Ok(swept)
    }
}
