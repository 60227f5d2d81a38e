//! The subgraph of what is sold, at `POST /graphql`. It is read, also by those who do not say who they are; whoever asks sees
//! what they see over REST.

mod category;
mod context;
mod list;
mod product;
mod query;
mod variant;

use async_graphql::{EmptyMutation, EmptySubscription, Request, Schema, SchemaBuilder};
use axum::{
    Router,
    extract::{FromRef, State},
    http::HeaderMap,
    response::Response,
    routing::post,
};
use flotilla_kit::{
    auth::Verifier,
    graphql::{self, answer, finish, loader},
    http::Json,
};

use self::{context::Catalogue, query::Query};
use crate::{app::App, visitor::Visitor};

type Api = Schema<Query, EmptyMutation, EmptySubscription>;

fn builder() -> SchemaBuilder<Query, EmptyMutation, EmptySubscription> {
    Schema::build(Query, EmptyMutation, EmptySubscription)
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

impl FromRef<Graph> for Verifier {
    fn from_ref(graph: &Graph) -> Self {
        graph.app.verifier.clone()
    }
}

async fn handle(
    State(Graph { app, api }): State<Graph>,
    headers: HeaderMap,
    visitor: Visitor,
    Json(request): Json<Request>,
) -> Response {
    answer(&api, &headers, request.data(visitor).data(loader(Catalogue(app.pool)))).await
}
