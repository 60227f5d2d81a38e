//! `shop.order.v1.Orders`. Who asks is another service; when it asks for somebody, it sees what they may see.

use flotilla_kit::{auth::Identity, grpc, http::Problem};
use flotilla_proto::order::{
    ExportUserDataRequest, ExportedRecord, GetOrderRequest, ListOrdersByUserRequest,
    ListOrdersByUserResponse, Order, OrderLine, orders_server::Orders as Interface,
};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use jiff::Timestamp;
use serde_json::json;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{
    app::App,
    domain::payment,
    store::{self, audit, orders, payments, refunds},
};

/// Orders of a page when a caller does not say, and at most.
const PAGE: (i32, i32) = (20, 100);

/// Events of an order that are exported at most.
const EVENTS: i64 = 1_000;

/// The service.
#[derive(Debug)]
pub(super) struct Orders {
    app: App,
}

impl Orders {
    pub(super) fn new(app: App) -> Self {
        Self { app }
    }

    /// Orders with all that is of them, however many, in two queries.
    async fn whole(&self, orders: Vec<orders::Order>) -> Result<Vec<Order>, store::Error> {
        let ids: Vec<_> = orders.iter().map(|order| order.id).collect();
        let payments: Vec<_> = orders.iter().map(|order| order.payment_id).collect();
        let mut lines = orders::lines_of(&self.app.pool, &ids).await?;
        let payments = payments::statuses(&self.app.pool, &payments).await?;
        let whole = orders.into_iter().map(|order| {
            let payment = payments.get(&order.payment_id).ok_or(sqlx::Error::RowNotFound)?;
            let lines = lines.remove(&order.id).unwrap_or_default();
            Ok(wire(order, *payment, lines))
        });
        whole.collect()
    }

    /// All that is known of an order, for whoever it is about.
    async fn record(&self, order: orders::Order) -> Result<ExportedRecord, store::Error> {
        let pool = &self.app.pool;
        let happened: Vec<_> = audit::happened(pool, order.id, 0, EVENTS)
            .await?
            .into_iter()
            .map(|event| json!({ "version": event.version, "kind": event.kind, "to": event.to, "at": event.at }))
            .collect();
        let payments: Vec<_> = payments::list(pool, order.id)
            .await?
            .into_iter()
            .map(|payment| {
                json!({
                    "id": payment.id,
                    "method": payment.method,
                    "status": payment.known.status,
                    "amount_minor": payment.amount_minor,
                    "captured_minor": payment.known.captured_minor,
                    "refunded_minor": payment.known.refunded_minor,
                })
            })
            .collect();
        let refunds: Vec<_> = refunds::list(pool, order.id)
            .await?
            .into_iter()
            .map(|refund| json!({ "id": refund.id, "amount_minor": refund.amount_minor, "reason": refund.reason, "status": refund.status }))
            .collect();
        let mut connection = pool.acquire().await?;
        let lines = orders::lines(&mut connection, order.id).await?;
        connection.done();
        let lines: Vec<_> = lines
            .into_iter()
            .map(|line| json!({ "sku": line.sku, "name": line.name, "quantity": line.quantity, "total_minor": line.total_minor }))
            .collect();
        let record = json!({
            "id": order.id,
            "status": order.status,
            "reason": order.reason,
            "currency": order.currency,
            "total_minor": order.total_minor,
            "refunded_minor": order.refunded_minor,
            "ship_to": order.ship_to,
            "tracking": order.tracking,
            "created_at": order.created_at,
            "lines": lines,
            "payments": payments,
            "refunds": refunds,
            "events": happened,
        });
        Ok(ExportedRecord { source: "order-service/orders".to_owned(), json: record.to_string() })
    }
}

#[tonic::async_trait]
impl Interface for Orders {
    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<Order>, Status> {
        let caller = grpc::caller(&request)?;
        let id = id(&request.get_ref().id, "id")?;
        let order = orders::get(&self.app.pool, id).await.map_err(failed)?;
        let order = order.filter(|order| may_see(&caller, order.user_id));
        let whole = self.whole(order.into_iter().collect()).await.map_err(failed)?;
        let order = whole.into_iter().next().ok_or_else(|| Status::not_found("there is no such order"))?;
        Ok(Response::new(order))
    }

