//! The route of a subgraph.

use async_graphql::{ObjectType, Request, SchemaBuilder, SubscriptionType};
use axum::{
    Router,
    extract::{FromRequestParts, State},
    http::HeaderMap,
    routing::post,
};

use super::{endpoint::answer, finish, loader::loader};
use crate::http::{Json, Problem};

/// `POST /graphql`. Resolvers have as their data the state of the service, whoever asks (`A`, as the service takes it from a
/// request) and a loader of their request, of what `loads` makes of the state.
pub fn router<A, T, L>(
    state: T,
    builder: SchemaBuilder<
        impl ObjectType + 'static,
        impl ObjectType + 'static,
        impl SubscriptionType + 'static,
    >,
    loads: fn(&T) -> L,
) -> Router
where
    A: FromRequestParts<T, Rejection = Problem> + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    L: Send + Sync + 'static,
{
    let schema = finish(builder.data(state.clone()));
    let handle = move |State(state): State<T>, headers: HeaderMap, asker: A, Json(request): Json<Request>| async move {
        answer(&schema, &headers, request.data(asker).data(loader(loads(&state)))).await
    };
    Router::new().route("/graphql", post(handle)).with_state(state)
}
