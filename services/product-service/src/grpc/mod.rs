//! The gRPC API (`shop.product.v1`), for other services. Each says who it is (see [`flotilla_kit::auth`]).

mod products;
mod status;
mod watch;

use std::sync::Arc;

use axum::Router;
use flotilla_kit::{
    drain::Drain,
    grpc::{self, Unable},
    metrics::Metrics,
};
use flotilla_proto::{DESCRIPTORS, product::products_server::ProductsServer};

use crate::app::App;

/// All of it, with health and reflection.
pub fn router(app: App, drain: &Drain, metrics: Arc<Metrics>) -> Result<Router, Unable> {
    let trust = app.trust.clone();
    let service = products::Service::new(app, drain.clone());
    grpc::router(ProductsServer::new(service), DESCRIPTORS, trust, drain, metrics)
}
