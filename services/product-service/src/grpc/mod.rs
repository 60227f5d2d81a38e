//! The gRPC API (`shop.product.v1`), for other services. Each says who it is (see [`flotilla_kit::auth`]).

mod around;
mod products;
mod status;
mod watch;

use axum::{Router, middleware};
use flotilla_kit::drain::Drain;
use flotilla_proto::{DESCRIPTORS, product::products_server::ProductsServer};
use tonic::service::Routes;

use crate::app::{App, Invalid};

/// All of it, with health and reflection.
pub fn router(app: App, drain: Drain) -> Result<Router, Invalid> {
    let (health, checks) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let serving = drain.clone();
    tokio::spawn(async move {
        health.set_serving::<ProductsServer<products::Service>>().await;
        serving.at_least(flotilla_kit::drain::Phase::Leaving).await;
        health.set_not_serving::<ProductsServer<products::Service>>().await;
    });
    let routes = Routes::new(ProductsServer::new(products::Service::new(app, drain)))
        .add_service(checks)
        .add_service(reflection);
    Ok(routes.prepare().into_axum_router().layer(middleware::from_fn(around::around)))
}
