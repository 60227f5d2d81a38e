//! What is sent.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    domain::{
        order::{self, Stock},
        payment,
    },
    store::{audit::Happened, orders, payments::Payment as StoredPayment, refunds::Refund as StoredRefund},
};

/// A line of an order, as it was when it was ordered.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Line {
    sku: String,
    product_id: String,
    name: String,
    quantity: i32,
    unit_minor: i64,
    total_minor: i64,
}

impl From<orders::Line> for Line {
    fn from(line: orders::Line) -> Self {
        Self {
            sku: line.sku,
            product_id: line.product_id,
            name: line.name,
            quantity: line.quantity,
            unit_minor: line.unit_minor,
            total_minor: line.total_minor,
        }
    }
}

/// An order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Order {
    id: Uuid,
    user_id: Uuid,
    status: order::Status,
    /// Why it ended, when it did not end well
    reason: Option<String>,
    stock: Stock,
    payment_id: Uuid,
    payment_status: payment::Status,
    /// ISO 4217
    currency: String,
    /// In minor units
    total_minor: i64,
    refunded_minor: i64,
    /// Whether it is being called off
    cancel_requested: bool,
    tracking: Option<String>,
    #[schema(value_type = Option<Object>)]
    ship_to: Option<Value>,
    lines: Vec<Line>,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Order {
    pub(crate) fn new(
        order: orders::Order,
        payment_status: payment::Status,
        lines: Vec<orders::Line>,
    ) -> Self {
        Self {
            id: order.id,
            user_id: order.user_id,
            status: order.status,
            reason: order.reason,
            stock: order.stock,
            payment_id: order.payment_id,
            payment_status,
            currency: order.currency,
            total_minor: order.total_minor,
            refunded_minor: order.refunded_minor,
            cancel_requested: order.is_cancel_wanted,
            tracking: order.tracking,
            ship_to: order.ship_to,
            lines: lines.into_iter().map(Line::from).collect(),
            version: order.version,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

/// An order in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OrderSummary {
    id: Uuid,
    status: order::Status,
    /// ISO 4217
    currency: String,
    total_minor: i64,
    refunded_minor: i64,
    version: i64,
    created_at: Timestamp,
}

impl From<orders::Order> for OrderSummary {
    fn from(order: orders::Order) -> Self {
        Self {
            id: order.id,
            status: order.status,
            currency: order.currency,
            total_minor: order.total_minor,
            refunded_minor: order.refunded_minor,
            version: order.version,
            created_at: order.created_at,
        }
    }
}

/// Something that happened to an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OrderEvent {
    /// Which version it made
    version: i64,
    kind: String,
    from: Option<String>,
    to: String,
    #[schema(value_type = Object)]
    data: Value,
    actor: String,
    at: Timestamp,
}

impl OrderEvent {
    /// For somebody who may know which admin did it, or may not.
    pub(crate) fn new(event: Happened, is_for_admin: bool) -> Self {
        let actor = match event.actor.split_once(':') {
            Some(("admin", _)) if !is_for_admin => "admin".to_owned(),
            _ => event.actor,
        };
        Self {
            version: event.version,
            kind: event.kind,
            from: event.from,
            to: event.to,
            data: event.data,
            actor,
            at: event.at,
        }
    }
}

/// A payment of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Payment {
    id: Uuid,
    order_id: Uuid,
    provider: String,
    /// The provider's name for it, with which a customer answers their bank
    reference: Option<String>,
    status: payment::Status,
    currency: String,
    amount_minor: i64,
    captured_minor: i64,
    refunded_minor: i64,
    failure: Option<String>,
    created_at: Timestamp,
}

impl From<StoredPayment> for Payment {
    fn from(payment: StoredPayment) -> Self {
        Self {
            id: payment.id,
            order_id: payment.order_id,
            provider: payment.provider,
            reference: payment.reference,
            status: payment.known.status,
            currency: payment.currency,
            amount_minor: payment.amount_minor,
            captured_minor: payment.known.captured_minor,
            refunded_minor: payment.known.refunded_minor,
            failure: payment.failure,
            created_at: payment.created_at,
        }
    }
}

/// Payments of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Payments {
    pub items: Vec<Payment>,
}

/// A refund of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Refund {
    id: Uuid,
    order_id: Uuid,
    payment_id: Uuid,
    amount_minor: i64,
    reason: String,
    /// requested, succeeded or failed
    status: String,
}

impl From<StoredRefund> for Refund {
    fn from(refund: StoredRefund) -> Self {
        Self {
            id: refund.id,
            order_id: refund.order_id,
            payment_id: refund.payment_id,
            amount_minor: refund.amount_minor,
            reason: refund.reason,
            status: refund.status,
        }
    }
}

/// Refunds of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Refunds {
    pub items: Vec<Refund>,
}

/// A cart, with prices as they are now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Cart {
    pub id: Uuid,
    pub currency: String,
    pub version: i64,
    /// The order that it became
    pub order_id: Option<Uuid>,
    pub items: Vec<CartItem>,
    /// What all of it costs now. Nothing: something in it is not sold, or prices cannot be had
    pub total_minor: Option<i64>,
}

/// Something in a cart.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CartItem {
    pub sku: String,
    pub quantity: i32,
    pub name: Option<String>,
    pub unit_minor: Option<i64>,
    pub total_minor: Option<i64>,
}
