//! Notices: what the bell shows a user.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::StoreError;
use crate::domain::id::{NoticeId, UserId};
use crate::domain::notice::Notice;

/// Notices kept for one user; older ones are removed when newer ones come.
pub const KEPT_PER_USER: u32 = 100;

/// Stores notices.
#[async_trait]
pub trait NoticeRepository: Send {
    /// Stores notices, and removes what is over [`KEPT_PER_USER`].
    ///
    /// # Errors
    /// `DanglingReference`.
    async fn insert(&mut self, notices: &[Notice]) -> Result<(), StoreError>;

    /// A user's notices, the latest first, `limit` at most.
    ///
    /// # Errors
    /// `Backend` only.
    async fn list(&mut self, user: UserId, limit: u32) -> Result<Vec<Notice>, StoreError>;

    /// How many of a user's notices are not read.
    ///
    /// # Errors
    /// `Backend` only.
    async fn unread(&mut self, user: UserId) -> Result<u64, StoreError>;

    /// Marks one of a user's notices as read, or all of them; says how many were not.
    ///
    /// # Errors
    /// `Backend` only.
    async fn mark_read(
        &mut self,
        user: UserId,
        which: Option<NoticeId>,
        at: Timestamp,
    ) -> Result<u64, StoreError>;
}
