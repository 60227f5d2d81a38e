//! Lists of products.

use async_graphql::{
    Context, Enum, ID, InputObject,
    connection::{Connection, Edge, EmptyFields},
};
use axum::http::StatusCode;
use flotilla_kit::http::Problem;

use super::{
    context::{app, products, visitor},
    product::{Product, ProductStatus},
    variant::MinorUnits,
};
use crate::{
    catalogue::{self, list},
    domain::Status,
};

/// Products of a page at most, as over REST.
const MAX: u32 = 100;

/// Products, a page at a time.
pub(super) type Products = Connection<String, Product, EmptyFields, EmptyFields>;

/// The order of products.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
pub(super) enum ProductSort {
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

/// An attribute that products are to have, of their own or of one of their variants.
#[derive(InputObject)]
pub(super) struct AttributeFilter {
    name: String,
    value: String,
}

/// Which products.
#[derive(Default, InputObject)]
pub(super) struct ProductFilter {
    /// In this category, or in one below it.
    category: Option<ID>,
    /// Like these words; also when they are not quite right.
    words: Option<String>,
    /// The currency of prices; EUR when left out.
    currency: Option<String>,
    /// A variant costs at least this, in minor units.
    price_min: Option<MinorUnits>,
    /// A variant costs at most this, in minor units.
    price_max: Option<MinorUnits>,
    /// Whether something of it can be had.
    in_stock: Option<bool>,
    /// With all of these.
    #[graphql(default)]
    attributes: Vec<AttributeFilter>,
    /// Others than active ones are only shown to the role admin.
    status: Option<ProductStatus>,
}

impl ProductFilter {
    /// As the parameters of a query over REST.
    fn parameters(self, sort: Option<ProductSort>) -> Vec<(String, String)> {
        let status = self.status.map(|status| Status::from(status).as_str().to_owned());
        let sort = sort.map(|sort| match sort {
            ProductSort::Newest => "newest",
            ProductSort::Name => "name",
            ProductSort::PriceUp => "price",
            ProductSort::PriceDown => "-price",
            ProductSort::Relevance => "relevance",
        });
        let of_names = [
            ("category", self.category.map(|id| id.to_string())),
            ("q", self.words),
            ("currency", self.currency),
            ("price_min", self.price_min.map(|minor| minor.0.to_string())),
            ("price_max", self.price_max.map(|minor| minor.0.to_string())),
            ("in_stock", self.in_stock.map(|is| is.to_string())),
            ("status", status),
            ("sort", sort.map(str::to_owned)),
        ];
        let attributes = self.attributes.into_iter().map(|one| (format!("attr.{}", one.name), one.value));
        of_names
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .chain(attributes)
            .collect()
    }
}

/// A page of products.
pub(super) async fn page(
    context: &Context<'_>,
    filter: ProductFilter,
    sort: Option<ProductSort>,
    first: u32,
    after: Option<&str>,
) -> Result<Products, Problem> {
    if !(1..=MAX).contains(&first) {
        let detail = "an argument cannot be taken; errors says which";
        let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail);
        return Err(problem.parameter("first", format!("write from 1 to {MAX}")));
    }
    let app = app(context)?;
    let filter = catalogue::filter(visitor(context)?, &filter.parameters(sort))?;
    let listed = list(app, &filter, first, after).await?;
    let found = listed.found()?;
    let whole = products(context, found.products.iter().map(|product| product.id).collect()).await?;
    let mut page = Connection::new(after.is_some(), found.has_more);
    for listed in &found.products {
        // One that is gone since is left out.
        if let Some(product) = whole.get(&listed.id) {
            page.edges.push(Edge::new(found.cursor(app, listed)?, Product(product.clone())));
        }
    }
    Ok(page)
}
