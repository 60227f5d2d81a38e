//! What lines cost.

use uuid::Uuid;

use super::{Currency, Lines, Price};

/// A variant that is sold.
#[derive(Clone, Debug)]
pub struct Sold {
    /// Its SKU.
    pub sku: String,
    /// Its product.
    pub product_id: Uuid,
    /// Its name.
    pub name: String,
    /// What it costs.
    pub prices: Vec<Price>,
}

/// What a line costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotedLine {
    /// The variant.
    pub sku: String,
    /// Its product.
    pub product_id: Uuid,
    /// Its name.
    pub name: String,
    /// How much of it.
    pub quantity: i64,
    /// What one costs, in minor units.
    pub unit_minor: i64,
    /// What all of them cost.
    pub total_minor: i64,
}

/// Why lines have no price.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoQuote {
    /// A SKU is not sold, or not in the currency.
    #[error("{0} is not sold in {1}")]
    NotSold(String, Currency),
    /// It is more than can be counted.
    #[error("the lines cost too much in all")]
    TooMuch,
}

/// What lines cost, each and together, in the order of their SKUs.
pub fn quote(lines: &Lines, sold: &[Sold], currency: Currency) -> Result<(Vec<QuotedLine>, i64), NoQuote> {
    let (mut quoted, mut total) = (Vec::new(), 0_i64);
    for line in lines {
        let not_sold = || NoQuote::NotSold(line.sku.to_string(), currency);
        let variant = sold.iter().find(|sold| sold.sku == line.sku.as_str()).ok_or_else(not_sold)?;
        let price = variant.prices.iter().find(|price| price.currency == currency.as_str());
        let unit_minor = price.ok_or_else(not_sold)?.minor;
        let total_minor = unit_minor.checked_mul(line.quantity).ok_or(NoQuote::TooMuch)?;
        total = total.checked_add(total_minor).ok_or(NoQuote::TooMuch)?;
        quoted.push(QuotedLine {
            sku: variant.sku.clone(),
            product_id: variant.product_id,
            name: variant.name.clone(),
            quantity: line.quantity,
            unit_minor,
            total_minor,
        });
    }
    Ok((quoted, total))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sold(sku: &str, minor: i64) -> Sold {
        let prices = vec![Price { currency: "EUR".to_owned(), minor }];
        Sold { sku: sku.to_owned(), product_id: Uuid::nil(), name: sku.to_owned(), prices }
    }

    fn lines(lines: &[(&str, i64)]) -> Lines {
        Lines::new(lines.iter().copied()).unwrap()
    }

    #[test]
    fn what_is_not_sold_is_named() {
        let (euro, dollar) = (Currency::default(), Currency::try_from("USD").unwrap());
        let wanted = lines(&[("A", 2), ("B", 1)]);
        let (quoted, total) = quote(&wanted, &[sold("A", 150), sold("B", 0)], euro).unwrap();
        assert_eq!((quoted[0].total_minor, quoted[1].total_minor, total), (300, 0, 300));
        let not_sold = |sku: &str, currency| Err(NoQuote::NotSold(sku.to_owned(), currency));
        assert_eq!(quote(&wanted, &[sold("A", 1)], euro), not_sold("B", euro));
        assert_eq!(quote(&wanted, &[sold("A", 1), sold("B", 1)], dollar), not_sold("A", dollar));
        assert_eq!(quote(&wanted, &[sold("A", i64::MAX), sold("B", 1)], euro), Err(NoQuote::TooMuch));
        assert_eq!(
            quote(&lines(&[("A", 1), ("B", 1)]), &[sold("A", i64::MAX), sold("B", 1)], euro),
            Err(NoQuote::TooMuch)
        );
    }

    proptest! {
        #[test]
        fn the_whole_is_the_sum_of_its_lines(wanted in prop::collection::vec((0_usize..5, 1_i64..1_000, 0_i64..1_000_000), 1..20)) {
            let sku = |index: usize| format!("S{index}");
            let all: Vec<_> = wanted.iter().map(|(index, quantity, _)| (sku(*index), *quantity)).collect();
            let all = Lines::new(all.iter().map(|(sku, quantity)| (sku.as_str(), *quantity))).unwrap();
            let prices: Vec<_> = (0..5).map(|index| {
                let minor = wanted.iter().find(|(wanted, ..)| *wanted == index).map_or(0, |(.., minor)| *minor);
                sold(&sku(index), minor)
            }).collect();
            let (quoted, total) = quote(&all, &prices, Currency::default()).unwrap();
            prop_assert_eq!(quoted.iter().map(|line| line.unit_minor * line.quantity).sum::<i64>(), total);
        }
    }
}