    async fn list_orders_by_user(
        &self,
        request: Request<ListOrdersByUserRequest>,
    ) -> Result<Response<ListOrdersByUserResponse>, Status> {
        let caller = grpc::caller(&request)?;
        let request = request.into_inner();
        let user = id(&request.user_id, "user_id")?;
        if !may_see(&caller, user) {
            return Err(Status::permission_denied("these are somebody else's"));
        }
        let size = match request.page_size {
            0 => PAGE.0,
            size if (1..=PAGE.1).contains(&size) => size,
            _ => return Err(Status::invalid_argument(format!("page_size: write from 1 to {}", PAGE.1))),
        };
        let scope = format!("shop.order.v1/{user}");
        let open = |token: &str| self.app.cursors.open::<Uuid>(&scope, token);
        let after = Some(request.page_token.as_str()).filter(|token| !token.is_empty()).map(open).transpose();
        let after = after.map_err(|problem: Problem| {
            Status::invalid_argument(format!("page_token: {}", problem.code()))
        })?;
        let mut found =
            orders::list(&self.app.pool, user, after, i64::from(size) + 1).await.map_err(failed)?;
        let size = usize::try_from(size).unwrap_or_default();
        let has_more = found.len() > size;
        found.truncate(size);
        let last = found.last().filter(|_| has_more).map(|order| order.id);
        let next = last.map(|last| self.app.cursors.seal(&scope, &last)).transpose();
        let next_page_token = next.map_err(|error| failed(error.into()))?.unwrap_or_default();
        let orders = self.whole(found).await.map_err(failed)?;
        Ok(Response::new(ListOrdersByUserResponse { orders, next_page_token }))
    }

    type ExportUserDataStream = BoxStream<'static, Result<ExportedRecord, Status>>;

    async fn export_user_data(
        &self,
        request: Request<ExportUserDataRequest>,
    ) -> Result<Response<Self::ExportUserDataStream>, Status> {
        let caller = grpc::caller(&request)?;
        let user = id(&request.get_ref().user_id, "user_id")?;
        if !may_see(&caller, user) {
            return Err(Status::permission_denied("this is somebody else's"));
        }
        let this = Self { app: self.app.clone() };
        let pages = stream::try_unfold((this, None, false), move |(this, after, is_end)| async move {
            if is_end {
                return Ok(None);
            }
            let page = orders::list(&this.app.pool, user, after, i64::from(PAGE.1)).await.map_err(failed)?;
            let Some(last) = page.last().map(|order| order.id) else { return Ok(None) };
            let is_end = page.len() < usize::try_from(PAGE.1).unwrap_or_default();
            let mut records = Vec::new();
            for order in page {
                records.push(Ok(this.record(order).await.map_err(failed)?));
            }
            Ok::<_, Status>(Some((records, (this, Some(last), is_end))))
        });
        let records = pages.flat_map(|page| match page {
            Ok(records) => stream::iter(records),
            Err(status) => stream::iter(vec![Err(status)]),
        });
        Ok(Response::new(Box::pin(records)))
    }
}

fn wire(order: orders::Order, payment: payment::Status, lines: Vec<orders::Line>) -> Order {
    let lines = lines.into_iter().map(|line| OrderLine {
        sku: line.sku,
        product_id: line.product_id,
        name: line.name,
        quantity: line.quantity,
        unit_minor: line.unit_minor,
        total_minor: line.total_minor,
    });
    Order {
        id: order.id.to_string(),
        user_id: order.user_id.to_string(),
        status: order.status.to_string(),
        payment_status: payment.to_string(),
        currency: order.currency,
        total_minor: order.total_minor,
        refunded_minor: order.refunded_minor,
        lines: lines.collect(),
        version: order.version,
        created_at: Some(timestamp(order.created_at)),
    }
}

fn may_see(caller: &Identity, owner: Uuid) -> bool {
    let is_admin = caller.subject.roles.iter().any(|role| role == "admin");
    match &caller.subject.user {
        None => true,
        Some(user) => is_admin || *user == owner.to_string(),
    }
}

fn id(text: &str, name: &str) -> Result<Uuid, Status> {
    Uuid::try_parse(text).map_err(|_| Status::invalid_argument(format!("{name}: write a UUID")))
}

fn failed(error: store::Error) -> Status {
    match error {
        store::Error::Database(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_)) => {
            tracing::warn!(%error, "the database is not available");
            Status::unavailable("the service cannot do this now; try again")
        }
        error => {
            tracing::error!(%error, "a request failed");
            Status::internal("the service failed")
        }
    }
}

fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}
