//! A mail, as the outbox keeps it.

use serde::{Deserialize, Serialize};

use super::codes::codes;

codes! {
    /// Why a mail is sent.
    MailKind {
        /// A way to choose a new password.
        PasswordReset = "password_reset",
        /// A way to open a new account.
        Invitation = "invitation",
        /// Something happened to the account that its owner should know.
        Security = "security",
        /// An administrator tries whether mail works.
        Test = "test",
    }
}

/// A mail in two forms of the same words.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Why it is sent.
    pub kind: MailKind,
    /// The address it goes to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// Its text as HTML.
    pub html: String,
}

impl std::fmt::Debug for Mail {
    /// Its kind only: the rest is personal, and may hold a secret link.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
