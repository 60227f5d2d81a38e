//! What the provider knows: payment intents, refunds, and a line for each movement of money. No I/O: who calls it decides when.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::Error;

/// The most that can be charged at once, in minor units.
const MAX: i64 = 99_999_999;

/// What the names of all payment methods begin with.
const METHOD: &str = "pm_";

/// Cards that do something else than pay.
const DECLINED: &str = "pm_card_chargeDeclined";
const NEEDS_AUTHENTICATION: &str = "pm_card_authenticationRequired";

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

#[cfg(test)]
mod tests {
    use super::*;

    fn with_intent(method: &str) -> (Ledger, String) {
        let mut ledger = Ledger::default();
        let new = NewIntent {
            amount: 4_980,
            currency: "EUR".to_owned(),
            capture_method: "manual".to_owned(),
            payment_method: Some(method.to_owned()),
            ..NewIntent::default()
        };
        let (object, _) = ledger.create(new).unwrap();
        let id = object["id"].as_str().unwrap().to_owned();
        (ledger, id)
    }

    fn moved(ledger: &Ledger) -> Vec<(Movement, i64)> {
        ledger.entries.iter().map(|entry| (entry.movement, entry.amount)).collect()
    }

    #[test]
    fn money_is_held_then_taken_once_and_given_back_at_most_once() {
        let (mut ledger, id) = with_intent("pm_card_visa");
        ledger.confirm(&id, None, None).unwrap();
        ledger.capture(&id, None, None).unwrap();
        let again = ledger.capture(&id, None, None).unwrap_err();
        assert_eq!(again.code, "payment_intent_unexpected_state");
        ledger.refund(&id, Some(980), BTreeMap::new(), None).unwrap();
        assert_eq!(
            ledger.refund(&id, Some(4_001), BTreeMap::new(), None).unwrap_err().code,
            "amount_too_large"
        );
        ledger.refund(&id, None, BTreeMap::new(), None).unwrap();
        let none = ledger.refund(&id, None, BTreeMap::new(), None).unwrap_err();
        assert_eq!(none.code, "charge_already_refunded");
        let expected = [
            (Movement::Authorize, 4_980),
            (Movement::Capture, 4_980),
            (Movement::Refund, 980),
            (Movement::Refund, 4_000),
        ];
        assert_eq!(moved(&ledger), expected);
    }

    #[test]
    fn what_is_held_can_be_given_up_and_what_is_taken_cannot() {
        let (mut ledger, id) = with_intent("pm_card_visa");
        ledger.confirm(&id, None, None).unwrap();
        ledger.cancel(&id, None).unwrap();
        assert_eq!(moved(&ledger), [(Movement::Authorize, 4_980), (Movement::Void, 4_980)]);
        assert!(ledger.capture(&id, None, None).is_err() && ledger.cancel(&id, None).is_err());
        let (mut ledger, id) = with_intent("pm_card_visa");
        ledger.confirm(&id, None, None).unwrap();
        ledger.capture(&id, None, None).unwrap();
        assert!(ledger.cancel(&id, None).is_err());
    }

    #[test]
    fn a_declined_card_holds_nothing_and_another_may_pay() {
        let (mut ledger, id) = with_intent(DECLINED);
        let error = ledger.confirm(&id, None, None).unwrap_err();
        assert_eq!((error.status.as_u16(), error.code), (402, "card_declined"));
        assert!(ledger.entries.is_empty());
        let (object, _) = ledger.confirm(&id, Some("pm_card_visa".to_owned()), None).unwrap();
        assert_eq!(object["status"], "requires_capture");
    }

    #[test]
    fn what_is_no_payment_method_pays_nothing() {
        let (mut ledger, id) = with_intent("pm_card_visa");
        let error = ledger.confirm(&id, Some("card_of_nobody".to_owned()), None).unwrap_err();
        assert_eq!((error.status.as_u16(), error.code), (400, "resource_missing"));
        assert_eq!(ledger.intent(&id).unwrap().payment_method.as_deref(), Some("pm_card_visa"));
    }

    #[test]
    fn a_bank_that_asks_holds_nothing_until_it_is_answered() {
        let (mut ledger, id) = with_intent(NEEDS_AUTHENTICATION);
        let (object, _) = ledger.confirm(&id, None, None).unwrap();
        assert_eq!(object["status"], "requires_action");
        assert!(ledger.entries.is_empty() && ledger.capture(&id, None, None).is_err());
        let (object, notices) = ledger.authenticate(&id, true).unwrap();
        assert_eq!(object["status"], "requires_capture");
        assert_eq!(notices[0].kind, "payment_intent.amount_capturable_updated");
        let (mut ledger, id) = with_intent(NEEDS_AUTHENTICATION);
        ledger.confirm(&id, None, None).unwrap();
        let (object, _) = ledger.authenticate(&id, false).unwrap();
        assert_eq!(object["status"], "requires_payment_method");
    }

    #[test]
    fn amounts_and_currencies_are_checked() {
        let mut ledger = Ledger::default();
        for (amount, currency, method, parameter) in [
            (0, "eur", "manual", "amount"),
            (-1, "eur", "manual", "amount"),
            (MAX + 1, "eur", "manual", "amount"),
            (1, "euro", "manual", "currency"),
            (1, "e1r", "manual", "currency"),
            (1, "eur", "never", "capture_method"),
        ] {
            let (currency, capture_method) = (currency.to_owned(), method.to_owned());
            let new = NewIntent { amount, currency, capture_method, ..NewIntent::default() };
            assert_eq!(ledger.create(new).unwrap_err().parameter.as_deref(), Some(parameter));
        }
    }
}
