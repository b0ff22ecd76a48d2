//! The only place that knows SQLite's result codes (<https://www.sqlite.org/rescode.html>).

use std::path::PathBuf;

use mppeep_core::ports::error::{BackendError, StoreError};
use sqlx::migrate::MigrateError;

pub(crate) const ADAPTER: &str = "sqlite";

/// What the overlap triggers of the schema say.
const OVERLAP: &str = "absence.period overlaps";

/// Columns under a unique constraint, and what the ports call them.
const UNIQUE: &[(&str, &str, &str)] = &[
    ("programme.code_key", "programme", "code"),
    ("directorate.code_key", "directorate", "code"),
    ("department.code_key", "department", "code"),
    ("personnel_matricule.matricule_key", "personnel", "matricule"),
    ("holiday.date", "holiday", "date"),
    ("evaluation.personnel_id, evaluation.year", "evaluation", "year"),
    ("users.email_key", "user", "email"),
    ("users.personnel_id", "user", "personnel_id"),
];

/// Why a database cannot be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The file is a SQLite database of another application.
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is no SQLite database.
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database was written by a newer release of this program, whose schema this one does not know.
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The first version that this release does not know.
        version: i64,
    },
    /// A migration of this database is not the one this program carries under the same version.
    ChangedMigration {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: i64,
    },
    /// Anything else: no such folder, no right to write, another process holding the lock too long.
    Backend {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: BackendError,
    },
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Foreign { path } => write!(f, "{} is a database of another application", path.display()),
            Self::NotADatabase { path } => write!(f, "{} is not a SQLite database", path.display()),
            Self::NewerSchema { path, version } => write!(
                f,
                "{} was written by a newer release of mppeep (schema {version}); run that release or restore a backup",
                path.display()
            ),
            Self::ChangedMigration { path, version } => {
                write!(
                    f,
                    "migration {version} of {} is not the one this release carries",
                    path.display()
                )
            }
            Self::Backend { path, .. } => write!(f, "{} cannot be opened", path.display()),
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
    pub(crate) fn of(path: &std::path::Path, err: sqlx::Error) -> Self {
        let path = path.to_owned();
        match primary_code(&err) {
            Some(26) => Self::NotADatabase { path },
            _ => Self::Backend {
                path,
                source: backend(err),
            },
        }
    }

    pub(crate) fn of_migration(path: &std::path::Path, err: MigrateError) -> Self {
        let path = path.to_owned();
        match err {
            MigrateError::VersionMissing(version) => Self::NewerSchema { path, version },
            MigrateError::VersionMismatch(version) => Self::ChangedMigration { path, version },
            MigrateError::Execute(err) | MigrateError::ExecuteMigration(err, _) => Self::of(&path, err),
            other => {
                let source = BackendError::Other {
                    adapter: ADAPTER,
                    source: Box::new(other),
                };
                Self::Backend { path, source }
            }
        }
    }
}

fn extended_code(err: &sqlx::Error) -> Option<i32> {
    err.as_database_error()?.code()?.parse().ok()
}

fn primary_code(err: &sqlx::Error) -> Option<i32> {
    extended_code(err).map(|code| code & 0xff)
}

/// Whether another connection holds what this one needs: `SQLITE_BUSY`, `SQLITE_LOCKED`.
pub(crate) fn is_contention(err: &sqlx::Error) -> bool {
    matches!(primary_code(err), Some(5 | 6))
}

/// Translates a failure outside a unit, or one that no caller can act on.
pub(crate) fn backend(err: sqlx::Error) -> BackendError {
    let adapter = ADAPTER;
    match &err {
        sqlx::Error::Database(database) => match primary_code(&err) {
            // BUSY, LOCKED
            Some(5 | 6) => BackendError::Contention {
                adapter,
                source: Some(Box::new(err)),
            },
            // PERM, NOMEM, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL, AUTH
            Some(3 | 7 | 8 | 10 | 13 | 14 | 15 | 23) => BackendError::Unavailable {
                adapter,
                source: Some(Box::new(err)),
            },
            // CORRUPT, NOTADB
            Some(11 | 26) => BackendError::corrupt(adapter, database.message()),
            // TOOBIG, CONSTRAINT (of a kind that no caller can act on), MISMATCH
            Some(18..=20) => BackendError::Invalid {
                adapter,
                what: database.message().to_owned(),
            },
            _ => BackendError::Other {
                adapter,
                source: Box::new(err),
            },
        },
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::BeginFailed
        | sqlx::Error::WorkerCrashed => BackendError::Unavailable {
            adapter,
            source: Some(Box::new(err)),
        },
        sqlx::Error::ColumnDecode { index, .. } => BackendError::corrupt(adapter, format!("column {index}")),
        sqlx::Error::Decode(_) => BackendError::corrupt(adapter, "a column"),
        _ => BackendError::Other {
            adapter,
            source: Box::new(err),
        },
    }
}

