//! `/v1/products/{id}/images`. They are a part of their product: its ETag is theirs.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{
    Json, Path, Problem,
    conditional::{IfMatch, IfNoneMatch},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    failure::invalid,
    products::{change, check, etag},
};
use crate::{
    app::App,
    catalogue::visible,
    domain::{self, Faults, Image},
    visitor::{Keeper, Visitor},
};

/// The pictures of a product.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Images {
    /// In their order: lists show the first.
    #[schema(max_items = 20)]
    items: Vec<Image>,
}

/// The pictures of a product.
#[utoipa::path(
    get, path = "/v1/products/{id}/images", tag = "images",
    params(("id" = Uuid, Path), ("If-None-Match" = Option<String>, Header, description = "ETags that one has")),
    responses(
        (status = 200, body = Images, headers(("ETag" = String))),
        (status = 304, description = "They are as one has them"),
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
    Ok(known.answer(etag(stored.version), || Json(Images { items: stored.input.images }).into_response()))
}

/// Writes the pictures of a product anew, in their order.
#[utoipa::path(
    put, path = "/v1/products/{id}/images", tag = "images", request_body = Images,
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag of the product")),
    responses((status = 200, body = Images, headers(("ETag" = String)))),
    security(("bearer" = [])),
)]
pub(super) async fn replace(
    State(app): State<App>,
    keeper: Keeper,
    Path(id): Path<Uuid>,
    expected: IfMatch,
    Json(Images { items }): Json<Images>,
) -> Result<Response, Problem> {
    let mut faults = Faults::default();
    domain::images(&mut faults, "/items", &items);
    faults.into_result().map_err(|faults| invalid(&faults))?;
    let stored = change(&app, &keeper, id, &expected, |current| {
        let mut input = current.input.clone();
        input.images = items;
        check(input)
    })
    .await?;
    let tag = etag(stored.version);
    Ok((StatusCode::OK, [(header::ETAG, tag.header())], Json(Images { items: stored.input.images }))
        .into_response())
}
