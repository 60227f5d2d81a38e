//! What the provider knows: payment intents, refunds, and a line for each movement of money. No I/O: who calls it decides when.

mod object;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

pub use self::object::{Entry, Intent, Movement, NewIntent, Notice, Refund, Status};
use crate::error::Error;

/// The most that can be charged at once, in minor units.
const MAX: i64 = 99_999_999;

/// What the names of all payment methods begin with.
const METHOD: &str = "pm_";

/// Cards that do something else than pay.
const DECLINED: &str = "pm_card_chargeDeclined";
const NEEDS_AUTHENTICATION: &str = "pm_card_authenticationRequired";

/// What came of a request: the object, and what there is to tell.
pub type Done = Result<(Value, Vec<Notice>), Error>;

/// All that the provider knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Payments by their ids.
    pub intents: BTreeMap<String, Intent>,
    /// Refunds by their ids.
    pub refunds: BTreeMap<String, Refund>,
    /// Movements, the oldest first.
    pub entries: Vec<Entry>,
}

impl Ledger {
    /// A payment.
    pub fn intent(&self, id: &str) -> Result<&Intent, Error> {
        self.intents.get(id).ok_or_else(|| Error::missing(id))
    }

    /// Makes a payment. Nothing is held yet.
    pub fn create(&mut self, new: NewIntent) -> Done {
        if !(1..=MAX).contains(&new.amount) {
            return Err(Error::parameter(
                "parameter_invalid_integer",
                "amount",
                format!("write from 1 to {MAX}"),
            ));
        }
        let currency = new.currency.to_ascii_lowercase();
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return Err(Error::parameter("invalid_currency", "currency", "write three letters (ISO 4217)"));
        }
        if !matches!(new.capture_method.as_str(), "manual" | "automatic") {
            return Err(Error::parameter("parameter_unknown", "capture_method", "write manual or automatic"));
        }
        if let Some(unknown) = new.payment_method.as_deref().filter(|method| !method.starts_with(METHOD)) {
            return Err(Error::missing_method(unknown));
        }
        let status = if new.payment_method.is_some() {
            Status::RequiresConfirmation
        } else {
            Status::RequiresPaymentMethod
        };
        let intent = Intent {
            id: format!("pi_{}", Uuid::now_v7().simple()),
            object: "payment_intent".to_owned(),
            amount: new.amount,
            amount_capturable: 0,
            amount_received: 0,
            amount_refunded: 0,
            currency,
            capture_method: new.capture_method,
            status,
            payment_method: new.payment_method,
            metadata: new.metadata,
            last_payment_error: None,
            created: Timestamp::now().as_second(),
        };
        let object = json!(intent);
        self.intents.insert(intent.id.clone(), intent);
        Ok((object.clone(), vec![Notice { kind: "payment_intent.created", object }]))
    }

    /// Asks the bank for the money.
    pub fn confirm(&mut self, id: &str, payment_method: Option<String>, key: Option<&str>) -> Done {
        let intent = self.intents.get_mut(id).ok_or_else(|| Error::missing(id))?;
        let is_open = matches!(intent.status, Status::RequiresPaymentMethod | Status::RequiresConfirmation);
        if !is_open {
            return Err(unexpected(intent, "confirmed"));
        }
        if let Some(unknown) = payment_method.as_deref().filter(|method| !method.starts_with(METHOD)) {
            return Err(Error::missing_method(unknown));
        }
        if payment_method.is_some() {
            intent.payment_method = payment_method;
        }
        match intent.payment_method.as_deref() {
            None => {
                let message = "a payment method is needed to confirm";
                Err(Error::state("payment_intent_unexpected_state", message))
            }
            Some(DECLINED) => Err(self.decline(id)?),
            Some(NEEDS_AUTHENTICATION) => {
                intent.status = Status::RequiresAction;
                let object = json!(intent);
                Ok((object.clone(), vec![Notice { kind: "payment_intent.requires_action", object }]))
            }
            Some(_) => self.authorize(id, key),
        }
    }

    /// The customer has answered the bank.
    pub fn authenticate(&mut self, id: &str, is_them: bool) -> Done {
        let intent = self.intent(id)?;
        if intent.status != Status::RequiresAction {
            return Err(unexpected(intent, "authenticated"));
        }
        if is_them {
            return self.authorize(id, None);
        }
        let error = self.decline(id)?;
        let object = error.intent.unwrap_or_default();
        Ok((object.clone(), vec![Notice { kind: "payment_intent.payment_failed", object }]))
    }

    /// The bank says no.
    pub fn decline(&mut self, id: &str) -> Result<Error, Error> {
        let intent = self.intents.get_mut(id).ok_or_else(|| Error::missing(id))?;
        intent.status = Status::RequiresPaymentMethod;
        intent.payment_method = None;
        intent.last_payment_error = Some(json!({ "type": "card_error", "code": "card_declined" }));
        Ok(Error::declined(json!(intent)))
    }

    fn authorize(&mut self, id: &str, key: Option<&str>) -> Done {
        let intent = self.intents.get_mut(id).ok_or_else(|| Error::missing(id))?;
        intent.last_payment_error = None;
        intent.amount_capturable = intent.amount;
        intent.status = Status::RequiresCapture;
        let (object, amount, is_manual) = (json!(intent), intent.amount, intent.capture_method == "manual");
        self.write(Movement::Authorize, id, amount, key);
        if !is_manual {
            return self.capture(id, None, key);
        }
        Ok((object.clone(), vec![Notice { kind: "payment_intent.amount_capturable_updated", object }]))
    }

    /// Takes what is held, or a part of it; the rest is free again.
    pub fn capture(&mut self, id: &str, amount: Option<i64>, key: Option<&str>) -> Done {
        let intent = self.intents.get_mut(id).ok_or_else(|| Error::missing(id))?;
        if intent.status != Status::RequiresCapture {
            return Err(unexpected(intent, "captured"));
        }
        let amount = amount.unwrap_or(intent.amount_capturable);
        if !(1..=intent.amount_capturable).contains(&amount) {
            let message = format!("write from 1 to {}", intent.amount_capturable);
            return Err(Error::parameter("amount_too_large", "amount_to_capture", message));
        }
        intent.amount_capturable = 0;
        intent.amount_received = amount;
        intent.status = Status::Succeeded;
        let object = json!(intent);
        self.write(Movement::Capture, id, amount, key);
        Ok((object.clone(), vec![Notice { kind: "payment_intent.succeeded", object }]))
    }

    /// Gives up what is held, or was to be.
    pub fn cancel(&mut self, id: &str, key: Option<&str>) -> Done {
        let intent = self.intents.get_mut(id).ok_or_else(|| Error::missing(id))?;
        if matches!(intent.status, Status::Succeeded | Status::Canceled) {
            return Err(unexpected(intent, "canceled"));
        }
        let held = std::mem::take(&mut intent.amount_capturable);
        intent.status = Status::Canceled;
        let object = json!(intent);
        if held > 0 {
            self.write(Movement::Void, id, held, key);
        }
        Ok((object.clone(), vec![Notice { kind: "payment_intent.canceled", object }]))
    }

    /// Gives back what was taken, or a part of it.
    pub fn refund(
        &mut self,
        id: &str,
        amount: Option<i64>,
        metadata: BTreeMap<String, String>,
        key: Option<&str>,
    ) -> Done {
        let intent = self.intents.get_mut(id).ok_or_else(|| Error::missing(id))?;
        let left = intent.amount_received - intent.amount_refunded;
        if left == 0 {
            return Err(Error::state("charge_already_refunded", "there is nothing left to refund"));
        }
        let amount = amount.unwrap_or(left);
        if amount < 1 {
            return Err(Error::parameter("parameter_invalid_integer", "amount", "must be positive"));
        }
        if amount > left {
            let message = format!("{amount} is more than the {left} that are left");
            return Err(Error { has_begun: true, ..Error::parameter("amount_too_large", "amount", message) });
        }
        intent.amount_refunded += amount;
        let charge = json!({
            "id": id.replacen("pi_", "ch_", 1),
            "object": "charge",
            "payment_intent": id,
            "amount": intent.amount_received,
            "amount_refunded": intent.amount_refunded,
            "currency": intent.currency,
        });
        let refund = Refund {
            id: format!("re_{}", Uuid::now_v7().simple()),
            object: "refund".to_owned(),
            amount,
            currency: intent.currency.clone(),
            payment_intent: id.to_owned(),
            status: "succeeded".to_owned(),
            metadata,
            created: Timestamp::now().as_second(),
        };
        let object = json!(refund);
        self.refunds.insert(refund.id.clone(), refund);
        self.write(Movement::Refund, id, amount, key);
        let notices = vec![
            Notice { kind: "refund.created", object: object.clone() },
            Notice { kind: "charge.refunded", object: charge },
        ];
        Ok((object, notices))
    }

    fn write(&mut self, movement: Movement, id: &str, amount: i64, key: Option<&str>) {
        self.entries.push(Entry {
            movement,
            payment_intent: id.to_owned(),
            amount,
            time: Timestamp::now(),
            idempotency_key: key.map(str::to_owned),
        });
    }
}

fn unexpected(intent: &Intent, what: &str) -> Error {
    let status = json!(intent.status);
    let message =
        format!("a payment intent that is {} cannot be {what}", status.as_str().unwrap_or_default());
    let error = Error::state("payment_intent_unexpected_state", message);
    Error { intent: Some(json!(intent)), ..error }
}
