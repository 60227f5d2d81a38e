//! Carts, with prices as they are now.

use async_graphql::{ComplexObject, ID, SimpleObject};

use crate::shape;

/// A cart, with prices as they are now.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(super) struct Cart {
    id: ID,
    /// ISO 4217.
    currency: String,
    /// How often it has changed.
    version: i64,
    /// The order that it became.
    order_id: Option<ID>,
    /// What all of it costs now, in minor units. Nothing: something in it is not sold, or prices cannot be had.
    total_minor: Option<i64>,
    #[graphql(skip)]
    items: Vec<CartItem>,
}

/// Something in a cart.
#[derive(SimpleObject)]
pub(super) struct CartItem {
    sku: String,
    quantity: i32,
    name: Option<String>,
    /// What one costs now, in minor units.
    unit_minor: Option<i64>,
    /// What all of them cost now, in minor units.
    total_minor: Option<i64>,
}

#[ComplexObject]
impl Cart {
    /// What is in it.
    #[graphql(complexity = "1 + 10 * child_complexity")]
    async fn items(&self) -> &[CartItem] {
        &self.items
    }
}

impl From<shape::Cart> for Cart {
    fn from(cart: shape::Cart) -> Self {
        let item = |item: shape::CartItem| CartItem {
            sku: item.sku,
            quantity: item.quantity,
            name: item.name,
            unit_minor: item.unit_minor,
            total_minor: item.total_minor,
        };
        Self {
            id: cart.id.into(),
            currency: cart.currency,
            version: cart.version,
            order_id: cart.order_id.map(ID::from),
            total_minor: cart.total_minor,
            items: cart.items.into_iter().map(item).collect(),
        }
    }
}
