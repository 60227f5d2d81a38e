//! What is done, as over REST.

use async_graphql::{Context, ID, InputObject, Object};
use axum::{http::header, response::Response};
use flotilla_kit::http::{Problem, idempotency::IdempotencyKey};
use serde_json::Value;
use uuid::Uuid;

use super::{
    cart::Cart,
    context::{app, principal, uuid, wrong},
    order::Order,
};
use crate::{
    actions::{cancel, carts, once::Once, orders::visible, place},
    shape,
};

/// What keys of orders that are placed here belong to: they are others than those of REST.
const PLACE: &str = "/graphql#placeOrder";

/// Something to be ordered.
#[derive(InputObject)]
pub(super) struct OrderLineInput {
    sku: String,
    quantity: i32,
}

/// An order to be placed: of a cart, or of lines.
#[derive(InputObject)]
pub(super) struct OrderInput {
    /// The cart that is ordered. With it, neither currency nor lines are needed.
    cart_id: Option<ID>,
    /// What is paid in (ISO 4217).
    currency: Option<String>,
    /// What is ordered.
    #[graphql(default)]
    lines: Vec<OrderLineInput>,
    /// What pays, as the payment provider names it.
    payment_method: String,
    /// Where it goes.
    ship_to: Option<Value>,
    /// What the customer was told that it costs, in minor units. Given, it has to be so.
    expected_total_minor: Option<i64>,
}

impl OrderInput {
    fn into_new(self) -> Result<shape::NewOrder, Problem> {
        let line = |line: OrderLineInput| shape::NewLine { sku: line.sku, quantity: line.quantity };
        Ok(shape::NewOrder {
            cart_id: self.cart_id.map(|id| uuid("order.cartId", &id)).transpose()?,
            currency: self.currency,
            lines: self.lines.into_iter().map(line).collect(),
            payment_method: self.payment_method,
            ship_to: self.ship_to,
            expected_total_minor: self.expected_total_minor,
        })
    }
}

pub(super) struct Mutation;

#[Object(name = "Mutation")]
impl Mutation {
    /// Places an order, once for its key: a new one for each order, the same one to repeat a request.
    async fn place_order(
        &self,
        context: &Context<'_>,
        idempotency_key: String,
        order: OrderInput,
    ) -> Result<Order, Problem> {
        let (app, principal) = (app(context)?, principal(context)?);
        let key = IdempotencyKey::parse(&idempotency_key)
            .ok_or_else(|| wrong("idempotencyKey", "write from 1 to 255 printable ASCII characters"))?;
        let new = order.into_new()?;
        let body = serde_json::to_vec(&new).map_err(|error| Problem::internal(&error))?;
        let once = Once { key: &key, path: PLACE, body: &body };
        let id = placed(&place::place(app, principal, &once, &new).await?)?;
        Ok(Order(visible(app, principal, id).await?))
    }

    /// Calls an order off. What was paid is given back, and then it is cancelled.
    async fn cancel_order(&self, context: &Context<'_>, id: ID) -> Result<Order, Problem> {
        cancel::cancel(app(context)?, principal(context)?, uuid("id", &id)?).await.map(Order)
    }

    /// Makes an empty cart, with prices in a currency (ISO 4217).
    async fn create_cart(&self, context: &Context<'_>, currency: String) -> Result<Cart, Problem> {
        carts::create(app(context)?, principal(context)?, &currency).await.map(Cart::from)
    }

    /// Puts something in a cart, or changes how many there are.
    async fn put_in_cart(
        &self,
        context: &Context<'_>,
        id: ID,
        sku: String,
        quantity: i32,
    ) -> Result<Cart, Problem> {
        let cart = uuid("id", &id)?;
        carts::put(app(context)?, principal(context)?, cart, &sku, quantity).await.map(Cart::from)
    }

    /// Takes something out of a cart.
    async fn remove_from_cart(&self, context: &Context<'_>, id: ID, sku: String) -> Result<Cart, Problem> {
        let cart = uuid("id", &id)?;
        carts::remove(app(context)?, principal(context)?, cart, &sku).await.map(Cart::from)
    }
}

/// The order that an answer of REST is about, be it the first one or given again.
fn placed(response: &Response) -> Result<Uuid, Problem> {
    let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    let id = location.and_then(|path| Uuid::try_parse(path.rsplit('/').next()?).ok());
    id.ok_or_else(|| Problem::internal(&std::io::Error::other("an order that was placed has no place")))
}
