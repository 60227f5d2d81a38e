//! The gRPC API, for other services.

use std::{pin::Pin, sync::Arc};

use axum::Router;
use flotilla_kit::{
    auth::Trust,
    correlation::CorrelationId,
    drain::Drain,
    grpc::{self, Unable},
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
use jiff::Timestamp;
use prost_types::Timestamp as ProtoTimestamp;
use serde_json::Value;
use sqlx::PgPool;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{
    consumers::recipients,
    domain::{
        outcome::{State, Status as Told},
        rules,
    },
    http::REQUEST,
    store::{
        Error,
        notifications::{self, New},
    },
    worker::Bell,
};

/// Bytes that a key may have.
const MAX_KEY: usize = 255;

/// Bytes that the data of a notification may have.
const MAX_DATA: usize = 64 * 1024;

/// Who may ask for everything that is known of somebody.
const EXPORTER: &str = "user-service";

struct Service {
    pool: PgPool,
    bell: Bell,
}

/// All of it, with health and reflection.
pub(crate) fn router(
    pool: PgPool,
    bell: Bell,
    trust: Trust,
    drain: &Drain,
    metrics: Arc<Metrics>,
) -> Result<Router, Unable> {
    grpc::router(NotificationsServer::new(Service { pool, bell }), DESCRIPTORS, trust, drain, metrics)
}

fn failed(error: Error) -> Status {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut};
    if matches!(error, Error::Database(PoolTimedOut | PoolClosed | Io(_))) {
        return Status::unavailable("the service cannot do this now; try again");
    }
    tracing::error!(%error, source = ?std::error::Error::source(&error), "a call failed");
    Status::internal("the service failed")
}

fn database(error: sqlx::Error) -> Status {
    failed(error.into())
}

fn id(name: &str, text: &str) -> Result<Uuid, Status> {
    text.parse().map_err(|_| Status::invalid_argument(format!("{name}: write a UUID")))
}

fn view(of: notifications::Notification) -> Notification {
    let states: Vec<State> = of.states.iter().filter_map(|state| state.parse().ok()).collect();
    Notification {
        id: of.id.to_string(),
        user_id: of.user.map(|user| user.to_string()).unwrap_or_default(),
        template: of.template,
        status: Told::of(&states).as_str().to_owned(),
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
        if !(1..=MAX_KEY).contains(&message.key.len()) {
            return Err(Status::invalid_argument(format!("key: write from 1 to {MAX_KEY} bytes")));
        }
        let has_secret = rules::of_template(&message.template).is_some_and(|rule| rule.has_secret);
        let category = rules::category(&message.template).filter(|_| !has_secret);
        let category =
            category.ok_or_else(|| Status::invalid_argument("template: there is none of this name"))?;
        if message.data_json.len() > MAX_DATA {
            return Err(Status::invalid_argument(format!("data_json: write at most {MAX_DATA} bytes")));
        }
        let data: Value = serde_json::from_str(&message.data_json).unwrap_or_default();
        if !data.is_object() {
            return Err(Status::invalid_argument("data_json: write a JSON object"));
        }
        let is_pushed = rules::of_template(&message.template).is_some_and(|rule| rule.is_pushed);
        let key = format!("{}/{}/{}", message.template, caller.service, message.key);
        let mut transaction = self.pool.begin().await.map_err(database)?;
        let recipients = recipients(&mut transaction, user, category, is_pushed).await.map_err(failed)?;
        let new = New {
            dedupe_key: &key,
            user: Some(user),
            template: &message.template,
            category,
            subject: &message.user_id,
            kind: REQUEST,
            data: &data,
            correlation_id: correlation.as_ref().map(CorrelationId::as_str),
            traceparent: None,
            time: Timestamp::now(),
        };
        let (id, _is_new) =
            notifications::queue(&mut transaction, &new, &recipients).await.map_err(failed)?;
        transaction.commit().await.map_err(database)?;
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
        grpc::only(&request, EXPORTER)?;
        let user = id("user_id", &request.get_ref().user_id)?;
        let known = notifications::export(&self.pool, user).await.map_err(failed)?;
        let records = known.into_iter().map(|(table, json)| {
            Ok(ExportedRecord { source: format!("notification-service/{table}"), json: json.to_string() })
        });
        Ok(Response::new(Box::pin(stream::iter(records))))
    }
}
