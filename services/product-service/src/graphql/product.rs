//! A product.

use std::{collections::BTreeMap, sync::Arc};

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use flotilla_kit::http::Problem;
use jiff::Timestamp;

use super::{
    category::Category,
    context::{stock, tree},
    variant::{Variant, VariantPrice},
};
use crate::{domain, store::products::Stored};

/// Whether a product is sold.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "domain::Status")]
pub(super) enum ProductStatus {
    /// Not yet.
    Draft,
    /// It is.
    Active,
    /// No more.
    Archived,
}

/// What a product or a variant is like.
#[derive(SimpleObject)]
pub(super) struct ProductAttribute {
    name: String,
    value: String,
}

impl ProductAttribute {
    pub(super) fn all(attributes: &BTreeMap<String, String>) -> Vec<Self> {
        let pairs = attributes.iter();
        pairs.map(|(name, value)| Self { name: name.clone(), value: value.clone() }).collect()
    }
}

/// A picture.
#[derive(SimpleObject)]
pub(super) struct ProductImage {
    url: String,
    /// What it shows, for those who do not see it.
    alt: String,
}

/// Something that the shop sells.
pub(super) struct Product(pub Arc<Stored>);

/// Something that the shop sells.
#[Object]
impl Product {
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Its name in addresses.
    async fn slug(&self) -> &str {
        &self.0.input.slug
    }

    async fn name(&self) -> &str {
        &self.0.input.name
    }

    async fn description(&self) -> &str {
        &self.0.input.description
    }

    async fn status(&self) -> ProductStatus {
        self.0.input.status.into()
    }

    async fn attributes(&self) -> Vec<ProductAttribute> {
        ProductAttribute::all(&self.0.input.attributes)
    }

    /// Pictures of it; lists show the first.
    async fn images(&self) -> Vec<ProductImage> {
        let images = self.0.input.images.iter();
        images.map(|image| ProductImage { url: image.url.clone(), alt: image.alt.clone() }).collect()
    }

    /// The categories that it is in.
    #[graphql(complexity = "1 + 5 * child_complexity")]
    async fn categories(&self, context: &Context<'_>) -> Option<Result<Vec<Category>, Problem>> {
        let within = self.0.input.categories.iter();
        Some(tree(context).await.map(|tree| within.filter_map(|id| Category::of(&tree, *id)).collect()))
    }

    /// What is bought of it.
    #[graphql(complexity = "1 + 5 * child_complexity")]
    async fn variants(&self) -> Vec<Variant> {
        Variant::all(&self.0)
    }

    /// What its cheapest variant costs. Nothing: it is not sold in the currency.
    async fn price(
        &self,
        #[graphql(desc = "ISO 4217", default = "EUR")] currency: String,
    ) -> Option<VariantPrice> {
        let prices = self.0.input.variants.iter().flat_map(|variant| &variant.prices);
        let cheapest = prices.filter(|price| price.currency == currency).min_by_key(|price| price.minor);
        cheapest.map(VariantPrice::from)
    }

    /// Whether something of it can be had.
    async fn in_stock(&self, context: &Context<'_>) -> Option<Result<bool, Problem>> {
        let look = async {
            let of_variants = self.0.input.variants.iter().map(|variant| stock(context, variant.sku.clone()));
            let found = futures::future::try_join_all(of_variants).await?;
            Ok(found.into_iter().flatten().any(|stock| stock.on_hand > stock.reserved))
        };
        Some(look.await)
    }

    /// How often it has changed.
    async fn version(&self) -> i32 {
        self.0.version
    }

    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }
}
