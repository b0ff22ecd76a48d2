//! Photographs: the repository, and the maker of the pictures that are kept.

use async_trait::async_trait;
use bytes::Bytes;

use super::error::StoreError;
use crate::domain::id::PersonnelId;
use crate::domain::photo::{Photo, PhotoOwner};

/// Stores which photograph somebody has. The rows of the contents are stored before ([`super::stored_file`]).
#[async_trait]
pub trait PhotoRepository: Send {
    /// Stores a photograph in place of the owner's earlier one, which it gives back.
    ///
    /// # Errors
    /// `DanglingReference` when the owner or a content does not exist.
    async fn put(&mut self, photo: &Photo) -> Result<Option<Photo>, StoreError>;

    /// Removes the owner's photograph, and gives it back.
    ///
    /// # Errors
    /// `Backend` only.
    async fn delete(&mut self, owner: PhotoOwner) -> Result<Option<Photo>, StoreError>;

    /// The owner's photograph.
    ///
    /// # Errors
    /// `Backend` only.
    async fn find(&mut self, owner: PhotoOwner) -> Result<Option<Photo>, StoreError>;

    /// Which of these agents have one.
    ///
    /// # Errors
    /// `Backend` only.
    async fn agents_with_photo(&mut self, agents: &[PersonnelId]) -> Result<Vec<Photo>, StoreError>;
}

/// Why no photograph can be made of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhotoError {
    /// Not an image of a type that is read, or a damaged one.
    #[error("the image cannot be read")]
    Unreadable,
    /// Smaller than what is shown.
    #[error("the image is smaller than {side} pixels")]
    TooSmall {
        /// The least side, in pixels.
        side: u32,
    },
    /// More pixels than a photograph has.
    #[error("the image has more than {pixels} pixels")]
    TooLarge {
        /// The limit.
        pixels: u64,
    },
}

/// The two pictures of a photograph, as JPEG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pictures {
    /// Of [`crate::domain::photo::SIDE`].
    pub large: Bytes,
    /// Of [`crate::domain::photo::SMALL_SIDE`].
    pub small: Bytes,
}

/// Makes photographs of uploaded images. It computes: from asynchronous code, call it on a thread for blocking work.
pub trait PhotoMaker: Send + Sync {
    /// Turns the image upright, cuts its middle to a square and makes both pictures anew, without anything else that
    /// the file carried. Memory is bounded whatever the file claims.
    ///
    /// # Errors
    /// [`PhotoError`].
    fn make(&self, image: &[u8]) -> Result<Pictures, PhotoError>;
}
