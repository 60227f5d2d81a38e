//! What somebody wants, and how much of it.

use std::collections::BTreeMap;

use super::{NoSku, Sku};

/// Lines that there may be.
const MAX_LINES: usize = 100;

/// The most of one SKU.
const MAX_QUANTITY: i64 = 100_000;

/// Why lines are none. It says which one by its number, from 0.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoLines {
    /// There are none, or too many.
    #[error("lines: write from 1 to {MAX_LINES}")]
    Number,
    /// A SKU is none.
    #[error("lines[{0}].sku: {1}")]
    Sku(usize, NoSku),
    /// A quantity is none.
    #[error("lines[{0}].quantity: write from 1 to {MAX_QUANTITY} for a SKU in all its lines")]
    Quantity(usize),
}

/// So much of a SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Of what.
    pub sku: Sku,
    /// How much.
    pub quantity: i64,
}

/// Lines in the order of their SKUs, each SKU once: whoever locks stock in this order waits for nobody who waits for him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines(Vec<Line>);

impl Lines {
    /// Of SKUs and quantities as they were sent. Lines of one SKU are taken together.
    pub fn new<'a>(sent: impl IntoIterator<Item = (&'a str, i64)>) -> Result<Self, NoLines> {
        let mut lines = BTreeMap::<Sku, i64>::new();
        let mut number = 0;
        for (index, (sku, quantity)) in sent.into_iter().enumerate() {
            number = index + 1;
            if number > MAX_LINES {
                return Err(NoLines::Number);
            }
            let sku = Sku::try_from(sku).map_err(|error| NoLines::Sku(index, error))?;
            if !(1..=MAX_QUANTITY).contains(&quantity) {
                return Err(NoLines::Quantity(index));
            }
            let total = lines.entry(sku).or_default();
            *total += quantity;
            if *total > MAX_QUANTITY {
                return Err(NoLines::Quantity(index));
            }
        }
        if number == 0 {
            return Err(NoLines::Number);
        }
        Ok(Self(lines.into_iter().map(|(sku, quantity)| Line { sku, quantity }).collect()))
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Line> {
        self.0.iter()
    }

    /// The SKUs.
    pub fn skus(&self) -> Vec<String> {
        self.0.iter().map(|line| line.sku.to_string()).collect()
    }
}

impl<'a> IntoIterator for &'a Lines {
    type Item = &'a Line;
    type IntoIter = std::slice::Iter<'a, Line>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_wanted_is_refused() {
        let of = |lines: &[(&'static str, i64)]| Lines::new(lines.iter().copied());
        assert_eq!(of(&[]), Err(NoLines::Number));
        assert_eq!(of(&[("A", 1); 101]), Err(NoLines::Number));
        assert_eq!(of(&[("A", 1), ("b", 1)]), Err(NoLines::Sku(1, NoSku)));
        for quantity in [0, -1, i64::MIN, i64::MAX, MAX_QUANTITY + 1] {
            assert_eq!(of(&[("A", quantity)]), Err(NoLines::Quantity(0)));
        }
        assert_eq!(of(&[("A", MAX_QUANTITY), ("A", 1)]), Err(NoLines::Quantity(1)));
    }

    proptest! {
        #[test]
        fn they_are_in_order_and_nothing_is_lost(sent in prop::collection::vec(("[A-Z]{1,2}", 1_i64..50), 1..100)) {
            let lines = Lines::new(sent.iter().map(|(sku, quantity)| (sku.as_str(), *quantity))).unwrap();
            prop_assert!(lines.0.is_sorted_by(|one, next| one.sku < next.sku));
            let total = |lines: &Lines| lines.iter().map(|line| line.quantity).sum::<i64>();
            prop_assert_eq!(total(&lines), sent.iter().map(|(_, quantity)| quantity).sum::<i64>());
        }
    }
}
