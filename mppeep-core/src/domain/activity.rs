//! The activity journal: who did what to which record, when, from where, and what changed.

use jiff::Timestamp;
use uuid::Uuid;

use super::codes::codes;
use super::id::{ActivityId, PersonnelId, UserId};

codes! {
    /// What kind of record an activity touched.
    EntityKind {
        /// An agent's file.
        Personnel = "personnel",
        /// An absence.
        Absence = "absence",
        /// An evaluation.
        Evaluation = "evaluation",
        /// A programme, directorate or department.
        Unit = "unit",
        /// A login account.
        User = "user",
        /// A session.
        Session = "session",
        /// A section of the settings, or a public holiday.
        Setting = "setting",
        /// An import or export of files.
        Transfer = "transfer",
        /// A salary slip, or the slips of a month.
        Slip = "slip",
        /// A job of the queue.
        Job = "job",
        /// A document of an agent.
        Document = "document",
        /// A file of the « Fichiers » page.
        SharedFile = "shared_file",
        /// A photograph.
        Photo = "photo",
    }
}

codes! {
    /// What was done.
    ActivityAction {
        /// A record was made.
        Created = "created",
        /// A record was changed.
        Updated = "updated",
        /// An agent left and the file was archived.
        Archived = "archived",
        /// An archived file was taken back.
        Restored = "restored",
        /// A record was cancelled or removed.
        Cancelled = "cancelled",
        /// Private data was shown.
        PrivateRead = "private_read",
        /// Files were imported.
        Imported = "imported",
        /// A list was exported.
        Exported = "exported",
        /// A content was downloaded or looked at.
        Downloaded = "downloaded",
        /// A newer content was deposited.
        Replaced = "replaced",
        /// What somebody else had made was rejected.
        Rejected = "rejected",
        /// Somebody logged in.
        LoggedIn = "logged_in",
        /// A login failed.
        LoginFailed = "login_failed",
        /// An address failed for the last time before it may not try for a while.
        LoginBlocked = "login_blocked",
        /// Somebody logged out.
        LoggedOut = "logged_out",
        /// Sessions were ended from elsewhere.
        SessionsEnded = "sessions_ended",
        /// A password was changed or set.
        PasswordChanged = "password_changed",
        /// Salaries were computed.
        Computed = "computed",
        /// What somebody else had made was validated.
        Validated = "validated",
        /// A new password was asked for by mail.
        PasswordResetAsked = "password_reset_asked",
        /// An account was invited by mail.
        Invited = "invited",
        /// The privacy charter was accepted.
        CharterAccepted = "charter_accepted",
    }
}

/// One line of the journal; it is never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Its identifier, which orders lines of the same instant.
    pub id: ActivityId,
    /// When.
    pub at: Timestamp,
    /// Who; none for the system and for a login that failed.
    pub actor: Option<UserId>,
    /// The actor's name at that time, or what acted for the system.
    pub actor_name: String,
    /// What was done.
    pub action: ActivityAction,
    /// To what kind of record.
    pub entity: EntityKind,
    /// To which record, if it has an identifier.
    pub entity_id: Option<Uuid>,
    /// The agent whom the record is about, so that the history of a file is found.
    pub subject: Option<PersonnelId>,
    /// How a person recognises the record.
    pub label: String,
    /// What changed.
    pub changes: Vec<FieldChange>,
    /// The client's address.
    pub address: Option<String>,
    /// The request's identifier in the logs.
    pub request_id: Option<String>,
}

/// One field that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Code of the field.
    pub field: String,
    /// Its value before, as text.
    pub before: Option<String>,
    /// Its value after, as text.
    pub after: Option<String>,
}

/// The fields in which two descriptions differ.
pub fn described_changes(
    before: &[(&'static str, Option<String>)],
    after: &[(&'static str, Option<String>)],
) -> Vec<FieldChange> {
    after
        .iter()
        .filter_map(|(field, new)| {
            let old = before
                .iter()
                .find(|(code, _)| code == field)
                .and_then(|(_, value)| value.clone());
            (old != *new).then(|| FieldChange {
                field: (*field).to_owned(),
                before: old,
                after: new.clone(),
            })
        })
        .collect()
}
