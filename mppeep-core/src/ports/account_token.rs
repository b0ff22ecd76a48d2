//! One-time tokens that open an account without its password.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::StoreError;
use crate::domain::codes::codes;
use crate::domain::id::UserId;

codes! {
    /// What a token is for.
    TokenPurpose {
        /// Choosing a new password.
        Reset = "reset",
        /// Opening a new account.
        Invitation = "invitation",
    }
}

/// A token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountToken {
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// Whose account it opens.
    pub user: UserId,
    /// What for.
    pub purpose: TokenPurpose,
    /// When it ends; at that very instant it is over.
    pub expires_at: Timestamp,
}

/// Stores tokens.
#[async_trait]
pub trait AccountTokenRepository: Send {
    /// Stores a token; earlier ones of the same account and purpose end.
    ///
    /// # Errors
    /// `DanglingReference`.
    async fn insert(&mut self, token: &AccountToken) -> Result<(), StoreError>;

    /// The live token of that digest.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find(&mut self, digest: &[u8; 32], now: Timestamp) -> Result<Option<AccountToken>, StoreError>;

    /// Uses up the live token of that digest, and every other of its account. Of two that try at once, one gets it.
    ///
    /// # Errors
    /// `Backend` only.
    async fn take(&mut self, digest: &[u8; 32], now: Timestamp) -> Result<Option<AccountToken>, StoreError>;
}
