//! What is sent and taken.

use flotilla_kit::http::Violations;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    domain::{
        money,
        order::{self, Stock},
        payment,
    },
    store::{
        orders::{self, Happened},
        payments::Payment as StoredPayment,
        refunds::Refund as StoredRefund,
    },
};

/// Lines that an order may have.
pub(super) const MAX_LINES: usize = 100;

/// Of each line.
pub(super) const MAX_QUANTITY: i32 = 999;

/// Bytes of an address, as JSON.
const MAX_ADDRESS: usize = 4_096;

/// Something to be ordered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLine {
    /// What
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Z0-9][A-Z0-9._-]*$")]
    pub sku: String,
    /// How many
    #[schema(minimum = 1, maximum = 999)]
    pub quantity: i32,
}

/// An order to be placed: of a cart, or of lines.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrder {
    /// The cart that is ordered. With it, neither currency nor lines are needed
    pub cart_id: Option<Uuid>,
    /// What is paid in (ISO 4217)
    pub currency: Option<String>,
    /// What is ordered
    #[serde(default)]
    #[schema(max_items = 100)]
    pub lines: Vec<NewLine>,
    /// What pays, as the payment provider names it, such as `pm_card_visa`
    #[schema(min_length = 1, max_length = 128)]
    pub payment_method: String,
    /// Where it goes
    #[schema(value_type = Option<Object>)]
    pub ship_to: Option<Value>,
    /// What the customer was told that it costs. Given, it has to be so
    pub expected_total_minor: Option<i64>,
}

impl NewOrder {
    /// All that is wrong with it.
    pub(super) fn check(&self) -> Violations {
        let mut violations = Violations::new();
        match (&self.cart_id, &self.currency, self.lines.is_empty()) {
            (Some(_), None, true) => {}
            (Some(_), ..) => violations.add("/cart_id", "with a cart, leave currency and lines out"),
            (None, currency, is_empty) => {
                check_currency(&mut violations, "/currency", currency.as_deref());
                if is_empty {
                    violations.add("/lines", "order something, or name a cart");
                }
            }
        }
        if self.lines.len() > MAX_LINES {
            violations.add("/lines", format!("write at most {MAX_LINES}"));
        }
        for (at, line) in self.lines.iter().enumerate().take(MAX_LINES) {
            check_sku(&mut violations, &format!("/lines/{at}/sku"), &line.sku);
            check_quantity(&mut violations, &format!("/lines/{at}/quantity"), line.quantity);
            if self.lines.iter().take(at).any(|other| other.sku == line.sku) {
                violations.add(format!("/lines/{at}/sku"), "is in another line already");
            }
        }
        check_method(&mut violations, &self.payment_method);
        match &self.ship_to {
            Some(Value::Object(_)) | None => {}
            Some(_) => violations.add("/ship_to", "expected an object"),
        }
        if self.ship_to.as_ref().is_some_and(|address| address.to_string().len() > MAX_ADDRESS) {
            violations.add("/ship_to", format!("write at most {MAX_ADDRESS} bytes"));
        }
        // Postgres has no such character in JSON.
        if self.ship_to.as_ref().is_some_and(|address| address.to_string().contains("\\u0000")) {
            violations.add("/ship_to", "must not have the character U+0000");
        }
        violations
    }
}

/// Another payment of an order.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPayment {
    /// What pays, as the payment provider names it
    #[schema(min_length = 1, max_length = 128)]
    pub payment_method: String,
}

/// Money to be given back.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRefund {
    /// How much, in minor units. Left out: all that is left
    #[schema(minimum = 1)]
    pub amount_minor: Option<i64>,
    /// Why
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// A new cart.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCart {
    /// What its prices are in (ISO 4217)
    pub currency: String,
}

/// How many of something.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Quantity {
    /// How many
    #[schema(minimum = 1, maximum = 999)]
    pub quantity: i32,
}

/// What a way is tracked by.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Shipment {
    /// What the carrier names it
    #[schema(max_length = 200)]
    pub tracking: Option<String>,
}

pub(super) fn check_currency(violations: &mut Violations, pointer: &str, currency: Option<&str>) {
    match currency {
        None => violations.add(pointer, "is needed"),
        Some(currency) if money::is_known(currency) => {}
        Some(_) => violations.add(pointer, format!("write one of {}", money::CURRENCIES.join(", "))),
    }
}

pub(super) fn check_sku(violations: &mut Violations, pointer: &str, sku: &str) {
    if !is_sku(sku) {
        violations.add(pointer, SKU);
    }
}

/// What is said of one that is none.
pub(super) const SKU: &str =
    "write from 1 to 64 of A-Z, 0-9, '.', '_' and '-', beginning with a letter or a digit";

/// Whether it is one, as the product-service has them.
pub(super) fn is_sku(sku: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    (1..=64).contains(&sku.len())
        && sku.bytes().next().is_some_and(is_good)
        && sku.bytes().all(|byte| is_good(byte) || b"._-".contains(&byte))
}

pub(super) fn check_quantity(violations: &mut Violations, pointer: &str, quantity: i32) {
    if !(1..=MAX_QUANTITY).contains(&quantity) {
        violations.add(pointer, format!("write from 1 to {MAX_QUANTITY}"));
    }
}

pub(super) fn check_method(violations: &mut Violations, method: &str) {
    let is_good = (1..=128).contains(&method.len())
        && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if !is_good {
        violations.add("/payment_method", "write from 1 to 128 letters, digits and -_");
    }
}

pub(super) fn check_text(violations: &mut Violations, pointer: &str, text: &str, max: usize) {
    if !(1..=max).contains(&text.chars().count()) || text.contains('\0') {
        violations.add(pointer, format!("write from 1 to {max} characters"));
    }
}

/// A line of an order, as it was when it was ordered.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Line {
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
pub(super) struct Order {
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
    pub(super) fn new(
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
pub(super) struct OrderSummary {
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
pub(super) struct OrderEvent {
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
    pub(super) fn new(event: Happened, is_for_admin: bool) -> Self {
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
pub(super) struct Payment {
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
pub(super) struct Payments {
    pub items: Vec<Payment>,
}

/// A refund of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Refund {
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
pub(super) struct Refunds {
    pub items: Vec<Refund>,
}

/// A cart, with prices as they are now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Cart {
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
pub(super) struct CartItem {
    pub sku: String,
    pub quantity: i32,
    pub name: Option<String>,
    pub unit_minor: Option<i64>,
    pub total_minor: Option<i64>,
}
