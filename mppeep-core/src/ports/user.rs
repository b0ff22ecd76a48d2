//! The repository of login accounts.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::StoreError;
use super::page::{Page, PageRequest};
use crate::domain::email::Email;
use crate::domain::id::{PersonnelId, SessionHandle, UserId};
use crate::domain::user::{Role, User, UserStatus};

/// Conditions on accounts; all of them hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Folded words, each of which occurs in name or address.
    pub words: Vec<String>,
    /// Holding this role.
    pub role: Option<Role>,
    /// Of this status.
    pub status: Option<UserStatus>,
}

/// What a login needs of an account.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The account.
    pub user: User,
    /// Its password hash, a PHC string or bcrypt; none when no password was ever set.
    pub password_hash: Option<String>,
}

/// Stores accounts. Every change of roles, status, perimeter, link or password ends the account's sessions in the same
/// unit, by its session epoch.
#[async_trait]
pub trait UserRepository: Send {
    /// Stores a new account.
    ///
    /// # Errors
    /// `Conflict` on `email` (folded) or `personnel_id`, `DanglingReference`.
    async fn insert(&mut self, user: &User, password_hash: Option<&str>) -> Result<(), StoreError>;

    /// Replaces an account whose stored version is one less, but for its password and last login. When `end_sessions`,
    /// its session epoch moves in the same statement.
    ///
    /// # Errors
    /// `StaleVersion`, `Conflict` on `email` or `personnel_id`, `DanglingReference`.
    async fn update(&mut self, user: &User, end_sessions: bool) -> Result<(), StoreError>;

    /// Sets the password and moves the session epoch: all sessions end but perhaps `except`, which goes on.
    ///
    /// # Errors
    /// `StaleVersion` when the account does not exist.
    async fn set_password(
        &mut self,
        id: UserId,
        password_hash: &str,
        must_change: bool,
        except: Option<SessionHandle>,
    ) -> Result<(), StoreError>;

    /// Replaces the hash by another of the same password; sessions go on.
    ///
    /// # Errors
    /// `Backend` only.
    async fn rehash(&mut self, id: UserId, old_hash: &str, new_hash: &str) -> Result<(), StoreError>;

    /// Notes a login.
    ///
    /// # Errors
    /// `Backend` only.
    async fn note_login(&mut self, id: UserId, at: Timestamp) -> Result<(), StoreError>;

    /// Notes that a charter was accepted; sessions go on.
    ///
    /// # Errors
    /// `Backend` only.
    async fn accept_charter(&mut self, id: UserId, version: u32) -> Result<(), StoreError>;

    /// The account of that identifier.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find(&mut self, id: UserId) -> Result<Option<User>, StoreError>;

    /// What a login with that address needs.
    ///
    /// # Errors
    /// `Backend` only.
    async fn credentials(&mut self, email: &Email) -> Result<Option<Credentials>, StoreError>;

    /// What changing an account's own password needs.
    ///
    /// # Errors
    /// `Backend` only.
    async fn credentials_of(&mut self, id: UserId) -> Result<Option<Credentials>, StoreError>;

    /// The account of an agent.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find_by_personnel(&mut self, personnel: PersonnelId) -> Result<Option<User>, StoreError>;

    /// A page of the list, by folded name, with the number of live sessions of each.
    ///
    /// # Errors
    /// `Backend` only.
    async fn list(
        &mut self,
        filter: &UserFilter,
        now: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<UserRow>, StoreError>;

    /// Active accounts that hold a role.
    ///
    /// # Errors
    /// `Backend` only.
    async fn count_active_with_role(&mut self, role: Role) -> Result<u64, StoreError>;

    /// Number of accounts.
    ///
    /// # Errors
    /// `Backend` only.
    async fn count(&mut self) -> Result<u64, StoreError>;
}

/// An account in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The account.
    pub user: User,
    /// The agent's « NOM Prénoms ».
    pub personnel_name: Option<String>,
    /// Live sessions.
    pub session_count: u32,
}
