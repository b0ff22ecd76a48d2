//! Sending mail.

use async_trait::async_trait;

use super::error::BoxError;
use crate::domain::id::JobId;
use crate::domain::mail::Mail;

/// Why a mail was not sent. Sources name no address and quote nothing of the server: administrators read them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailError {
    /// It may work later: refused for now, unreachable, timed out.
    #[error("the mail server cannot take the mail now")]
    Temporary {
        /// What it said.
        source: BoxError,
    },
    /// It will never work: no such recipient, not a mail.
    #[error("the mail server refuses the mail")]
    Permanent {
        /// What it said.
        source: BoxError,
    },
}

/// Hands mails to a mail server.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends one mail. `id` names it in `Message-ID`, so that a mail that is sent twice (the answer of the server was lost)
    /// is known for the same.
    ///
    /// # Errors
    /// [`MailError`].
    async fn send(&self, id: JobId, mail: &Mail) -> Result<(), MailError>;
}
