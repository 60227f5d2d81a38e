//! What there is: payments, refunds and movements of money, as JSON has them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How far a payment intent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It has no payment method, or one that was declined.
    RequiresPaymentMethod,
    /// It has one, and waits to be confirmed.
    RequiresConfirmation,
    /// The customer has to say to the bank that it is them.
    RequiresAction,
    /// The money is held, and not taken.
    RequiresCapture,
    /// The money is taken.
    Succeeded,
    /// Nothing is held any more.
    Canceled,
}

/// Money that somebody wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Its id, `pi_…`.
    pub id: String,
    /// Always `payment_intent`.
    pub object: String,
    /// How much, in minor units.
    pub amount: i64,
    /// How much of it is held.
    pub amount_capturable: i64,
    /// How much of it was taken.
    pub amount_received: i64,
    /// How much of that was given back.
    pub amount_refunded: i64,
    /// ISO 4217, in lower case.
    pub currency: String,
    /// `manual` or `automatic`.
    pub capture_method: String,
    /// How far it is.
    pub status: Status,
    /// What pays.
    pub payment_method: Option<String>,
    /// What the merchant wrote to it.
    pub metadata: BTreeMap<String, String>,
    /// Why it could not be paid last.
    pub last_payment_error: Option<Value>,
    /// When it was made, in seconds.
    pub created: i64,
}

/// Money that was given back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refund {
    /// Its id, `re_…`.
    pub id: String,
    /// Always `refund`.
    pub object: String,
    /// How much, in minor units.
    pub amount: i64,
    /// ISO 4217, in lower case.
    pub currency: String,
    /// Of which payment.
    pub payment_intent: String,
    /// Always `succeeded`.
    pub status: String,
    /// What the merchant wrote to it.
    pub metadata: BTreeMap<String, String>,
    /// When, in seconds.
    pub created: i64,
}

/// What moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// Money is held.
    Authorize,
    /// Money is taken.
    Capture,
    /// What was held is free again.
    Void,
    /// Money is given back.
    Refund,
}

/// A movement, for whoever checks others' books against these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What.
    pub movement: Movement,
    /// Of which payment.
    pub payment_intent: String,
    /// How much, in minor units.
    pub amount: i64,
    /// When.
    pub time: Timestamp,
    /// The key of the request that moved it.
    pub idempotency_key: Option<String>,
}

/// What the merchant hears of, as a webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Its type, as Stripe has them.
    pub kind: &'static str,
    /// What it is about, as it is after it.
    pub object: Value,
}

/// What somebody wants to be paid.
#[derive(Clone, Debug, Default)]
pub struct NewIntent {
    /// How much, in minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// `manual` or `automatic`.
    pub capture_method: String,
    /// What pays.
    pub payment_method: Option<String>,
    /// What the merchant writes to it.
    pub metadata: BTreeMap<String, String>,
}
