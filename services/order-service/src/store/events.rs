//! Events for others, by the outbox.

use flotilla_bus::{Event, EventType, outbox};
use flotilla_kit::{database::Transaction, trace};
use serde_json::{Value, json};

use super::{
    Error,
    orders::{self, Order},
    payments::Payment,
};

/// Where they come from.
pub const SOURCE: &str = "/order-service";

/// Something happened to an order: `shop.order.WHAT.v1`.
pub async fn order(transaction: &mut Transaction<'_>, order: &Order, what: &str) -> Result<(), Error> {
    let lines: Vec<Value> = orders::lines(transaction, order.id)
        .await?
        .into_iter()
        .map(|line| {
            json!({
                "sku": line.sku,
                "product_id": line.product_id,
                "name": line.name,
                "quantity": line.quantity,
                "unit_minor": line.unit_minor,
                "total_minor": line.total_minor,
            })
        })
        .collect();
    let data = json!({
        "order_id": order.id,
        "user_id": order.user_id,
        "status": order.status,
        "reason": order.reason,
        "currency": order.currency,
        "total_minor": order.total_minor,
        "refunded_minor": order.refunded_minor,
        "tracking": order.tracking,
        "lines": lines,
    });
    append(transaction, order, "order", what, data).await
}

/// Something happened to a payment: `shop.payment.WHAT.v1`.
pub async fn payment(
    transaction: &mut Transaction<'_>,
    order: &Order,
    payment: &Payment,
    what: &str,
) -> Result<(), Error> {
    let data = json!({
        "payment_id": payment.id,
        "order_id": order.id,
        "user_id": order.user_id,
        "provider": payment.provider,
        "status": payment.known.status,
        "currency": payment.currency,
        "amount_minor": payment.amount_minor,
        "captured_minor": payment.known.captured_minor,
        "refunded_minor": payment.known.refunded_minor,
        "failure": payment.failure,
    });
    append(transaction, order, "payment", what, data).await
}

/// All are of the order's key: a consumer hears of an order and its payments in the order in which it happened.
async fn append(
    transaction: &mut Transaction<'_>,
    order: &Order,
    aggregate: &str,
    what: &str,
    data: Value,
) -> Result<(), Error> {
    let refused = |error: flotilla_bus::InvalidType| flotilla_bus::Error::Refused(error.to_string());
    let kind = EventType::try_from(format!("shop.{aggregate}.{what}.v1")).map_err(refused)?;
    let mut event = Event::new(SOURCE, kind, order.id.to_string(), data);
    event.schema = Some(format!("https://flotilla.dev/events/{}.json", event.kind));
    event.traceparent = trace::traceparent();
    event.correlation_id.clone_from(&order.correlation_id);
    event.aggregate_version = u32::try_from(order.version).ok();
    outbox::append(transaction, &event).await?;
    Ok(())
}
