//! From a cart to an order that is paid.

use std::{fmt, time::Duration};

use flotilla_kit::correlation::CorrelationId;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Client, Failure, account::Session, catalogue::Choice, client::Ask};

/// How often somebody looks whether their order is paid.
const PAUSE: Duration = Duration::from_millis(200);

/// A cart with something in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cart {
    /// The cart.
    pub id: Uuid,
    /// What is in it.
    pub sku: String,
    /// How many.
    pub quantity: i64,
    /// What all of it costs, in minor units.
    pub total_minor: i64,
    /// Of this (ISO 4217).
    pub currency: String,
}

impl fmt::Display for Cart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, sku, quantity, total_minor, currency } = self;
        write!(formatter, "cart {id} has {quantity} x {sku} for {total_minor} minor units of {currency}")
    }
}

#[derive(Deserialize)]
struct ShownCart {
    id: Uuid,
    total_minor: Option<i64>,
}

/// Makes a cart and puts something in: two of it, when there are two.
pub async fn fill_cart(
    client: &Client,
    id: &CorrelationId,
    session: &Session,
    choice: &Choice,
) -> Result<Cart, Failure> {
    let new = Ask::new(Method::POST, "/v1/carts", id).json(json!({ "currency": choice.currency }));
    let empty: ShownCart = client.ask(new.token(&session.token)).await?.json()?;
    let quantity = choice.available.min(2);
    let path = format!("/v1/carts/{}/items/{}", empty.id, choice.sku);
    let put = Ask::new(Method::PUT, &path, id).json(json!({ "quantity": quantity }));
    let cart: ShownCart = client.ask(put.token(&session.token)).await?.json()?;
    Ok(Cart {
        id: cart.id,
        sku: choice.sku.clone(),
        quantity,
        total_minor: cart.total_minor.ok_or(Failure::NoTotal(cart.id))?,
        currency: choice.currency.to_owned(),
    })
}

/// An order that the shop has taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// The order.
    pub id: Uuid,
    /// What it costs, in minor units.
    pub total_minor: i64,
    /// Of this (ISO 4217).
    pub currency: String,
}

impl fmt::Display for Placed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, total_minor, currency } = self;
        write!(formatter, "order {id} for {total_minor} minor units of {currency}")
    }
}

/// An order, as it is.
#[derive(Deserialize)]
struct Order {
    id: Uuid,
    status: String,
    reason: Option<String>,
    payment_status: String,
    total_minor: i64,
    currency: String,
}

/// Orders a cart, for what it was said to cost.
pub async fn place(
    client: &Client,
    id: &CorrelationId,
    session: &Session,
    cart: &Cart,
    payment_method: &str,
) -> Result<Placed, Failure> {
    let body = json!({
        "cart_id": cart.id,
        "payment_method": payment_method,
        "expected_total_minor": cart.total_minor,
        "ship_to": { "name": "A Walker", "street": "Long Road 1", "city": "Hamburg", "country": "DE" },
    });
    let key = Uuid::now_v7().to_string();
    let place = Ask::new(Method::POST, "/v1/orders", id).token(&session.token).once(key).json(body);
    let order: Order = client.ask(place).await?.json()?;
    Ok(Placed { id: order.id, total_minor: order.total_minor, currency: order.currency })
}

/// An order that is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Paid {
    /// What the order is.
    pub status: String,
    /// Who moved the money.
    pub provider: String,
    /// The provider's name for the payment.
    pub reference: Option<String>,
    /// What was taken, in minor units.
    pub captured_minor: i64,
}

impl fmt::Display for Paid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, provider, reference, captured_minor } = self;
        let reference = reference.as_deref().unwrap_or("a payment without a name");
        write!(formatter, "the order is {status}: {provider} took {captured_minor} minor units ({reference})")
    }
}

#[derive(Deserialize)]
struct Payments {
    items: Vec<Payment>,
}

#[derive(Deserialize)]
struct Payment {
    provider: String,
    reference: Option<String>,
    captured_minor: i64,
}

/// Waits until an order is paid, and looks what was taken for it.
pub async fn paid(
    client: &Client,
    id: &CorrelationId,
    session: &Session,
    placed: &Placed,
    patience: Duration,
) -> Result<Paid, Failure> {
    let until = Instant::now() + patience;
    let path = format!("/v1/orders/{}", placed.id);
    let order = loop {
        let order: Order =
            client.ask(Ask::new(Method::GET, &path, id).token(&session.token)).await?.json()?;
        match progress(&order) {
            Progress::Paid => break order,
            Progress::NeedsBank => return Err(Failure::NeedsBank(order.id)),
            Progress::Ended => {
                return Err(Failure::Ended { order: order.id, status: order.status, reason: order.reason });
            }
            Progress::Waits if Instant::now() > until => {
                return Err(Failure::Unpaid { order: order.id, status: order.status, patience });
            }
            Progress::Waits => sleep(PAUSE).await,
        }
    };
    let path = format!("{path}/payments");
    let payments: Payments =
        client.ask(Ask::new(Method::GET, &path, id).token(&session.token)).await?.json()?;
    let captured_minor = payments.items.iter().map(|payment| payment.captured_minor).sum();
    let wrong = Failure::WrongAmount { order: order.id, total_minor: placed.total_minor, captured_minor };
    let payment = payments.items.into_iter().find(|payment| payment.captured_minor > 0);
    let Some(payment) = payment.filter(|_| captured_minor == placed.total_minor) else { return Err(wrong) };
    Ok(Paid {
        status: order.status,
        provider: payment.provider,
        reference: payment.reference,
        captured_minor,
    })
}

/// How far an order is, to somebody who waits for its payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waits,
    Paid,
    NeedsBank,
    Ended,
}

fn progress(order: &Order) -> Progress {
    match (order.status.as_str(), order.payment_status.as_str()) {
        ("paid" | "shipped" | "completed", _) => Progress::Paid,
        ("pending" | "reserved" | "authorized", "requires_action") => Progress::NeedsBank,
        ("pending" | "reserved" | "authorized", _) => Progress::Waits,
        _ => Progress::Ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_paid_waits_or_has_ended() {
        for (status, payment_status, wanted) in [
            ("pending", "created", Progress::Waits),
            ("authorized", "authorized", Progress::Waits),
            ("reserved", "requires_action", Progress::NeedsBank),
            ("paid", "captured", Progress::Paid),
            ("shipped", "captured", Progress::Paid),
            ("payment_failed", "failed", Progress::Ended),
            ("needs_review", "unknown", Progress::Ended),
        ] {
            let order = Order {
                id: Uuid::nil(),
                status: status.to_owned(),
                reason: None,
                payment_status: payment_status.to_owned(),
                total_minor: 1,
                currency: "EUR".to_owned(),
            };
            assert_eq!(progress(&order), wanted, "{status}");
        }
    }
}
