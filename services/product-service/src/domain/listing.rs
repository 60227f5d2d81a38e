//! Which products somebody wants to see, and in which order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Currency, Faults, Status};

/// The order of products. Those that are alike in it are in the order of their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Sort {
    /// The newest first.
    Newest,
    /// By their names.
    Name,
    /// The cheapest first.
    PriceUp,
    /// The dearest first.
    PriceDown,
    /// What is most like the words first.
    Relevance,
}

/// What products are counted by, and narrowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side<'a> {
    /// What a variant costs.
    Price,
    /// Whether there is something of them.
    Stock,
    /// An attribute, by its name.
    Attribute(&'a str),
}

/// Where a page begins: behind this product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Its id.
    pub id: Uuid,
    /// Its name, when they are in the order of names.
    pub name: Option<String>,
    /// Its price or relevance, when they are in the order of that.
    pub number: Option<i64>,
}

/// Which products.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// In this category, or in one below it.
    pub category: Option<Uuid>,
    /// Like these words.
    pub words: Option<String>,
    /// The currency of prices.
    #[serde(serialize_with = "code")]
    pub currency: Currency,
    /// A variant of which costs at least this.
    pub price_min: Option<i64>,
    /// A variant of which costs at most this.
    pub price_max: Option<i64>,
    /// Of which there is something, or nothing.
    pub in_stock: Option<bool>,
    /// With these attributes, of their own or of one of their variants.
    pub attributes: BTreeMap<String, String>,
    /// Whether they are sold. Others than active ones are for those who keep the catalogue.
    pub status: Status,
    /// Their order.
    pub sort: Sort,
}

fn code<S: serde::Serializer>(currency: &Currency, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(currency.as_str())
}

impl Filter {
    /// The same, not narrowed by this: what else there is to choose from.
    #[must_use]
    pub fn without(&self, side: Side<'_>) -> Self {
        let mut filter = self.clone();
        match side {
            Side::Price => (filter.price_min, filter.price_max) = (None, None),
            Side::Stock => filter.in_stock = None,
            Side::Attribute(name) => drop(filter.attributes.remove(name)),
        }
        filter
    }

    /// What the parameters of a query ask for, or what is wrong with them, by their names. Those of pages are left to others.
    pub fn of(parameters: &[(String, String)]) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let mut filter = Self {
            category: None,
            words: None,
            currency: Currency::default(),
            price_min: None,
            price_max: None,
            in_stock: None,
            attributes: BTreeMap::new(),
            status: Status::Active,
            sort: Sort::Newest,
        };
        let (mut seen, mut sort) = (Vec::new(), None);
        for (name, value) in parameters {
            if seen.contains(&name) {
                faults.add(name, "write it once");
            }
            seen.push(name);
            match name.as_str() {
                "category" => {
                    filter.category =
                        faults.check(name, value.parse().map_err(|_| "write the id of a category"))
                }
                "q" => {
                    faults.text(name, value, 1, 200);
                    filter.words = Some(value.clone());
                }
                "currency" => {
                    filter.currency =
                        faults.check(name, Currency::try_from(value.as_str())).unwrap_or_default();
                }
                "price_min" => filter.price_min = faults.check(name, minor(value)),
                "price_max" => filter.price_max = faults.check(name, minor(value)),
                "in_stock" => {
                    filter.in_stock = faults.check(name, value.parse().map_err(|_| "write true or false"))
                }
                "status" => {
                    let status = Status::parse(value).ok_or("write draft, active or archived");
                    filter.status = faults.check(name, status).unwrap_or_default();
                }
                "sort" => sort = faults.check(name, order(value)),
                "limit" | "cursor" => {}
                _ => match name.strip_prefix("attr.") {
                    Some(attribute) if is_attribute(attribute) => {
                        faults.text(name, value, 1, 200);
                        filter.attributes.insert(attribute.to_owned(), value.clone());
                    }
                    _ => faults.add(name, "there is no such parameter"),
                },
            }
        }
        if filter.attributes.len() > 10 {
            faults.add("attr", "write at most 10");
        }
        let by_default = if filter.words.is_some() { Sort::Relevance } else { Sort::Newest };
        filter.sort = sort.unwrap_or(by_default);
        if filter.sort == Sort::Relevance && filter.words.is_none() {
            faults.add("sort", "for the order of relevance there have to be words in q");
        }
        faults.into_result().map(|()| filter)
    }
}

/// Only what attributes can be named.
fn is_attribute(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=50).contains(&name.len()) && name.bytes().all(is_word)
}

fn minor(text: &str) -> Result<i64, &'static str> {
    text.parse()
        .ok()
        .filter(|minor| *minor >= 0)
        .ok_or("write minor units, such as cents: a whole number from 0 on")
}

fn order(text: &str) -> Result<Sort, &'static str> {
    Ok(match text {
        "newest" => Sort::Newest,
        "name" => Sort::Name,
        "price" => Sort::PriceUp,
        "-price" => Sort::PriceDown,
        "relevance" => Sort::Relevance,
        _ => return Err("write newest, name, price, -price or relevance"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parameters: &[(&str, &str)]) -> Result<Filter, Vec<String>> {
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Filter::of(&parameters).map_err(|faults| faults.0.into_iter().map(|fault| fault.pointer).collect())
    }

    #[test]
    fn what_is_most_like_the_words_comes_first_unless_somebody_wants_another_order() {
        assert_eq!(of(&[]).unwrap().sort, Sort::Newest);
        assert_eq!(of(&[("q", "mug")]).unwrap().sort, Sort::Relevance);
        assert_eq!(of(&[("q", "mug"), ("sort", "-price")]).unwrap().sort, Sort::PriceDown);
        let filter =
            of(&[("attr.color", "blue"), ("limit", "3"), ("in_stock", "true"), ("currency", "USD")]).unwrap();
        assert_eq!(filter.attributes["color"], "blue");
        assert_eq!((filter.in_stock, filter.currency.as_str()), (Some(true), "USD"));
    }

    #[test]
    fn a_side_is_left_out_and_the_others_stay() {
        let sent = [
            ("attr.color", "blue"),
            ("attr.size", "l"),
            ("in_stock", "true"),
            ("price_min", "1"),
            ("price_max", "2"),
        ];
        let filter = of(&sent).unwrap();
        let but = |left_out: &[&str]| {
            let sent: Vec<_> = sent.iter().filter(|(name, _)| !left_out.contains(name)).copied().collect();
            of(&sent).unwrap()
        };
        assert_eq!(filter.without(Side::Price), but(&["price_min", "price_max"]));
        assert_eq!(filter.without(Side::Stock), but(&["in_stock"]));
        assert_eq!(filter.without(Side::Attribute("color")), but(&["attr.color"]));
        assert_eq!(filter.without(Side::Attribute("brand")), filter);
    }

    #[test]
    fn parameters_that_cannot_be_taken_are_named() {
        for (name, value) in [
            ("category", "mugs"),
            ("q", ""),
            ("q", "a\0b"),
            ("currency", "XXX"),
            ("price_min", "-1"),
            ("price_max", "9.50"),
            ("in_stock", "yes"),
            ("sort", "random"),
            ("sort", "relevance"),
            ("status", "gone"),
            ("colour", "blue"),
            ("attr.", "x"),
            ("attr.a\0", "x"),
        ] {
            assert_eq!(of(&[(name, value)]).unwrap_err(), [name], "{value}");
        }
        assert_eq!(of(&[("q", "a"), ("q", "b")]).unwrap_err(), ["q"]);
    }
}
