//! The store: its options, its connections, and how units and single statements get one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mppeep_core::layered::spent::{Part, measure};
use mppeep_core::ports::clock::TimeSource;
use mppeep_core::ports::error::StoreError;
use mppeep_core::ports::store::{Store, UnitOfWork};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, Row, SqlSafeStr, SqlStr, Transaction};

use crate::codec::stored;
use crate::ear::Ear;
use crate::error::{self, OpenError};
use crate::link::{Link, Terms, within};
use crate::open;
use crate::status::Waiting;
use crate::unit::PgUnit;

/// How long the network may take on top of what the server allows itself.
const GRACE: Duration = Duration::from_secs(1);

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct PgOptions {
    /// Whose clock judges expiry.
    pub time: TimeSource,
    /// Connections for units of work.
    pub connections: u32,
    /// Connections for sessions, login attempts, epochs and the like, so that no long unit makes them wait.
    pub quick_connections: u32,
    /// How long a unit or a statement waits for a connection, a new one included.
    pub acquire_timeout: Duration,
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// How long a transaction may stay idle before the server ends it.
    pub idle_in_transaction_timeout: Duration,
    /// Whether a pooler that lends servers by the transaction, such as pgbouncer, is in between: nothing is then asked of
    /// a connection that outlives a transaction. Limits hold for units; for single statements, set them on the role.
    pub pooler: bool,
    /// Where notifications are listened to, when that is not the URL of the database: they need a connection that is kept,
    /// which a pooler does not lend. Behind one, and without this, nothing is listened to.
    pub listen_url: Option<String>,
}

impl Default for PgOptions {
    fn default() -> Self {
        Self {
            time: TimeSource::Backend,
            connections: 16,
            quick_connections: 4,
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(2),
            idle_in_transaction_timeout: Duration::from_secs(10),
            pooler: false,
            listen_url: None,
        }
    }
}

impl PgOptions {
    /// The server's settings that bound what a connection does.
    pub(crate) fn limits(&self) -> [(&'static str, u128); 3] {
        [
            ("statement_timeout", self.statement_timeout.as_millis()),
            ("lock_timeout", self.lock_timeout.as_millis()),
            (
                "idle_in_transaction_session_timeout",
                self.idle_in_transaction_timeout.as_millis(),
            ),
        ]
    }

    /// A statement that begins a transaction, with the limits where a connection cannot carry them.
    fn begin(&self, begin: &str) -> SqlStr {
        let mut text = begin.to_owned();
        if self.pooler {
            for (name, millis) in self.limits() {
                text.push_str(&format!("; SET LOCAL {name} = {millis}"));
            }
        }
        AssertSqlSafe(text).into_sql_str()
    }
}

/// The connections of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PgPoolStatus {
    /// Open connections.
    pub open: u32,
    /// Those that nobody uses at the moment.
    pub idle: u32,
    /// How many there may be.
    pub most: u32,
    /// Units that are being begun, which is waiting for a connection when none is idle. Not counted of single statements.
    pub waiting: u32,
}

/// What an operator may want to know of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgStatus {
    /// The server's version, in its own words.
    pub server_version: String,
    /// The version of the schema.
    pub schema_version: i64,
    /// Connections that the server grants, all clients together.
    pub server_connections: u32,
    /// Connections of units.
    pub units: PgPoolStatus,
    /// Connections of single statements.
    pub quick: PgPoolStatus,
}

struct Inner {
    place: String,
    time: TimeSource,
    acquire_timeout: Duration,
    terms: Terms,
    units: PgPool,
    quick: PgPool,
    /// Set where single statements need a transaction around them.
    begin_single: Option<SqlStr>,
    begin: SqlStr,
    begin_read: SqlStr,
    /// Units that wait for a connection.
    waiting: Waiting,
    ear: Ear,
}

/// A database on a server. Copies of this value share its connections.
#[derive(Clone)]
pub struct PgStore {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for PgStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgStore")
            .field("place", &self.inner.place)
            .finish_non_exhaustive()
    }
}

