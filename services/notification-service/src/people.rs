//! Where people are reached, and the secrets of their mails: of user-service, by gRPC.

use std::{fmt, time::Duration};

use flotilla_kit::{
    Secret,
    auth::{NoIdentity, Signer, Subject},
    grpc,
};
use flotilla_proto::user::{GetContactRequest, RedeemReferenceRequest, users_client::UsersClient};
use http::Uri;
use tonic::{Code, Request, Status, transport::Channel};
use uuid::Uuid;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who is asked.
const AUDIENCE: &str = "user-service";

/// Somebody who gets mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// Their address.
    pub email: String,
    /// Their name; may be empty.
    pub name: String,
    /// Their language.
    pub locale: String,
}

/// The secret of a mail, and where that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemed {
    /// To whom. It may be an address that `GetContact` does not know yet.
    pub contact: Contact,
    /// For the link.
    pub token: Secret<String>,
}

impl fmt::Debug for Contact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Contact").field("locale", &self.locale).finish_non_exhaustive()
    }
}

/// Why somebody is not known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such person, or no such secret any more.
    #[error("user-service knows none: {0}")]
    None(String),
    /// It cannot be asked.
    #[error("user-service cannot be asked")]
    Unavailable(#[source] Status),
    /// This service cannot say who it is.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
}

/// Asks user-service.
#[derive(Clone, Debug)]
pub struct People {
    users: UsersClient<Channel>,
    signer: Signer,
}

impl People {
    /// At an address. It is connected to when somebody is asked for.
    pub fn new(address: Uri, signer: Signer) -> Self {
        Self { users: UsersClient::new(grpc::channel(address)), signer }
    }

    /// Where somebody is reached.
    pub async fn contact(&self, user: Uuid) -> Result<Contact, Error> {
        let request = self.request(GetContactRequest { user_id: user.to_string() })?;
        let contact = self.users.clone().get_contact(request).await.map_err(refused)?.into_inner();
        Ok(Contact { email: contact.email, name: contact.name, locale: contact.locale })
    }

    /// What the reference in an event stands for.
    pub async fn redeem(&self, reference: &str) -> Result<Redeemed, Error> {
        let request = self.request(RedeemReferenceRequest { reference: reference.to_owned() })?;
        let redeemed = self.users.clone().redeem_reference(request).await.map_err(refused)?.into_inner();
        let contact = Contact { email: redeemed.email, name: redeemed.name, locale: redeemed.locale };
        Ok(Redeemed { contact, token: Secret::new(redeemed.token) })
    }

    fn request<T>(&self, message: T) -> Result<Request<T>, Error> {
        Ok(grpc::request(message, &self.signer, AUDIENCE, &Subject::default(), PATIENCE)?)
    }
}

fn refused(status: Status) -> Error {
    match status.code() {
        Code::NotFound | Code::FailedPrecondition | Code::InvalidArgument => {
            Error::None(status.message().to_owned())
        }
        _ => Error::Unavailable(status),
    }
}
