//! What is bought of a product.

use std::sync::Arc;

use async_graphql::{
    Context, InputValueError, InputValueResult, Object, Scalar, ScalarType, SimpleObject, Value,
};
use flotilla_kit::http::Problem;

use super::{
    context::stock,
    product::{Product, ProductAttribute},
};
use crate::{
    domain::{Price, VariantInput},
    store::products::Stored,
};

/// An amount of money in minor units, such as cents: a whole number, which may be larger than an `Int`.
pub(super) struct MinorUnits(pub(super) i64);

#[Scalar]
impl ScalarType for MinorUnits {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::Number(number) = &value else { return Err(InputValueError::expected_type(value)) };
        number.as_i64().map(Self).ok_or_else(|| InputValueError::expected_type(value))
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}

/// What something costs.
#[derive(SimpleObject)]
pub(super) struct VariantPrice {
    /// ISO 4217.
    currency: String,
    minor: MinorUnits,
}

impl From<&Price> for VariantPrice {
    fn from(price: &Price) -> Self {
        Self { currency: price.currency.clone(), minor: MinorUnits(price.minor) }
    }
}

/// One size or colour of a product.
pub(super) struct Variant {
    product: Arc<Stored>,
    input: VariantInput,
}

impl Variant {
    /// The variants of a product, in their order.
    pub(super) fn all(product: &Arc<Stored>) -> Vec<Self> {
        let inputs = product.input.variants.iter();
        inputs.map(|input| Self { product: Arc::clone(product), input: input.clone() }).collect()
    }

    /// The variant of a product with a SKU.
    pub(super) fn of(product: &Arc<Stored>, sku: &str) -> Option<Self> {
        let input = product.input.variants.iter().find(|variant| variant.sku == sku)?;
        Some(Self { product: Arc::clone(product), input: input.clone() })
    }
}

/// One size or colour of a product.
#[Object]
impl Variant {
    /// Its name for everybody. It never becomes another variant's.
    async fn sku(&self) -> &str {
        &self.input.sku
    }

    /// What sets it apart from others of the product.
    async fn name(&self) -> &str {
        &self.input.name
    }

    async fn attributes(&self) -> Vec<ProductAttribute> {
        ProductAttribute::all(&self.input.attributes)
    }

    /// What it costs, once for each currency.
    async fn prices(&self) -> Vec<VariantPrice> {
        self.input.prices.iter().map(VariantPrice::from).collect()
    }

    /// What it costs in a currency. Nothing: it is not sold in it.
    async fn price(
        &self,
        #[graphql(desc = "ISO 4217", default = "EUR")] currency: String,
    ) -> Option<VariantPrice> {
        self.input.prices.iter().find(|price| price.currency == currency).map(VariantPrice::from)
    }

    /// How much of it can be had now.
    async fn available(&self, context: &Context<'_>) -> Option<Result<i32, Problem>> {
        let look = async {
            let found = stock(context, self.input.sku.clone()).await?;
            let available = found.map_or(0, |stock| stock.on_hand - stock.reserved);
            Ok(i32::try_from(available).unwrap_or(i32::MAX))
        };
        Some(look.await)
    }

    async fn product(&self) -> Product {
        Product(Arc::clone(&self.product))
    }
}
