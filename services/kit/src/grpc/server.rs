//! A server of gRPC: a service with health and reflection.

use std::{convert::Infallible, sync::Arc};

use axum::{Router, middleware, response::IntoResponse};
use tonic::{body::Body, codegen::Service, server::NamedService, service::Routes};
use tonic_health::ServingStatus;

use super::{
    layer::{Around, around},
    methods::Methods,
};
use crate::{
    auth::Trust,
    drain::{Drain, Phase},
    metrics::Metrics,
};

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum Unable {
    /// What is written of the interfaces cannot be told to those who ask.
    #[error("the gRPC interfaces cannot be described")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// It cannot be read.
    #[error("the descriptors of the gRPC interfaces cannot be read")]
    Descriptors(#[from] prost::DecodeError),
}

/// The routes of a service, of the interfaces in `descriptors`, with all that is around its calls.
///
/// Only services that are trusted may call it; [`caller`](super::caller) tells which one does. Health and reflection are for
/// everybody, and health says that it does not serve as soon as the service leaves.
pub fn router<S>(
    service: S,
    descriptors: &'static [u8],
    trust: Trust,
    drain: &Drain,
    metrics: Arc<Metrics>,
) -> Result<Router, Unable>
where
    S: Service<::http::Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
{
    let (health, checks) = tonic_health::server::health_reporter();
    let leaving = drain.at_least(Phase::Leaving);
    tokio::spawn(async move {
        health.set_service_status(S::NAME, ServingStatus::Serving).await;
        leaving.await;
        for name in ["", S::NAME] {
            health.set_service_status(name, ServingStatus::NotServing).await;
        }
    });
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(descriptors)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name(S::NAME)
        .with_service_name("grpc.health.v1.Health")
        .build_v1()?;
    let known =
        [descriptors, tonic_health::pb::FILE_DESCRIPTOR_SET, tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET];
    let around_all = Around { methods: Arc::new(Methods::of(&known)?), trust, metrics };
    let routes = Routes::new(service).add_service(checks).add_service(reflection);
    Ok(routes.prepare().into_axum_router().layer(middleware::from_fn_with_state(around_all, around)))
}
