//! A connection on which every statement ends: the executor that the repositories are given.
//!
//! The server ends a statement that takes too long, but only a client can tell that the server no longer answers.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{TryFutureExt, TryStreamExt};
use mppeep_core::layered::spent::{Part, measure};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Error, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr};

use crate::error::not_sent;

/// Ends what takes longer than that.
pub(crate) async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(patience, work).await {
        Ok(done) => done,
        Err(_) => Err(Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// What holds for every statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How long one may go without an answer.
    pub(crate) patience: Duration,
    /// Whether statements are prepared under a name, to be met again on the same connection.
    pub(crate) named: bool,
}

/// A statement that is prepared as the terms say, whatever it asks for itself.
struct Prepared<E>(E, Terms);

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Prepared<E> {
    fn sql(self) -> SqlStr {
        self.0.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.0.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.0.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.1.named && self.0.persistent()
    }
}

/// Where a statement runs.
#[derive(Debug)]
enum Place<'c> {
    /// On the connection of a transaction.
    Transaction(&'c mut PgConnection),
    /// On any connection, as a transaction of its own.
    Alone(&'c PgPool),
    /// On any connection, between this statement and a commit: behind a pooler, the messages of one statement may
    /// otherwise reach different servers.
    Begun(&'c PgPool, SqlStr),
}

/// The place and the terms for one statement.
#[derive(Debug)]
pub(crate) struct Link<'c> {
    place: Place<'c>,
    terms: Terms,
}

type Step = Either<PgQueryResult, PgRow>;

impl<'c> Link<'c> {
    pub(crate) fn in_transaction(connection: &'c mut PgConnection, terms: Terms) -> Self {
        Self {
            place: Place::Transaction(connection),
            terms,
        }
    }

    pub(crate) fn alone(pool: &'c PgPool, begin: Option<SqlStr>, terms: Terms) -> Self {
        let place = match begin {
            None => Place::Alone(pool),
            Some(begin) => Place::Begun(pool, begin),
        };
        Self { place, terms }
    }

    async fn run<'q, E: 'q + Execute<'q, Postgres>>(self, query: E) -> Result<Vec<Step>, Error> {
        measure(Part::Database, self.steps(query)).await
    }

    async fn steps<'q, E: 'q + Execute<'q, Postgres>>(self, query: E) -> Result<Vec<Step>, Error> {
        let patience = self.terms.patience;
        let query = Prepared(query, self.terms);
        match self.place {
            Place::Transaction(conn) => within(patience, conn.fetch_many(query).try_collect()).await,
            Place::Alone(pool) => {
                let mut conn = pool.acquire().await.map_err(not_sent)?;
                within(patience, conn.fetch_many(query).try_collect()).await
            }
            Place::Begun(pool, begin) => {
                let begun = within(patience, pool.begin_with(begin));
                let mut tx = begun.await.map_err(not_sent)?;
                let steps = within(patience, tx.fetch_many(query).try_collect()).await?;
                within(patience, tx.commit()).await?;
                Ok(steps)
            }
        }
    }
}

impl<'c> Executor<'c> for Link<'c> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let steps = self.run(query);
        Box::pin(
            steps
                .map_ok(|steps| stream::iter(steps.into_iter().map(Ok)))
                .try_flatten_stream(),
        )
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let steps = self.run(query);
        Box::pin(steps.map_ok(|steps| steps.into_iter().find_map(Either::right)))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            match self.place {
                Place::Transaction(conn) => conn.prepare_with(sql, parameters).await,
                Place::Alone(pool) | Place::Begun(pool, _) => pool.prepare_with(sql, parameters).await,
            }
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            match self.place {
                Place::Transaction(conn) => conn.describe(sql).await,
                Place::Alone(pool) | Place::Begun(pool, _) => pool.describe(sql).await,
            }
        })
    }
}
