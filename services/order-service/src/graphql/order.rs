//! Orders.

use async_graphql::{
    Context, Enum, ID, Object, SimpleObject,
    connection::{Connection, Edge, EmptyFields},
};
use flotilla_kit::http::Problem;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    context::{app, lines, payment, wrong},
    user::User,
};
use crate::{
    actions::orders::{cursor, list},
    domain::{
        order::{Status, Stock},
        payment,
    },
    store::{
        orders::{self, Line},
        payments,
    },
};

/// Orders of a page at most, as over REST.
const MAX: u32 = 100;

/// How far an order is.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "Status")]
pub(super) enum OrderStatus {
    /// Placed; nothing has been done for it.
    Pending,
    /// Its stock is kept for it.
    Reserved,
    /// Its money is held.
    Authorized,
    /// Its money is taken.
    Paid,
    /// It is under way.
    Shipped,
    /// It has arrived.
    Completed,
    /// There was too little of something.
    Rejected,
    /// The payment was refused; another may be tried.
    PaymentFailed,
    /// Somebody called it off; whatever was paid was given back.
    Cancelled,
    /// It was not paid in time.
    Expired,
    /// A person has to look.
    NeedsReview,
}

/// What became of an order's stock.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "Stock")]
pub(super) enum OrderStock {
    /// Nothing yet.
    None,
    /// It is kept.
    Reserved,
    /// It is taken.
    Committed,
    /// It was given back.
    Released,
}

/// How far a payment is.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "payment::Status")]
pub(super) enum PaymentStatus {
    /// Nothing has been asked of the bank.
    Created,
    /// The customer has to answer their bank.
    RequiresAction,
    /// The money is held.
    Authorized,
    /// The money is taken.
    Captured,
    /// Some of it was given back.
    PartiallyRefunded,
    /// All of it was given back.
    Refunded,
    /// What was held is free again.
    Voided,
    /// The bank said no.
    Failed,
    /// The provider was asked, and its answer was lost.
    Unknown,
}

/// A product. Another subgraph says what it is.
#[derive(SimpleObject)]
#[graphql(unresolvable)]
pub(super) struct Product {
    id: ID,
}

/// A line of an order, as it was when it was ordered.
#[derive(SimpleObject)]
pub(super) struct OrderLine {
    sku: String,
    /// As it is now, if it still is.
    product: Product,
    /// Its name, as it was.
    name: String,
    quantity: i32,
    /// What one cost, in minor units.
    unit_minor: i64,
    /// What all of them cost, in minor units.
    total_minor: i64,
}

impl From<Line> for OrderLine {
    fn from(line: Line) -> Self {
        Self {
            sku: line.sku,
            product: Product { id: line.product_id.into() },
            name: line.name,
            quantity: line.quantity,
            unit_minor: line.unit_minor,
            total_minor: line.total_minor,
        }
    }
}

/// A payment of an order.
#[derive(SimpleObject)]
pub(super) struct OrderPayment {
    id: ID,
    provider: String,
    /// The provider's name for it, with which a customer answers their bank.
    reference: Option<String>,
    status: PaymentStatus,
    amount_minor: i64,
    captured_minor: i64,
    refunded_minor: i64,
    /// Why it failed.
    failure: Option<String>,
    created_at: Timestamp,
}

impl From<payments::Payment> for OrderPayment {
    fn from(payment: payments::Payment) -> Self {
        Self {
            id: payment.id.into(),
            provider: payment.provider,
            reference: payment.reference,
            status: payment.known.status.into(),
            amount_minor: payment.amount_minor,
            captured_minor: payment.known.captured_minor,
            refunded_minor: payment.known.refunded_minor,
            failure: payment.failure,
            created_at: payment.created_at,
        }
    }
}

/// An order.
pub(super) struct Order(pub orders::Order);

/// An order.
#[Object]
impl Order {
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Whose it is.
    async fn user(&self) -> User {
        User { id: self.0.user_id.into() }
    }

    async fn status(&self) -> OrderStatus {
        self.0.status.into()
    }

    /// Why it ended, when it did not end well.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    async fn stock(&self) -> OrderStock {
        self.0.stock.into()
    }

    /// How far the payment is that counts.
    async fn payment_status(&self, context: &Context<'_>) -> Option<Result<PaymentStatus, Problem>> {
        Some(payment(context, self.0.payment_id).await.map(PaymentStatus::from))
    }

    /// ISO 4217.
    async fn currency(&self) -> &str {
        &self.0.currency
    }

    /// What it costs, in minor units.
    async fn total_minor(&self) -> i64 {
        self.0.total_minor
    }

    /// How much of that was given back, in minor units.
    async fn refunded_minor(&self) -> i64 {
        self.0.refunded_minor
    }

    /// Whether it is being called off.
    async fn cancel_requested(&self) -> bool {
        self.0.is_cancel_wanted
    }

    /// What the carrier names it.
    async fn tracking(&self) -> Option<&str> {
        self.0.tracking.as_deref()
    }

    /// What was ordered.
    #[graphql(complexity = "1 + 10 * child_complexity")]
    async fn lines(&self, context: &Context<'_>) -> Option<Result<Vec<OrderLine>, Problem>> {
        let found = lines(context, self.0.id).await;
        Some(found.map(|found| found.into_iter().map(OrderLine::from).collect()))
    }

    /// All its payments, the oldest first.
    #[graphql(complexity = "1 + 5 * child_complexity")]
    async fn payments(&self, context: &Context<'_>) -> Option<Result<Vec<OrderPayment>, Problem>> {
        let list = async {
            let found = payments::list(&app(context)?.pool, self.0.id).await?;
            Ok(found.into_iter().map(OrderPayment::from).collect())
        };
        Some(list.await)
    }

    /// How often it has changed.
    async fn version(&self) -> i64 {
        self.0.version
    }

    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }
}

/// Orders of somebody, the newest first.
pub(super) type Orders = Connection<String, Order, EmptyFields, EmptyFields>;

/// A page of what somebody has ordered.
pub(super) async fn page(
    context: &Context<'_>,
    user: Uuid,
    first: u32,
    after: Option<&str>,
) -> Result<Orders, Problem> {
    if !(1..=MAX).contains(&first) {
        return Err(wrong("first", format!("write from 1 to {MAX}")));
    }
    let app = app(context)?;
    let part = list(app, user, first, after).await?;
    let mut page = Connection::new(after.is_some(), part.next_cursor.is_some());
    for order in part.orders {
        page.edges.push(Edge::new(cursor(app, &order)?, Order(order)));
    }
    Ok(page)
}
