//! Commits, releases, lets expire.

use flotilla_kit::{
    correlation::CorrelationId,
    database::{Pool, Transaction, of_ten},
};
use uuid::Uuid;

use super::{Reservation, changed, load};
use crate::{
    domain::{Action, NoTransition, State, Transition, step},
    events::{self, Happened},
    store::Error,
};

/// Reservations that expire at a time.
const BATCH: i64 = 50;

/// Why nothing became of a reservation.
#[derive(Debug, thiserror::Error)]
pub enum NotSettled {
    /// The database cannot do it.
    #[error(transparent)]
    Store(#[from] Error),
    /// It is not there, or somebody else's.
    #[error("there is no such reservation")]
    NotFound,
    /// It is too late.
    #[error(transparent)]
    Over(#[from] NoTransition),
}

impl From<sqlx::Error> for NotSettled {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Commits or releases a reservation. The same once more has no second effect.
///
/// One that is not there yet is released nevertheless: whoever gave up waiting for an answer can be sure that a request which
/// still is on its way keeps nothing.
pub async fn settle(pool: &Pool, id: Uuid, owner: &str, action: Action) -> Result<Reservation, NotSettled> {
    let mut transaction = pool.begin().await?;
    if action == Action::Release {
        sqlx::query!(
            "insert into product.reservations (id, owner, state, expires_at, settled_at)
             values ($1, $2, 'released', now(), now()) on conflict (id) do nothing",
            id,
            owner,
        )
        .execute(&mut *transaction)
        .await?;
    }
    sqlx::query!("select id from product.reservations where id = $1 for update", id)
        .fetch_optional(&mut *transaction)
        .await?;
    let known = load(&mut transaction, id).await?.filter(|known| known.owner == owner);
    let mut reservation = known.ok_or(NotSettled::NotFound)?;
    // Asked once the row is held: what was true before may not be any more.
    let is_over = sqlx::query_scalar!(
        r#"select expires_at <= clock_timestamp() as "is_over!" from product.reservations where id = $1"#,
        id
    )
    .fetch_one(&mut *transaction)
    .await?;
    if let Some(transition) = step(reservation.state, action, is_over)? {
        apply(&mut transaction, &[id], transition, owner).await?;
        reservation.state = transition.to;
        let what = match action {
            Action::Commit => events::Reservation::Committed,
            Action::Release => events::Reservation::Released,
            Action::Expire => events::Reservation::Expired,
        };
        events::write(&mut transaction, [Happened::Reservation(what, changed(&reservation))])
            .await
            .map_err(Error::from)?;
    }
    transaction.commit().await?;
    Ok(reservation)
}

/// Lets reservations expire whose time is over, some at a time, and says how many.
pub async fn expire(pool: &Pool) -> Result<usize, Error> {
    let mut transaction = pool.begin().await?;
    let ids = sqlx::query_scalar!(
        "select id from product.reservations where state = 'active' and expires_at <= clock_timestamp()
         order by expires_at limit $1 for update skip locked",
        BATCH,
    )
    .fetch_all(&mut *transaction)
    .await?;
    let Ok(Some(transition)) = step(State::Active, Action::Expire, true) else { return Ok(0) };
    if ids.is_empty() {
        return Ok(0);
    }
    apply(&mut transaction, &ids, transition, "product-service").await?;
    let mut happened = Vec::new();
    for id in &ids {
        if let Some(reservation) = load(&mut transaction, *id).await? {
            happened.push(Happened::Reservation(events::Reservation::Expired, changed(&reservation)));
        }
    }
    // What expires comes from no request.
    CorrelationId::new().scope(events::write(&mut transaction, happened)).await?;
    transaction.commit().await?;
    Ok(ids.len())
}

/// Does to stock what a transition of reservations says, and notes it.
async fn apply(
    transaction: &mut Transaction<'_>,
    ids: &[Uuid],
    transition: Transition,
    actor: &str,
) -> Result<(), sqlx::Error> {
    let ids = &of_ten(ids);
    sqlx::query!(
        "select sku from product.stock
         where (sku, bucket) in (select sku, bucket from product.reservation_lines where reservation_id = any ($1))
         order by sku, bucket for update",
        ids
    )
    .fetch_all(&mut **transaction)
    .await?;
    sqlx::query!(
        "with line as (
             select sku, bucket, sum(quantity)::bigint as quantity from product.reservation_lines
             where reservation_id = any ($1) group by sku, bucket
         ), changed as (
             update product.stock
             set on_hand = on_hand + $2::bigint * quantity, reserved = reserved + $3::bigint * quantity
             from line where stock.sku = line.sku and stock.bucket = line.bucket
             returning stock.sku, on_hand - reserved as available, ($2::bigint - $3::bigint) * quantity as delta
         )
         insert into product.stock_checks (sku)
         select changed.sku from changed join product.variants on variants.sku = changed.sku
         where delta <> 0 and available - greatest(delta, 0) <= low_at",
        ids,
        transition.on_hand,
        transition.reserved,
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!(
        "insert into product.stock_movements
             (sku, bucket, kind, on_hand_delta, reserved_delta, reservation_id, actor)
         select sku, bucket, $2, $3::bigint * quantity, $4::bigint * quantity, reservation_id, $5
         from product.reservation_lines where reservation_id = any ($1) order by reservation_id, sku, bucket",
        ids,
        transition.movement,
        transition.on_hand,
        transition.reserved,
        actor,
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!(
        "update product.reservations set state = $2, settled_at = now() where id = any ($1)",
        ids,
        transition.to.as_str(),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
