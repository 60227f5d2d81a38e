//! A product with its variants and prices, as somebody writes it down.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Currency, Faults, Sku, Slug};

/// The most that something may cost, in minor units.
const MAX_MINOR: i64 = 1_000_000_000_000;

/// The most that may be there of a variant.
pub const MAX_STOCK: i64 = 1_000_000_000;

/// Whether a product is sold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not yet.
    #[default]
    Draft,
    /// It is.
    Active,
    /// No more.
    Archived,
}

impl Status {
    /// As text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Archived => "archived",
        }
    }

    /// Of a text that [`Status::as_str`] has written.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Draft, Self::Active, Self::Archived].into_iter().find(|status| status.as_str() == text)
    }
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Where it is: `https://…`.
    pub url: String,
    /// What it shows, for those who do not see it.
    #[serde(default)]
    pub alt: String,
}

/// What something costs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// ISO 4217.
    #[schema(example = "EUR", pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// In minor units, such as cents.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    pub minor: i64,
}

/// What is bought: one size or colour of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantInput {
    /// Its name for everybody. It never becomes another variant's.
    #[schema(pattern = "^[A-Z0-9][A-Z0-9._-]{0,63}$")]
    pub sku: String,
    /// What sets it apart from others of the product.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// What it is like.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// What it costs, once for each currency.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub prices: Vec<Price>,
    /// Stock of at most this much is low.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub low_at: i64,
    /// How much there is. Only taken when the variant is new; afterwards see its stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub stock: Option<i64>,
}

/// A product, as somebody writes it down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductInput {
    /// Its name in addresses: lower-case words with hyphens between.
    #[schema(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", max_length = 100)]
    pub slug: String,
    /// Its name.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// What it is.
    #[serde(default)]
    #[schema(max_length = 20_000)]
    pub description: String,
    /// Whether it is sold.
    #[serde(default)]
    pub status: Status,
    /// What it is like.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Pictures of it.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub images: Vec<Image>,
    /// The categories that it is in, by their ids.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub categories: Vec<Uuid>,
    /// What is bought of it.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub variants: Vec<VariantInput>,
}

/// A product in which nothing is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product(ProductInput);

impl Deref for Product {
    type Target = ProductInput;

    fn deref(&self) -> &ProductInput {
        &self.0
    }
}

impl ProductInput {
    /// The product that it is, or all that is wrong with it.
    pub fn check(mut self) -> Result<Product, Faults> {
        let mut faults = Faults::default();
        faults.check("/slug", Slug::try_from(self.slug.as_str()));
        faults.text("/name", &self.name, 1, 200);
        faults.text("/description", &self.description, 0, 20_000);
        attributes(&mut faults, "", &self.attributes);
        images(&mut faults, "/images", &self.images);
        number(&mut faults, "/categories", self.categories.len(), 20);
        self.categories.sort_unstable();
        self.categories.dedup();
        number(&mut faults, "/variants", self.variants.len(), 100);
        let mut skus = BTreeSet::new();
        for (index, variant) in self.variants.iter_mut().enumerate() {
            variant.check(&mut faults, &format!("/variants/{index}"));
            if !skus.insert(variant.sku.clone()) {
                faults.add(format!("/variants/{index}/sku"), "another variant has this SKU");
            }
        }
        faults.into_result().map(|()| Product(self))
    }
}

impl VariantInput {
    /// Puts it in order, and adds what is wrong with it, at a pointer.
    pub fn check(&mut self, faults: &mut Faults, at: &str) {
        faults.check(format!("{at}/sku"), Sku::try_from(self.sku.as_str()));
        faults.text(format!("{at}/name"), &self.name, 1, 200);
        attributes(faults, at, &self.attributes);
        number(faults, &format!("{at}/prices"), self.prices.len(), 20);
        let mut currencies = BTreeSet::new();
        for (index, price) in self.prices.iter().enumerate() {
            faults
                .check(format!("{at}/prices/{index}/currency"), Currency::try_from(price.currency.as_str()));
            amount(faults, format!("{at}/prices/{index}/minor"), price.minor, MAX_MINOR);
            if !currencies.insert(&price.currency) {
                faults
                    .add(format!("{at}/prices/{index}/currency"), "there is a price in this currency before");
            }
        }
        amount(faults, format!("{at}/low_at"), self.low_at, MAX_STOCK);
        amount(faults, format!("{at}/stock"), self.stock.unwrap_or_default(), MAX_STOCK);
        self.prices.sort_unstable();
    }
}

