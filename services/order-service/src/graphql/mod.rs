//! The subgraph of orders and carts, at `POST /graphql`. Whoever asks may see and do what they may over REST.

mod cart;
mod context;
mod mutation;
mod order;
mod query;
mod user;

use async_graphql::{EmptySubscription, Request, Schema, SchemaBuilder};
use axum::{
    Router,
    extract::{FromRef, State},
    http::HeaderMap,
    response::Response,
    routing::post,
};
use flotilla_kit::{
    graphql::{self, Asker, answer, finish, loader},
    http::Json,
};

use self::{context::Orders, mutation::Mutation, query::Query};
use crate::{actions::Principal, app::App};

type Api = Schema<Query, Mutation, EmptySubscription>;

fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query, Mutation, EmptySubscription)
}

/// The schema, as it is committed.
pub fn sdl() -> String {
    graphql::sdl(&finish(builder()))
}

/// The route.
pub fn router(app: App) -> Router {
    let api = finish(builder().data(app.clone()));
    Router::new().route("/graphql", post(handle)).with_state(Graph { app, api })
}

#[derive(Clone)]
struct Graph {
    app: App,
    api: Api,
}

impl FromRef<Graph> for App {
    fn from_ref(graph: &Graph) -> Self {
        graph.app.clone()
    }
}

async fn handle(
    State(Graph { app, api }): State<Graph>,
    headers: HeaderMap,
    asker: Asker<Principal>,
    Json(request): Json<Request>,
) -> Response {
    answer(&api, &headers, request.data(asker).data(loader(Orders(app.pool)))).await
}
