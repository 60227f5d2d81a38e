//! What customers asked, and what they were told.

use serde::Serialize;

/// Microseconds since the beginning of a run, by the clock of whoever asks.
pub type Moment = u64;

/// A request, from its beginning to its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Who asked.
    pub customer: String,
    /// When the request was about to be sent.
    pub begin: Moment,
    /// When its answer was there, or nobody waited for it any more.
    pub end: Moment,
    /// What was asked.
    pub asked: Asked,
    /// What came of it.
    pub outcome: Outcome,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "f", rename_all = "snake_case")]
pub enum Asked {
    /// An order is placed.
    Place {
        /// The `Idempotency-Key`. The order has it as well, so that it is known of which request it is.
        key: String,
    },
    /// An order is looked at.
    Look {
        /// Which.
        order: String,
    },
    /// Another card is to pay.
    Pay {
        /// Which order.
        order: String,
        /// The `Idempotency-Key`.
        key: String,
    },
    /// The customer is back from their bank.
    Complete {
        /// Which order.
        order: String,
    },
    /// An order is called off.
    Cancel {
        /// Which.
        order: String,
    },
    /// Money is to be given back.
    Refund {
        /// Of which order.
        order: String,
        /// The `Idempotency-Key`.
        key: String,
    },
    /// A refresh token is exchanged for new tokens.
    Exchange {
        /// The login that it came of.
        family: String,
        /// Which token, by a name that is no secret.
        token: String,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Ok(Answer),
    /// It was not, and never will be.
    Fail {
        /// The status.
        status: u16,
        /// The code of the problem (RFC 9457), when it has one.
        code: Option<String>,
    },
    /// Nobody knows: there was no answer, or one that does not say.
    Info {
        /// What there was.
        why: String,
    },
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// What it is about: the order, the payment, the refund.
    pub id: Option<String>,
    /// Of which version.
    pub version: Option<i64>,
    /// What the order was.
    pub status: Option<String>,
    /// The digest of its bytes.
    pub digest: String,
    /// The next refresh token, by a name that is no secret.
    pub token: Option<String>,
}

impl Operation {
    /// What was answered, if it was done.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.outcome {
            Outcome::Ok(answer) => Some(answer),
            Outcome::Fail { .. } | Outcome::Info { .. } => None,
        }
    }
}
