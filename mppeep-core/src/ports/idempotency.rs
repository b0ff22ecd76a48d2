//! Keys by which a client asks that a request has one effect, however often it is sent
//! (draft-ietf-httpapi-idempotency-key-header).

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::BackendError;
use super::job_queue::Held;
use crate::domain::id::UserId;

/// Longest key, in bytes.
pub const KEY_MAX_BYTES: usize = 255;

/// Size of the largest answer that is kept, in bytes.
pub const ANSWER_MAX_BYTES: usize = 256 * 1024;

/// A request that names a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentRequest {
    /// Who sends it; keys of one user are unknown to others.
    pub user: UserId,
    /// What it does, for instance `POST /mppeep/api/v1/personnel`.
    pub operation: String,
    /// The key, 1 to [`KEY_MAX_BYTES`] printable ASCII characters.
    pub key: String,
    /// SHA-256 of what it says.
    pub digest: [u8; 32],
    /// Drawn anew for each reservation.
    pub token: Uuid,
}

/// An answer that is kept, to be given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// Its status.
    pub status: u16,
    /// The headers that belong to it, by lower-case name.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Whether a request may be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// It may: the key is this token's until the lease ends.
    Granted,
    /// It was, and this was the answer.
    Answered(KeptAnswer),
    /// It was, but its process died before the answer was kept.
    AnswerLost,
    /// Another request with this key is being carried out, for at most that long.
    UnderWay(Duration),
    /// The key was used for something else.
    Mismatch,
}

/// Keeps keys and answers.
///
/// A key is reserved, then carried out, then answered. The unit of work of the effect marks the key as carried out
/// ([`super::store::UnitOfWork::mark_carried_out`]), so that effect and mark are committed together: after a crash a key is
/// either free again, once its lease has ended, or known to have had its effect.
#[async_trait]
pub trait IdempotencyKeys: Send + Sync {
    /// Reserves the key for `lease`; what is kept of it is kept for `lifetime`, counted from the first reservation.
    ///
    /// # Errors
    /// `BackendError`.
    async fn reserve(
        &self,
        request: &IdempotentRequest,
        lease: Duration,
        lifetime: Duration,
    ) -> Result<Reserved, BackendError>;

    /// Keeps the answer, if the token still holds the key.
    ///
    /// # Errors
    /// `Invalid` for a body over [`ANSWER_MAX_BYTES`], `BackendError`.
    async fn answer(&self, token: Uuid, answer: &KeptAnswer) -> Result<Held, BackendError>;

    /// Gives the key back because nothing was done; a key that was carried out stays.
    ///
    /// # Errors
    /// `BackendError`.
    async fn release(&self, token: Uuid) -> Result<Held, BackendError>;
}
