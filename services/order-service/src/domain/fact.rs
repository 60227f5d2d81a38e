//! What the provider says of a payment, and what that means for it and its order. The answer to a request, a webhook and a
//! look by the reconciler all come this way, in whichever order, and as often as they like.

use super::{
    order::{self, Stock},
    payment::Status,
};

/// How far the provider says that a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was asked of the bank.
    Open,
    /// The bank said no.
    Failed,
    /// The customer has to answer their bank.
    RequiresAction,
    /// The money is held.
    Authorized,
    /// So much was taken.
    Captured(i64),
    /// Nothing is held any more.
    Voided,
}

/// What is known of a payment here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    /// How far it is.
    pub status: Status,
    /// How much was taken.
    pub captured_minor: i64,
    /// How much of that was given back.
    pub refunded_minor: i64,
}

/// What is known of its order here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// How far it is.
    pub status: order::Status,
    /// What became of its stock.
    pub stock: Stock,
    /// Whether this payment is the one that counts.
    pub is_current: bool,
}

/// What a payment is after a fact. Nothing: the fact is old, or nothing new.
pub fn settle(payment: &Payment, state: State) -> Option<Payment> {
    let is_taken = payment.captured_minor > 0;
    // Money does not become untaken, and what was held does not become unasked: whoever says so was asked before.
    let status = match state {
        _ if is_taken => return None,
        State::Captured(minor) => {
            return Some(Payment { status: Status::Captured, captured_minor: minor, ..*payment });
        }
        State::Voided => Status::Voided,
        State::Authorized if payment.status != Status::Voided => Status::Authorized,
        State::Failed | State::RequiresAction
            if matches!(payment.status, Status::Authorized | Status::Voided) =>
        {
            return None;
        }
        State::Failed => Status::Failed,
        State::RequiresAction if payment.status != Status::Failed => Status::RequiresAction,
        State::Open if payment.status == Status::Unknown => Status::Created,
        State::Authorized | State::RequiresAction | State::Open => return None,
    };
    (status != payment.status).then_some(Payment { status, ..*payment })
}

/// What a payment is after the answer to a request was lost. Nothing: no request can have moved it.
pub fn lose(payment: &Payment) -> Option<Payment> {
    let is_open = matches!(payment.status, Status::Created | Status::RequiresAction | Status::Authorized);
    is_open.then_some(Payment { status: Status::Unknown, ..*payment })
}

/// What a payment is after so much of it was given back.
pub fn refund(payment: &Payment, minor: i64) -> Option<Payment> {
    let refunded_minor = payment.refunded_minor.checked_add(minor)?;
    if minor < 1 || refunded_minor > payment.captured_minor {
        return None;
    }
    let is_all = refunded_minor == payment.captured_minor;
    let status = if is_all { Status::Refunded } else { Status::PartiallyRefunded };
    Some(Payment { status, refunded_minor, ..*payment })
}

/// What its order becomes, step by step, of a payment that is so.
pub fn follow(order: &Order, payment: &Payment) -> Vec<order::Status> {
    use order::Status as Of;
    let is_before = matches!(order.status, Of::Reserved | Of::PaymentFailed);
    // Paid is what can be sent: its stock is taken as well.
    let is_whole = order.stock == Stock::Committed;
    match payment.status {
        _ if !order.is_current => Vec::new(),
        Status::Captured if is_before && is_whole => vec![Of::Authorized, Of::Paid],
        Status::Authorized | Status::Captured if is_before => vec![Of::Authorized],
        Status::Captured if order.status == Of::Authorized && is_whole => vec![Of::Paid],
        Status::Failed if order.status == Of::Reserved => vec![Of::PaymentFailed],
        _ => Vec::new(),
    }
}

