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

use super::{
    failure::{ProblemBody, invalid, parameters},
    merge::merge,
    visitor::{Keeper, Visitor},
};
use crate::{
    app::App,
    domain::{Faults, Filter, Image, Position, Price, Product, ProductInput, Status, VariantInput},
    store::{listing, products},
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
pub(super) struct ProductSummary {
    /// Its id.
    id: Uuid,
    /// Its name in addresses.
    slug: String,
    /// Its name.
    name: String,
    /// Its first picture.
    image: Option<Image>,
    /// What its cheapest variant costs in the currency. Nothing: it is not sold in it.
    price: Option<Price>,
    /// Whether something of it can be had.
    in_stock: bool,
}

/// A page of products.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its description is of use")]
pub(super) struct ProductPage {
    /// What is on it.
    items: Vec<ProductSummary>,
    /// Where the next one begins. Nothing: this is the last.
    next_cursor: Option<String>,
}

/// Products, a page at a time.
#[utoipa::path(
    get, path = "/v1/products", tag = "products",
    params(
        ("category" = Option<Uuid>, Query, description = "In this category, or in one below it"),
        ("q" = Option<String>, Query, description = "Like these words; also when they are not quite right", min_length = 1, max_length = 200),
        ("currency" = Option<String>, Query, description = "The currency of prices; EUR when left out"),
        ("price_min" = Option<i64>, Query, description = "A variant costs at least this, in minor units", minimum = 0),
        ("price_max" = Option<i64>, Query, description = "A variant costs at most this, in minor units", minimum = 0),
        ("in_stock" = Option<bool>, Query, description = "Whether something of it can be had"),
        ("attr.color" = Option<String>, Query, description = "With this attribute. For others write their names in place of color", min_length = 1, max_length = 200),
        ("status" = Option<Status>, Query, description = "Others than active ones are only shown to the role admin"),
        ("sort" = Option<String>, Query, description = "newest, name, price, -price or relevance"),
        ("limit" = Option<u32>, Query, description = "Items of a page", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "Where to go on: next_cursor of the page before"),
    ),
    responses(
        (status = 200, body = ProductPage),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("token" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    visitor: Visitor,
    uri: Uri,
    Query(sent): Query<Vec<(String, String)>>,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    let filter = Filter::of(&sent).map_err(|faults| parameters(&faults))?;
    if filter.status != Status::Active && !visitor.is_keeper {
        return Err(parameters(&Faults::one(
            "status",
            "only those who keep the catalogue see others than active ones",
        )));
    }
    let limit = page.limit()?;
    // A cursor is good for the same filter only.
    let scope =
        format!("products {}", serde_json::to_string(&filter).map_err(|error| Problem::internal(&error))?);
    let after = page.cursor.map(|cursor| app.cursors.open::<Position>(&scope, &cursor)).transpose()?;
    let mut found = listing::page(&app.pool, &filter, after.as_ref(), i64::from(limit) + 1).await?;
    let has_more = found.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let last = found.last().filter(|_| has_more).map(|last| last.position(filter.sort));
    let next_cursor = last
        .map(|position| app.cursors.seal(&scope, &position))
        .transpose()
        .map_err(|error| Problem::internal(&error))?;
    let items = found.into_iter().map(|found| ProductSummary {
        id: found.id,
        slug: found.slug,
        name: found.name,
        image: found.image.map(|image| image.0),
        price: found.price.map(|minor| Price { currency: filter.currency.to_string(), minor }),
        in_stock: found.in_stock,
    });
    Ok(Page { items: items.collect(), next_cursor }.into_response(&uri))
}

/// A new product.
#[utoipa::path(
    post, path = "/v1/products", tag = "products", request_body = ProductInput,
    responses(
        (status = 201, body = ProductView, headers(("Location" = String), ("ETag" = String))),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The slug or a SKU is another product's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = [])),
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
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("token" = [])),
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

/// A product, when one may see it.
pub(super) async fn visible(app: &App, visitor: Visitor, id: Uuid) -> Result<products::Stored, Problem> {
    let mut connection = app.pool.acquire().await?;
    products::load(&mut connection, id)
        .await?
        .filter(|stored| stored.input.status == Status::Active || visitor.is_keeper)
        .ok_or_else(|| Problem::not_found("there is no such product"))
}

/// Writes a product anew, with all its variants. Variants that are left out are not sold any more.
#[utoipa::path(
    put, path = "/v1/products/{id}", tag = "products", request_body = ProductInput,
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag of what is changed")),
    responses(
        (status = 200, body = ProductView, headers(("ETag" = String))),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "Somebody has changed it", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
        (status = 428, description = "Without If-Match", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = [])),
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
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
        (status = 428, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = [])),
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
    responses(
        (status = 204),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json"),
        (status = 428, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = [])),
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