/// Translates a failed commit. An input or output error, or a lost connection, may come after the data was written.
pub(crate) fn commit(err: sqlx::Error) -> BackendError {
    match primary_code(&err) {
        Some(10) => BackendError::Indeterminate {
            adapter: ADAPTER,
            source: Some(Box::new(err)),
        },
        None if matches!(err, sqlx::Error::WorkerCrashed) => BackendError::Indeterminate {
            adapter: ADAPTER,
            source: Some(Box::new(err)),
        },
        _ => backend(err),
    }
}

/// Translates a failure of a repository of `entity`.
pub(crate) fn store(err: sqlx::Error, entity: &'static str) -> StoreError {
    let message = err
        .as_database_error()
        .map(|database| database.message().to_owned())
        .unwrap_or_default();
    match extended_code(&err) {
        // CONSTRAINT_FOREIGNKEY
        Some(787) => StoreError::DanglingReference { entity },
        // CONSTRAINT_TRIGGER
        Some(1811) if message == OVERLAP => StoreError::Conflict {
            entity: "absence",
            field: "period",
        },
        // CONSTRAINT_PRIMARYKEY, CONSTRAINT_UNIQUE
        Some(1555 | 2067) => {
            let columns = message.rsplit(": ").next().unwrap_or_default();
            let known = UNIQUE.iter().find(|(name, _, _)| *name == columns);
            known.map_or(
                StoreError::Conflict { entity, field: "id" },
                |(_, entity, field)| StoreError::Conflict { entity, field },
            )
        }
        _ => StoreError::Backend(backend(err)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection, SqliteConnection};

    use super::*;

    async fn connect(path: &std::path::Path) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(Duration::ZERO);
        options.connect().await.unwrap()
    }

    async fn run(conn: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(statement).execute(conn).await.map(|_| ())
    }

    #[tokio::test]
    async fn faults_of_the_file_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faults.db");
        let mut conn = connect(&path).await;
        run(&mut conn, "CREATE TABLE note (text TEXT)").await.unwrap();

        let mut other = connect(&path).await;
        run(&mut other, "BEGIN IMMEDIATE").await.unwrap();
        let busy = run(&mut conn, "INSERT INTO note VALUES ('a')").await.unwrap_err();
        assert!(matches!(backend(busy), BackendError::Contention { .. }));
        run(&mut other, "ROLLBACK").await.unwrap();
        other.close().await.unwrap();

        run(&mut conn, "PRAGMA max_page_count = 3").await.unwrap();
        let full = run(&mut conn, "INSERT INTO note VALUES (hex(randomblob(50000)))")
            .await
            .unwrap_err();
        assert!(matches!(backend(full), BackendError::Unavailable { .. }));
        run(&mut conn, "PRAGMA query_only = ON").await.unwrap();
        let read_only = run(&mut conn, "INSERT INTO note VALUES ('a')").await.unwrap_err();
        assert!(matches!(backend(read_only), BackendError::Unavailable { .. }));
        conn.close().await.unwrap();

        std::fs::write(&path, [0xA5; 4096]).unwrap();
        let mut conn = connect(&path).await;
        let garbage = run(&mut conn, "SELECT * FROM note").await.unwrap_err();
        assert!(matches!(backend(garbage), BackendError::Corrupt { .. }));
        let absent = SqliteConnectOptions::new().filename(folder.path().join("absent/a.db"));
        let absent = absent.connect().await.unwrap_err();
        assert!(matches!(backend(absent), BackendError::Unavailable { .. }));
    }

    #[tokio::test]
    async fn refusals_of_the_schema_name_what_a_caller_knows() {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = connect(&folder.path().join("schema.db")).await;
        run(
            &mut conn,
            "CREATE TABLE personnel (id INTEGER PRIMARY KEY);
             CREATE TABLE users (id INTEGER PRIMARY KEY, email_key TEXT UNIQUE CHECK (email_key <> ''),
                                 personnel_id INTEGER UNIQUE REFERENCES personnel (id));
             INSERT INTO personnel VALUES (1);
             INSERT INTO users VALUES (1, 'a@b.ci', 1);",
        )
        .await
        .unwrap();
        let mut refused = async |statement| store(run(&mut conn, statement).await.unwrap_err(), "user");
        let same_address = refused("INSERT INTO users VALUES (2, 'a@b.ci', NULL)").await;
        assert!(matches!(
            same_address,
            StoreError::Conflict {
                entity: "user",
                field: "email"
            }
        ));
        let same_agent = refused("INSERT INTO users VALUES (2, 'c@b.ci', 1)").await;
        assert!(matches!(
            same_agent,
            StoreError::Conflict {
                entity: "user",
                field: "personnel_id"
            }
        ));
        let same_id = refused("INSERT INTO users VALUES (1, 'c@b.ci', NULL)").await;
        assert!(matches!(
            same_id,
            StoreError::Conflict {
                entity: "user",
                field: "id"
            }
        ));
        let no_agent = refused("INSERT INTO users VALUES (2, 'c@b.ci', 9)").await;
        assert!(matches!(
            no_agent,
            StoreError::DanglingReference { entity: "user" }
        ));
        let check = refused("INSERT INTO users VALUES (2, '', NULL)").await;
        assert!(matches!(check, StoreError::Backend(BackendError::Invalid { .. })));
    }
}
