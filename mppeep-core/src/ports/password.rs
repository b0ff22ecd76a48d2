//! Password hashing.

use async_trait::async_trait;

use super::error::BackendError;

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// The password is right, and its hash is as it should be.
    Right,
    /// The password is right, and its hash is of an older kind: hash it again and store it.
    RightNeedsRehash,
    /// The password is wrong, or the hash is of an unknown kind.
    Wrong,
}

/// Hashes and verifies passwords at a bounded cost. The work is done off the async runtime.
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// A new PHC string for `password`, with a salt of its own.
    ///
    /// # Errors
    /// `Unavailable` when no worker can take the work.
    async fn hash(&self, password: &str) -> Result<String, BackendError>;

    /// Verifies `password`. With `None` (no such account) it does the same work and answers `Wrong`, so that time
    /// does not tell whether an account exists.
    ///
    /// # Errors
    /// `Unavailable` when no worker can take the work.
    async fn verify(&self, password: &str, hash: Option<&str>) -> Result<Verified, BackendError>;
}
