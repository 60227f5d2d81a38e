//! The subgraph of orders and carts, at `POST /graphql`. Whoever asks may see and do what they may over REST.

mod cart;
mod context;
mod mutation;
mod order;
mod query;
mod user;

use async_graphql::{EmptySubscription, Schema, SchemaBuilder};
use axum::Router;
use flotilla_kit::graphql::{self, Asker};

use self::{context::Orders, mutation::Mutation, query::Query};
use crate::{actions::Principal, app::App};

fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query, Mutation, EmptySubscription)
}

/// The schema, as it is committed.
pub fn sdl() -> String {
    graphql::sdl(builder())
}

/// The route.
pub fn router(app: App) -> Router {
    graphql::router::<Asker<Principal>, _, _>(app, builder(), |app| Orders(app.pool.clone()))
}
