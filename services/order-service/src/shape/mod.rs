//! What is taken and sent, over REST as it is, and over GraphQL as far as that is the same.

mod sent;
mod taken;

pub(crate) use self::{
    sent::{Cart, CartItem, Order, OrderEvent, OrderSummary, Payment, Payments, Refund, Refunds},
    taken::{
        MAX_LINES, NewCart, NewLine, NewOrder, NewPayment, NewRefund, Quantity, SKU, Shipment,
        check_currency, check_method, check_quantity, check_text, is_sku,
    },
};
