//! What other services know of somebody, asked of each over gRPC.

use std::time::Duration;

use axum::http::Uri;
use flotilla_kit::{
    auth::{NoIdentity, Subject},
    grpc,
};
use flotilla_proto::{notification, order};
use serde_json::Value;
use tonic::{Request, Status, transport::Channel};
use uuid::Uuid;

use crate::app::App;

/// How long a service may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why one said nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// This service cannot say who it is.
    #[error("SHOP_SERVICE_KEY is needed to ask other services")]
    NoKey,
    /// The same.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// It is not there, or refuses.
    #[error("{0} does not say what it knows: {1}")]
    Refused(String, Box<Status>),
    /// What it says is no JSON.
    #[error("{0} says something that is no JSON")]
    NoJson(String, #[source] serde_json::Error),
}

/// Something that is known of somebody.
pub(super) struct Record {
    /// The service, and its table.
    pub source: String,
    /// What it says.
    pub json: Value,
}

/// Asks a service for all that it knows of somebody.
pub(super) async fn ask(app: &App, service: &str, address: &Uri, user: Uuid) -> Result<Vec<Record>, Failed> {
    let refused = |status: Status| Failed::Refused(service.to_owned(), Box::new(status));
    let channel = grpc::channel(address.clone());
    let user_id = user.to_string();
    let mut sent = Vec::new();
    if service == "order-service" {
        let request = signed(app, service, user, order::ExportUserDataRequest { user_id })?;
        let mut client = order::orders_client::OrdersClient::<Channel>::new(channel);
        let mut stream = client.export_user_data(request).await.map_err(refused)?.into_inner();
        while let Some(record) = stream.message().await.map_err(refused)? {
            sent.push((record.source, record.json));
        }
    } else {
        let request = signed(app, service, user, notification::ExportUserDataRequest { user_id })?;
        let mut client = notification::notifications_client::NotificationsClient::<Channel>::new(channel);
        let mut stream = client.export_user_data(request).await.map_err(refused)?.into_inner();
        while let Some(record) = stream.message().await.map_err(refused)? {
            sent.push((record.source, record.json));
        }
    }
    let parse = |(source, json): (String, String)| {
        let json = serde_json::from_str(&json).map_err(|error| Failed::NoJson(service.to_owned(), error))?;
        Ok(Record { source, json })
    };
    sent.into_iter().map(parse).collect()
}

/// A request that says who asks, and for whom.
fn signed<T>(app: &App, service: &str, user: Uuid, message: T) -> Result<Request<T>, Failed> {
    let signer = app.signer.as_ref().ok_or(Failed::NoKey)?;
    let subject = Subject { user: Some(user.to_string()), ..Subject::default() };
    Ok(grpc::request(message, signer, service, &subject, PATIENCE)?)
}
