//! How much there is: read, counted anew, and laid out in rows.

use flotilla_kit::database::{Pool, Transaction, of_ten};
use jiff_sqlx::Timestamp;
use uuid::Uuid;

use super::Error;
use crate::{
    domain::{Faults, Free, MAX_STOCK, even, spread},
    events::{self, Happened, StockAdjusted},
};

/// Stock of a SKU in all its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stock {
    /// The SKU.
    pub sku: String,
    /// How much there is, reserved or not.
    pub on_hand: i64,
    /// How much of it is kept for somebody.
    pub reserved: i64,
    /// The rows that it is in.
    pub buckets: i64,
    /// Whether it is sold.
    pub is_sold: bool,
}

/// Stock of SKUs. Those that are not there are left out.
pub async fn levels(pool: &Pool, skus: &[String]) -> Result<Vec<Stock>, sqlx::Error> {
    sqlx::query_as!(
        Stock,
        r#"select stock.sku, sum(on_hand)::bigint as "on_hand!", sum(reserved)::bigint as "reserved!",
               count(*) as "buckets!",
               bool_and(variants.deleted_at is null and products.deleted_at is null
                   and products.status = 'active') as "is_sold!"
           from product.stock
           join product.variants on variants.sku = stock.sku
           join product.products on products.id = variants.product_id
           where stock.sku = any ($1) group by stock.sku order by stock.sku"#,
        &of_ten(skus)
    )
    .fetch_all(pool)
    .await
}

/// A row that is held.
struct Row {
    bucket: i16,
    on_hand: i64,
    reserved: i64,
}

async fn lock(transaction: &mut Transaction<'_>, sku: &str) -> Result<Vec<Row>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select bucket, on_hand, reserved from product.stock where sku = $1 order by bucket for update",
        sku
    )
    .fetch_all(&mut **transaction)
    .await?;
    if rows.is_empty() { Err(Error::NotFound("variant")) } else { Ok(rows) }
}

/// A change of stock other than by orders.
#[derive(Clone, Debug)]
pub struct Adjustment<'a> {
    /// Of what.
    pub sku: &'a str,
    /// By how much.
    pub delta: i64,
    /// Why.
    pub reason: &'a str,
    /// Who says so.
    pub actor: &'a str,
}

/// Makes stock more or less, in a transaction of somebody's. What is reserved stays.
pub async fn adjust(transaction: &mut Transaction<'_>, change: &Adjustment<'_>) -> Result<Stock, Error> {
    let rows = lock(transaction, change.sku).await?;
    let on_hand: i64 = rows.iter().map(|row| row.on_hand).sum();
    let reserved: i64 = rows.iter().map(|row| row.reserved).sum();
    let after = on_hand.saturating_add(change.delta);
    if after > MAX_STOCK {
        let detail = format_args!("there is {on_hand}, and there may be at most {MAX_STOCK}");
        return Err(Error::Conflict(Faults::one("/delta", detail)));
    }
    let free: Vec<_> =
        rows.iter().map(|row| Free { bucket: row.bucket, available: row.on_hand - row.reserved }).collect();
    let parts: Vec<_> = if change.delta < 0 {
        let taken = spread(&free, change.delta.saturating_neg()).ok_or_else(|| {
            let available = on_hand - reserved;
            let detail = format_args!(
                "at most {available} can be taken away: there is {on_hand}, and {reserved} is reserved"
            );
            Error::Conflict(Faults::one("/delta", detail))
        })?;
        taken.into_iter().map(|free| (free.bucket, -free.available)).collect()
    } else {
        // Where there is least.
        let least = free.iter().min_by_key(|free| (free.available, free.bucket));
        least.map(|free| (free.bucket, change.delta)).into_iter().collect()
    };
    for (bucket, delta) in parts {
        shift(transaction, change, "adjusted", bucket, delta).await?;
    }
    check(transaction, change.sku).await?;
    let adjusted = StockAdjusted {
        sku: change.sku.to_owned(),
        delta: change.delta,
        on_hand: after,
        reason: change.reason.to_owned(),
    };
    events::write(transaction, [Happened::StockAdjusted(adjusted)]).await?;
    let buckets = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    Ok(Stock { sku: change.sku.to_owned(), on_hand: after, reserved, buckets, is_sold: true })
}

/// Lays the stock of a SKU out in so many rows, evenly. Rows that are too many stay until what is reserved in them is settled,
/// and have nothing else.
pub async fn lay_out(pool: &Pool, sku: &str, buckets: i16, actor: &str) -> Result<(), Error> {
    let mut transaction = pool.begin().await?;
    lock(&mut transaction, sku).await?;
    sqlx::query!(
        "insert into product.stock (sku, bucket) select $1, n from generate_series(0, $2::int - 1) n
         on conflict do nothing",
        sku,
        i32::from(buckets),
    )
    .execute(&mut *transaction)
    .await?;
    let rows = lock(&mut transaction, sku).await?;
    let available = rows.iter().map(|row| row.on_hand - row.reserved).sum();
    let change = Adjustment { sku, delta: 0, reason: "laid out anew", actor };
    let mut parts = even(available, i64::from(buckets)).into_iter();
    for row in rows {
        let delta = parts.next().unwrap_or_default() - (row.on_hand - row.reserved);
        if delta != 0 {
            shift(&mut transaction, &change, "moved", row.bucket, delta).await?;
        }
    }
    check(&mut transaction, sku).await?;
    transaction.commit().await?;
    Ok(())
}

/// Changes one row, and notes why.
async fn shift(
    transaction: &mut Transaction<'_>,
    change: &Adjustment<'_>,
    kind: &str,
    bucket: i16,
    delta: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update product.stock set on_hand = on_hand + $3 where sku = $1 and bucket = $2",
        change.sku,
        bucket,
        delta,
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!(
        "insert into product.stock_movements (sku, bucket, kind, on_hand_delta, reserved_delta, reason, actor)
         values ($1, $2, $3, $4, 0, $5, $6)",
        change.sku,
        bucket,
        kind,
        delta,
        change.reason,
        change.actor,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn check(transaction: &mut Transaction<'_>, sku: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("insert into product.stock_checks (sku) values ($1)", sku)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// A movement of stock.
#[derive(Clone, Debug)]
pub struct Movement {
    /// Its number.
    pub id: i64,
    /// What it was.
    pub kind: String,
    /// By how much more there is.
    pub on_hand_delta: i64,
    /// By how much more is reserved.
    pub reserved_delta: i64,
    /// For which reservation.
    pub reservation_id: Option<Uuid>,
    /// Why.
    pub reason: Option<String>,
    /// Who did it.
    pub actor: String,
    /// When.
    pub at: Timestamp,
}

/// The movements of a SKU before one of them, the latest first.
pub async fn movements(
    pool: &Pool,
    sku: &str,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Movement>, sqlx::Error> {
    sqlx::query_as!(
        Movement,
        r#"select id, kind, on_hand_delta, reserved_delta, reservation_id, reason, actor, at as "at: Timestamp"
           from product.stock_movements where sku = $1 and ($2::bigint is null or id < $2)
           order by id desc limit $3"#,
        sku,
        before,
        limit,
    )
    .fetch_all(pool)
    .await
}
