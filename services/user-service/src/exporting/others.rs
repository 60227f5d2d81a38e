//! What other services know of somebody, asked of each over gRPC.

use std::time::Duration;

use axum::http::Uri;
use flotilla_kit::{
    auth::{NoIdentity, Subject},
    grpc::{channel, request},
};
use flotilla_proto::{
    notification::{self, notifications_client::NotificationsClient},
    order::{self, orders_client::OrdersClient},
};
use tonic::Status;
use uuid::Uuid;

use super::{Content, Failed};
use crate::app::App;

/// The service that knows orders. The other one knows mails.
pub(crate) const ORDERS: &str = "order-service";

/// How long a service may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a service said nothing.
#[derive(Debug, thiserror::Error)]
pub enum Silent {
    /// This service cannot say who it is.
    #[error("SHOP_SERVICE_KEY is needed to ask other services")]
    NoKey,
    /// The same.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// It is not there, or refuses.
    #[error("{0} does not say what it knows")]
    Refused(String, #[source] Box<Status>),
    /// What it says is no JSON.
    #[error("{0} says something that is no JSON")]
    NoJson(String, #[source] serde_json::Error),
}

/// Asks a service for all that it knows of somebody.
pub(super) async fn ask(
    app: &App,
    service: &str,
    address: &Uri,
    user: Uuid,
    content: &mut Content,
) -> Result<(), Failed> {
    let refused = |status: Status| Silent::Refused(service.to_owned(), Box::new(status));
    let signer = app.signer.as_ref().ok_or(Silent::NoKey)?;
    let user_id = user.to_string();
    let subject = Subject { user: Some(user_id.clone()), ..Subject::default() };
    let channel = channel(address.clone());
    let mut add = |source: &str, json: &str| {
        let json = serde_json::from_str(json).map_err(|error| Silent::NoJson(service.to_owned(), error))?;
        content.add(source, &json)
    };
    // Both have the same message, and Rust does not know it.
    if service == ORDERS {
        let message = order::ExportUserDataRequest { user_id };
        let asked = request(message, signer, service, &subject, PATIENCE).map_err(Silent::from)?;
        let answer = OrdersClient::new(channel).export_user_data(asked).await.map_err(refused)?;
        let mut records = answer.into_inner();
        while let Some(record) = records.message().await.map_err(refused)? {
            add(&record.source, &record.json)?;
        }
    } else {
        let message = notification::ExportUserDataRequest { user_id };
        let asked = request(message, signer, service, &subject, PATIENCE).map_err(Silent::from)?;
        let answer = NotificationsClient::new(channel).export_user_data(asked).await.map_err(refused)?;
        let mut records = answer.into_inner();
        while let Some(record) = records.message().await.map_err(refused)? {
            add(&record.source, &record.json)?;
        }
    }
    Ok(())
}
