//! The only place that knows PostgreSQL's error codes (<https://www.postgresql.org/docs/15/errcodes-appendix.html>).

use mppeep_core::ports::error::{BackendError, StoreError};
use sqlx::migrate::MigrateError;

pub(crate) const ADAPTER: &str = "postgres";

/// Constraints that a caller can act on, and what the ports call them.
const TAKEN: &[(&str, &str, &str)] = &[
    ("programme_code", "programme", "code"),
    ("directorate_code", "directorate", "code"),
    ("department_code", "department", "code"),
    ("personnel_matricule_pkey", "personnel", "matricule"),
    ("holiday_date", "holiday", "date"),
    ("evaluation_year", "evaluation", "year"),
    ("users_email", "user", "email"),
    ("users_personnel", "user", "personnel_id"),
    ("absence_period", "absence", "period"),
];

/// Why a database cannot be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL names no database.
    Url,
    /// The server is older than what this program is tried on.
    TooOld {
        /// Its major version.
        version: u32,
        /// The oldest that will do.
        oldest: u32,
    },
    /// The database keeps text in another encoding than UTF-8.
    Encoding {
        /// Which one.
        encoding: String,
    },
    /// The database has tables of another application.
    Foreign {
        /// The server and the database.
        place: String,
    },
    /// The database was written by a newer release of this program, whose schema this one does not know.
    NewerSchema {
        /// The server and the database.
        place: String,
        /// The first version that this release does not know.
        version: i64,
    },
    /// A migration of this database is not the one this program carries under the same version.
    ChangedMigration {
        /// The server and the database.
        place: String,
        /// Its version.
        version: i64,
    },
    /// Anything else: no such server or database, no right to it, a server that does not answer.
    Backend {
        /// The server and the database.
        place: String,
        /// What failed.
        source: BackendError,
    },
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Without the URL: it may hold a password.
            Self::Url => f.write_str("the URL of the PostgreSQL database cannot be read"),
            Self::TooOld { version, oldest } => {
                write!(
                    f,
                    "PostgreSQL {version} is too old: mppeep needs {oldest} or later"
                )
            }
            Self::Encoding { encoding } => {
                write!(f, "the database must be in UTF8, and not in {encoding}")
            }
            Self::Foreign { place } => write!(f, "{place} is a database of another application"),
            Self::NewerSchema { place, version } => write!(
                f,
                "{place} was written by a newer release of mppeep (schema {version}); run that release or restore a backup"
            ),
            Self::ChangedMigration { place, version } => {
                write!(
                    f,
                    "migration {version} of {place} is not the one this release carries"
                )
            }
            Self::Backend { place, .. } => write!(f, "{place} cannot be opened"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Backend { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl OpenError {
    pub(crate) fn of(place: &str, err: sqlx::Error) -> Self {
        Self::Backend {
            place: place.to_owned(),
            source: backend(err),
        }
    }

    pub(crate) fn of_migration(place: &str, err: MigrateError) -> Self {
        let place = place.to_owned();
        match err {
            MigrateError::VersionMissing(version) => Self::NewerSchema { place, version },
            MigrateError::VersionMismatch(version) => Self::ChangedMigration { place, version },
            MigrateError::Execute(err) | MigrateError::ExecuteMigration(err, _) => Self::of(&place, err),
            other => {
                let source = BackendError::Other {
                    adapter: ADAPTER,
                    source: Box::new(other),
                };
                Self::Backend { place, source }
            }
        }
    }
}

/// The cause of a failure before anything was sent.
#[derive(Debug)]
struct NotSent(std::io::Error);

impl std::fmt::Display for NotSent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no connection: {}", self.0)
    }
}

