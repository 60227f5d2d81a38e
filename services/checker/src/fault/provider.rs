//! A payment provider that misbehaves.

use std::fmt;

use flotilla_kit::correlation::CorrelationId;
use flotilla_paysim::fault::{Effect, Fault, Operation};
use flotilla_shop::walk::{Failure, client::Ask};
use http::Method;
use serde_json::json;

use super::{Error, Injector};

/// What it does that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// It takes long.
    Slow,
    /// It has done it, and its answer takes longer than anybody waits.
    SlowAnswer,
    /// It fails, and has done nothing.
    FailBefore,
    /// It says that it has failed, and has done it.
    FailAfter,
    /// It has done it, and its answer is lost.
    DropAnswer,
    /// The bank says no.
    Decline,
    /// Its webhook comes before its answer.
    EarlyWebhook,
    /// Its webhook comes twice.
    DuplicateWebhook,
    /// Its webhook comes late.
    LateWebhook,
    /// Its webhooks come the other way around.
    ReorderWebhooks,
    /// Its webhook never comes.
    LoseWebhook,
    /// It forgets the keys of requests, and loses answers.
    ForgetKeys,
}

/// What requests it happens to.
const WRITES: [Operation; 5] =
    [Operation::Create, Operation::Confirm, Operation::Capture, Operation::Cancel, Operation::Refund];

impl Misbehaviour {
    /// All of it.
    pub const ALL: [Self; 12] = [
        Self::Slow,
        Self::SlowAnswer,
        Self::FailBefore,
        Self::FailAfter,
        Self::DropAnswer,
        Self::Decline,
        Self::EarlyWebhook,
        Self::DuplicateWebhook,
        Self::LateWebhook,
        Self::ReorderWebhooks,
        Self::LoseWebhook,
        Self::ForgetKeys,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::SlowAnswer => "slow-answer",
            Self::FailBefore => "fail-before",
            Self::FailAfter => "fail-after",
            Self::DropAnswer => "drop-answer",
            Self::Decline => "decline",
            Self::EarlyWebhook => "early-webhook",
            Self::DuplicateWebhook => "duplicate-webhook",
            Self::LateWebhook => "late-webhook",
            Self::ReorderWebhooks => "reorder-webhooks",
            Self::LoseWebhook => "lose-webhook",
            Self::ForgetKeys => "forget-keys",
        }
    }

    const fn effect(self) -> Effect {
        match self {
            Self::Slow => Effect::Slow { milliseconds: 1_500 },
            Self::SlowAnswer => Effect::SlowAnswer { milliseconds: 4_500 },
            Self::FailBefore => Effect::FailBefore,
            Self::FailAfter => Effect::FailAfter,
            Self::DropAnswer | Self::ForgetKeys => Effect::DropAnswer,
            Self::Decline => Effect::Decline,
            Self::EarlyWebhook => Effect::EarlyWebhook,
            Self::DuplicateWebhook => Effect::DuplicateWebhook,
            Self::LateWebhook => Effect::LateWebhook { milliseconds: 3_000 },
            Self::ReorderWebhooks => Effect::ReorderWebhooks { count: 4 },
            Self::LoseWebhook => Effect::LoseWebhook,
        }
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl Injector<'_> {
    /// Has the provider misbehave at the next request of some kind, and at the next answer of a bank.
    pub(super) async fn misbehave(&mut self, what: Misbehaviour) -> Result<(), Error> {
        let operation = match what {
            Misbehaviour::Decline => Operation::Confirm,
            _ => self.rng.choice(WRITES).unwrap_or(Operation::Capture),
        };
        let fault = Fault { operation, effect: what.effect(), times: 1 };
        // While it is away it misbehaves enough.
        if self.tell(Method::POST, "/paysim/faults", Some(fault)).await.is_ok()
            && what == Misbehaviour::ForgetKeys
        {
            let _forgotten = self.tell(Method::DELETE, "/paysim/keys", None).await.is_ok();
        }
        Ok(())
    }

    /// Has it behave.
    pub(super) async fn behave(&mut self) -> Result<(), Error> {
        let told = self.tell(Method::DELETE, "/paysim/faults", None).await;
        told.map_err(|failure| Error::Told("the payment provider", failure))
    }

    /// Has it do something that it should not.
    pub(super) async fn tell_provider(&self, fault: Fault) -> Result<(), Error> {
        let told = self.tell(Method::POST, "/paysim/faults", Some(fault)).await;
        told.map_err(|failure| Error::Told("the payment provider", failure))
    }

    async fn tell(&self, method: Method, path: &str, fault: Option<Fault>) -> Result<(), Failure> {
        let id = CorrelationId::new();
        let mut ask = Ask::new(method, path, &id);
        if let Some(fault) = fault {
            ask = ask.json(json!(fault));
        }
        self.crowd.provider.ask(ask).await.map(drop)
    }
}
