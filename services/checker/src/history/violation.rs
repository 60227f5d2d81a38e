//! What is not as it should be.

use std::fmt;

/// What has to be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// I1: whatever was promised to a customer is there at the end.
    NoLostOrder,
    /// I2: all answers for one key are the same one, and there is at most one order of it.
    OneOrderPerKey,
    /// I3: an order is charged once, with what it costs, and keeps no money that it is not for.
    NoDoubleCharge,
    /// I4: no money is taken without an order that has it.
    NoChargeWithoutOrder,
    /// I5: nothing is sold that is not there.
    NoOversell,
    /// I6: nothing is kept or taken for nobody.
    NoLeakedStock,
    /// I7: each order that was paid is confirmed by one mail.
    OneConfirmation,
    /// I8: none that never was is.
    NoneForUnpaid,
    /// I9: an order only becomes what its table of states has, and its audit has no gaps.
    LegalTransitions,
    /// I10: each event reaches all who want it, and nobody handles one that never was.
    EventDelivery,
    /// I11: the books, the provider and the orders have the same money.
    MoneyConserved,
    /// I12: no tokens come of a refresh token that was exchanged, once its grace is over.
    Tokens,
    /// What a customer was told is not untold by what they read later.
    Reads,
    /// When nothing is asked any more, all of it comes to an end.
    Settled,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::NoLostOrder,
        Self::OneOrderPerKey,
        Self::NoDoubleCharge,
        Self::NoChargeWithoutOrder,
        Self::NoOversell,
        Self::NoLeakedStock,
        Self::OneConfirmation,
        Self::NoneForUnpaid,
        Self::LegalTransitions,
        Self::EventDelivery,
        Self::MoneyConserved,
        Self::Tokens,
        Self::Reads,
        Self::Settled,
    ];

    /// Its number, or what stands for one.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoLostOrder => "I1",
            Self::OneOrderPerKey => "I2",
            Self::NoDoubleCharge => "I3",
            Self::NoChargeWithoutOrder => "I4",
            Self::NoOversell => "I5",
            Self::NoLeakedStock => "I6",
            Self::OneConfirmation => "I7",
            Self::NoneForUnpaid => "I8",
            Self::LegalTransitions => "I9",
            Self::EventDelivery => "I10",
            Self::MoneyConserved => "I11",
            Self::Tokens => "I12",
            Self::Reads => "reads",
            Self::Settled => "end",
        }
    }

    /// What it says, in a few words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoLostOrder => "no lost order",
            Self::OneOrderPerKey => "one order per key",
            Self::NoDoubleCharge => "no double charge",
            Self::NoChargeWithoutOrder => "no charge without an order",
            Self::NoOversell => "no oversell",
            Self::NoLeakedStock => "no leaked stock",
            Self::OneConfirmation => "one confirmation",
            Self::NoneForUnpaid => "no confirmation of what is unpaid",
            Self::LegalTransitions => "legal transitions",
            Self::EventDelivery => "event delivery",
            Self::MoneyConserved => "money conserved",
            Self::Tokens => "refresh tokens",
            Self::Reads => "read your writes",
            Self::Settled => "everything ends",
        }
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Violation {
    /// What it violates.
    pub invariant: Invariant,
    /// What it is about, the order first.
    pub ids: Vec<String>,
    /// What is wrong.
    pub what: String,
}

impl Violation {
    pub(super) fn new<'a>(
        invariant: Invariant,
        ids: impl IntoIterator<Item = &'a str>,
        what: impl Into<String>,
    ) -> Self {
        Self { invariant, ids: ids.into_iter().map(str::to_owned).collect(), what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, ids, what } = self;
        write!(formatter, "{} {}: {}: {what}", invariant.code(), invariant.name(), ids.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_names_what_it_is_about() {
        let violation = Violation::new(Invariant::NoDoubleCharge, ["o-1", "pi_2"], "was charged 2 times");
        assert_eq!(violation.to_string(), "I3 no double charge: o-1 pi_2: was charged 2 times");
    }
}
