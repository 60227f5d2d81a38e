//! Reservations: stock that is kept for somebody until a time. All that was asked for, or nothing.

mod reserve;
mod settle;

use jiff_sqlx::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

pub use self::{
    reserve::{NotReserved, Request, Short, reserve},
    settle::{NotSettled, expire, settle},
};
use crate::{
    domain::State,
    events::{ReservationChanged, ReservedLine},
};

/// A reservation as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Its id.
    pub id: Uuid,
    /// The service that reserved.
    pub owner: String,
    /// How far it is.
    pub state: State,
    /// Until when stock is kept, or was to be.
    pub expires_at: jiff::Timestamp,
    /// What is kept, in the order of SKUs.
    pub lines: Vec<ReservedLine>,
}

fn changed(reservation: &Reservation) -> ReservationChanged {
    ReservationChanged {
        reservation_id: reservation.id,
        expires_at: reservation.expires_at,
        lines: reservation.lines.clone(),
    }
}

/// A reservation by its id.
pub async fn load(connection: &mut PgConnection, id: Uuid) -> Result<Option<Reservation>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select owner, state, expires_at as "expires_at: Timestamp" from product.reservations where id = $1"#,
        id
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let lines = sqlx::query_as!(
        ReservedLine,
        r#"select sku, sum(quantity)::bigint as "quantity!" from product.reservation_lines
           where reservation_id = $1 group by sku order by sku"#,
        id
    )
    .fetch_all(connection)
    .await?;
    let state = State::parse(&row.state).ok_or_else(|| sqlx::Error::Decode("a state that is none".into()))?;
    Ok(Some(Reservation { id, owner: row.owner, state, expires_at: row.expires_at.to_jiff(), lines }))
}
