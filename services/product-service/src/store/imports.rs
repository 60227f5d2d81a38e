//! Imports: lines that are products, dealt with one after the other. What becomes of a line is written with its effect, so
//! that somebody else can go on where one has died.

use flotilla_kit::{
    correlation::CorrelationId,
    database::{Pool, Transaction},
};
use jiff_sqlx::Timestamp;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Error, products};
use crate::domain::{Fault, Faults, ProductInput};

/// How far an import is.
#[derive(Clone, Debug)]
pub struct Import {
    /// Its id.
    pub id: Uuid,
    /// `running` or `done`.
    pub state: String,
    /// Lines that it has.
    pub lines: i32,
    /// Those that made a product.
    pub created: i64,
    /// Those that changed one.
    pub updated: i64,
    /// Those in which something is wrong.
    pub failed: i64,
    /// Since when it is there.
    pub created_at: Timestamp,
    /// When it was done.
    pub finished_at: Option<Timestamp>,
}

/// What is wrong with a line.
#[derive(Clone, Debug)]
pub struct FailedLine {
    /// Its number, from 1.
    pub line: i32,
    /// What is wrong.
    pub errors: Json<Vec<Fault>>,
}

/// Keeps lines, to be dealt with later. Each has its number.
pub async fn create(pool: &Pool, lines: &[(i32, &str)], actor: &str) -> Result<Uuid, sqlx::Error> {
    let id = Uuid::now_v7();
    let numbers: Vec<_> = lines.iter().map(|(number, _)| *number).collect();
    let contents: Vec<_> = lines.iter().map(|(_, content)| (*content).to_owned()).collect();
    let mut transaction = pool.begin().await?;
    sqlx::query!(
        "insert into product.imports (id, lines, created_by, correlation_id) values ($1, $2, $3, $4)",
        id,
        i32::try_from(lines.len()).unwrap_or(i32::MAX),
        actor,
        CorrelationId::current().map(|id| id.to_string()),
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!(
        "insert into product.import_lines (import_id, line, content)
         select $1, * from unnest($2::int[], $3::text[])",
        id,
        &numbers,
        &contents,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(id)
}

/// How far an import is.
pub async fn load(pool: &Pool, id: Uuid) -> Result<Option<Import>, sqlx::Error> {
    sqlx::query_as!(
        Import,
        r#"select id, imports.state, lines, created_at as "created_at: Timestamp",
               finished_at as "finished_at: Timestamp",
               (select count(*) from product.import_lines where import_id = $1 and state = 'created') as "created!",
               (select count(*) from product.import_lines where import_id = $1 and state = 'updated') as "updated!",
               (select count(*) from product.import_lines where import_id = $1 and state = 'failed') as "failed!"
           from product.imports where id = $1"#,
        id
    )
    .fetch_optional(pool)
    .await
}

/// Lines of an import in which something is wrong, behind one of them.
pub async fn failed(pool: &Pool, id: Uuid, after: i32, limit: i64) -> Result<Vec<FailedLine>, sqlx::Error> {
    sqlx::query_as!(
        FailedLine,
        r#"select line, errors as "errors!: Json<Vec<Fault>>" from product.import_lines
           where import_id = $1 and state = 'failed' and line > $2 order by line limit $3"#,
        id,
        after,
        limit,
    )
    .fetch_all(pool)
    .await
}

/// Deals with the next line of the oldest import that nobody has. False: there is none.
pub async fn next(pool: &Pool) -> Result<bool, Error> {
    let mut transaction = pool.begin().await?;
    // Held for the line: lines of one import are dealt with in their order.
    let import = sqlx::query!(
        "select id, created_by, correlation_id from product.imports
         where state = 'running' order by id limit 1 for update skip locked"
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(import) = import else {
        transaction.rollback().await?;
        return Ok(false);
    };
    let line = sqlx::query!(
        "select line, content from product.import_lines
         where import_id = $1 and state = 'waiting' order by line limit 1",
        import.id
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(line) = line else {
        sqlx::query!(
            "update product.imports set state = 'done', finished_at = now() where id = $1",
            import.id
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        return Ok(true);
    };
    let correlation = import.correlation_id.as_deref().and_then(CorrelationId::parse).unwrap_or_default();
    let content = line.content.unwrap_or_default();
    let (state, errors) = correlation.scope(deal(&mut transaction, &content, &import.created_by)).await?;
    sqlx::query!(
        "update product.import_lines set state = $3, errors = $4, content = null where import_id = $1 and line = $2",
        import.id,
        line.line,
        state,
        errors.map(|faults| Json(faults.0)) as _,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(true)
}

/// What becomes of a line. What the database refuses is taken back without what was there before.
async fn deal(
    transaction: &mut Transaction<'_>,
    content: &str,
    actor: &str,
) -> Result<(&'static str, Option<Faults>), Error> {
    let product = match serde_json::from_str::<ProductInput>(content) {
        Ok(input) => input.check(),
        Err(error) => Err(Faults::one("", format_args!("this is no product: {error}"))),
    };
    let product = match product {
        Ok(product) => product,
        Err(faults) => return Ok(("failed", Some(faults))),
    };
    let mut attempt = transaction.begin().await?;
    match products::put(&mut attempt, &product, actor).await {
        Ok(is_new) => {
            attempt.commit().await?;
            Ok((if is_new { "created" } else { "updated" }, None))
        }
        Err(Error::Conflict(faults) | Error::Invalid(faults)) => {
            attempt.rollback().await?;
            Ok(("failed", Some(faults)))
        }
        Err(Error::NotFound(what)) => {
            attempt.rollback().await?;
            Ok(("failed", Some(Faults::one("", format_args!("the {what} is gone")))))
        }
        // Else it would be tried for ever, and hold up all lines behind it.
        Err(Error::Database(sqlx::Error::Database(error))) if is_of_the_line(error.code().as_deref()) => {
            attempt.rollback().await?;
            tracing::error!(%error, "a line of an import cannot be written");
            Ok(("failed", Some(Faults::one("", "the database does not take this line"))))
        }
        Err(error) => Err(error),
    }
}

/// Whether the database refuses values, now and later.
fn is_of_the_line(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}
