//! What a service answers when it does not do what it was asked.

use std::time::Duration;

use crate::domain::absence::Absence;
use crate::domain::activity::EntityKind;
use crate::domain::permission::{Action, Resource};
use crate::domain::validation::{Rule, Violations};
use crate::ports::error::{BackendError, StoreError};

/// Why a use case was not carried out. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The actor does not hold the right.
    #[error("the right to {} on {} is missing", action.code(), resource.code())]
    Forbidden {
        /// On what.
        resource: Resource,
        /// Doing what.
        action: Action,
    },
    /// There is no such record, or the actor may not know of it.
    #[error("no such {}", .0.code())]
    NotFound(EntityKind),
    /// The input breaks rules.
    #[error("invalid input ({0})")]
    Invalid(#[from] Violations),
    /// A unique value is taken.
    #[error("{field} is already taken")]
    Taken {
        /// Code of the field.
        field: &'static str,
    },
    /// Somebody else changed the record since it was read.
    #[error("the record was changed by somebody else")]
    Stale,
    /// The absence shares a half-day with another of the same agent.
    #[error("the period overlaps another absence")]
    Overlap(Box<Absence>),
    /// The record is in a state that does not allow this; the code says which.
    #[error("not possible in this state: {0}")]
    State(&'static str),
    /// Somebody tried too often.
    #[error("too many attempts")]
    TooManyAttempts {
        /// Time after which an attempt is possible again.
        retry_after: Duration,
    },
    /// The upload is larger than what is accepted.
    #[error("the upload is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The room for all contents together is taken.
    #[error("the quota of contents is reached")]
    QuotaReached,
    /// There is no room where contents are kept.
    #[error("the place of contents is full")]
    StorageFull,
    /// Writing is switched off by the maintenance settings.
    #[error("the site is in read-only mode")]
    ReadOnlyMode,
    /// The store or another adapter failed.
    #[error(transparent)]
    Store(StoreError),
}

impl ServiceError {
    /// Whether it may have been carried out nevertheless.
    pub fn is_indeterminate(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Backend(BackendError::Indeterminate { .. }))
        )
    }

    /// An input whose field names something that does not exist.
    pub(crate) fn unknown(field: &str) -> Self {
        Self::Invalid(Violations::one(field, Rule::Unknown { nearest: Vec::new() }))
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { field, .. } => Self::Taken { field },
            StoreError::StaleVersion => Self::Stale,
            other => Self::Store(other),
        }
    }
}

impl From<BackendError> for ServiceError {
    fn from(error: BackendError) -> Self {
        Self::Store(StoreError::Backend(error))
    }
}
