//! `/v1/variants/{sku}/stock`.

use axum::{
    extract::State,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flotilla_kit::http::{
    Json, Path, Problem, Query,
    idempotency::{self, Begun, IdempotencyKey, Request},
    page::{Page, PageParameters},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{failure::invalid, sent::Sent};
use crate::{
    app::App,
    domain::{Faults, MAX_STOCK, Sku},
    store::stock::{self, Adjustment, Stock},
    visitor::{Keeper, Visitor},
};

/// Rows that stock of a SKU may be in.
const MAX_BUCKETS: i16 = 16;

/// How much there is of a variant.
#[derive(Serialize, ToSchema)]
pub(super) struct StockView {
    /// The variant.
    sku: String,
    /// How much there is, reserved or not.
    on_hand: i64,
    /// How much of it is kept for somebody.
    reserved: i64,
    /// How much can be had.
    available: i64,
    /// The rows that it is in.
    buckets: i64,
}

impl From<Stock> for StockView {
    fn from(stock: Stock) -> Self {
        Self {
            available: stock.on_hand - stock.reserved,
            sku: stock.sku,
            on_hand: stock.on_hand,
            reserved: stock.reserved,
            buckets: stock.buckets,
        }
    }
}

/// Stock that is more or less than before, other than by orders.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AdjustmentInput {
    /// By how much: more, or with a minus less.
    #[schema(minimum = -1_000_000_000, maximum = 1_000_000_000)]
    delta: i64,
    /// Why: a delivery, a count, a loss.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// The rows that stock is to be in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Layout {
    /// One, unless very many want the variant at once.
    #[schema(minimum = 1, maximum = 16)]
    buckets: i16,
}

/// A movement of stock.
#[derive(Serialize, ToSchema)]
pub(super) struct MovementView {
    /// What it was: `adjusted`, `moved`, `reserved`, `committed`, `released`, `expired` or `returned`.
    kind: String,
    /// By how much more there is.
    on_hand_delta: i64,
    /// By how much more is reserved.
    reserved_delta: i64,
    /// For which reservation.
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation_id: Option<Uuid>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Who did it: a user or a service.
    actor: String,
    /// When.
    at: Timestamp,
}

/// A page of movements.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its description is of use")]
pub(super) struct MovementPage {
    /// What is on it, the latest first.
    items: Vec<MovementView>,
    /// Where the next one begins. Nothing: this is the last.
    next_cursor: Option<String>,
}

/// A SKU of the path. What is none is no variant.
fn variant(sku: &str) -> Result<Sku, Problem> {
    Sku::try_from(sku).map_err(|_none| gone())
}

fn gone() -> Problem {
    Problem::not_found("there is no such variant")
}

/// How much there is of a variant.
#[utoipa::path(
    get, path = "/v1/variants/{sku}/stock", tag = "stock",
    params(("sku" = String, Path, pattern = "^[A-Z0-9][A-Z0-9._-]{0,63}$")),
    responses((status = 200, body = StockView)),
    security((), ("bearer" = [])),
)]
pub(super) async fn read(
    State(app): State<App>,
    visitor: Visitor,
    Path(sku): Path<String>,
) -> Result<Response, Problem> {
    let sku = variant(&sku)?;
    let levels = stock::levels(&app.pool, &[sku.to_string()]).await?;
    let level = levels.into_iter().find(|level| level.is_sold || visitor.is_keeper).ok_or_else(gone)?;
    let fresh = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((fresh, Json(StockView::from(level))).into_response())
}

