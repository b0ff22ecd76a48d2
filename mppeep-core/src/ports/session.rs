//! Sessions of logged-in users. SQL is their truth.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::BackendError;
use crate::domain::id::{PersonnelId, SessionHandle, UserId};
use crate::domain::organisation::UnitRef;
use crate::domain::session::SessionKey;
use crate::domain::user::Role;

/// A session to create.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Digest of its token.
    pub key: SessionKey,
    /// What its owner knows it by.
    pub handle: SessionHandle,
    /// Whose it is.
    pub user: UserId,
    /// The user's session epoch, as the login read it.
    pub user_epoch: i64,
    /// Browser and system, as the request named them, shortened.
    pub device: String,
    /// The client's address.
    pub address: String,
    /// The country it comes from, as two letters (ISO 3166-1), where the edge tells.
    pub country: Option<String>,
    /// How long it lives.
    pub lifetime: Duration,
}

/// Whether a session was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It lives.
    Done,
    /// The user's sessions were ended, or the account closed, after the login read it; or the key is taken.
    StaleEpoch,
}

/// A live session with what its user is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What its owner knows it by.
    pub handle: SessionHandle,
    /// Whose it is.
    pub user: UserId,
    /// The account's address.
    pub email: String,
    /// The account's name.
    pub display_name: String,
    /// The account's roles now.
    pub roles: BTreeSet<Role>,
    /// The agent whose account it is.
    pub personnel: Option<PersonnelId>,
    /// The unit the account answers for.
    pub perimeter: Option<UnitRef>,
    /// Whether the password must be changed.
    pub must_change_password: bool,
    /// Number of the charter accepted.
    pub charter_version: u32,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A session in its owner's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    /// What its owner knows it by.
    pub handle: SessionHandle,
    /// Browser and system.
    pub device: String,
    /// The client's address at login.
    pub address: String,
    /// The country it came from at login, as two letters.
    pub country: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Which sessions to end.
#[derive(Debug, Clone, Copy)]
pub enum Revoke<'a> {
    /// The one that this key opens.
    Key(&'a SessionKey),
    /// One of a user's.
    Handle {
        /// Whose.
        user: UserId,
        /// Which.
        handle: SessionHandle,
    },
    /// All of a user's, but perhaps one.
    User {
        /// Whose.
        user: UserId,
        /// The one that is spared.
        except: Option<SessionHandle>,
    },
}

/// Holds sessions.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Creates a session, unless the user's epoch moved since the login read it or the account is not active.
    /// One key is never two sessions.
    ///
    /// # Errors
    /// `BackendError` when the store cannot be reached.
    async fn create(&self, new: NewSession) -> Result<Created, BackendError>;

    /// The live session that this key opens, with the user as he is now: a closed account, a changed role or a moved
    /// epoch is seen here. `idle` ends sessions not used for that long; use is noted once a minute.
    ///
    /// # Errors
    /// As `create`.
    async fn load(&self, key: &SessionKey, idle: Option<Duration>) -> Result<Option<Session>, BackendError>;

    /// Ends sessions, and says how many lived. What is ended never lives again.
    ///
    /// # Errors
    /// As `create`.
    async fn revoke(&self, what: Revoke<'_>) -> Result<u64, BackendError>;

    /// A user's live sessions, the newest first; never their keys.
    ///
    /// # Errors
    /// As `create`.
    async fn list(&self, user: UserId, idle: Option<Duration>) -> Result<Vec<SessionSummary>, BackendError>;
}
