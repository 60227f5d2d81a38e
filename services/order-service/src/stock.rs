//! The product-service, as this service needs it: prices, and stock that is kept, taken and given back.

use std::time::Duration;

use flotilla_kit::{
    auth::{Signer, Subject},
    grpc,
};
use flotilla_proto::product::{
    Line, QuoteRequest, QuoteResponse, ReservationRef, ReserveRequest, products_client::ProductsClient,
};
use tonic::{Code, Request, Status, transport::Channel};
use uuid::Uuid;

/// Who is asked.
const AUDIENCE: &str = "product-service";

/// How long an answer may take. A request that waits for prices has others wait for its key.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Why there is no stock or price.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is too little, or what was kept is no longer.
    #[error("{0}")]
    Refused(String),
    /// Something is not sold.
    #[error("{0}")]
    Missing(String),
    /// What was asked for cannot be.
    #[error("{0}")]
    Invalid(String),
    /// The product-service cannot be asked now.
    #[error("the product-service cannot be asked now: {0}")]
    Unavailable(String),
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let message = status.message().to_owned();
        match status.code() {
            Code::FailedPrecondition | Code::AlreadyExists | Code::OutOfRange => Self::Refused(message),
            Code::NotFound => Self::Missing(message),
            Code::InvalidArgument => Self::Invalid(message),
            code => Self::Unavailable(format!("{code:?}: {message}")),
        }
    }
}

/// Asks the product-service.
#[derive(Clone, Debug)]
pub struct Stock {
    client: ProductsClient<Channel>,
    signer: Signer,
}

impl Stock {
    /// At an address. It is connected to when it is asked.
    pub fn new(address: &axum::http::Uri, signer: Signer) -> Self {
        Self { client: ProductsClient::new(grpc::channel(address.clone())), signer }
    }

    /// What lines cost now.
    pub async fn quote(&self, currency: &str, lines: Vec<Line>) -> Result<QuoteResponse, Error> {
        let request = self.request(QuoteRequest { currency: currency.to_owned(), lines })?;
        Ok(self.client.clone().quote(request).await?.into_inner())
    }

    /// Keeps stock: all of it or none. Doing it again has no second effect.
    pub async fn reserve(&self, id: Uuid, lines: Vec<Line>, ttl: Duration) -> Result<(), Error> {
        let ttl_seconds = i32::try_from(ttl.as_secs()).unwrap_or(i32::MAX).clamp(10, 86_400);
        let request = self.request(ReserveRequest { reservation_id: id.to_string(), lines, ttl_seconds })?;
        self.client.clone().reserve(request).await?;
        Ok(())
    }

    /// Takes what is kept.
    pub async fn commit(&self, id: Uuid) -> Result<(), Error> {
        let request = self.request(ReservationRef { reservation_id: id.to_string() })?;
        self.client.clone().commit(request).await?;
        Ok(())
    }

    /// Gives back what is kept, or was taken. What never was is given back already.
    pub async fn release(&self, id: Uuid) -> Result<(), Error> {
        let request = self.request(ReservationRef { reservation_id: id.to_string() })?;
        match self.client.clone().release(request).await.map_err(Error::from) {
            Ok(_) | Err(Error::Missing(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn request<T>(&self, message: T) -> Result<Request<T>, Error> {
        grpc::request(message, &self.signer, AUDIENCE, &Subject::default(), PATIENCE)
            .map_err(|error| Error::Unavailable(error.to_string()))
    }
}