/// Whether its money is held or taken, or still may be, and its order has no use for it: such as one that somebody confirms with
/// the provider after another one was made, or after the order has ended.
pub const fn is_stray(order: &Order, payment: &Payment) -> bool {
    use order::Status as Of;
    let is_there =
        payment.status.is_open() || matches!(payment.status, Status::Captured | Status::PartiallyRefunded);
    is_there && (!order.is_current || matches!(order.status, Of::Rejected | Of::Cancelled | Of::Expired))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEW: Payment = Payment { status: Status::Created, captured_minor: 0, refunded_minor: 0 };

    fn state() -> impl Strategy<Value = State> {
        prop_oneof![
            Just(State::Open),
            Just(State::Failed),
            Just(State::RequiresAction),
            Just(State::Authorized),
            Just(State::Captured(100)),
        ]
    }

    /// What the provider can go through, and so what facts can say in some order.
    const WAY: [State; 4] = [State::Open, State::RequiresAction, State::Authorized, State::Captured(100)];

    proptest! {
        #[test]
        fn facts_in_any_order_and_any_number_end_at_the_same(mut facts in Just(WAY.to_vec()).prop_shuffle(), more in prop::collection::vec(0_usize..4, 0..8)) {
            facts.extend(more.into_iter().map(|at| WAY[at]));
            let end = facts.iter().fold(NEW, |payment, fact| settle(&payment, *fact).unwrap_or(payment));
            prop_assert_eq!(end.status, Status::Captured);
            prop_assert_eq!(end.captured_minor, 100);
        }

        #[test]
        fn money_is_taken_once(facts in prop::collection::vec(state(), 0..12)) {
            let mut payment = NEW;
            let mut taken = 0;
            for fact in facts {
                if let Some(next) = settle(&payment, fact) {
                    taken += next.captured_minor - payment.captured_minor;
                    payment = next;
                }
            }
            prop_assert!(taken == 0 || taken == 100);
        }

        #[test]
        fn an_order_only_becomes_what_its_table_has(status in prop::sample::select(order::Status::ALL), of in prop::sample::select(Status::ALL), stock in prop::sample::select(Stock::ALL), is_current: bool) {
            let payment = Payment { status: of, ..NEW };
            let mut now = status;
            for next in follow(&Order { status, stock, is_current }, &payment) {
                now = now.become_(next).unwrap();
            }
        }

        #[test]
        fn no_more_is_given_back_than_was_taken(parts in prop::collection::vec(-5_i64..60, 0..8)) {
            let mut payment = Payment { status: Status::Captured, captured_minor: 100, refunded_minor: 0 };
            for part in parts {
                payment = refund(&payment, part).unwrap_or(payment);
                prop_assert!((0..=100).contains(&payment.refunded_minor));
                prop_assert_eq!(payment.status == Status::Refunded, payment.refunded_minor == 100);
            }
        }
    }

    #[test]
    fn a_late_no_does_not_undo_a_yes() {
        let held = settle(&NEW, State::Authorized).unwrap();
        assert_eq!(settle(&held, State::Failed), None);
        assert_eq!(settle(&held, State::Authorized), None);
        assert_eq!(settle(&held, State::Voided).unwrap().status, Status::Voided);
        let lost = Payment { status: Status::Unknown, ..NEW };
        assert_eq!(settle(&lost, State::Open).unwrap().status, Status::Created);
    }

    #[test]
    fn what_was_lost_is_not_known_until_somebody_looks() {
        let held = Payment { status: Status::Authorized, ..NEW };
        let lost = lose(&held).unwrap();
        assert_eq!(lost.status, Status::Unknown);
        assert_eq!(lose(&lost), None);
        for state in
            [State::Authorized, State::Captured(100), State::Voided, State::Failed, State::RequiresAction]
        {
            assert_ne!(settle(&lost, state).unwrap().status, Status::Unknown);
        }
        for status in [Status::Captured, Status::Refunded, Status::Voided, Status::Failed] {
            assert_eq!(lose(&Payment { status, ..NEW }), None, "{status}");
        }
    }

    #[test]
    fn money_that_pays_nothing_is_stray() {
        let held = Payment { status: Status::Authorized, ..NEW };
        let order = |status, is_current| Order { status, stock: Stock::Reserved, is_current };
        assert!(!is_stray(&order(order::Status::Authorized, true), &held));
        assert!(is_stray(&order(order::Status::Authorized, false), &held));
        for end in [order::Status::Cancelled, order::Status::Expired, order::Status::Rejected] {
            assert!(is_stray(&order(end, true), &held));
            for status in [Status::Failed, Status::Voided, Status::Refunded] {
                assert!(!is_stray(&order(end, true), &Payment { status, ..NEW }), "{status}");
            }
        }
    }

    #[test]
    fn an_order_is_paid_once_its_stock_is_taken_and_only_by_its_own_payment() {
        let captured = Payment { status: Status::Captured, captured_minor: 100, refunded_minor: 0 };
        let order = |stock, is_current| Order { status: order::Status::Authorized, stock, is_current };
        assert_eq!(follow(&order(Stock::Committed, true), &captured), [order::Status::Paid]);
        assert!(follow(&order(Stock::Reserved, true), &captured).is_empty());
        assert!(follow(&order(Stock::Committed, false), &captured).is_empty());
    }
}