impl std::error::Error for NotSent {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Marks a failure that came before the statement was sent.
pub(crate) fn not_sent(err: sqlx::Error) -> sqlx::Error {
    match err {
        sqlx::Error::Io(err) => sqlx::Error::Io(std::io::Error::new(err.kind(), NotSent(err))),
        other => other,
    }
}

fn was_sent(err: &std::io::Error) -> bool {
    !err.get_ref().is_some_and(|source| source.is::<NotSent>())
}

/// The code of an error that the server told.
fn sqlstate(err: &sqlx::Error) -> Option<String> {
    Some(err.as_database_error()?.code()?.into_owned())
}

/// Whether the connection, and not the statement, is at fault: another one may do.
pub(crate) fn is_lost(err: &sqlx::Error) -> bool {
    use std::io::ErrorKind as Kind;
    match err {
        sqlx::Error::Io(err) => matches!(
            err.kind(),
            Kind::BrokenPipe | Kind::ConnectionReset | Kind::ConnectionAborted | Kind::UnexpectedEof
        ),
        _ => sqlstate(err).is_some_and(|code| {
            matches!(code.as_str(), "57P01" | "57P02" | "57P03") || code.starts_with("08")
        }),
    }
}

/// Whether the server may have done what it was asked before it, or the way to it, was lost.
fn is_unknown(err: &sqlx::Error) -> bool {
    match err {
        sqlx::Error::Io(err) => was_sent(err),
        sqlx::Error::Protocol(_) => true,
        _ => sqlstate(err)
            .is_some_and(|code| matches!(code.as_str(), "57P01" | "57P02") || code.starts_with("08")),
    }
}

/// Translates a failure of a statement that reads, or of one in a transaction that is not committed.
pub(crate) fn backend(err: sqlx::Error) -> BackendError {
    let adapter = ADAPTER;
    match &err {
        sqlx::Error::Database(database) => {
            let code = sqlstate(&err).unwrap_or_default();
            let message = database.message().to_owned();
            match code.as_str() {
                // serialization_failure, deadlock_detected, lock_not_available
                "40001" | "40P01" | "55P03" => BackendError::Contention {
                    adapter,
                    source: Some(Box::new(err)),
                },
                // read_only_sql_transaction (a standby), idle_in_transaction_session_timeout, operator_intervention
                "25006" | "25P03" | "57014" | "57P01" | "57P02" | "57P03" | "57P04" | "57P05" => {
                    BackendError::Unavailable {
                        adapter,
                        source: Some(Box::new(err)),
                    }
                }
                // data_corrupted, index_corrupted
                "XX001" | "XX002" => BackendError::corrupt(adapter, message),
                // Connections, authorisation, a missing database, resources, limits, the system.
                code if ["08", "28", "3D", "53", "58"]
                    .iter()
                    .any(|class| code.starts_with(class)) =>
                {
                    BackendError::Unavailable {
                        adapter,
                        source: Some(Box::new(err)),
                    }
                }
                // Data (a NUL in a text, a number out of range), or a constraint that no caller can act on.
                code if ["22", "23", "54"].iter().any(|class| code.starts_with(class)) => {
                    BackendError::Invalid {
                        adapter,
                        what: message,
                    }
                }
                _ => BackendError::Other {
                    adapter,
                    source: Box::new(err),
                },
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::BeginFailed
        | sqlx::Error::WorkerCrashed => BackendError::Unavailable {
            adapter,
            source: Some(Box::new(err)),
        },
        sqlx::Error::Encode(_) => BackendError::Invalid {
            adapter,
            what: "a parameter that cannot be sent".to_owned(),
        },
        sqlx::Error::ColumnDecode { index, .. } => BackendError::corrupt(adapter, format!("column {index}")),
        sqlx::Error::Decode(_) => BackendError::corrupt(adapter, "a column"),
        _ => BackendError::Other {
            adapter,
            source: Box::new(err),
        },
    }
}

/// Translates a failure of a statement that writes and is a transaction of its own: a lost link may come after it.
pub(crate) fn write(err: sqlx::Error) -> BackendError {
    if is_unknown(&err) {
        BackendError::Indeterminate {
            adapter: ADAPTER,
            source: Some(Box::new(err)),
        }
    } else {
        backend(err)
    }
}

/// Translates a failed commit.
pub(crate) fn commit(err: sqlx::Error) -> BackendError {
    write(err)
}

/// Translates a failure of a repository of `entity`.
pub(crate) fn store(err: sqlx::Error, entity: &'static str) -> StoreError {
    let code = sqlstate(&err).unwrap_or_default();
    match code.as_str() {
        // foreign_key_violation
        "23503" => StoreError::DanglingReference { entity },
        // unique_violation, exclusion_violation
        "23505" | "23P01" => {
            let constraint = err.as_database_error().and_then(|database| database.constraint());
            let known = TAKEN.iter().find(|(name, _, _)| Some(*name) == constraint);
            known.map_or(
                StoreError::Conflict { entity, field: "id" },
                |(_, entity, field)| StoreError::Conflict { entity, field },
            )
        }
        _ => StoreError::Backend(backend(err)),
    }
}
