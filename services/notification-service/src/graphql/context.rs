//! What resolvers have at hand.

use std::collections::HashMap;

use async_graphql::{
    Context, ID,
    dataloader::{DataLoader, Loader},
};
use axum::http::StatusCode;
use flotilla_kit::{
    auth::{Bearer, Claims},
    database::Pool,
    graphql::Asker,
    http::Problem,
};
use uuid::Uuid;

use crate::{
    actions::may_see,
    http::App,
    store::{
        deliveries::{self, Delivery},
        notifications::{self, Notification},
    },
};

/// The service.
pub(super) fn app<'a>(context: &Context<'a>) -> Result<&'a App, Problem> {
    context.data::<App>().map_err(|_| missing("the service"))
}

/// Whoever asks, or 401.
pub(super) fn claims<'a>(context: &Context<'a>) -> Result<&'a Claims, Problem> {
    Asker::<Bearer>::of(context).map(|Bearer(claims)| claims)
}

/// A notification that whoever asks may see. To others it is not there.
pub(super) async fn notification(context: &Context<'_>, id: Uuid) -> Result<Option<Notification>, Problem> {
    let Ok(claims) = claims(context) else { return Ok(None) };
    let found = log(context)?.load_one(OfId(id)).await?;
    Ok(found.filter(|found| may_see(claims, found.user)))
}

/// The deliveries of a notification.
pub(super) async fn deliveries(context: &Context<'_>, id: Uuid) -> Result<Vec<Delivery>, Problem> {
    Ok(log(context)?.load_one(OfNotification(id)).await?.unwrap_or_default())
}

/// An id that somebody sent as `name`.
pub(super) fn uuid(name: &'static str, sent: &ID) -> Result<Uuid, Problem> {
    Uuid::try_parse(sent).map_err(|_| {
        let detail = "an argument cannot be taken; errors says which";
        Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail).parameter(name, "expected a UUID")
    })
}

fn log<'a>(context: &Context<'a>) -> Result<&'a DataLoader<Log>, Problem> {
    context.data::<DataLoader<Log>>().map_err(|_| missing("the loader"))
}

fn missing(what: &str) -> Problem {
    Problem::internal(&std::io::Error::other(format!("a request came without {what}")))
}

/// Loads what was told, and what became of it.
pub(super) struct Log(pub Pool);

/// A notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct OfId(Uuid);

/// The deliveries of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct OfNotification(Uuid);

impl Loader<OfId> for Log {
    type Value = Notification;
    type Error = Problem;

    async fn load(&self, keys: &[OfId]) -> Result<HashMap<OfId, Notification>, Problem> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = notifications::batch(&self.0, &ids).await?;
        Ok(found.into_iter().map(|one| (OfId(one.id), one)).collect())
    }
}

impl Loader<OfNotification> for Log {
    type Value = Vec<Delivery>;
    type Error = Problem;

    async fn load(&self, keys: &[OfNotification]) -> Result<HashMap<OfNotification, Vec<Delivery>>, Problem> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = deliveries::of(&self.0, &ids).await?;
        Ok(found.into_iter().map(|(id, deliveries)| (OfNotification(id), deliveries)).collect())
    }
}
