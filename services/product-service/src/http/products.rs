//! `/v1/products`.

use std::collections::BTreeMap;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{
    Json, Path, Problem, Query,
    conditional::{ETag, IfMatch, IfNoneMatch},
    page::{Page, PageParameters},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{failure::invalid, filter::FilterParameters, merge::merge};
use crate::{
    app::App,
    catalogue::{self, filter, visible},
    domain::{Image, Price, Product, ProductInput, Status, VariantInput},
    store::{listing::Picture, products},
    visitor::{Keeper, Visitor},
};

/// A product.
#[derive(Serialize, ToSchema)]
pub(super) struct ProductView {
    /// Its id.
    id: Uuid,
    /// How often it has changed.
    version: i32,
    /// Since when it is there.
    created_at: Timestamp,
    /// When it was changed last.
    updated_at: Timestamp,
    /// Its name in addresses.
    slug: String,
    /// Its name.
    name: String,
    /// What it is.
    description: String,
    /// Whether it is sold.
    status: Status,
    /// What it is like.
    attributes: BTreeMap<String, String>,
    /// Pictures of it.
    images: Vec<Image>,
    /// The categories that it is in.
    categories: Vec<Uuid>,
    /// What is bought of it. How much there is of each is told by its stock.
    variants: Vec<VariantInput>,
}

impl From<products::Stored> for ProductView {
    fn from(stored: products::Stored) -> Self {
        let input = stored.input;
        Self {
            id: stored.id,
            version: stored.version,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
            slug: input.slug,
            name: input.name,
            description: input.description,
            status: input.status,
            attributes: input.attributes,
            images: input.images,
            categories: input.categories,
            variants: input.variants,
        }
    }
}

/// What a list shows of a product.
#[derive(Serialize, ToSchema)]
pub(super) struct ProductSummary<'page> {
    /// Its id.
    id: Uuid,
    /// Its name in addresses.
    slug: &'page str,
    /// Its name.
    name: &'page str,
    /// Its first picture.
    #[schema(value_type = Option<Image>)]
    image: Option<Picture<'page>>,
    /// What its cheapest variant costs in the currency. Nothing: it is not sold in it.
    #[schema(value_type = Option<Price>)]
    price: Option<PriceView>,
    /// Whether something of it can be had.
    in_stock: bool,
}

/// A price, as [`Price`].
#[derive(Serialize)]
struct PriceView {
    currency: &'static str,
    minor: i64,
}

/// A page of products.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its description is of use")]
pub(super) struct ProductPage {
    /// What is on it.
    items: Vec<ProductSummary<'static>>,
    /// Where the next one begins. Nothing: this is the last.
    next_cursor: Option<String>,
}

