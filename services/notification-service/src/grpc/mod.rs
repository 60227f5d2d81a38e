//! The gRPC API, for other services.

use std::{pin::Pin, sync::Arc};

use axum::{Router, http::StatusCode};
use flotilla_kit::{
    auth::Trust,
    correlation::CorrelationId,
    database::Pool,
    drain::Drain,
    grpc::{self, Unable},
    http::Problem,
    metrics::Metrics,
};
use flotilla_proto::{
    DESCRIPTORS,
    notification::{
        ExportUserDataRequest, ExportedRecord, GetStatusRequest, Notification, SendRequest,
        notifications_server::{Notifications, NotificationsServer},
    },
};
use futures::{Stream, stream};
use prost_types::Timestamp as ProtoTimestamp;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{
    requests::{self, Wrong},
    store::notifications,
    worker::Bell,
};

/// Bytes that a key may have.
const MAX_KEY: usize = 255;

/// Who may ask for everything that is known of somebody.
const EXPORTER: &str = "user-service";

struct Service {
    pool: Pool,
    bell: Bell,
}

/// All of it, with health and reflection.
pub(crate) fn router(
    pool: Pool,
    bell: Bell,
    trust: Trust,
    drain: &Drain,
    metrics: Arc<Metrics>,
) -> Result<Router, Unable> {
    grpc::router(NotificationsServer::new(Service { pool, bell }), DESCRIPTORS, trust, drain, metrics)
}

/// As it is in REST: the cause is logged, and told only when it is worth trying again.
fn failed(error: impl Into<Problem>) -> Status {
    if error.into().status() == StatusCode::SERVICE_UNAVAILABLE {
        Status::unavailable("the service cannot do this now; try again")
    } else {
        Status::internal("the service failed")
    }
}

fn id(name: &str, text: &str) -> Result<Uuid, Status> {
    text.parse().map_err(|_| Status::invalid_argument(format!("{name}: write a UUID")))
}

fn view(of: notifications::Notification) -> Notification {
    let status = of.status();
    Notification {
        id: of.id.to_string(),
        user_id: of.user.map(|user| user.to_string()).unwrap_or_default(),
        template: of.template,
        status: status.as_str().to_owned(),
        created_at: Some(ProtoTimestamp {
            seconds: of.created_at.as_second(),
            nanos: of.created_at.subsec_nanosecond(),
        }),
    }
}

#[tonic::async_trait]
impl Notifications for Service {
    async fn send(&self, request: Request<SendRequest>) -> Result<Response<Notification>, Status> {
        let caller = grpc::caller(&request)?;
        let correlation = CorrelationId::current();
        let message = request.into_inner();
        let user = id("user_id", &message.user_id)?;
        let is_key = (1..=MAX_KEY).contains(&message.key.len()) && !message.key.chars().any(char::is_control);
        if !is_key {
            return Err(Status::invalid_argument(format!("key: write from 1 to {MAX_KEY} bytes of text")));
        }
        let data = serde_json::from_str(&message.data_json).unwrap_or_default();
        let wanted =
            requests::Request::new(&self.pool, user, &message.template, data).await.map_err(failed)?;
        let wanted = wanted.map_err(|wrong| {
            let field = if matches!(wrong, Wrong::Template) { "template" } else { "data_json" };
            Status::invalid_argument(format!("{field}: {wrong}"))
        })?;
        let key = format!("{}/service/{}/{}", wanted.template(), caller.service, message.key);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let (id, _is_for_somebody) =
            wanted.queue(&mut transaction, &key, correlation.as_ref(), None).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        self.bell.ring();
        let known = notifications::get(&self.pool, id).await.map_err(failed)?;
        known.map(|known| Response::new(view(known))).ok_or_else(|| Status::internal("the service failed"))
    }

    async fn get_status(&self, request: Request<GetStatusRequest>) -> Result<Response<Notification>, Status> {
        let id = id("id", &request.get_ref().id)?;
        let known = notifications::get(&self.pool, id).await.map_err(failed)?;
        known
            .map(|known| Response::new(view(known)))
            .ok_or_else(|| Status::not_found("there is no such notification"))
    }

    type ExportUserDataStream = Pin<Box<dyn Stream<Item = Result<ExportedRecord, Status>> + Send>>;

    async fn export_user_data(
        &self,
        request: Request<ExportUserDataRequest>,
    ) -> Result<Response<Self::ExportUserDataStream>, Status> {
        let caller = grpc::only(&request, EXPORTER)?;
        let user = id("user_id", &request.get_ref().user_id)?;
        if caller.subject.user.as_deref() != Some(user.to_string().as_str()) {
            return Err(Status::permission_denied("ask in the name of the user whose records these are"));
        }
        let known = notifications::export(&self.pool, user).await.map_err(failed)?;
        let records = known.into_iter().map(|(table, json)| {
            Ok(ExportedRecord { source: format!("notification-service/{table}"), json: json.to_string() })
        });
        Ok(Response::new(Box::pin(stream::iter(records))))
    }
}