impl PgStore {
    /// Connects to the database that the URL (`postgres://user:password@host:port/database?sslmode=…`) names, and brings
    /// its schema up to date. Any number of processes may do so at once.
    ///
    /// # Errors
    /// [`OpenError`]; the database is then as it was.
    pub async fn open(url: &str, options: PgOptions) -> Result<Self, OpenError> {
        let connect = open::connect_options(url, &options)?;
        let listen = match &options.listen_url {
            Some(url) => Some(open::listen_options(url)?),
            None if options.pooler => None,
            None => Some(open::listen_options(url)?),
        };
        let place = open::place(&connect);
        open::prepare(&connect, &place, &options).await?;
        let pool = |connections: u32, connect: PgConnectOptions| {
            PgPoolOptions::new()
                .max_connections(connections.max(1))
                .acquire_timeout(options.acquire_timeout)
                .after_release(|conn, _| Box::pin(is_idle(conn)))
                .connect_lazy_with(connect)
        };
        let inner = Inner {
            units: pool(options.connections, connect.clone()),
            quick: pool(options.quick_connections, connect),
            place,
            acquire_timeout: options.acquire_timeout,
            terms: Terms {
                patience: options.statement_timeout + GRACE,
                named: !options.pooler,
            },
            begin_single: options.pooler.then(|| options.begin("BEGIN")),
            begin: options.begin("BEGIN"),
            begin_read: options.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
            time: options.time,
            waiting: Waiting::default(),
            ear: Ear::new(listen),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The server and the database, for people.
    pub fn place(&self) -> &str {
        &self.inner.place
    }

    /// What hears notifications.
    pub(crate) fn ear(&self) -> &Ear {
        &self.inner.ear
    }

    /// Closes the connections, after those that are lent have come back.
    pub async fn close(&self) {
        self.inner.ear.close();
        self.inner.quick.close().await;
        self.inner.units.close().await;
    }

    /// What the server and the pools say of themselves.
    ///
    /// # Errors
    /// `Backend` when the database cannot be asked.
    pub async fn check(&self) -> Result<PgStatus, StoreError> {
        // Not checked when it is compiled: the table of migrations is made by none of them.
        let asked: (String, i32, i64) = read_twice(|| {
            sqlx::query_as(
                "SELECT current_setting('server_version'), current_setting('max_connections')::integer, \
                 (SELECT max(version) FROM _sqlx_migrations)",
            )
            .fetch_one(self.quick())
        })
        .await
        .map_err(error::backend)?;
        let (server_version, server_connections, schema_version) = asked;
        let (units, quick) = self.pools();
        Ok(PgStatus {
            server_version,
            schema_version,
            server_connections: u32::try_from(server_connections).unwrap_or(0),
            units,
            quick,
        })
    }

    /// The connections of units and of single statements, as they are now; the server is not asked.
    pub fn pools(&self) -> (PgPoolStatus, PgPoolStatus) {
        let status = |pool: &PgPool, waiting| PgPoolStatus {
            open: pool.size(),
            idle: u32::try_from(pool.num_idle()).unwrap_or(u32::MAX),
            most: pool.options().get_max_connections(),
            waiting,
        };
        (
            status(&self.inner.units, self.inner.waiting.now()),
            status(&self.inner.quick, 0),
        )
    }

    /// The present instant as a parameter of statements: none when the database's own clock judges.
    pub(crate) fn now(&self) -> Option<jiff_sqlx::Timestamp> {
        match &self.inner.time {
            TimeSource::Backend => None,
            TimeSource::Clock(clock) => Some(stored(clock.now())),
        }
    }

    /// A connection for one statement that is a transaction of its own.
    pub(crate) fn quick(&self) -> Link<'_> {
        let begin = self.inner.begin_single.clone();
        Link::alone(&self.inner.quick, begin, self.inner.terms)
    }

    /// A transaction of a few statements outside any unit.
    pub(crate) async fn quick_transaction(&self) -> Result<QuickTransaction, sqlx::Error> {
        let tx = self.transaction(&self.inner.quick, &self.inner.begin).await?;
        Ok(QuickTransaction {
            tx,
            terms: self.inner.terms,
        })
    }

    /// Begins a transaction; on another connection if the first one is found to be lost, since nothing was done on it.
    async fn transaction(
        &self,
        pool: &PgPool,
        begin: &SqlStr,
    ) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let patience = self.inner.acquire_timeout + GRACE;
        let _waiting = self.inner.waiting.enter();
        let begun = read_twice(|| within(patience, pool.begin_with(begin.clone())));
        measure(Part::Database, begun).await.map_err(error::not_sent)
    }
}

/// A transaction outside any unit, with a limit on each statement.
pub(crate) struct QuickTransaction {
    tx: Transaction<'static, Postgres>,
    terms: Terms,
}

impl QuickTransaction {
    /// The connection, for one statement.
    pub(crate) fn link(&mut self) -> Link<'_> {
        Link::in_transaction(&mut self.tx, self.terms)
    }

    /// Commits; read its failure with [`error::commit`].
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        measure(Part::Database, within(self.terms.patience, self.tx.commit())).await
    }
}

/// Reads, and once more on another connection if the first one is found to be lost.
pub(crate) async fn read_twice<T, F>(mut read: impl FnMut() -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    match read().await {
        Err(err) if error::is_lost(&err) => read().await,
        done => done,
    }
}

/// Whether a connection that comes back to its pool may be lent again: not when a transaction is still open on it, which
/// a future dropped while it began one leaves behind. In a transaction that began earlier, or failed, the two instants
/// differ or are not told; and what does not answer is not lent either.
async fn is_idle(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let probe = sqlx::raw_sql("SELECT now() = statement_timestamp() AS idle").fetch_one(conn);
    let row = within(GRACE, probe).await;
    Ok(row.and_then(|row| row.try_get("idle")).unwrap_or(false))
}

#[async_trait]
impl Store for PgStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let tx = self.transaction(&self.inner.units, &self.inner.begin).await;
        let tx = tx.map_err(error::backend)?;
        Ok(Box::new(PgUnit::new(
            tx,
            true,
            self.inner.terms,
            self.inner.time.clone(),
        )))
    }

    async fn begin_read(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let tx = self.transaction(&self.inner.units, &self.inner.begin_read).await;
        let tx = tx.map_err(error::backend)?;
        Ok(Box::new(PgUnit::new(
            tx,
            false,
            self.inner.terms,
            self.inner.time.clone(),
        )))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        read_twice(|| sqlx::query_scalar!("SELECT count(*) FROM fact").fetch_one(self.quick()))
            .await
            .map_err(error::backend)?;
        Ok(())
    }
}
