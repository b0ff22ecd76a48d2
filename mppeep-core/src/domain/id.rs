//! Typed identifiers: UUIDs of version 7, made by services from the injected clock and randomness.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::ports::clock::{Clock, Entropy, new_uuid};

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier.
            pub fn new(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
                Self(new_uuid(clock, entropy))
            }

            /// The identifier that `id` is.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// As a UUID.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            /// Reads the hyphenated form only, so that one identifier has one spelling in addresses.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if text.len() == 36 { Uuid::try_parse(text).map(Self) } else { Uuid::try_parse("").map(Self) }
            }
        }
    )*};
}

identifiers! {
    /// A budget programme.
    ProgrammeId;
    /// A directorate of a programme.
    DirectorateId;
    /// A department (« service ») of a directorate.
    DepartmentId;
    /// An agent's file.
    PersonnelId;
    /// An absence.
    AbsenceId;
    /// An evaluation.
    EvaluationId;
    /// A login account.
    UserId;
    /// A session, as its owner sees it; never the key that opens it.
    SessionHandle;
    /// A line of the activity journal.
    ActivityId;
    /// A public holiday.
    HolidayId;
    /// An uploaded import.
    ImportId;
    /// A job of the queue.
    JobId;
    /// A notice to a user.
    NoticeId;
    /// A salary slip.
    SlipId;
    /// A document of an agent.
    DocumentId;
    /// A file of the « Fichiers » page.
    SharedFileId;
    /// The content of a file.
    StoredFileId;
}
