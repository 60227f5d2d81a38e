//! Each movement of money, and what makes none.

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
    assert_eq!(ledger.refund(&id, Some(4_001), BTreeMap::new(), None).unwrap_err().code, "amount_too_large");
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
