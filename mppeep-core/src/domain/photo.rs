//! Photographs of agents and of account holders.

use jiff::Timestamp;
use uuid::Uuid;

use super::codes::codes;
use super::id::{PersonnelId, StoredFileId, UserId};

/// Side of a photograph as it is kept, in pixels: it is cut to a square and made anew, which leaves out whatever else
/// the file carried, such as the place where it was taken.
pub const SIDE: u32 = 384;

/// Side of the small one that lists show, in pixels.
pub const SMALL_SIDE: u32 = 96;

/// Size of the largest file that a photograph is made of, in bytes.
pub const MOST_BYTES: u64 = 8 * 1024 * 1024;

codes! {
    /// Whom a photograph shows.
    PhotoSubject {
        /// An agent.
        Personnel = "personnel",
        /// The holder of an account.
        User = "user",
    }
}

/// Whose photograph it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PhotoOwner {
    /// An agent's.
    Personnel(PersonnelId),
    /// An account holder's.
    User(UserId),
}

impl PhotoOwner {
    /// Whom it shows.
    pub const fn subject(self) -> PhotoSubject {
        match self {
            Self::Personnel(_) => PhotoSubject::Personnel,
            Self::User(_) => PhotoSubject::User,
        }
    }

    /// The owner's identifier.
    pub const fn id(self) -> Uuid {
        match self {
            Self::Personnel(id) => id.as_uuid(),
            Self::User(id) => id.as_uuid(),
        }
    }

    /// The owner of that kind and identifier.
    pub const fn of(subject: PhotoSubject, id: Uuid) -> Self {
        match subject {
            PhotoSubject::Personnel => Self::Personnel(PersonnelId::from_uuid(id)),
            PhotoSubject::User => Self::User(UserId::from_uuid(id)),
        }
    }
}

/// A photograph: two JPEG contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// Whose.
    pub owner: PhotoOwner,
    /// The content of [`SIDE`].
    pub large: StoredFileId,
    /// The content of [`SMALL_SIDE`].
    pub small: StoredFileId,
    /// When it was taken over.
    pub updated_at: Timestamp,
}
