//! The failures of a backend, and what a repository's caller can act on.

/// The cause of a failure, kept for the log.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Failure of a backend. Business outcomes are never errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// Certainly not applied: refused, pool exhausted, out of space, read only, still loading.
    #[error("{adapter} is unavailable")]
    Unavailable {
        /// The adapter that failed.
        adapter: &'static str,
        /// Its own error.
        source: Option<BoxError>,
    },
    /// Perhaps applied: the link was lost after the request was sent.
    #[error("{adapter} did not say whether the operation was applied")]
    Indeterminate {
        /// The adapter that failed.
        adapter: &'static str,
        /// Its own error.
        source: Option<BoxError>,
    },
    /// Not applied, and safe to retry at once: deadlock, serialization failure, busy.
    #[error("{adapter} met contention")]
    Contention {
        /// The adapter that failed.
        adapter: &'static str,
        /// Its own error.
        source: Option<BoxError>,
    },
    /// A stored value that cannot be read. Other values are unaffected.
    #[error("{adapter} holds a value that cannot be read: {what}")]
    Corrupt {
        /// The adapter that failed.
        adapter: &'static str,
        /// Which value, without its content.
        what: String,
    },
    /// The caller's value is outside what the port accepts (too large, for instance); nothing was written.
    #[error("{adapter} refuses the value: {what}")]
    Invalid {
        /// The adapter that refused.
        adapter: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// Anything else.
    #[error("{adapter} failed")]
    Other {
        /// The adapter that failed.
        adapter: &'static str,
        /// Its own error.
        source: BoxError,
    },
}

impl BackendError {
    /// A stored value of `adapter` that cannot be read.
    pub fn corrupt(adapter: &'static str, what: impl Into<String>) -> Self {
        Self::Corrupt {
            adapter,
            what: what.into(),
        }
    }
}

/// Failure of a repository: what the caller can act on, or the backend's failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A unique value is taken. The unit stays usable.
    #[error("{entity}.{field} is already taken")]
    Conflict {
        /// The aggregate.
        entity: &'static str,
        /// The field whose value is taken.
        field: &'static str,
    },
    /// A reference names a row that does not exist, or a row that is still referred to was to be removed.
    #[error("{entity} refers to something that does not exist")]
    DanglingReference {
        /// The aggregate.
        entity: &'static str,
    },
    /// The row has another version than the one the caller read. The unit stays usable.
    #[error("the row was changed by somebody else")]
    StaleVersion,
    /// A statement of this unit failed earlier, so it cannot be committed.
    #[error("the unit has failed and was rolled back")]
    Poisoned,
    /// A write in a unit that only reads.
    #[error("the unit only reads")]
    ReadOnly,
    /// The backend's failure.
    #[error(transparent)]
    Backend(#[from] BackendError),
}
