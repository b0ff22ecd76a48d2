//! A notice to a user, shown by the bell.

use jiff::Timestamp;

use super::codes::codes;
use super::id::{NoticeId, UserId};

codes! {
    /// What a notice tells. The words are the interface's.
    NoticeKind {
        /// Somebody logged in to the account from an address it was never used from.
        NewAddress = "new_address",
        /// The password was changed.
        PasswordChanged = "password_changed",
        /// An absence of the user was recorded.
        AbsenceRecorded = "absence_recorded",
        /// An absence of the user was changed or cancelled.
        AbsenceChanged = "absence_changed",
        /// An evaluation of the user was recorded.
        EvaluationRecorded = "evaluation_recorded",
        /// A document of the user was validated.
        DocumentValidated = "document_validated",
        /// A document of the user was rejected.
        DocumentRejected = "document_rejected",
        /// A job failed for good.
        JobDead = "job_dead",
    }
}

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its identifier.
    pub id: NoticeId,
    /// Whom it is for.
    pub user: UserId,
    /// What it tells.
    pub kind: NoticeKind,
    /// What it is about, as a person recognises it: a period, a month, an address.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was read.
    pub read_at: Option<Timestamp>,
}