/// Products, a page at a time.
#[utoipa::path(
    get, path = "/v1/products", tag = "products",
    params(
        FilterParameters,
        ("limit" = Option<u32>, Query, description = "Items of a page", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "Where to go on: next_cursor of the page before"),
    ),
    responses((status = 200, body = ProductPage)),
    security((), ("bearer" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    visitor: Visitor,
    uri: Uri,
    Query(sent): Query<Vec<(String, String)>>,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    let filter = filter(visitor, &sent)?;
    let listed = catalogue::list(&app, &filter, page.limit()?, page.cursor.as_deref()).await?;
    let found = listed.found()?;
    let next_cursor = found.next(&app)?;
    let items = found.products.into_iter().map(|product| ProductSummary {
        id: product.id,
        slug: product.slug,
        name: product.name,
        image: product.image,
        price: product.price.map(|minor| PriceView { currency: filter.currency.as_str(), minor }),
        in_stock: product.in_stock,
    });
    Ok(Page { items: items.collect(), next_cursor }.into_response(&uri))
}

/// A new product.
#[utoipa::path(
    post, path = "/v1/products", tag = "products", request_body = ProductInput,
    responses(
        (status = 201, body = ProductView, headers(("Location" = String), ("ETag" = String))),
        (status = 409, description = "The slug or a SKU is another product's"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn create(
    State(app): State<App>,
    keeper: Keeper,
    Json(input): Json<ProductInput>,
) -> Result<Response, Problem> {
    let product = check(input)?;
    let mut transaction = app.pool.begin().await?;
    let stored = products::create(&mut transaction, &product, &keeper.user).await?;
    transaction.commit().await?;
    app.committed();
    let location = format!("/v1/products/{}", stored.id);
    let mut response = show(StatusCode::CREATED, stored);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A product.
#[utoipa::path(
    get, path = "/v1/products/{id}", tag = "products",
    params(("id" = Uuid, Path), ("If-None-Match" = Option<String>, Header, description = "ETags that one has")),
    responses(
        (status = 200, body = ProductView, headers(("ETag" = String))),
        (status = 304, description = "It is as one has it"),
    ),
    security((), ("bearer" = [])),
)]
pub(super) async fn read(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let stored = visible(&app, visitor, id).await?;
    Ok(known.answer(etag(stored.version), || Json(ProductView::from(stored)).into_response()))
}

/// Writes a product anew, with all its variants. Variants that are left out are not sold any more.
#[utoipa::path(
    put, path = "/v1/products/{id}", tag = "products", request_body = ProductInput,
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag of what is changed")),
    responses(
        (status = 200, body = ProductView, headers(("ETag" = String))),
        (status = 409),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn replace(
    State(app): State<App>,
    keeper: Keeper,
    Path(id): Path<Uuid>,
    expected: IfMatch,
    Json(input): Json<ProductInput>,
) -> Result<Response, Problem> {
    let product = check(input)?;
    let stored = change(&app, &keeper, id, &expected, |_current| Ok(product)).await?;
    Ok(show(StatusCode::OK, stored))
}

/// Changes a part of a product (JSON Merge Patch, RFC 7396).
#[utoipa::path(
    patch, path = "/v1/products/{id}", tag = "products",
    request_body(content = Object, content_type = "application/merge-patch+json", description = "What is to be other than it is"),
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag of what is changed")),
    responses(
        (status = 200, body = ProductView, headers(("ETag" = String))),
        (status = 409),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn patch(
    State(app): State<App>,
    keeper: Keeper,
    Path(id): Path<Uuid>,
    expected: IfMatch,
    Json(patch): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    let stored = change(&app, &keeper, id, &expected, |current| check(merge(&current.input, patch)?)).await?;
    Ok(show(StatusCode::OK, stored))
}

/// Takes a product away. Its SKUs are not used again.
#[utoipa::path(
    delete, path = "/v1/products/{id}", tag = "products",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag of what is taken away")),
    responses((status = 204)),
    security(("bearer" = [])),
)]
pub(super) async fn delete(
    State(app): State<App>,
    _keeper: Keeper,
    Path(id): Path<Uuid>,
    expected: IfMatch,
) -> Result<StatusCode, Problem> {
    let change = products::change(&app.pool, id).await?;
    expected.check(etag(change.current.version))?;
    change.delete().await?;
    app.committed();
    Ok(StatusCode::NO_CONTENT)
}

/// Changes a product that is as somebody expects it.
pub(super) async fn change(
    app: &App,
    keeper: &Keeper,
    id: Uuid,
    expected: &IfMatch,
    how: impl FnOnce(&products::Stored) -> Result<Product, Problem>,
) -> Result<products::Stored, Problem> {
    let change = products::change(&app.pool, id).await?;
    expected.check(etag(change.current.version))?;
    let product = how(&change.current)?;
    let stored = change.save(&product, &keeper.user).await?;
    app.committed();
    Ok(stored)
}

pub(super) fn check(input: ProductInput) -> Result<Product, Problem> {
    input.check().map_err(|faults| invalid(&faults))
}

pub(super) fn etag(version: i32) -> ETag {
    ETag(u64::from(version.unsigned_abs()))
}

fn show(status: StatusCode, stored: products::Stored) -> Response {
    let tag = etag(stored.version);
    (status, [(header::ETAG, tag.header())], Json(ProductView::from(stored))).into_response()
}
