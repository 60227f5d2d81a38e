//! The gRPC API (`shop.user.v1`), for other services.

mod around;
mod caller;
mod users;

use axum::{Router, middleware};
use flotilla_kit::drain::{Drain, Phase};
use flotilla_proto::{DESCRIPTORS, user::users_server::UsersServer};
use tonic::service::Routes;

use self::users::Users;
use crate::app::App;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
#[error("the descriptors of the gRPC interfaces cannot be read")]
pub struct NoReflection(#[from] tonic_reflection::server::Error);

/// All services: this one's, health and reflection.
pub fn router(app: App, drain: Drain) -> Result<Router, NoReflection> {
    let (reporter, health) = tonic_health::server::health_reporter();
    tokio::spawn(async move {
        reporter.set_serving::<UsersServer<Users>>().await;
        drain.at_least(Phase::Leaving).await;
        reporter.set_not_serving::<UsersServer<Users>>().await;
    });
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let routes = Routes::new(UsersServer::new(Users::new(app))).add_service(health).add_service(reflection);
    Ok(routes.into_axum_router().layer(middleware::from_fn(around::around)))
}
