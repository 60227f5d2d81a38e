//! The service `Users`.

use std::{pin::Pin, time::Duration};

use flotilla_kit::{
    Secret,
    grpc::{caller, only},
};
use flotilla_proto::user::{
    BatchGetUsersRequest, BatchGetUsersResponse, Contact, ExportUserDataRequest, ExportedRecord,
    GetContactRequest, GetUserRequest, IntrospectSessionRequest, RedeemReferenceRequest,
    RedeemReferenceResponse, Session, User, users_server,
};
use futures::{Stream, stream};
use jiff::Timestamp;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{
    app::{App, NAME},
    crypto::Token,
    store::{
        accounts::{self, Account},
        mails, personal,
    },
};

/// Users of a batch.
const BATCH: usize = 100;

/// For how long a reference may be redeemed again: whoever failed after it gets the same. Longer than most of their retries.
const AGAIN: Duration = Duration::from_secs(900);

/// The service.
pub(super) struct Users {
    app: App,
}

impl Users {
    pub(super) fn new(app: App) -> Self {
        Self { app }
    }
}

type Records = Pin<Box<dyn Stream<Item = Result<ExportedRecord, Status>> + Send>>;

#[tonic::async_trait]
impl users_server::Users for Users {
    type ExportUserDataStream = Records;

    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<User>, Status> {
        let id = id("id", &request.into_inner().id)?;
        let account = accounts::get(&self.app.pool, id).await.map_err(|error| failed(&error))?;
        Ok(Response::new(user(&account.ok_or_else(no_user)?)))
    }

    async fn batch_get_users(
        &self,
        request: Request<BatchGetUsersRequest>,
    ) -> Result<Response<BatchGetUsersResponse>, Status> {
        let sent = request.into_inner().ids;
        if sent.len() > BATCH {
            return Err(Status::invalid_argument(format!("ids: send at most {BATCH}")));
        }
        let ids = sent.iter().map(|text| id("ids", text)).collect::<Result<Vec<_>, _>>()?;
        let found = accounts::batch(&self.app.pool, &ids).await.map_err(|error| failed(&error))?;
        Ok(Response::new(BatchGetUsersResponse { users: found.iter().map(user).collect() }))
    }

    async fn get_contact(&self, request: Request<GetContactRequest>) -> Result<Response<Contact>, Status> {
        let id = id("user_id", &request.into_inner().user_id)?;
        let account = accounts::get(&self.app.pool, id).await.map_err(|error| failed(&error))?;
        let account = account.ok_or_else(no_user)?;
        Ok(Response::new(Contact {
            user_id: account.id.to_string(),
            email: account.email,
            name: account.name,
            locale: account.locale,
        }))
    }

    async fn redeem_reference(
        &self,
        request: Request<RedeemReferenceRequest>,
    ) -> Result<Response<RedeemReferenceResponse>, Status> {
        // Whoever redeems one can log in as somebody.
        only(&request, "notification-service")?;
        let reference = Token::parse(&Secret::new(request.into_inner().reference))
            .ok_or_else(|| Status::invalid_argument("reference: it is none"))?;
        let redeemed =
            mails::redeem(&self.app.pool, &reference.hash(), AGAIN).await.map_err(|error| failed(&error))?;
        let gone = || Status::failed_precondition("the reference was redeemed, replaced or has ended");
        let redeemed = redeemed.ok_or_else(gone)?;
        let account =
            accounts::get(&self.app.pool, redeemed.user_id).await.map_err(|error| failed(&error))?;
        let account = account.ok_or_else(gone)?;
        Ok(Response::new(RedeemReferenceResponse {
            user_id: account.id.to_string(),
            purpose: redeemed.purpose,
            token: self.app.master.mail_token(&reference).expose().to_owned(),
            expires_at: Some(timestamp(redeemed.expires_at)),
            email: redeemed.email,
            locale: account.locale,
            name: account.name,
        }))
    }

    async fn export_user_data(
        &self,
        request: Request<ExportUserDataRequest>,
    ) -> Result<Response<Self::ExportUserDataStream>, Status> {
        let identity = caller(&request)?;
        let id = id("user_id", &request.into_inner().user_id)?;
        if identity.subject.user.as_deref() != Some(id.to_string().as_str()) {
            return Err(Status::permission_denied("ask in the name of the user whose records these are"));
        }
        let records = personal::records(&self.app.pool, id).await.map_err(|error| failed(&error))?;
        let records = records.into_iter().map(|record| {
            Ok(ExportedRecord { source: format!("{NAME}/{}", record.table), json: record.json.to_string() })
        });
        Ok(Response::new(Box::pin(stream::iter(records))))
    }

    async fn introspect_session(
        &self,
        request: Request<IntrospectSessionRequest>,
    ) -> Result<Response<Session>, Status> {
        let id = id("session_id", &request.into_inner().session_id)?;
        let live = self.app.sessions.get(id).await.map_err(|error| failed(&error))?;
        Ok(Response::new(match live {
            Some(live) => Session {
                id: id.to_string(),
                active: true,
                user_id: live.user_id.to_string(),
                roles: live.roles.clone(),
            },
            None => Session { id: id.to_string(), ..Session::default() },
        }))
    }
}

fn id(field: &str, text: &str) -> Result<Uuid, Status> {
    Uuid::try_parse(text).map_err(|_| Status::invalid_argument(format!("{field}: write a UUID")))
}

fn no_user() -> Status {
    Status::not_found("there is no such user")
}

/// The cause is logged and not told.
fn failed(error: &sqlx::Error) -> Status {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => {
            tracing::warn!(%error, "the database is not available");
            Status::unavailable("the service cannot do this now; try again")
        }
        _ => {
            tracing::error!(%error, "a request failed");
            Status::internal("the service failed; tell its operators the correlation id")
        }
    }
}

fn user(account: &Account) -> User {
    User {
        id: account.id.to_string(),
        email: account.email.clone(),
        email_verified: account.email_verified_at.is_some(),
        name: account.name.clone(),
        locale: account.locale.clone(),
        roles: account.role_names(),
        created_at: Some(timestamp(account.created_at)),
    }
}

fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}
