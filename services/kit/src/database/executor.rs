//! Single statements, for which the pool is enough.

use futures::{
    FutureExt, StreamExt, TryFutureExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Describe, Either, Execute, Executor, Postgres, SqlStr,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use super::Pool;

/// All rows are there before the first is handed out: how fast they are taken holds up no connection.
impl<'p> Executor<'p> for &'_ Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let answered = async move {
            let mut connection = pool.acquire().await?;
            let steps: Vec<_> = connection.fetch_many(query).try_collect().await?;
            connection.done();
            Ok(stream::iter(steps.into_iter().map(Ok)))
        };
        answered.try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let answered = async move {
            let mut connection = pool.acquire().await?;
            let row = connection.fetch_optional(query).await?;
            connection.done();
            Ok(row)
        };
        answered.boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        let prepared = async move {
            let mut connection = pool.acquire().await?;
            let statement = connection.prepare_with(sql, parameters).await?;
            connection.done();
            Ok(statement)
        };
        prepared.boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        let described = async move {
            let mut connection = pool.acquire().await?;
            let description = connection.describe(sql).await?;
            connection.done();
            Ok(description)
        };
        described.boxed()
    }
}
