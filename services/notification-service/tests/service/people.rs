//! A user-service that knows some people, over gRPC.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use flotilla_kit::{
    auth::{HEADER, Trust},
    drain::Drain,
    serve::serve,
};
use flotilla_proto::user::{
    BatchGetUsersRequest, BatchGetUsersResponse, Contact, ExportUserDataRequest, ExportedRecord,
    GetContactRequest, GetUserRequest, IntrospectSessionRequest, RedeemReferenceRequest,
    RedeemReferenceResponse, Session, User,
    users_server::{Users, UsersServer},
};
use futures::stream::Empty;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, service::Routes};
use uuid::Uuid;

#[derive(Clone)]
pub(crate) struct People {
    trust: Trust,
    contacts: Arc<Mutex<HashMap<String, Contact>>>,
    references: Arc<Mutex<HashMap<String, RedeemReferenceResponse>>>,
    pub(crate) is_up: Arc<AtomicBool>,
}

impl People {
    pub(crate) async fn start(trust: Trust, drain: Drain) -> (Self, SocketAddr) {
        let people = Self {
            trust,
            contacts: Arc::default(),
            references: Arc::default(),
            is_up: Arc::new(AtomicBool::new(true)),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Routes::new(UsersServer::new(people.clone())).into_axum_router();
        tokio::spawn(serve(listener, router, drain));
        (people, address)
    }

    pub(crate) fn add(&self, name: &str, locale: &str) -> Uuid {
        let id = Uuid::now_v7();
        let email = format!("{}@shop.test", id.simple());
        let contact =
            Contact { user_id: id.to_string(), email, name: name.to_owned(), locale: locale.to_owned() };
        self.contacts.lock().unwrap().insert(id.to_string(), contact);
        id
    }

    pub(crate) fn email(&self, id: Uuid) -> String {
        self.contacts.lock().unwrap()[&id.to_string()].email.clone()
    }

    pub(crate) fn refer(&self, user: Uuid, token: &str) -> String {
        self.refer_to(&self.email(user), user, token)
    }

    /// A reference whose mail goes to an address that may not be the user's yet.
    pub(crate) fn refer_to(&self, email: &str, user: Uuid, token: &str) -> String {
        let reference = Uuid::now_v7().to_string();
        let contact = self.contacts.lock().unwrap()[&user.to_string()].clone();
        let redeemed = RedeemReferenceResponse {
            user_id: user.to_string(),
            purpose: "verification".to_owned(),
            token: token.to_owned(),
            email: email.to_owned(),
            locale: contact.locale,
            name: contact.name,
            ..RedeemReferenceResponse::default()
        };
        self.references.lock().unwrap().insert(reference.clone(), redeemed);
        reference
    }

    fn check<T>(&self, request: &Request<T>) -> Result<(), Status> {
        if !self.is_up.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let token = request.metadata().get(HEADER.as_str()).and_then(|token| token.to_str().ok());
        let identity = self.trust.verify(token.unwrap_or_default());
        match identity {
            Ok(identity) if identity.service == "notification-service" => Ok(()),
            _ => Err(Status::unauthenticated("who asks?")),
        }
    }
}

#[tonic::async_trait]
impl Users for People {
    async fn get_contact(&self, request: Request<GetContactRequest>) -> Result<Response<Contact>, Status> {
        self.check(&request)?;
        let known = self.contacts.lock().unwrap().get(&request.get_ref().user_id).cloned();
        known.map(Response::new).ok_or_else(|| Status::not_found("there is no such user"))
    }

    async fn redeem_reference(
        &self,
        request: Request<RedeemReferenceRequest>,
    ) -> Result<Response<RedeemReferenceResponse>, Status> {
        self.check(&request)?;
        let known = self.references.lock().unwrap().get(&request.get_ref().reference).cloned();
        known.map(Response::new).ok_or_else(|| Status::not_found("there is no such reference"))
    }

    async fn get_user(&self, _: Request<GetUserRequest>) -> Result<Response<User>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn batch_get_users(
        &self,
        _: Request<BatchGetUsersRequest>,
    ) -> Result<Response<BatchGetUsersResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    type ExportUserDataStream = Empty<Result<ExportedRecord, Status>>;

    async fn export_user_data(
        &self,
        _: Request<ExportUserDataRequest>,
    ) -> Result<Response<Self::ExportUserDataStream>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn introspect_session(
        &self,
        _: Request<IntrospectSessionRequest>,
    ) -> Result<Response<Session>, Status> {
        Err(Status::unimplemented("not asked here"))
    }
}