/// Adds what is wrong with pictures, at a pointer.
pub fn images(faults: &mut Faults, at: &str, images: &[Image]) {
    number(faults, at, images.len(), 20);
    for (index, image) in images.iter().enumerate() {
        if !is_address(&image.url) {
            let detail = "write an address that begins with https:// or http://";
            faults.add(format!("{at}/{index}/url"), detail);
        }
        faults.text(format!("{at}/{index}/alt"), &image.alt, 0, 500);
    }
}

fn number(faults: &mut Faults, pointer: &str, number: usize, most: usize) {
    if number > most {
        faults.add(pointer, format_args!("write at most {most}"));
    }
}

fn amount(faults: &mut Faults, pointer: String, amount: i64, most: i64) {
    if !(0..=most).contains(&amount) {
        faults.add(pointer, format_args!("write from 0 to {most}"));
    }
}

fn attributes(faults: &mut Faults, at: &str, attributes: &BTreeMap<String, String>) {
    number(faults, &format!("{at}/attributes"), attributes.len(), 50);
    for (name, value) in attributes {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let pointer = format!("{at}/attributes/{}", name.replace('~', "~0").replace('/', "~1"));
        if !(1..=50).contains(&name.len()) || !name.bytes().all(is_word) {
            faults.add(pointer, "name it with from 1 to 50 of a-z, 0-9 and '_'");
        } else {
            faults.text(pointer, value, 1, 200);
        }
    }
}

fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    url.len() <= 2_000
        && rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(changes: serde_json::Value) -> Vec<String> {
        let mut product = json!({
            "slug": "mug", "name": "Mug",
            "variants": [{"sku": "MUG-1", "name": "Blue", "prices": [{"currency": "EUR", "minor": 900}]}],
        });
        product.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let input: ProductInput = serde_json::from_value(product).unwrap();
        input
            .check()
            .err()
            .map_or_else(Vec::new, |faults| faults.0.into_iter().map(|fault| fault.pointer).collect())
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        assert_eq!(faults(json!({})), Vec::<String>::new());
        assert_eq!(
            faults(json!({
                "slug": "Mug", "name": " ", "description": "a\u{0}b", "attributes": {"Color/x": "blue"},
                "images": [{"url": "javascript:alert(1)"}],
            })),
            ["/slug", "/name", "/description", "/attributes/Color~1x", "/images/0/url"]
        );
        let variant = json!({"sku": "A", "name": "A"});
        assert_eq!(faults(json!({"variants": [variant, variant]})), ["/variants/1/sku"]);
        assert_eq!(
            faults(json!({"variants": vec![json!({"sku": "a", "name": "A"}); 101]})).len(),
            1 + 101 + 100
        );
        let price = |currency: &str, minor: i64| json!({"currency": currency, "minor": minor});
        let prices = [price("EUR", -1), price("DEM", 1), price("EUR", 1), price("USD", MAX_MINOR + 1)];
        assert_eq!(
            faults(
                json!({"variants": [{"sku": "A", "name": "A", "prices": prices, "low_at": -1, "stock": -1}]})
            ),
            [
                "/variants/0/prices/0/minor",
                "/variants/0/prices/1/currency",
                "/variants/0/prices/2/currency",
                "/variants/0/prices/3/minor",
                "/variants/0/low_at",
                "/variants/0/stock",
            ]
        );
    }

    #[test]
    fn a_field_that_is_not_known_is_refused() {
        let input = serde_json::from_value::<ProductInput>(json!({"slug": "a", "name": "a", "price": 1}));
        assert!(input.unwrap_err().to_string().contains("unknown field `price`"));
    }
}
