//! A pool, for one statement outside any unit: the executor whose waits are counted.

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{TryFutureExt as _, TryStreamExt as _};
use mppeep_core::layered::spent::{Part, measure};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteQueryResult, SqliteRow, SqliteStatement, SqliteTypeInfo};
use sqlx::{Describe, Either, Error, Execute, Executor, SqlStr, Sqlite, SqlitePool};

/// Any connection of a pool.
#[derive(Debug)]
pub(crate) struct Link<'c>(pub(crate) &'c SqlitePool);

type Step = Either<SqliteQueryResult, SqliteRow>;

impl Link<'_> {
    /// A connection, for several statements.
    pub(crate) async fn acquire(self) -> Result<PoolConnection<Sqlite>, Error> {
        self.0.acquire().await
    }
}

impl<'c> Executor<'c> for Link<'c> {
    type Database = Sqlite;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let steps = measure(
            Part::Database,
            self.0.fetch_many(query).try_collect::<Vec<Step>>(),
        );
        Box::pin(
            steps
                .map_ok(|steps| stream::iter(steps.into_iter().map(Ok)))
                .try_flatten_stream(),
        )
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<SqliteRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        Box::pin(measure(Part::Database, self.0.fetch_optional(query)))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [SqliteTypeInfo],
    ) -> BoxFuture<'e, Result<SqliteStatement, Error>>
    where
        'c: 'e,
    {
        self.0.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Sqlite>, Error>>
    where
        'c: 'e,
    {
        self.0.describe(sql)
    }
}
