//! Sweeping of what has expired.

use async_trait::async_trait;

use super::error::BackendError;

/// Removes expired rows. Expiry is compared on every read, so sweeping changes no answer.
#[async_trait]
pub trait Maintain: Send + Sync {
    /// Removes at most `limit` dead rows of each kind, and says how many.
    ///
    /// # Errors
    /// `BackendError` when the store cannot be reached.
    async fn sweep(&self, limit: u32) -> Result<u64, BackendError>;
}
