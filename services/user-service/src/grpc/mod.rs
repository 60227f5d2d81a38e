//! The gRPC API (`shop.user.v1`), for other services.

mod users;

use std::sync::Arc;

use axum::Router;
use flotilla_kit::{
    drain::Drain,
    grpc::{self, Unable},
    metrics::Metrics,
};
use flotilla_proto::{DESCRIPTORS, user::users_server::UsersServer};

use self::users::Users;
use crate::app::App;

/// All of it, with health and reflection.
pub fn router(app: App, drain: &Drain, metrics: Arc<Metrics>) -> Result<Router, Unable> {
    let trust = app.trust.clone();
    grpc::router(UsersServer::new(Users::new(app)), DESCRIPTORS, trust, drain, metrics)
}
