//! What is read.

use async_graphql::{Context, ID, Object};
use flotilla_kit::http::Problem;
use uuid::Uuid;

use super::{
    category::Category,
    context::{product, product_of, tree, uuid},
    list::{ProductFilter, ProductSort, Products, page},
    product::Product,
    variant::Variant,
};

pub(super) struct Query;

#[Object(name = "Query")]
impl Query {
    /// Products, a page at a time.
    #[graphql(complexity = "1 + first as usize * child_complexity")]
    async fn products(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which; left out: all")] filter: Option<ProductFilter>,
        #[graphql(desc = "Left out: by relevance when there are words, else the newest first")] sort: Option<
            ProductSort,
        >,
        #[graphql(desc = "From 1 to 100", default = 20)] first: u32,
        #[graphql(desc = "The cursor of a page before")] after: Option<String>,
    ) -> Option<Result<Products, Problem>> {
        Some(page(context, filter.unwrap_or_default(), sort, first, after.as_deref()).await)
    }

    /// A product.
    async fn product(&self, context: &Context<'_>, id: ID) -> Option<Result<Product, Problem>> {
        let find = async { product(context, uuid("id", &id)?).await };
        find.await.map(|found| found.map(Product)).transpose()
    }

    /// A variant.
    async fn variant(&self, context: &Context<'_>, sku: String) -> Option<Result<Variant, Problem>> {
        variant(context, sku).await.transpose()
    }

    /// The categories at the top.
    #[graphql(complexity = "1 + 20 * child_complexity")]
    async fn categories(&self, context: &Context<'_>) -> Option<Result<Vec<Category>, Problem>> {
        Some(tree(context).await.map(|tree| Category::below(&tree, None)))
    }

    /// A category.
    async fn category(&self, context: &Context<'_>, id: ID) -> Option<Result<Category, Problem>> {
        let find = async { Ok(Category::of(&tree(context).await?, uuid("id", &id)?)) };
        find.await.transpose()
    }

    /// A product that another subgraph names. To those who may not see it, it is not there.
    #[graphql(entity)]
    async fn product_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<Product>, Problem> {
        match Uuid::try_parse(&id) {
            Ok(id) => Ok(product(context, id).await?.map(Product)),
            Err(_) => Ok(None),
        }
    }

    /// A variant that another subgraph names. One that is not sold any more is not there.
    #[graphql(entity)]
    async fn variant_by_sku(&self, context: &Context<'_>, sku: String) -> Result<Option<Variant>, Problem> {
        variant(context, sku).await
    }

    /// A category that another subgraph names.
    #[graphql(entity)]
    async fn category_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<Category>, Problem> {
        match Uuid::try_parse(&id) {
            Ok(id) => Ok(Category::of(&tree(context).await?, id)),
            Err(_) => Ok(None),
        }
    }
}

async fn variant(context: &Context<'_>, sku: String) -> Result<Option<Variant>, Problem> {
    let product = product_of(context, sku.clone()).await?;
    Ok(product.and_then(|product| Variant::of(&product, &sku)))
}
