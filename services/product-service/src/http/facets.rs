//! `/v1/search/facets`.

use std::collections::BTreeMap;

use axum::extract::State;
use flotilla_kit::http::{Json, Problem, Query};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::filter::FilterParameters;
use crate::{
    app::App,
    catalogue::filter,
    store::facets::{self, Facets},
    visitor::Visitor,
};

/// How many products there are, and of which kinds.
#[derive(Serialize, ToSchema)]
pub(super) struct FacetsView {
    /// Products that were asked for.
    total: i64,
    /// Whether all of them were counted. Of very many only some are.
    is_complete: bool,
    /// Categories with some of them in it or below it: at the top, or in the category that was asked for.
    categories: Vec<CategoryCount>,
    /// Attributes that some of them have. Those of one that was asked for are counted as if it had not been: they are what else
    /// there is to choose.
    attributes: Vec<AttributeCounts>,
    /// From what to what they cost, whatever price was asked for. Nothing: none is sold in the currency.
    price: Option<PriceRange>,
    /// Those of which something can be had, whether or not that was asked for.
    in_stock: i64,
}

/// A category with products.
#[derive(Serialize, ToSchema)]
pub(super) struct CategoryCount {
    /// Its id.
    id: Uuid,
    /// Its name in addresses.
    slug: String,
    /// Its name.
    name: String,
    /// Products in it or below it.
    count: i64,
}

/// An attribute.
#[derive(Serialize, ToSchema)]
pub(super) struct AttributeCounts {
    /// Its name.
    name: String,
    /// What it is, the most frequent first.
    values: Vec<ValueCount>,
}

/// What an attribute is.
#[derive(Serialize, ToSchema)]
pub(super) struct ValueCount {
    /// What it is.
    value: String,
    /// Products of which it is so, or of one of their variants.
    count: i64,
}

/// What products cost.
#[derive(Serialize, ToSchema)]
pub(super) struct PriceRange {
    /// ISO 4217.
    currency: String,
    /// What the cheapest variant costs, in minor units.
    min: i64,
    /// What the dearest one does.
    max: i64,
}

/// How many products there are for the same parameters as `GET /v1/products`, and of which kinds.
#[utoipa::path(
    get, path = "/v1/search/facets", tag = "search", params(FilterParameters),
    responses((status = 200, body = FacetsView)),
    security((), ("bearer" = [])),
)]
pub(super) async fn read(
    State(app): State<App>,
    visitor: Visitor,
    Query(sent): Query<Vec<(String, String)>>,
) -> Result<Json<FacetsView>, Problem> {
    let filter = filter(visitor, &sent)?;
    let Facets { total, is_complete, categories, attributes, prices, in_stock } =
        facets::count(&app.pool, &filter).await?;
    let categories = categories.into_iter().map(|category| CategoryCount {
        id: category.id,
        slug: category.slug,
        name: category.name,
        count: category.count,
    });
    let mut values = BTreeMap::<String, Vec<ValueCount>>::new();
    for attribute in attributes {
        let value = ValueCount { value: attribute.value, count: attribute.count };
        values.entry(attribute.name).or_default().push(value);
    }
    let currency = filter.currency.to_string();
    Ok(Json(FacetsView {
        total,
        is_complete,
        categories: categories.collect(),
        attributes: values.into_iter().map(|(name, values)| AttributeCounts { name, values }).collect(),
        price: prices.map(|(min, max)| PriceRange { currency, min, max }),
        in_stock,
    }))
}
