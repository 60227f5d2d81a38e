//! What went wrong on a walk.

use std::time::Duration;

use http::StatusCode;
use uuid::Uuid;

use super::Step;

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("the step \"{step}\" failed; its correlation id is {correlation_id}")]
pub struct Error {
    /// Which.
    pub step: Step,
    /// What its requests have in all logs.
    pub correlation_id: String,
    /// Why.
    #[source]
    pub failure: Failure,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The URL is none.
    #[error("{0} is no address of a shop or an inbox: write one such as http://127.0.0.1:8080")]
    Address(String),
    /// There was no answer.
    #[error("{asked} was not answered; does the shop run there?")]
    Silent {
        /// What was asked, and where.
        asked: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There was none in time.
    #[error("{asked} was not answered within {} s", patience.as_secs())]
    Slow {
        /// What was asked, and where.
        asked: String,
        /// How long it might have taken.
        patience: Duration,
    },
    /// The answer is another one.
    #[error("{asked} was answered with {status}: {detail}")]
    Refused {
        /// What was asked, and where.
        asked: String,
        /// The status.
        status: StatusCode,
        /// The problem's `code` (RFC 9457), when it was one.
        code: Option<String>,
        /// What the answer says.
        detail: String,
    },
    /// The answer cannot be read.
    #[error("the answer to {asked} is not what it should be")]
    Shape {
        /// What was asked, and where.
        asked: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A password was right, and something more is asked for.
    #[error("the account has a second factor, which this customer does not have")]
    SecondFactor,
    /// No mail came.
    #[error("no mail with {what} came to {email} within {} s", patience.as_secs())]
    NoMail {
        /// What it should have.
        what: String,
        /// To whom.
        email: String,
        /// How long it might have taken.
        patience: Duration,
    },
    /// Nothing can be bought.
    #[error("the shop has nothing in stock that costs {0}")]
    NothingToBuy(&'static str),
    /// The cart does not add up.
    #[error("the shop cannot say what the cart {0} costs")]
    NoTotal(Uuid),
    /// The order ended another way.
    #[error("the order {order} is {status}{}", reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Ended {
        /// The order.
        order: Uuid,
        /// What it is.
        status: String,
        /// Why.
        reason: Option<String>,
    },
    /// The customer's bank wants to hear from them.
    #[error(
        "the payment of the order {0} has to be confirmed with the customer's bank, which this customer does not do"
    )]
    NeedsBank(Uuid),
    /// The order is not paid yet.
    #[error("the order {order} is {status} still, after {} s", patience.as_secs())]
    Unpaid {
        /// The order.
        order: Uuid,
        /// What it is.
        status: String,
        /// How long it might have taken.
        patience: Duration,
    },
    /// What was taken is not what it costs.
    #[error("the order {order} costs {total_minor}, and {captured_minor} were taken")]
    WrongAmount {
        /// The order.
        order: Uuid,
        /// What it costs, in minor units.
        total_minor: i64,
        /// What was taken.
        captured_minor: i64,
    },
}
