//! Who asks.

use flotilla_kit::auth::{HEADER, Identity};
use tonic::{Status, metadata::MetadataMap};

use crate::app::App;

/// The service that asks, and for whom. Others are refused.
pub(super) fn caller(app: &App, metadata: &MetadataMap) -> Result<Identity, Status> {
    let mut sent = metadata.get_all(HEADER.as_str()).iter();
    let token = match (sent.next(), sent.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    let token = token.ok_or_else(|| Status::unauthenticated(format!("send who you are as {HEADER}")))?;
    app.trust.verify(token).map_err(|refused| Status::unauthenticated(refused.to_string()))
}

/// That it is this service.
pub(super) fn only(identity: &Identity, service: &str) -> Result<(), Status> {
    if identity.service == service {
        return Ok(());
    }
    Err(Status::permission_denied(format!("this is for {service}")))
}
