//! Opening a database: whether this program may use it, and bringing its schema up to date.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::error::OpenError;
use crate::link::within;
use crate::store::PgOptions;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The oldest server that this adapter is tried on.
const OLDEST: u32 = 15;

/// Names the advisory lock under which one process at a time changes the schema: « mppeep » in ASCII.
const LOCK: i64 = 0x6d70_7065_6570;

/// How long a process waits for another that changes the schema.
const MIGRATION: Duration = Duration::from_secs(300);

/// A server whose client is gone stops within a minute, working or not.
const LINKS: [(&str, &str); 5] = [
    ("client_connection_check_interval", "10s"),
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "30s"),
];

/// What a URL says, and the name under which the server shows its connections.
fn named(url: &str) -> Result<PgConnectOptions, OpenError> {
    let connect: PgConnectOptions = url.parse().map_err(|_| OpenError::Url)?;
    Ok(if connect.get_application_name().is_none() {
        connect.application_name("mppeep")
    } else {
        connect
    })
}

/// Options of the connection that waits for notifications: it is idle for long, and ends with its link.
pub(crate) fn listen_options(url: &str) -> Result<PgConnectOptions, OpenError> {
    Ok(named(url)?.options(LINKS))
}

/// Options common to all other connections.
pub(crate) fn connect_options(url: &str, options: &PgOptions) -> Result<PgConnectOptions, OpenError> {
    let connect = named(url)?;
    if options.pooler {
        // A statement that was prepared belongs to one server, and a pooler refuses settings it does not know.
        return Ok(connect.statement_cache_capacity(0).extra_float_digits(None));
    }
    let limits = options.limits().map(|(name, millis)| (name, millis.to_string()));
    Ok(connect.options(limits).options(LINKS))
}

/// The server and the database, for people.
pub(crate) fn place(connect: &PgConnectOptions) -> String {
    let database = connect.get_database().unwrap_or_else(|| connect.get_username());
    match connect.get_socket() {
        Some(socket) => format!("{}:{database}", socket.display()),
        None => format!("{}:{}/{database}", connect.get_host(), connect.get_port()),
    }
}

/// What is in the current schema.
enum Found {
    /// The schema this program carries.
    UpToDate,
    /// Nothing, or an older schema of this program.
    Older,
    /// Tables of another application.
    Foreign,
}

async fn look(conn: &mut PgConnection) -> Result<Found, sqlx::Error> {
    let (ours, tables): (bool, i64) = sqlx::query_as(
        "SELECT to_regclass('_sqlx_migrations') IS NOT NULL, \
         (SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p'))",
    )
    .persistent(false)
    .fetch_one(&mut *conn)
    .await?;
    if !ours {
        return Ok(if tables == 0 { Found::Older } else { Found::Foreign });
    }
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version")
            .persistent(false)
            .fetch_all(conn)
            .await?;
    let carried = MIGRATIONS
        .iter()
        .map(|migration| (migration.version, migration.checksum.to_vec()));
    Ok(if carried.eq(applied) {
        Found::UpToDate
    } else {
        Found::Older
    })
}

/// Whether the server can hold what this program stores.
async fn suits(conn: &mut PgConnection) -> Result<Result<(), OpenError>, sqlx::Error> {
    let (version, encoding): (i32, String) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::integer, current_setting('server_encoding')",
    )
    .persistent(false)
    .fetch_one(conn)
    .await?;
    let major = u32::try_from(version).unwrap_or(0) / 10_000;
    Ok(if major < OLDEST {
        Err(OpenError::TooOld {
            version: major,
            oldest: OLDEST,
        })
    } else if encoding != "UTF8" {
        Err(OpenError::Encoding { encoding })
    } else {
        Ok(())
    })
}

/// Brings the schema up to date, alone. The lock goes with the transaction and not with the connection, which may be a
/// pooler's.
async fn migrate(conn: &mut PgConnection) -> Result<(), MigrateError> {
    sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .execute(&mut *conn)
        .await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .persistent(false)
        .execute(&mut *conn)
        .await?;
    let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().cloned().collect());
    migrator.set_locking(false).run_direct(None, conn, false).await
}

/// Checks the server and brings the schema up to date in one transaction that holds an advisory lock, so that of several
/// processes one does it and the others find it done. A foreign database is refused before anything is written; a start
/// that changes nothing takes no lock.
pub(crate) async fn prepare(
    connect: &PgConnectOptions,
    place: &str,
    options: &PgOptions,
) -> Result<(), OpenError> {
    let failed = |err| OpenError::of(place, err);
    let patience = options.acquire_timeout + options.statement_timeout;
    let mut conn = within(patience, connect.connect()).await.map_err(failed)?;
    let mut tx = within(patience, conn.begin()).await.map_err(failed)?;
    within(patience, suits(&mut tx)).await.map_err(failed)??;
    match within(patience, look(&mut tx)).await.map_err(failed)? {
        Found::UpToDate => {}
        Found::Foreign => {
            return Err(OpenError::Foreign {
                place: place.to_owned(),
            });
        }
        Found::Older => {
            let migrated = within(MIGRATION, async { Ok(migrate(&mut tx).await) });
            migrated
                .await
                .map_err(failed)?
                .map_err(|err| OpenError::of_migration(place, err))?;
        }
    }
    within(patience, tx.commit()).await.map_err(failed)?;
    within(patience, conn.close()).await.map_err(failed)
}
