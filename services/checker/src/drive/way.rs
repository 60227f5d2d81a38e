//! What somebody means to do.

use std::time::Duration;

use fastrand::Rng;
use uuid::Uuid;

use super::goods::Goods;

/// What somebody means to do with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Order, and have it.
    Plain,
    /// Press the button twice.
    Twice,
    /// Take a card that is refused, and then another one.
    OtherCard,
    /// Answer their bank.
    Bank,
    /// Answer their bank, and be back from it at once: nobody does so by chance.
    Back,
    /// Be asked by their bank, and call it off.
    NoAnswer,
    /// Call it off at some moment.
    Cancel,
    /// Call it off once it is paid.
    CancelPaid,
    /// Have some of it given back.
    RefundPart,
    /// Have all of it given back.
    RefundAll,
    /// Get it.
    Shipped,
}

/// Each with how many of a hundred.
const WAYS: [(Way, u32); 10] = [
    (Way::Plain, 34),
    (Way::Twice, 10),
    (Way::OtherCard, 10),
    (Way::Bank, 12),
    (Way::NoAnswer, 4),
    (Way::Cancel, 10),
    (Way::CancelPaid, 5),
    (Way::RefundPart, 6),
    (Way::RefundAll, 4),
    (Way::Shipped, 5),
];

/// What somebody wants.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What they mean to do.
    pub way: Way,
    /// The key that they place the order with.
    pub key: String,
    /// What, and how many.
    pub lines: Vec<(String, i32)>,
    /// Whether they put it into a cart before.
    pub has_cart: bool,
    /// When they change their mind.
    pub after: Duration,
    /// Which of the customers it is.
    pub customer: usize,
}

impl Wish {
    /// By chance. A way may be given.
    pub fn choose(rng: &mut Rng, goods: &Goods, way: Option<Way>) -> Self {
        let chosen = choose(rng);
        let mut lines = Vec::new();
        if rng.u32(..100) < 20 {
            lines.push((goods.scarce.clone(), rng.i32(1..=2)));
        }
        for sku in &goods.plenty {
            if rng.bool() {
                lines.push((sku.clone(), rng.i32(1..=3)));
            }
        }
        if lines.is_empty() {
            lines.extend(goods.plenty.first().map(|sku| (sku.clone(), 1)));
        }
        Self {
            way: way.unwrap_or(chosen),
            key: Uuid::now_v7().to_string(),
            lines,
            has_cart: rng.u32(..100) < 40,
            after: Duration::from_millis(rng.u64(..2_500)),
            customer: rng.usize(..),
        }
    }

    /// What they pay with at first.
    pub const fn card(&self) -> &'static str {
        match self.way {
            Way::OtherCard => "pm_card_chargeDeclined",
            Way::Bank | Way::Back | Way::NoAnswer => "pm_card_authenticationRequired",
            _ => "pm_card_visa",
        }
    }
}

fn choose(rng: &mut Rng) -> Way {
    let mut left = rng.u32(..WAYS.iter().map(|(_, share)| share).sum::<u32>());
    for (way, share) in WAYS {
        if left < share {
            return way;
        }
        left -= share;
    }
    Way::Plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_has_the_same_wishes_and_many_have_all() {
        let goods = Goods::new();
        let wishes = |seed| -> Vec<(Way, Vec<(String, i32)>)> {
            let mut rng = Rng::with_seed(seed);
            (0..400)
                .map(|_| Wish::choose(&mut rng, &goods, None))
                .map(|wish| (wish.way, wish.lines))
                .collect()
        };
        assert_eq!(wishes(7), wishes(7));
        assert_ne!(wishes(7), wishes(8));
        for (way, _) in WAYS {
            assert!(wishes(7).iter().any(|(chosen, _)| *chosen == way), "{way:?}");
        }
        assert!(wishes(7).iter().all(|(_, lines)| !lines.is_empty()));
        assert_eq!(WAYS.iter().map(|(_, share)| share).sum::<u32>(), 100);
    }
}
