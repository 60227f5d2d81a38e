//! What is taken.

use flotilla_kit::http::Violations;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::money;

/// Lines that an order may have.
pub(crate) const MAX_LINES: usize = 100;

/// Of each line.
pub(crate) const MAX_QUANTITY: i32 = 999;

/// Bytes of an address, as JSON.
const MAX_ADDRESS: usize = 4_096;

/// Something to be ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLine {
    /// What
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Z0-9][A-Z0-9._-]*$")]
    pub sku: String,
    /// How many
    #[schema(minimum = 1, maximum = 999)]
    pub quantity: i32,
}

/// An order to be placed: of a cart, or of lines.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrder {
    /// The cart that is ordered. With it, neither currency nor lines are needed
    pub cart_id: Option<Uuid>,
    /// What is paid in (ISO 4217)
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: Option<String>,
    /// What is ordered
    #[serde(default)]
    #[schema(max_items = 100)]
    pub lines: Vec<NewLine>,
    /// What pays, as the payment provider names it, such as `pm_card_visa`
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_-]+$")]
    pub payment_method: String,
    /// Where it goes
    #[schema(value_type = Option<Object>)]
    pub ship_to: Option<Value>,
    /// What the customer was told that it costs. Given, it has to be so
    pub expected_total_minor: Option<i64>,
}

impl NewOrder {
    /// All that is wrong with it.
    pub(crate) fn check(&self) -> Violations {
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
pub(crate) struct NewPayment {
    /// What pays, as the payment provider names it
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_-]+$")]
    pub payment_method: String,
}

/// Money to be given back.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRefund {
    /// How much, in minor units. Left out: all that is left
    #[schema(minimum = 1)]
    pub amount_minor: Option<i64>,
    /// Why
    #[schema(min_length = 1, max_length = 500, pattern = r"^[^\x00]*$")]
    pub reason: String,
}

/// A new cart.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCart {
    /// What its prices are in (ISO 4217)
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
}

/// How many of something.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quantity {
    /// How many
    #[schema(minimum = 1, maximum = 999)]
    pub quantity: i32,
}

/// What a way is tracked by.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shipment {
    /// What the carrier names it
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00]*$")]
    pub tracking: Option<String>,
}

pub(crate) fn check_currency(violations: &mut Violations, pointer: &str, currency: Option<&str>) {
    match currency {
        None => violations.add(pointer, "is needed"),
        Some(currency) if money::is_known(currency) => {}
        Some(_) => violations.add(pointer, format!("write one of {}", money::CURRENCIES.join(", "))),
    }
}

pub(crate) fn check_sku(violations: &mut Violations, pointer: &str, sku: &str) {
    if !is_sku(sku) {
        violations.add(pointer, SKU);
    }
}

/// What is said of one that is none.
pub(crate) const SKU: &str =
    "write from 1 to 64 of A-Z, 0-9, '.', '_' and '-', beginning with a letter or a digit";

/// Whether it is one, as the product-service has them.
pub(crate) fn is_sku(sku: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    (1..=64).contains(&sku.len())
        && sku.bytes().next().is_some_and(is_good)
        && sku.bytes().all(|byte| is_good(byte) || b"._-".contains(&byte))
}

pub(crate) fn check_quantity(violations: &mut Violations, pointer: &str, quantity: i32) {
    if !(1..=MAX_QUANTITY).contains(&quantity) {
        violations.add(pointer, format!("write from 1 to {MAX_QUANTITY}"));
    }
}

pub(crate) fn check_method(violations: &mut Violations, method: &str) {
    let is_good = (1..=128).contains(&method.len())
        && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if !is_good {
        violations.add("/payment_method", "write from 1 to 128 letters, digits and -_");
    }
}

pub(crate) fn check_text(violations: &mut Violations, pointer: &str, text: &str, max: usize) {
    if !(1..=max).contains(&text.chars().count()) || text.contains('\0') {
        violations.add(pointer, format!("write from 1 to {max} characters"));
    }
}
