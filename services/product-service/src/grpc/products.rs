//! `Products`.

use std::time::Duration;

use flotilla_kit::{drain::Drain, grpc::caller};
use flotilla_proto::product as wire;
use futures::stream::BoxStream;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    status::{invalid, no_quote, not_reserved, not_settled, store},
    watch::watch,
};
use crate::{
    app::App,
    domain::{Action, Currency, Lines, Sku, State, quote},
    store::{
        quotes,
        reservations::{self, NotReserved, Reservation},
    },
};

/// SKUs that one may ask about at a time.
const MAX_SKUS: usize = 100;

/// Seconds for which stock is kept, at least and at most.
const TTL: std::ops::RangeInclusive<i32> = 10..=86_400;

/// Answers other services.
#[derive(Debug)]
pub(super) struct Service {
    app: App,
    drain: Drain,
}

impl Service {
    pub(super) fn new(app: App, drain: Drain) -> Self {
        Self { app, drain }
    }

    async fn settle(
        &self,
        request: Request<wire::ReservationRef>,
        action: Action,
    ) -> Result<Response<wire::Reservation>, Status> {
        let caller = caller(&request)?;
        let id = id(&request.get_ref().reservation_id)?;
        let settled = reservations::settle(&self.app.pool, id, &caller.service, action).await;
        let reservation = settled.map_err(not_settled)?;
        self.app.stock_changed();
        Ok(Response::new(told(reservation)))
    }
}

#[tonic::async_trait]
impl wire::products_server::Products for Service {
    async fn get_variants(
        &self,
        request: Request<wire::GetVariantsRequest>,
    ) -> Result<Response<wire::GetVariantsResponse>, Status> {
        let skus = skus(request.into_inner().skus)?;
        let found = quotes::variants(&self.app.pool, &skus).await.map_err(|error| store(error.into()))?;
        let variants = found.into_iter().map(|variant| wire::Variant {
            sku: variant.sold.sku,
            product_id: variant.sold.product_id.to_string(),
            name: variant.sold.name,
            prices: variant
                .sold
                .prices
                .into_iter()
                .map(|price| wire::Money { currency: price.currency, minor: price.minor })
                .collect(),
            available: variant.available,
        });
        Ok(Response::new(wire::GetVariantsResponse { variants: variants.collect() }))
    }

    async fn quote(
        &self,
        request: Request<wire::QuoteRequest>,
    ) -> Result<Response<wire::QuoteResponse>, Status> {
        let request = request.into_inner();
        let currency =
            Currency::try_from(request.currency.as_str()).map_err(|error| invalid("currency", error))?;
        let lines = lines(&request.lines)?;
        let found =
            quotes::variants(&self.app.pool, &lines.skus()).await.map_err(|error| store(error.into()))?;
        let sold: Vec<_> = found.into_iter().map(|variant| variant.sold).collect();
        let (quoted, total_minor) = quote(&lines, &sold, currency).map_err(no_quote)?;
        let lines = quoted.into_iter().map(|line| wire::QuotedLine {
            sku: line.sku,
            quantity: quantity(line.quantity),
            product_id: line.product_id.to_string(),
            name: line.name,
            unit_minor: line.unit_minor,
            total_minor: line.total_minor,
        });
        let lines = lines.collect();
        Ok(Response::new(wire::QuoteResponse { currency: currency.to_string(), lines, total_minor }))
    }

    async fn reserve(
        &self,
        request: Request<wire::ReserveRequest>,
    ) -> Result<Response<wire::Reservation>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let id = id(&request.reservation_id)?;
        let lines = lines(&request.lines)?;
        if !TTL.contains(&request.ttl_seconds) {
            let detail = format!("write from {} to {}", TTL.start(), TTL.end());
            return Err(invalid("ttl_seconds", detail));
        }
        let ttl = Duration::from_secs(request.ttl_seconds.unsigned_abs().into());
        let wanted = reservations::Request { id, owner: &caller.service, lines: &lines, ttl };
        match reservations::reserve(&self.app.pool, &wanted).await {
            Ok(reservation) => {
                self.app.stock_changed();
                Ok(Response::new(told(reservation)))
            }
            Err(error) => {
                if matches!(error, NotReserved::Short(_)) {
                    tracing::info!(reservation = %id, %error, "nothing was reserved");
                }
                Err(not_reserved(error))
            }
        }
    }

    async fn commit(
        &self,
        request: Request<wire::ReservationRef>,
    ) -> Result<Response<wire::Reservation>, Status> {
        self.settle(request, Action::Commit).await
    }

    async fn release(
        &self,
        request: Request<wire::ReservationRef>,
    ) -> Result<Response<wire::Reservation>, Status> {
        self.settle(request, Action::Release).await
    }

    type WatchStockStream = BoxStream<'static, Result<wire::Stock, Status>>;

    async fn watch_stock(
        &self,
        request: Request<wire::WatchStockRequest>,
    ) -> Result<Response<Self::WatchStockStream>, Status> {
        let skus = skus(request.into_inner().skus)?;
        Ok(Response::new(watch(self.app.clone(), self.drain.clone(), skus)))
    }
}

fn id(text: &str) -> Result<Uuid, Status> {
    Uuid::parse_str(text).map_err(|_| invalid("reservation_id", "write a UUID"))
}

fn skus(sent: Vec<String>) -> Result<Vec<String>, Status> {
    if sent.is_empty() || sent.len() > MAX_SKUS {
        return Err(invalid("skus", format!("write from 1 to {MAX_SKUS}")));
    }
    for (index, sku) in sent.iter().enumerate() {
        Sku::try_from(sku.as_str()).map_err(|error| invalid(&format!("skus[{index}]"), error))?;
    }
    Ok(sent)
}

fn lines(sent: &[wire::Line]) -> Result<Lines, Status> {
    Lines::new(sent.iter().map(|line| (line.sku.as_str(), i64::from(line.quantity)))).map_err(|error| {
        let text = error.to_string();
        let (field, detail) = text.split_once(": ").unwrap_or(("lines", &text));
        invalid(field, detail)
    })
}

fn quantity(quantity: i64) -> i32 {
    i32::try_from(quantity).unwrap_or(i32::MAX)
}

fn told(reservation: Reservation) -> wire::Reservation {
    let state = match reservation.state {
        State::Active => wire::ReservationState::Active,
        State::Committed => wire::ReservationState::Committed,
        State::Released => wire::ReservationState::Released,
        State::Expired => wire::ReservationState::Expired,
    };
    let expires_at = prost_types::Timestamp {
        seconds: reservation.expires_at.as_second(),
        nanos: reservation.expires_at.subsec_nanosecond(),
    };
    let lines = reservation.lines.into_iter();
    wire::Reservation {
        reservation_id: reservation.id.to_string(),
        state: state.into(),
        expires_at: Some(expires_at),
        lines: lines.map(|line| wire::Line { sku: line.sku, quantity: quantity(line.quantity) }).collect(),
    }
}
