//! A service that does what its requests say.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use flotilla_kit::{correlation::CorrelationId, grpc, trace};
use flotilla_proto::notification::{
    ExportUserDataRequest, ExportedRecord, GetStatusRequest, Notification, SendRequest,
    notifications_server::Notifications,
};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::sleep;
use tonic::{Request, Response, Status};

/// Calls that have come to a handler, and those that have left it before they were done.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) begun: AtomicU32,
    pub(crate) dropped: AtomicU32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Service(pub(crate) Arc<Seen>);

/// Counts a handler that is dropped before its end.
struct Unfinished(Arc<Seen>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

fn correlation() -> String {
    CorrelationId::current().unwrap().to_string()
}

#[tonic::async_trait]
impl Notifications for Service {
    async fn send(&self, request: Request<SendRequest>) -> Result<Response<Notification>, Status> {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        let caller = grpc::caller(&request)?;
        match request.get_ref().template.as_str() {
            "panic" => panic!("it panics"),
            "for ever" => {
                let _unfinished = Unfinished(Arc::clone(&self.0));
                std::future::pending().await
            }
            _ => Ok(Response::new(Notification {
                id: correlation(),
                user_id: caller.subject.user.unwrap_or_default(),
                template: caller.service,
                status: trace::traceparent().unwrap_or_default(),
                created_at: None,
            })),
        }
    }

    async fn get_status(&self, request: Request<GetStatusRequest>) -> Result<Response<Notification>, Status> {
        grpc::only(&request, "user-service")?;
        Ok(Response::new(Notification::default()))
    }

    type ExportUserDataStream = BoxStream<'static, Result<ExportedRecord, Status>>;

    async fn export_user_data(
        &self,
        request: Request<ExportUserDataRequest>,
    ) -> Result<Response<Self::ExportUserDataStream>, Status> {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        let what = request.into_inner().user_id;
        let first = stream::once(async { Ok(ExportedRecord { source: correlation(), json: String::new() }) });
        let rest = match what.as_str() {
            "panic" => stream::once(async {
                // Else what came before is not on its way yet.
                sleep(Duration::from_millis(50)).await;
                panic!("it panics")
            })
            .boxed(),
            "for ever" => {
                let unfinished = Unfinished(Arc::clone(&self.0));
                stream::once(async move {
                    let _unfinished = unfinished;
                    std::future::pending().await
                })
                .boxed()
            }
            "refuse" => stream::once(async { Err(Status::data_loss("it is gone")) }).boxed(),
            _ => stream::empty().boxed(),
        };
        Ok(Response::new(first.chain(rest).boxed()))
    }
}
