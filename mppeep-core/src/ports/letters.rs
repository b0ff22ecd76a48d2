//! The words of mails, which belong to the interface and its language.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::settings::MinistrySettings;

/// What a mail says.
#[derive(Clone, Copy)]
pub enum Letter<'a> {
    /// A way to choose a new password.
    PasswordReset {
        /// The secret of the link.
        token: &'a str,
        /// How long it works.
        valid_for: Duration,
    },
    /// A way to open a new account.
    Invitation {
        /// The secret of the link.
        token: &'a str,
        /// How long it works.
        valid_for: Duration,
    },
    /// The password was changed.
    PasswordChanged {
        /// When.
        at: Timestamp,
        /// From which address, if it is known.
        address: Option<&'a str>,
    },
    /// Mail works.
    Test,
}

/// A mail's words.
#[derive(Clone, PartialEq, Eq)]
pub struct Words {
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// Its text as HTML.
    pub html: String,
}

/// Writes mails.
pub trait Letters: Send + Sync {
    /// The words of a letter to somebody of that name, from that ministry.
    fn write(&self, letter: Letter<'_>, name: &str, ministry: &MinistrySettings) -> Words;
}
