//! The subgraph of notifications, at `POST /graphql`. Whoever asks may see and do what they may over REST.

mod context;
mod mutation;
mod notification;
mod preferences;
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
    auth::{Bearer, Verifier},
    graphql::{self, Asker, answer, finish, loader},
    http::Json,
};

use self::{context::Log, mutation::Mutation, query::Query};
use crate::http::App;

type Api = Schema<Query, Mutation, EmptySubscription>;

fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query, Mutation, EmptySubscription)
}

/// The schema, as it is committed.
pub fn sdl() -> String {
    graphql::sdl(&finish(builder()))
}

/// The route.
pub(crate) fn router(app: App) -> Router {
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
        Self::from_ref(&graph.app)
    }
}

async fn handle(
    State(Graph { app, api }): State<Graph>,
    headers: HeaderMap,
    asker: Asker<Bearer>,
    Json(request): Json<Request>,
) -> Response {
    answer(&api, &headers, request.data(asker).data(loader(Log(app.pool)))).await
}
