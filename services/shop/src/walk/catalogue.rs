//! What a customer looks at before they know what they want.

use std::fmt;

use flotilla_kit::correlation::CorrelationId;
use http::Method;
use serde::Deserialize;
use uuid::Uuid;

use super::{Client, Failure, client::Ask};

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What it is called.
    pub name: String,
    /// What is bought of it.
    pub sku: String,
    /// How much there is.
    pub available: i64,
    /// What it is paid in (ISO 4217).
    pub currency: &'static str,
    /// What one costs, in minor units.
    pub unit_minor: i64,
    categories: usize,
}

impl fmt::Display for Choice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, sku, available, currency, unit_minor, categories } = self;
        write!(
            formatter,
            "{name} ({sku}) for {unit_minor} minor units of {currency}, of which there are {available}; there are {categories} categories"
        )
    }
}

#[derive(Deserialize)]
struct Items<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Category {}

#[derive(Deserialize)]
struct Summary {
    id: Uuid,
}

#[derive(Deserialize)]
struct Product {
    name: String,
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
struct Variant {
    sku: String,
    prices: Vec<Price>,
}

#[derive(Deserialize)]
struct Price {
    currency: String,
    minor: i64,
}

#[derive(Deserialize)]
struct Stock {
    available: i64,
}

/// Looks through categories, products and their stock for the cheapest thing that can be had.
pub async fn browse(client: &Client, id: &CorrelationId, currency: &'static str) -> Result<Choice, Failure> {
    let get = async |path: &str| client.ask(Ask::new(Method::GET, path, id)).await;
    let categories: Items<Category> = get("/v1/categories").await?.json()?;
    let list = format!("/v1/products?in_stock=true&currency={currency}&sort=price&limit=20");
    let found: Items<Summary> = get(&list).await?.json()?;
    for summary in found.items {
        let product: Product = get(&format!("/v1/products/{}", summary.id)).await?.json()?;
        for variant in product.variants {
            let price = variant.prices.iter().find(|price| price.currency == currency && price.minor > 0);
            let Some(price) = price else { continue };
            let stock: Stock = get(&format!("/v1/variants/{}/stock", variant.sku)).await?.json()?;
            if stock.available > 0 {
                return Ok(Choice {
                    name: product.name,
                    sku: variant.sku,
                    available: stock.available,
                    currency,
                    unit_minor: price.minor,
                    categories: categories.items.len(),
                });
            }
        }
    }
    Err(Failure::NothingToBuy(currency))
}
