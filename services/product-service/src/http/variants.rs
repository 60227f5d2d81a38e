//! `/v1/products/{id}/variants`. They are a part of their product: its ETag is theirs.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{
    Json, Path, Problem,
    conditional::{IfMatch, IfNoneMatch},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    failure::invalid,
    products::{change, check, etag},
};
use crate::{
    app::App,
    catalogue::visible,
    domain::{Faults, VariantInput},
    visitor::{Keeper, Visitor},
};

/// The variants of a product.
#[derive(Serialize, ToSchema)]
pub(super) struct Variants {
    /// In their order.
    items: Vec<VariantInput>,
}

/// The variants of a product.
#[utoipa::path(
    get, path = "/v1/products/{id}/variants", tag = "variants",
    params(("id" = Uuid, Path), ("If-None-Match" = Option<String>, Header, description = "ETags that one has")),
    responses(
        (status = 200, body = Variants, headers(("ETag" = String))),
        (status = 304, description = "They are as one has them"),
    ),
    security((), ("bearer" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let stored = visible(&app, visitor, id).await?;
    Ok(known.answer(etag(stored.version), || Json(Variants { items: stored.input.variants }).into_response()))
}

/// One more variant, behind the others.
#[utoipa::path(
    post, path = "/v1/products/{id}/variants", tag = "variants", request_body = VariantInput,
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag of the product")),
    responses(
        (status = 201, body = VariantInput, headers(("ETag" = String))),
        (status = 409),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn add(
    State(app): State<App>,
    keeper: Keeper,
    Path(id): Path<Uuid>,
    expected: IfMatch,
    Json(variant): Json<VariantInput>,
) -> Result<Response, Problem> {
    alone(&variant)?;
    let sku = variant.sku.clone();
    let stored = change(&app, &keeper, id, &expected, |current| {
        let mut input = current.input.clone();
        input.variants.push(variant);
        check(input)
    })
    .await?;
    let tag = etag(stored.version);
    let variant = stored.input.variants.into_iter().find(|variant| variant.sku == sku);
    Ok((StatusCode::CREATED, [(header::ETAG, tag.header())], Json(variant)).into_response())
}

/// Writes a variant anew.
#[utoipa::path(
    put, path = "/v1/products/{id}/variants/{sku}", tag = "variants", request_body = VariantInput,
    params(("id" = Uuid, Path), ("sku" = String, Path, pattern = "^[A-Z0-9][A-Z0-9._-]{0,63}$"), ("If-Match" = String, Header, description = "The ETag of the product")),
    responses((status = 200, body = VariantInput, headers(("ETag" = String)))),
    security(("bearer" = [])),
)]
pub(super) async fn replace(
    State(app): State<App>,
    keeper: Keeper,
    Path((id, sku)): Path<(Uuid, String)>,
    expected: IfMatch,
    Json(variant): Json<VariantInput>,
) -> Result<Response, Problem> {
    alone(&variant)?;
    if variant.sku != sku {
        return Err(invalid(&Faults::one("/sku", "write the SKU of the path: a variant keeps its SKU")));
    }
    let stored = change(&app, &keeper, id, &expected, |current| {
        let mut input = current.input.clone();
        let known = input.variants.iter_mut().find(|known| known.sku == sku).ok_or_else(gone)?;
        *known = variant;
        check(input)
    })
    .await?;
    let tag = etag(stored.version);
    let variant = stored.input.variants.into_iter().find(|variant| variant.sku == sku);
    Ok((StatusCode::OK, [(header::ETAG, tag.header())], Json(variant)).into_response())
}

/// Takes a variant away. Its SKU is not used again, other than by the same product.
#[utoipa::path(
    delete, path = "/v1/products/{id}/variants/{sku}", tag = "variants",
    params(("id" = Uuid, Path), ("sku" = String, Path, pattern = "^[A-Z0-9][A-Z0-9._-]{0,63}$"), ("If-Match" = String, Header, description = "The ETag of the product")),
    responses((status = 204, headers(("ETag" = String)))),
    security(("bearer" = [])),
)]
pub(super) async fn delete(
    State(app): State<App>,
    keeper: Keeper,
    Path((id, sku)): Path<(Uuid, String)>,
    expected: IfMatch,
) -> Result<Response, Problem> {
    let stored = change(&app, &keeper, id, &expected, |current| {
        let mut input = current.input.clone();
        let at = input.variants.iter().position(|known| known.sku == sku).ok_or_else(gone)?;
        input.variants.remove(at);
        check(input)
    })
    .await?;
    Ok((StatusCode::NO_CONTENT, [(header::ETAG, etag(stored.version).header())]).into_response())
}

/// Says what is wrong with a variant by itself, with pointers into what was sent.
fn alone(variant: &VariantInput) -> Result<(), Problem> {
    let mut faults = Faults::default();
    variant.clone().check(&mut faults, "");
    faults.into_result().map_err(|faults| invalid(&faults))
}

fn gone() -> Problem {
    Problem::not_found("the product has no such variant")
}
