//! What this service tells others of. The JSON Schemas of the data are in `events/`, made of these types.

use flotilla_bus::{Event, EventType, InvalidType, outbox};
use flotilla_kit::{correlation::CorrelationId, database::Transaction, trace};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;
use uuid::Uuid;

use crate::domain;

/// This service, as the source of events.
const SOURCE: &str = "/product-service";

/// What addresses of schemas begin with. They are names; that there is something to read at them as well is for later.
const SCHEMAS: &str = "https://flotilla.dev/events/";

/// A product with its variants is there, has changed, or is gone.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProductChanged {
    /// Its id.
    pub product_id: Uuid,
    /// Its name in addresses.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// `draft`, `active` or `archived`.
    pub status: String,
    /// How often it has changed.
    pub version: i32,
    /// Its variants.
    pub skus: Vec<String>,
}

/// A variant costs something else.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PriceChanged {
    /// Its product.
    pub product_id: Uuid,
    /// The variant.
    pub sku: String,
    /// What it cost.
    pub before: Vec<Price>,
    /// What it costs now. A currency that is not here is not sold in any more.
    pub after: Vec<Price>,
}

/// What something costs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Price {
    /// ISO 4217.
    pub currency: String,
    /// In minor units.
    pub minor: i64,
}

impl From<&domain::Price> for Price {
    fn from(price: &domain::Price) -> Self {
        Self { currency: price.currency.clone(), minor: price.minor }
    }
}

/// There is more or less of a variant than before, other than by orders.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StockAdjusted {
    /// The variant.
    pub sku: String,
    /// By how much.
    pub delta: i64,
    /// How much there is now, reserved or not.
    pub on_hand: i64,
    /// Why.
    pub reason: String,
}

/// There is little or nothing left of a variant.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StockLevel {
    /// The variant.
    pub sku: String,
    /// How much can be had.
    pub available: i64,
    /// What is called low.
    pub low_at: i64,
}

/// A reservation is there, or has come to its end.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReservationChanged {
    /// Its id.
    pub reservation_id: Uuid,
    /// Until when stock is kept, or was to be.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub expires_at: Timestamp,
    /// What is kept.
    pub lines: Vec<ReservedLine>,
}

/// So much of a variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReservedLine {
    /// The variant.
    pub sku: String,
    /// How much.
    pub quantity: i64,
}

