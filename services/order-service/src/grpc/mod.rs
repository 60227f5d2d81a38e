//! The gRPC API (`shop.order.v1`), for other services.

mod around;
mod orders;

use axum::{Router, middleware};
use flotilla_proto::{DESCRIPTORS, order::orders_server::OrdersServer};
use tonic::service::Routes;

use self::orders::Orders;
use crate::app::App;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
#[error("the descriptors of the gRPC interfaces cannot be read")]
pub struct NoReflection(#[from] tonic_reflection::server::Error);

/// All services: this one's, health and reflection.
pub async fn router(app: App) -> Result<Router, NoReflection> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<OrdersServer<Orders>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let routes = Routes::new(OrdersServer::new(Orders::new(app))).add_service(health).add_service(reflection);
    Ok(routes.into_axum_router().layer(middleware::from_fn(around::around)))
}
