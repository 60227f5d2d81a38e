//! What resolvers have at hand.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Context, ID,
    dataloader::{DataLoader, Loader},
};
use axum::http::StatusCode;
use flotilla_kit::{database::Pool, http::Problem};
use uuid::Uuid;

use crate::{
    app::App,
    catalogue::may_see,
    store::{
        categories,
        products::{self, Stored},
        stock::{self, Stock},
    },
    visitor::Visitor,
};

/// The service.
pub(super) fn app<'a>(context: &Context<'a>) -> Result<&'a App, Problem> {
    context.data::<App>().map_err(|_| missing("the service"))
}

/// Whoever asks.
pub(super) fn visitor(context: &Context<'_>) -> Result<Visitor, Problem> {
    context.data::<Visitor>().copied().map_err(|_| missing("whoever asks"))
}

/// A product that whoever asks may see. To others it is not there.
pub(super) async fn product(context: &Context<'_>, id: Uuid) -> Result<Option<Arc<Stored>>, Problem> {
    Ok(products(context, vec![id]).await?.remove(&id))
}

/// Products that whoever asks may see.
pub(super) async fn products(
    context: &Context<'_>,
    ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, Arc<Stored>>, Problem> {
    let visitor = visitor(context)?;
    let mut found = catalogue(context)?.load_many(ids).await?;
    found.retain(|_, stored| may_see(visitor, stored));
    Ok(found)
}

/// The product of a variant.
pub(super) async fn product_of(context: &Context<'_>, sku: String) -> Result<Option<Arc<Stored>>, Problem> {
    match catalogue(context)?.load_one(OfSku(sku)).await? {
        Some(id) => product(context, id).await,
        None => Ok(None),
    }
}

/// How much there is of a variant.
pub(super) async fn stock(context: &Context<'_>, sku: String) -> Result<Option<Stock>, Problem> {
    catalogue(context)?.load_one(StockOf(sku)).await
}

/// All categories, in their order.
pub(super) async fn tree(context: &Context<'_>) -> Result<Arc<Vec<categories::Stored>>, Problem> {
    Ok(catalogue(context)?.load_one(Tree).await?.unwrap_or_default())
}

/// An id that somebody sent as `name`.
pub(super) fn uuid(name: &'static str, sent: &ID) -> Result<Uuid, Problem> {
    Uuid::try_parse(sent).map_err(|_| {
        let detail = "an argument cannot be taken; errors says which";
        Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail).parameter(name, "expected a UUID")
    })
}

fn catalogue<'a>(context: &Context<'a>) -> Result<&'a DataLoader<Catalogue>, Problem> {
    context.data::<DataLoader<Catalogue>>().map_err(|_| missing("the loader"))
}

fn missing(what: &str) -> Problem {
    Problem::internal(&std::io::Error::other(format!("a request came without {what}")))
}

/// Loads what is in the catalogue.
pub(super) struct Catalogue(pub Pool);

/// The product of a SKU.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct OfSku(String);

/// The stock of a SKU.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct StockOf(String);

/// All categories: there are few.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tree;

impl Loader<Uuid> for Catalogue {
    type Value = Arc<Stored>;
    type Error = Problem;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Arc<Stored>>, Problem> {
        let mut connection = self.0.acquire().await?;
        let found = products::batch(&mut connection, ids).await?;
        connection.done();
        Ok(found.into_iter().map(|(id, stored)| (id, Arc::new(stored))).collect())
    }
}

impl Loader<OfSku> for Catalogue {
    type Value = Uuid;
    type Error = Problem;

    async fn load(&self, skus: &[OfSku]) -> Result<HashMap<OfSku, Uuid>, Problem> {
        let skus: Vec<_> = skus.iter().map(|OfSku(sku)| sku.clone()).collect();
        let found = products::of_skus(&self.0, &skus).await?;
        Ok(found.into_iter().map(|(sku, product)| (OfSku(sku), product)).collect())
    }
}

impl Loader<StockOf> for Catalogue {
    type Value = Stock;
    type Error = Problem;

    async fn load(&self, skus: &[StockOf]) -> Result<HashMap<StockOf, Stock>, Problem> {
        let skus: Vec<_> = skus.iter().map(|StockOf(sku)| sku.clone()).collect();
        let found = stock::levels(&self.0, &skus).await?;
        Ok(found.into_iter().map(|stock| (StockOf(stock.sku.clone()), stock)).collect())
    }
}

impl Loader<Tree> for Catalogue {
    type Value = Arc<Vec<categories::Stored>>;
    type Error = Problem;

    async fn load(&self, _trees: &[Tree]) -> Result<HashMap<Tree, Self::Value>, Problem> {
        Ok(HashMap::from([(Tree, Arc::new(categories::all(&self.0).await?))]))
    }
}
