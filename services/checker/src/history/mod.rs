//! The history of a shop under faults, and what has to be so of it: the invariants I1 to I12, and that all of it comes to an end.
//! No I/O: whoever drives the shop writes down what was asked and answered, somebody else reads what is left at the end, and
//! here both are held against each other.
//!
//! - `asked`: what customers asked and what they were told
//! - `found`: what is in the databases, with the payment provider and in the inbox at the end
//! - `violation`: what is not as it should be
//! - `orders`, `money`, `stock`, `mail`, `events`, `tokens`, `settled`: the invariants

mod asked;
mod events;
mod found;
mod mail;
mod money;
mod orders;
#[cfg(test)]
mod sample;
mod settled;
mod stock;
mod tokens;
mod violation;

pub use self::{
    asked::{Answer, Asked, Moment, Operation, Outcome},
    found::{
        DeadLetter, Delivery, Found, Handled, Happened, Intent, LedgerEntry, Line, Mail, Moved, Movement,
        Order, Payment, Provider, Published, Refund, Reservation, Saga, Stock, Subscription,
    },
    mail::duplicates,
    violation::{Invariant, Violation},
};

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What was asked and answered, in any order.
    pub operations: Vec<Operation>,
    /// What is there at the end.
    pub found: Found,
    /// For how long a refresh token that was exchanged may be exchanged again.
    pub grace: Moment,
    /// How often something was done to the shop after which nobody can know whether a mail was sent.
    pub disturbances: usize,
}

impl History {
    /// All that is not as it should be.
    pub fn check(&self) -> Vec<Violation> {
        Invariant::ALL.into_iter().flat_map(|invariant| self.check_one(invariant)).collect()
    }

    /// What violates one invariant.
    pub fn check_one(&self, invariant: Invariant) -> Vec<Violation> {
        match invariant {
            Invariant::NoLostOrder => orders::no_lost_order(self),
            Invariant::OneOrderPerKey => orders::one_order_per_key(self),
            Invariant::NoDoubleCharge => money::no_double_charge(self),
            Invariant::NoChargeWithoutOrder => money::no_charge_without_order(self),
            Invariant::NoOversell => stock::no_oversell(self),
            Invariant::NoLeakedStock => stock::no_leaked_stock(self),
            Invariant::OneConfirmation => mail::one_confirmation(self),
            Invariant::NoneForUnpaid => mail::none_for_unpaid(self),
            Invariant::LegalTransitions => orders::legal_transitions(self),
            Invariant::EventDelivery => events::event_delivery(self),
            Invariant::MoneyConserved => money::money_conserved(self),
            Invariant::Tokens => tokens::tokens(self),
            Invariant::Reads => orders::reads(self),
            Invariant::Settled => settled::settled(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_history_violates_nothing() {
        assert_eq!(sample::good().check(), []);
    }

    #[test]
    fn an_empty_history_violates_nothing() {
        assert_eq!(History::default().check(), []);
    }
}
