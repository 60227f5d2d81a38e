//! The gRPC API (`shop.order.v1`), for other services.

mod orders;

use std::sync::Arc;

use axum::Router;
use flotilla_kit::{
    grpc::{self, Unable},
    metrics::Metrics,
};
use flotilla_proto::{DESCRIPTORS, order::orders_server::OrdersServer};

use self::orders::Orders;
use crate::app::App;

/// All of it, with health and reflection.
pub fn router(app: App, metrics: Arc<Metrics>) -> Result<Router, Unable> {
    let (trust, drain) = (app.trust.clone(), app.drain.clone());
    grpc::router(OrdersServer::new(Orders::new(app)), DESCRIPTORS, trust, &drain, metrics)
}
