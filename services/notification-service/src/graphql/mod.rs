//! The subgraph of notifications, at `POST /graphql`. Whoever asks may see and do what they may over REST.

mod context;
mod mutation;
mod notification;
mod preferences;
mod query;
mod user;

use async_graphql::{EmptySubscription, Schema, SchemaBuilder};
use axum::Router;
use flotilla_kit::{
    auth::Bearer,
    graphql::{self, Asker},
};

use self::{context::Log, mutation::Mutation, query::Query};
use crate::http::App;

fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query, Mutation, EmptySubscription)
}

/// The schema, as it is committed.
pub fn sdl() -> String {
    graphql::sdl(builder())
}

/// The route.
pub(crate) fn router(app: App) -> Router {
    graphql::router::<Asker<Bearer>, _, _>(app, builder(), |app| Log(app.pool.clone()))
}
