//! What a server keeps its data in: the same tests run on each of these.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use mppeep_testbed::{Cluster, PgBouncer, Postgres, Redis, database_of};
use tokio::sync::OnceCell;

use crate::binary;
use crate::server::{database_in, sqlite3};

/// The variable that chooses the backend of all servers which do not ask for one.
pub const BACKEND_VARIABLE: &str = "MPPEEP_TEST_BACKEND";

/// Databases and caches behind a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file in the data folder.
    Sqlite,
    /// A database on a cluster.
    Postgres,
    /// The same, with Redis beside it.
    PostgresRedis,
    /// A database on a cluster behind a pooler that lends its sessions for one transaction.
    Pooled,
}

impl Backend {
    /// The one that [`BACKEND_VARIABLE`] names: `sqlite`, `postgres`, `postgres+redis`, `pooled`. Without it, the one that
    /// the running test program is made for: `on_postgres` and `on_postgres_redis` are the same tests as the others.
    ///
    /// # Panics
    ///
    /// When it names another one.
    #[must_use]
    pub fn chosen() -> Self {
        match std::env::var(BACKEND_VARIABLE).as_deref() {
            Err(_) | Ok("") => Self::of_this_program(),
            Ok("sqlite") => Self::Sqlite,
            Ok("postgres") => Self::Postgres,
            Ok("postgres+redis") => Self::PostgresRedis,
            Ok("pooled") => Self::Pooled,
            Ok(other) => panic!("{BACKEND_VARIABLE} is {other}: sqlite, postgres, postgres+redis or pooled"),
        }
    }

    fn of_this_program() -> Self {
        let program = std::env::current_exe().unwrap_or_default();
        let name = program
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // Cargo adds a hash to the name.
        match name.rsplit_once('-').map_or(name.as_str(), |(name, _)| name) {
            "on_postgres" => Self::Postgres,
            "on_postgres_redis" => Self::PostgresRedis,
            _ => Self::Sqlite,
        }
    }

    /// Makes what a server of its own needs, and gives the settings that lead there.
    pub(crate) fn provide(self) -> BTreeMap<String, String> {
        let setting = |name: &str, value: String| (name.to_owned(), value);
        match self {
            Self::Sqlite => BTreeMap::new(),
            Self::Postgres => [setting("DATABASE_URL", blocking(fresh_database))].into(),
            Self::PostgresRedis => [
                setting("DATABASE_URL", blocking(fresh_database)),
                setting(
                    "REDIS_URL",
                    blocking(async || Redis::shared().await.fresh_url().await),
                ),
            ]
            .into(),
            Self::Pooled => {
                let direct = blocking(fresh_database);
                let pooled = blocking(async || bouncer().await.url(database_of(&direct)));
                [
                    setting("DATABASE_URL", pooled),
                    setting("MPPEEP_DATABASE_POOLER", "true".into()),
                    setting("MPPEEP_DATABASE_LISTEN_URL", direct),
                ]
                .into()
            }
        }
    }
}

/// One pooler for this process.
async fn bouncer() -> &'static PgBouncer {
    static BOUNCER: OnceCell<PgBouncer> = OnceCell::const_new();
    BOUNCER
        .get_or_init(async || PgBouncer::start(Postgres::shared().await, 6).await)
        .await
}

/// Waits for work from a test that may stand in a runtime already.
///
/// # Panics
///
/// When the work does.
pub fn blocking<T: Send, F: Future<Output = T>>(work: impl FnOnce() -> F + Send) -> T {
    let run = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(work())
    };
    std::thread::scope(|scope| {
        scope.spawn(run).join().unwrap_or_else(|problem| {
            std::panic::resume_unwind(problem);
        })
    })
}

/// A database of the shared cluster with the tables of the binary under test, and nothing in them.
async fn fresh_database() -> String {
    migrated(Postgres::shared().await).await
}

/// A database of a cluster with the tables of the binary under test, and nothing in them.
pub async fn migrated(cluster: &Cluster) -> String {
    // Another binary may have other tables.
    let built = binary::path()
        .metadata()
        .and_then(|meta| meta.modified())
        .expect("the binary is there")
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let template = cluster
        .template(&format!("tables_{:x}", built.as_nanos()), async |url| {
            // A folder of its own: the one of the files knows its database.
            let folder = tempfile::TempDir::with_prefix("mppeep-tables-").expect("a temporary folder");
            let done = Command::new(binary::path())
                .arg("migrate")
                .env("DATABASE_URL", url)
                .env("MPPEEP_DATA_DIR", folder.path())
                .output()
                .expect("the binary can be run");
            assert!(
                done.status.success(),
                "mppeep migrate: {}",
                String::from_utf8_lossy(&done.stderr)
            );
        })
        .await;
    cluster.fresh_from(&template).await
}

/// The cluster and the database in a URL.
fn place(url: &str) -> (Cluster, &str) {
    let address = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
    let (address, database) = address.split_once('/').expect("a URL with a database");
    (
        Cluster::at(address),
        database.split('?').next().unwrap_or(database),
    )
}

/// What a database answers to a question: its rows, one a line, their fields separated by `|`.
#[must_use]
pub(crate) fn ask(url: Option<&str>, folder: &Path, question: &str) -> String {
    match url {
        Some(url) => {
            let (cluster, database) = place(url);
            blocking(async || cluster.sql(database, question).await)
        }
        None => sqlite3(&database_in(folder), question),
    }
}

/// Everything in a database, as statements that would make it again.
#[must_use]
pub(crate) fn dump(url: Option<&str>, folder: &Path) -> String {
    let Some(url) = url else {
        return sqlite3(&database_in(folder), ".dump");
    };
    let done = Command::new("pg_dump")
        .args(["--inserts", "--dbname", url])
        .stdin(Stdio::null())
        .output()
        .expect("pg_dump can be run (package postgresql-client)");
    assert!(
        done.status.success(),
        "pg_dump: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    // As SQLite's: without the name of the schema.
    String::from_utf8(done.stdout)
        .expect("UTF-8")
        .replace("INSERT INTO public.", "INSERT INTO ")
}

/// Asserts that the files of a database fit together.
pub(crate) fn assert_sound(url: Option<&str>, folder: &Path) {
    match url {
        Some(_) => {
            let _extension = ask(url, folder, "CREATE EXTENSION IF NOT EXISTS amcheck");
            let check = "SELECT count(bt_index_check(i.indexrelid, true)) FROM pg_index i \
                         JOIN pg_class c ON c.oid = i.indexrelid \
                         JOIN pg_am a ON a.oid = c.relam AND a.amname = 'btree' \
                         WHERE c.relnamespace = 'public'::regnamespace";
            let checked = ask(url, folder, check);
            assert_ne!(checked, "0", "there are indexes");
        }
        None => assert_eq!(ask(url, folder, "pragma integrity_check").trim(), "ok"),
    }
}
