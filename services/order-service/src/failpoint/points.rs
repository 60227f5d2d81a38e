//! The names of all points.

use std::{fmt, str::FromStr};

use crate::domain::{
    saga::{Compensation, Step},
    text::text_enum,
};

text_enum! {
    /// What is being done.
    Stage {
        /// A customer places an order (`POST /v1/orders`). Asks the product-service for prices.
        Place = "place",
        /// A customer takes another card (`POST /v1/orders/ID/payments`).
        Pay = "pay",
        /// Somebody calls an order off (`POST /v1/orders/ID:cancel`).
        Cancel = "cancel",
        /// Somebody wants money to be given back (`POST /v1/orders/ID/refunds`).
        RequestRefund = "request_refund",
        /// A webhook of the provider has its effect. Asks the provider how far the payment is.
        Webhook = "webhook",
        /// The customer comes back from their bank, or the reconciler looks. Asks the provider how far the payment is.
        Look = "look",
        /// The saga has the product-service keep stock.
        Reserve = "reserve",
        /// The saga makes a payment with the provider.
        CreateIntent = "create_intent",
        /// The saga has the provider ask the bank to hold the money.
        Authorize = "authorize",
        /// The saga goes on after the customer has answered the bank.
        AwaitPayment = "await_payment",
        /// The saga has the product-service take the stock.
        Commit = "commit",
        /// The saga has the provider take the money.
        Capture = "capture",
        /// The saga has the provider give up what is held; what was taken it gives back (`give_back`, `refund`).
        Void = "void",
        /// The saga has the product-service give the stock back.
        Release = "release",
        /// The saga notes that what was taken is to be given back.
        GiveBack = "give_back",
        /// A refund is asked of the provider.
        Refund = "refund",
        /// An answer of the provider was lost, and the payment becomes `unknown`.
        Lose = "lose",
        /// The provider has spent a key without an effect, and the next request is to have another.
        Spend = "spend",
    }
}

text_enum! {
    /// When.
    Moment {
        /// Before anything.
        Begun = "begun",
        /// After the key of a request to the provider was committed, and before the request.
        KeyWritten = "key_written",
        /// After the answer of a request to others.
        Called = "called",
        /// All is written, and not committed.
        Committing = "committing",
        /// It is committed, and nobody was told.
        Committed = "committed",
    }
}

/// A point: its name is `STAGE.MOMENT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point(pub Stage, pub Moment);

const COMMIT: &[Moment] = &[Moment::Committing, Moment::Committed];
const CALL: &[Moment] = &[Moment::Begun, Moment::Called, Moment::Committing, Moment::Committed];
const KEYED: &[Moment] =
    &[Moment::Begun, Moment::KeyWritten, Moment::Called, Moment::Committing, Moment::Committed];

/// All points there are.
pub const POINTS: [(Stage, &[Moment]); 18] = [
    (Stage::Place, CALL),
    (Stage::Pay, COMMIT),
    (Stage::Cancel, COMMIT),
    (Stage::RequestRefund, COMMIT),
    (Stage::Webhook, CALL),
    (Stage::Look, CALL),
    (Stage::Reserve, CALL),
    (Stage::CreateIntent, KEYED),
    (Stage::Authorize, KEYED),
    (Stage::AwaitPayment, COMMIT),
    (Stage::Commit, CALL),
    (Stage::Capture, KEYED),
    (Stage::Void, KEYED),
    (Stage::Release, CALL),
    (Stage::GiveBack, COMMIT),
    (Stage::Refund, CALL),
    (Stage::Lose, COMMIT),
    (Stage::Spend, &[Moment::Committed]),
];

impl Stage {
    /// What a step of a saga is, when this is to be undone next.
    pub const fn of(step: Step, undo: Option<Compensation>) -> Option<Self> {
        Some(match (step, undo) {
            (Step::Reserve, _) => Self::Reserve,
            (Step::CreateIntent, _) => Self::CreateIntent,
            (Step::Authorize, _) => Self::Authorize,
            (Step::AwaitPayment, _) => Self::AwaitPayment,
            (Step::Commit, _) => Self::Commit,
            (Step::Capture, _) => Self::Capture,
            (Step::Undo, Some(Compensation::Void)) => Self::Void,
            (Step::Undo, Some(Compensation::Release)) => Self::Release,
            (Step::Undo, None) | (Step::Done, _) => return None,
        })
    }
}

impl Point {
    /// All of them, in the order of [`POINTS`].
    pub fn all() -> impl Iterator<Item = Self> {
        POINTS.iter().flat_map(|(stage, moments)| moments.iter().map(|moment| Self(*stage, *moment)))
    }
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

/// There is no such point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no point; write one of {all}", all = Point::all().map(|point| point.to_string()).collect::<Vec<_>>().join(", "))]
pub struct UnknownPoint(String);

impl FromStr for Point {
    type Err = UnknownPoint;

    fn from_str(text: &str) -> Result<Self, UnknownPoint> {
        Self::all().find(|point| point.to_string() == text).ok_or_else(|| UnknownPoint(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_is_listed_once_and_each_point_is_its_name() {
        let stages: Vec<_> = POINTS.iter().map(|(stage, _)| *stage).collect();
        assert_eq!(stages, Stage::ALL);
        for point in Point::all() {
            assert_eq!(point.to_string().parse(), Ok(point));
        }
        let error = "capture.melted".parse::<Point>().unwrap_err().to_string();
        assert!(error.contains("capture.called"), "{error}");
    }

    #[test]
    fn each_step_that_does_something_has_points() {
        for step in Step::ALL.iter().filter(|step| !matches!(step, Step::Undo | Step::Done)) {
            assert_eq!(Stage::of(*step, None).map(Stage::as_str), Some(step.as_str()));
        }
        for undo in Compensation::ALL {
            assert_eq!(Stage::of(Step::Undo, Some(*undo)).map(Stage::as_str), Some(undo.as_str()));
        }
    }
}
