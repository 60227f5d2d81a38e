//! The subgraph of what is sold, at `POST /graphql`. It is read, also by those who do not say who they are; whoever asks sees
//! what they see over REST.

mod category;
mod context;
mod list;
mod product;
mod query;
mod variant;

use async_graphql::{EmptyMutation, EmptySubscription, Schema, SchemaBuilder};
use axum::Router;
use flotilla_kit::graphql;

use self::{context::Catalogue, query::Query};
use crate::{app::App, visitor::Visitor};

fn builder() -> SchemaBuilder<Query, EmptyMutation, EmptySubscription> {
    Schema::build(Query, EmptyMutation, EmptySubscription)
}

/// The schema, as it is committed.
pub fn sdl() -> String {
    graphql::sdl(builder())
}

/// The route.
pub fn router(app: App) -> Router {
    graphql::router::<Visitor, _, _>(app, builder(), |app| Catalogue(app.pool.clone()))
}
