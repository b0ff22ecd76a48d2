//! What may go wrong.

use mppeep_core::domain::validation::{Rule, Violations};
use mppeep_core::ports::error::{BackendError, StoreError};
use mppeep_core::ports::file_store::FileStoreError;

/// The rules of the domain refuse what was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// A unit, file or account.
    #[error("the rules refuse a made record ({0})")]
    Invalid(#[from] Violations),
    /// The pattern of a matricule.
    #[error("the pattern of matricules is refused ({})", .0.code())]
    Pattern(Rule),
}

/// The data was not written; nothing of it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The database holds other data already.
    #[error("the database is not empty: demonstration data goes into a new one only")]
    NotEmpty,
    /// A password could not be hashed.
    #[error("a password could not be hashed")]
    Hash(#[from] BackendError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A content could not be kept.
    #[error(transparent)]
    Files(#[from] FileStoreError),
}