/// What happened to a reservation.
#[derive(Clone, Copy, Debug)]
pub enum Reservation {
    /// It is new.
    Created,
    /// Its stock is gone for good.
    Committed,
    /// It was given back.
    Released,
    /// Its time was over.
    Expired,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Happened {
    /// A product is new.
    ProductCreated(ProductChanged),
    /// It has changed.
    ProductUpdated(ProductChanged),
    /// It is gone.
    ProductDeleted(ProductChanged),
    /// A variant costs something else.
    PriceChanged(PriceChanged),
    /// Stock was counted or came in.
    StockAdjusted(StockAdjusted),
    /// There is little left.
    StockLow(StockLevel),
    /// There is nothing left.
    StockDepleted(StockLevel),
    /// Something became of a reservation.
    Reservation(Reservation, ReservationChanged),
}

/// Why an event was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its data cannot be written as JSON.
    #[error("the data of an event is no JSON")]
    Data(#[from] serde_json::Error),
    /// Its type is none.
    #[error(transparent)]
    Type(#[from] InvalidType),
    /// The outbox does not have it.
    #[error("the outbox does not take an event")]
    Outbox(#[from] flotilla_bus::Error),
}

impl Happened {
    /// The type of the event.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ProductCreated(_) => "shop.product.created.v1",
            Self::ProductUpdated(_) => "shop.product.updated.v1",
            Self::ProductDeleted(_) => "shop.product.deleted.v1",
            Self::PriceChanged(_) => "shop.product.price_changed.v1",
            Self::StockAdjusted(_) => "shop.stock.adjusted.v1",
            Self::StockLow(_) => "shop.stock.low.v1",
            Self::StockDepleted(_) => "shop.stock.depleted.v1",
            Self::Reservation(Reservation::Created, _) => "shop.stock.reservation.created.v1",
            Self::Reservation(Reservation::Committed, _) => "shop.stock.reservation.committed.v1",
            Self::Reservation(Reservation::Released, _) => "shop.stock.reservation.released.v1",
            Self::Reservation(Reservation::Expired, _) => "shop.stock.reservation.expired.v1",
        }
    }

    fn data(&self) -> Result<serde_json::Value, serde_json::Error> {
        match self {
            Self::ProductCreated(data) | Self::ProductUpdated(data) | Self::ProductDeleted(data) => {
                serde_json::to_value(data)
            }
            Self::PriceChanged(data) => serde_json::to_value(data),
            Self::StockAdjusted(data) => serde_json::to_value(data),
            Self::StockLow(data) | Self::StockDepleted(data) => serde_json::to_value(data),
            Self::Reservation(_, data) => serde_json::to_value(data),
        }
    }

    /// What it happened to, and the key whose events stay in order.
    fn subject(&self) -> (String, String) {
        let both = |text: String| (text.clone(), text);
        match self {
            Self::ProductCreated(data) | Self::ProductUpdated(data) | Self::ProductDeleted(data) => {
                both(data.product_id.to_string())
            }
            Self::PriceChanged(data) => (data.sku.clone(), data.product_id.to_string()),
            Self::StockAdjusted(data) => both(data.sku.clone()),
            Self::StockLow(data) | Self::StockDepleted(data) => both(data.sku.clone()),
            Self::Reservation(_, data) => both(data.reservation_id.to_string()),
        }
    }

    fn version(&self) -> Option<u32> {
        match self {
            Self::ProductCreated(data) | Self::ProductUpdated(data) | Self::ProductDeleted(data) => {
                u32::try_from(data.version).ok()
            }
            _ => None,
        }
    }

    fn event(&self) -> Result<Event, Error> {
        let (subject, key) = self.subject();
        let mut event = Event::new(SOURCE, EventType::try_from(self.kind())?, subject, self.data()?);
        event.key = key;
        event.schema = Some(format!("{SCHEMAS}{}.json", self.kind()));
        event.aggregate_version = self.version();
        event.correlation_id = CorrelationId::current().map(|id| id.to_string());
        event.traceparent = trace::traceparent();
        Ok(event)
    }
}

/// Writes what happened into the outbox.
///
/// The outbox locks the key of each until the transaction ends, so they are written in the order of their keys, and after
/// everything else that is locked.
pub async fn write(
    transaction: &mut Transaction<'_>,
    happened: impl IntoIterator<Item = Happened>,
) -> Result<(), Error> {
    let mut events = happened.into_iter().map(|one| one.event()).collect::<Result<Vec<_>, _>>()?;
    events.sort_by(|one, other| one.key.cmp(&other.key));
    for event in events {
        outbox::append(transaction, &event).await?;
    }
    Ok(())
}

/// The JSON Schema of each type's data.
pub fn schemas() -> Vec<(&'static str, Schema)> {
    let product = || schema_for!(ProductChanged);
    let level = || schema_for!(StockLevel);
    let reservation = || schema_for!(ReservationChanged);
    vec![
        ("shop.product.created.v1", product()),
        ("shop.product.updated.v1", product()),
        ("shop.product.deleted.v1", product()),
        ("shop.product.price_changed.v1", schema_for!(PriceChanged)),
        ("shop.stock.adjusted.v1", schema_for!(StockAdjusted)),
        ("shop.stock.low.v1", level()),
        ("shop.stock.depleted.v1", level()),
        ("shop.stock.reservation.created.v1", reservation()),
        ("shop.stock.reservation.committed.v1", reservation()),
        ("shop.stock.reservation.released.v1", reservation()),
        ("shop.stock.reservation.expired.v1", reservation()),
    ]
}
