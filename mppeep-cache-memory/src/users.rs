//! The accounts that in-memory sessions belong to.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mppeep_core::domain::email::Email;
use mppeep_core::domain::id::UserId;
use mppeep_core::domain::user::User;

/// Accounts of an embedding program, as far as sessions need them. Whatever directory the program has, it puts each
/// account here when it starts, and again whenever the account changes.
#[derive(Debug, Default)]
pub struct MemoryUsers(Mutex<HashMap<UserId, User>>);

impl MemoryUsers {
    /// No accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces an account. Another set of roles, another status, perimeter or agent ends its sessions; the
    /// epoch of an account never goes back, whatever the given one says. Gives the account as it is now.
    pub fn put(&self, user: User) -> User {
        let mut users = self.locked();
        let mut user = user;
        if let Some(old) = users.get(&user.id) {
            let rights = |user: &User| {
                let fields = &user.fields;
                (
                    fields.roles.clone(),
                    fields.status,
                    fields.perimeter,
                    fields.personnel,
                )
            };
            let least = old.session_epoch + i64::from(rights(old) != rights(&user));
            user.session_epoch = user.session_epoch.max(least);
        }
        users.insert(user.id, user.clone());
        user
    }

    /// The account of that identifier.
    pub fn find(&self, id: UserId) -> Option<User> {
        self.locked().get(&id).cloned()
    }

    /// The account of that address.
    pub fn find_by_email(&self, email: &Email) -> Option<User> {
        self.locked()
            .values()
            .find(|user| user.fields.email == *email)
            .cloned()
    }

    /// Ends all sessions of an account, as a new password must; whether there is such an account.
    pub fn end_sessions(&self, id: UserId) -> bool {
        self.move_epoch(id).is_some()
    }

    /// Moves an account's session epoch, and gives the new one.
    pub(crate) fn move_epoch(&self, id: UserId) -> Option<i64> {
        let mut users = self.locked();
        let user = users.get_mut(&id)?;
        user.session_epoch += 1;
        Some(user.session_epoch)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<UserId, User>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