/// Makes stock more or less: a delivery, a count, a loss. Repeated with its key, it is done once.
#[utoipa::path(
    post, path = "/v1/variants/{sku}/stock/adjustments", tag = "stock", request_body = AdjustmentInput,
    params(("sku" = String, Path, pattern = "^[A-Z0-9][A-Z0-9._-]{0,63}$"), ("Idempotency-Key" = String, Header, description = "A new one for each adjustment")),
    responses(
        (status = 200, body = StockView),
        (status = 409, description = "More than there is, or one with this key is at work"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn adjust(
    State(app): State<App>,
    keeper: Keeper,
    Path(sku): Path<String>,
    key: IdempotencyKey,
    uri: Uri,
    sent: Sent<AdjustmentInput>,
) -> Result<Response, Problem> {
    let (sku, input) = (variant(&sku)?, &sent.value);
    let mut faults = Faults::default();
    if input.delta == 0 || !(-MAX_STOCK..=MAX_STOCK).contains(&input.delta) {
        faults.add("/delta", format_args!("write from -{MAX_STOCK} to {MAX_STOCK}, and not 0"));
    }
    faults.text("/reason", &input.reason, 1, 200);
    faults.into_result().map_err(|faults| invalid(&faults))?;
    let mut transaction = app.pool.begin().await?;
    let request = Request {
        principal: &keeper.user,
        key: &key,
        method: &Method::POST,
        path: uri.path(),
        body: &sent.bytes,
    };
    let pending = match idempotency::begin(&mut transaction, &request).await? {
        Begun::Repeated(response) => {
            transaction.rollback().await?;
            return Ok(response);
        }
        Begun::First(pending) => pending,
    };
    let change =
        Adjustment { sku: sku.as_str(), delta: input.delta, reason: &input.reason, actor: &keeper.user };
    let stock = stock::adjust(&mut transaction, &change).await?;
    let body = serde_json::to_vec(&StockView::from(stock)).map_err(|error| Problem::internal(&error))?;
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let response = pending.store(&mut transaction, StatusCode::OK, &headers, &Bytes::from(body)).await?;
    transaction.commit().await?;
    app.stock_changed();
    Ok(response)
}

/// Lays stock out in rows. More than one for what very many want at once: they do not all wait for one row then.
#[utoipa::path(
    put, path = "/v1/variants/{sku}/stock/layout", tag = "stock", request_body = Layout,
    params(("sku" = String, Path, pattern = "^[A-Z0-9][A-Z0-9._-]{0,63}$")),
    responses((status = 204)),
    security(("bearer" = [])),
)]
pub(super) async fn lay_out(
    State(app): State<App>,
    keeper: Keeper,
    Path(sku): Path<String>,
    Json(layout): Json<Layout>,
) -> Result<StatusCode, Problem> {
    let sku = variant(&sku)?;
    if !(1..=MAX_BUCKETS).contains(&layout.buckets) {
        return Err(invalid(&Faults::one("/buckets", format_args!("write from 1 to {MAX_BUCKETS}"))));
    }
    stock::lay_out(&app.pool, sku.as_str(), layout.buckets, &keeper.user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Why stock is what it is, the latest first.
#[utoipa::path(
    get, path = "/v1/variants/{sku}/stock/movements", tag = "stock",
    params(
        ("sku" = String, Path, pattern = "^[A-Z0-9][A-Z0-9._-]{0,63}$"),
        ("limit" = Option<u32>, Query, description = "Items of a page", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "Where to go on: next_cursor of the page before"),
    ),
    responses((status = 200, body = MovementPage)),
    security(("bearer" = [])),
)]
pub(super) async fn movements(
    State(app): State<App>,
    _keeper: Keeper,
    Path(sku): Path<String>,
    uri: Uri,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    let sku = variant(&sku)?;
    if stock::levels(&app.pool, &[sku.to_string()]).await?.is_empty() {
        return Err(gone());
    }
    let limit = page.limit()?;
    let scope = format!("movements {sku}");
    let before = page.cursor.map(|cursor| app.cursors.open::<i64>(&scope, &cursor)).transpose()?;
    let mut found = stock::movements(&app.pool, sku.as_str(), before, i64::from(limit) + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more).map(|last| last.id);
    let next_cursor = last
        .map(|id| app.cursors.seal(&scope, &id))
        .transpose()
        .map_err(|error| Problem::internal(&error))?;
    let items = found.into_iter().map(|movement| MovementView {
        kind: movement.kind,
        on_hand_delta: movement.on_hand_delta,
        reserved_delta: movement.reserved_delta,
        reservation_id: movement.reservation_id,
        reason: movement.reason,
        actor: movement.actor,
        at: movement.at.to_jiff(),
    });
    Ok(Page { items: items.collect(), next_cursor }.into_response(&uri))
}
