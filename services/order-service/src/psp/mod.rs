//! Whoever moves the money, as this service wants them: ask for money to be held, take it, give it up, give it back, and look.

mod signature;
pub mod stripe;

use std::fmt::Debug;

use axum::http::HeaderMap;
use futures::future::BoxFuture;
use uuid::Uuid;

pub use self::signature::BadSignature;
use crate::domain::fact::State;

/// Why a provider did not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It will not, now or later.
    #[error("the provider refuses: {code}: {message}")]
    Refused {
        /// What programs decide by.
        code: String,
        /// What people read.
        message: String,
    },
    /// It has not done it, and may later with the same key.
    #[error("the provider cannot do it now: {0}")]
    Busy(String),
    /// It may have done it or not. Look, and ask again with the same key.
    #[error("the answer of the provider is lost: {reason}")]
    Lost {
        /// How.
        reason: String,
        /// Whether the provider gives this same answer to everybody who asks with this key.
        is_replay: bool,
    },
}

/// A payment, as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The provider's name for it.
    pub reference: String,
    /// How far it is.
    pub state: State,
    /// The payment that it was made for.
    pub payment_id: Option<Uuid>,
    /// Why the bank said no.
    pub failure: Option<String>,
}

/// Money that the provider has given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// The provider's name for it.
    pub reference: String,
    /// The refund that it was made for.
    pub refund_id: Option<Uuid>,
    /// How much.
    pub minor: i64,
    /// How far it is.
    pub state: RefundState,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundState {
    /// The bank has not done it yet.
    UnderWay,
    /// It is done.
    Done,
    /// It will not be done.
    Failed,
}

/// Money that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct NewIntent<'a> {
    /// The payment.
    pub payment_id: Uuid,
    /// Its order.
    pub order_id: Uuid,
    /// How much.
    pub minor: i64,
    /// Of what (ISO 4217).
    pub currency: &'a str,
}

/// What a webhook is about. What it says is not believed: whoever hears it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Which event.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// The payment, as the provider names it. Nothing: it is about something else.
    pub reference: Option<String>,
}

/// Moves money. The key of a request makes that it has one effect, however often it is made.
pub trait PaymentProvider: Send + Sync + Debug {
    /// Its name here.
    fn name(&self) -> &'static str;

    /// Makes a payment. Nothing is held yet, and nothing is taken before [`Self::capture`].
    fn create<'a>(&'a self, new: NewIntent<'a>, key: &'a str) -> BoxFuture<'a, Result<Intent, Error>>;

    /// Asks the bank to hold the money. That the bank says no is an answer, not an error.
    fn authorize<'a>(
        &'a self,
        reference: &'a str,
        method: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Intent, Error>>;

    /// Takes what is held.
    fn capture<'a>(&'a self, reference: &'a str, key: &'a str) -> BoxFuture<'a, Result<Intent, Error>>;

    /// Gives up what is held, or was to be.
    fn void<'a>(&'a self, reference: &'a str, key: &'a str) -> BoxFuture<'a, Result<Intent, Error>>;

    /// Gives back so much of what was taken.
    fn refund<'a>(
        &'a self,
        reference: &'a str,
        refund_id: Uuid,
        minor: i64,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Refund, Error>>;

    /// Looks at a payment.
    fn get<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Intent, Error>>;

    /// Looks for a payment whose reference was lost with an answer.
    fn find(&self, payment_id: Uuid) -> BoxFuture<'_, Result<Option<Intent>, Error>>;

    /// What was given back of a payment.
    fn refunds<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Vec<Refund>, Error>>;

    /// Reads a webhook, whose signature is checked over its bytes before anything else.
    fn hear(&self, headers: &HeaderMap, body: &[u8], now: jiff::Timestamp) -> Result<Heard, BadSignature>;
}
