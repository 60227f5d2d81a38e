//! Reserves.

use std::{collections::BTreeMap, time::Duration};

use flotilla_kit::database::{Pool, Transaction, of_ten};
use jiff_sqlx::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Reservation, changed, load};
use crate::{
    domain::{Free, Lines, NoTransition, State, spread},
    events::{self, Happened, ReservedLine},
    store::Error,
};

/// What there is too little of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// The SKU.
    pub sku: String,
    /// Whether it is sold at all.
    pub is_sold: bool,
}

/// Why nothing was reserved.
#[derive(Debug, thiserror::Error)]
pub enum NotReserved {
    /// The database cannot do it.
    #[error(transparent)]
    Store(#[from] Error),
    /// The id is one of another reservation.
    #[error("there is a reservation with this id and other lines")]
    Taken,
    /// It was released before it was there.
    #[error(transparent)]
    Over(#[from] NoTransition),
    /// There is too little.
    #[error("there is too little of: {}", .0.iter().map(|short| short.sku.as_str()).collect::<Vec<_>>().join(", "))]
    Short(Vec<Short>),
}

impl From<sqlx::Error> for NotReserved {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<events::Error> for NotReserved {
    fn from(error: events::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What is to be reserved.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The id that the one who reserves has chosen.
    pub id: Uuid,
    /// The service that reserves.
    pub owner: &'a str,
    /// What is wanted.
    pub lines: &'a Lines,
    /// For how long.
    pub ttl: Duration,
}

/// A part of what was taken.
struct Taken {
    sku: String,
    bucket: i16,
    quantity: i64,
    /// Whether somebody has to look whether there is little left.
    is_to_check: bool,
}

/// Reserves. The same once more has no second effect.
pub async fn reserve(pool: &Pool, request: &Request<'_>) -> Result<Reservation, NotReserved> {
    let mut transaction = pool.begin().await?;
    // Whoever comes at once with the same id waits here.
    let new = sqlx::query_scalar!(
        r#"insert into product.reservations (id, owner, state, expires_at)
           values ($1, $2, 'active', clock_timestamp() + make_interval(secs => $3))
           on conflict (id) do nothing returning expires_at as "expires_at: Timestamp""#,
        request.id,
        request.owner,
        request.ttl.as_secs_f64(),
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(expires_at) = new else {
        let known = load(&mut transaction, request.id).await?.ok_or(NotReserved::Taken)?;
        return repeated(known, request);
    };
    let taken = take(&mut transaction, request).await?;
    write_taken(&mut transaction, request, &taken).await?;
    let reservation = Reservation {
        id: request.id,
        owner: request.owner.to_owned(),
        state: State::Active,
        expires_at: expires_at.to_jiff(),
        lines: reserved(request.lines),
    };
    let created = Happened::Reservation(events::Reservation::Created, changed(&reservation));
    events::write(&mut transaction, [created]).await?;
    transaction.commit().await?;
    Ok(reservation)
}

fn reserved(lines: &Lines) -> Vec<ReservedLine> {
    lines.iter().map(|line| ReservedLine { sku: line.sku.to_string(), quantity: line.quantity }).collect()
}

fn repeated(known: Reservation, request: &Request<'_>) -> Result<Reservation, NotReserved> {
    if known.owner != request.owner {
        return Err(NotReserved::Taken);
    }
    if known.state == State::Released && known.lines.is_empty() {
        return Err(NoTransition::Released.into());
    }
    if known.lines != reserved(request.lines) {
        return Err(NotReserved::Taken);
    }
    Ok(known)
}

/// Takes all lines from stock, in the order of their SKUs.
async fn take(transaction: &mut Transaction<'_>, request: &Request<'_>) -> Result<Vec<Taken>, NotReserved> {
    let sold = sqlx::query!(
        r#"select stock.sku, count(*) as "rows!", max(low_at) as "low_at!",
               coalesce(array_agg(bucket order by bucket) filter (where on_hand > reserved), '{}') as "free!"
           from product.stock
           join product.variants on variants.sku = stock.sku
           join product.products on products.id = variants.product_id
           where stock.sku = any ($1) and variants.deleted_at is null
               and products.deleted_at is null and products.status = 'active'
           group by stock.sku"#,
        &of_ten(&request.lines.skus()),
    )
    .fetch_all(&mut **transaction)
    .await?;
    let sold: BTreeMap<_, _> = sold.into_iter().map(|row| (row.sku.clone(), row)).collect();
    let (mut taken, mut short) = (Vec::new(), Vec::new());
    for line in request.lines {
        let sku = line.sku.as_str();
        let Some(row) = sold.get(sku) else {
            short.push(Short { sku: sku.to_owned(), is_sold: false });
            continue;
        };
        let parts = match row.rows {
            1 => take_from(transaction, sku, 0, line.quantity).await?.map(|free| vec![free]),
            _ => take_from_many(transaction, request.id, sku, &row.free, line.quantity).await?,
        };
        match parts {
            None => short.push(Short { sku: sku.to_owned(), is_sold: true }),
            Some(parts) => taken.extend(parts.into_iter().map(|part| Taken {
                sku: sku.to_owned(),
                bucket: part.bucket,
                quantity: part.quantity,
                is_to_check: part.left <= row.low_at,
            })),
        }
    }
    if short.is_empty() { Ok(taken) } else { Err(NotReserved::Short(short)) }
}

struct Part {
    bucket: i16,
    quantity: i64,
    left: i64,
}

/// Takes from one row if there is enough in it. The database decides and changes in one step: between two nobody could come.
async fn take_from(
    connection: &mut PgConnection,
    sku: &str,
    bucket: i16,
    quantity: i64,
) -> Result<Option<Part>, sqlx::Error> {
    let left = sqlx::query_scalar!(
        r#"update product.stock set reserved = reserved + $3
           where sku = $1 and bucket = $2 and on_hand - reserved >= $3
           returning on_hand - reserved as "left!""#,
        sku,
        bucket,
        quantity,
    )
    .fetch_optional(connection)
    .await?;
    Ok(left.map(|left| Part { bucket, quantity, left }))
}

/// Takes from one of several rows, or from as many of them as it needs. `free` are those that had something a moment ago.
async fn take_from_many(
    transaction: &mut Transaction<'_>,
    id: Uuid,
    sku: &str,
    free: &[i16],
    quantity: i64,
) -> Result<Option<Vec<Part>>, sqlx::Error> {
    if let Some(bucket) = pick(free, id) {
        let mut attempt = transaction.begin().await?;
        if let Some(part) = take_from(&mut attempt, sku, bucket, quantity).await? {
            attempt.commit().await?;
            return Ok(Some(vec![part]));
        }
        // A row that turned out to have too little is locked all the same. Held while others are waited for, it could make a
        // circle of those who wait.
        attempt.rollback().await?;
    }
    let rows = sqlx::query!(
        "select bucket, on_hand - reserved as available from product.stock where sku = $1 order by bucket for update",
        sku
    )
    .fetch_all(&mut **transaction)
    .await?;
    let free: Vec<_> = rows
        .into_iter()
        .map(|row| Free { bucket: row.bucket, available: row.available.unwrap_or_default() })
        .collect();
    let Some(taken) = spread(&free, quantity) else { return Ok(None) };
    let mut parts = Vec::new();
    for Free { bucket, available } in taken {
        let Some(part) = take_from(transaction, sku, bucket, available).await? else { return Ok(None) };
        parts.push(part);
    }
    Ok(Some(parts))
}

/// One of them, by the last bits of an id, which are random also in those of version 7.
fn pick(free: &[i16], id: Uuid) -> Option<i16> {
    let count = u128::try_from(free.len()).ok()?;
    free.get(usize::try_from(id.as_u128().checked_rem(count)?).ok()?).copied()
}

async fn write_taken(
    transaction: &mut Transaction<'_>,
    request: &Request<'_>,
    taken: &[Taken],
) -> Result<(), sqlx::Error> {
    let skus: Vec<_> = taken.iter().map(|taken| taken.sku.clone()).collect();
    let buckets: Vec<_> = taken.iter().map(|taken| taken.bucket).collect();
    let quantities: Vec<_> = taken.iter().map(|taken| taken.quantity).collect();
    sqlx::query!(
        "with line as (
             insert into product.reservation_lines (reservation_id, sku, bucket, quantity)
             select $1, * from unnest($2::text[], $3::smallint[], $4::bigint[])
             returning sku, bucket, quantity
         )
         insert into product.stock_movements
             (sku, bucket, kind, on_hand_delta, reserved_delta, reservation_id, actor)
         select sku, bucket, 'reserved', 0, quantity, $1, $5 from line",
        request.id,
        &skus,
        &buckets,
        &quantities,
        request.owner,
    )
    .execute(&mut **transaction)
    .await?;
    let checks: Vec<_> =
        taken.iter().filter(|taken| taken.is_to_check).map(|taken| taken.sku.clone()).collect();
    if !checks.is_empty() {
        sqlx::query!("insert into product.stock_checks (sku) select unnest($1::text[])", &checks)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_picked_alike_often_and_only_those_that_have_something() {
        assert_eq!(pick(&[], Uuid::from_u128(7)), None);
        let picked: Vec<_> = (0..6).filter_map(|id| pick(&[2, 5, 7], Uuid::from_u128(id))).collect();
        assert_eq!(picked, [2, 5, 7, 2, 5, 7]);
    }
}
