//! What resolvers have at hand.

use std::collections::HashMap;

use async_graphql::{
    Context, ID,
    dataloader::{DataLoader, Loader},
};
use axum::http::StatusCode;
use flotilla_kit::{database::Pool, graphql::Asker, http::Problem};
use uuid::Uuid;

use crate::{
    actions::Principal,
    app::App,
    domain::payment::Status,
    store::{
        orders::{self, Line, Order},
        payments,
    },
};

/// The service.
pub(super) fn app<'a>(context: &Context<'a>) -> Result<&'a App, Problem> {
    context.data::<App>().map_err(|_| missing("the service"))
}

/// Whoever asks, or 401.
pub(super) fn principal<'a>(context: &Context<'a>) -> Result<&'a Principal, Problem> {
    Asker::of(context)
}

/// An order that whoever asks may see. To others it is not there.
pub(super) async fn order(context: &Context<'_>, id: Uuid) -> Result<Option<Order>, Problem> {
    let Ok(asker) = principal(context) else { return Ok(None) };
    let found = loads(context)?.load_one(OfId(id)).await?;
    Ok(found.filter(|order| asker.may_see(order.user_id)))
}

/// The lines of an order.
pub(super) async fn lines(context: &Context<'_>, order: Uuid) -> Result<Vec<Line>, Problem> {
    Ok(loads(context)?.load_one(LinesOf(order)).await?.unwrap_or_default())
}

/// How far a payment is.
pub(super) async fn payment(context: &Context<'_>, id: Uuid) -> Result<Status, Problem> {
    let found = loads(context)?.load_one(PaymentOf(id)).await?;
    found.ok_or_else(|| sqlx::Error::RowNotFound.into())
}

/// An id that somebody sent as `name`.
pub(super) fn uuid(name: &'static str, sent: &ID) -> Result<Uuid, Problem> {
    Uuid::try_parse(sent).map_err(|_| wrong(name, "expected a UUID"))
}

/// An argument cannot be taken.
pub(super) fn wrong(name: &'static str, detail: impl Into<String>) -> Problem {
    let problem = Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid_parameter",
        "an argument cannot be taken; errors says which",
    );
    problem.parameter(name, detail.into())
}

fn loads<'a>(context: &Context<'a>) -> Result<&'a DataLoader<Orders>, Problem> {
    context.data::<DataLoader<Orders>>().map_err(|_| missing("the loader"))
}

fn missing(what: &str) -> Problem {
    Problem::internal(&std::io::Error::other(format!("a request came without {what}")))
}

/// Loads orders, and what is of them.
pub(super) struct Orders(pub Pool);

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct OfId(Uuid);

/// The lines of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LinesOf(Uuid);

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PaymentOf(Uuid);

impl Loader<OfId> for Orders {
    type Value = Order;
    type Error = Problem;

    async fn load(&self, ids: &[OfId]) -> Result<HashMap<OfId, Order>, Problem> {
        let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
        let found = orders::batch(&self.0, &ids).await?;
        Ok(found.into_iter().map(|order| (OfId(order.id), order)).collect())
    }
}

impl Loader<LinesOf> for Orders {
    type Value = Vec<Line>;
    type Error = Problem;

    async fn load(&self, ids: &[LinesOf]) -> Result<HashMap<LinesOf, Vec<Line>>, Problem> {
        let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
        let found = orders::lines_of(&self.0, &ids).await?;
        Ok(found.into_iter().map(|(id, lines)| (LinesOf(id), lines)).collect())
    }
}

impl Loader<PaymentOf> for Orders {
    type Value = Status;
    type Error = Problem;

    async fn load(&self, ids: &[PaymentOf]) -> Result<HashMap<PaymentOf, Status>, Problem> {
        let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
        let found = payments::statuses(&self.0, &ids).await?;
        Ok(found.into_iter().map(|(id, status)| (PaymentOf(id), status)).collect())
    }
}
