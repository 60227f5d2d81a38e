//! The provider: what it knows, the keys it has seen, and what is to go wrong, behind one lock each.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::sleep;

use flotilla_kit::Secret;

use crate::{
    error::Error,
    fault::{Effect, Faults, Operation},
    idempotency::{Answer, Begun, Keys},
    ledger::{Done, Ledger},
    webhook::Webhooks,
};

/// A payment provider.
#[derive(Clone, Debug)]
pub struct Provider {
    ledger: Arc<Mutex<Ledger>>,
    keys: Arc<Mutex<Keys>>,
    faults: Arc<Mutex<Faults>>,
    /// Where its webhooks go.
    pub webhooks: Webhooks,
    /// The key that a merchant has to send.
    pub secret: Secret<String>,
}

/// A request that changes something.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it does.
    pub operation: Operation,
    /// Its `Idempotency-Key`.
    pub key: Option<String>,
    /// Its path.
    pub path: String,
    /// Its body.
    pub body: bytes::Bytes,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// Whether it was given before.
    pub is_replay: bool,
    /// Whether the connection breaks before it is whole.
    pub is_dropped: bool,
}

impl Provider {
    /// One that knows nothing yet.
    pub fn new(secret: Secret<String>, webhooks: Webhooks) -> Self {
        Self { ledger: Arc::default(), keys: Arc::default(), faults: Arc::default(), webhooks, secret }
    }

    /// What it knows.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to go wrong.
    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a request once for its key. It goes on when its client has gone: that is what makes answers get lost.
    pub async fn run<E>(&self, request: Request, effect: E) -> Answered
    where
        E: FnOnce(&mut Ledger, Option<&str>, bool) -> Done + Send + 'static,
    {
        let this = self.clone();
        let running = tokio::spawn(async move { this.once(request, effect).await });
        running.await.unwrap_or_else(|_| answered(refused(&Error::fault())))
    }

    async fn once<E>(&self, request: Request, effect: E) -> Answered
    where
        E: FnOnce(&mut Ledger, Option<&str>, bool) -> Done + Send,
    {
        let Some(key) = request.key.clone() else { return self.perform(request, effect).await };
        let begun = self.keys().begin(&key, &request.path, &request.body, Timestamp::now());
        match begun {
            Err(error) => answered(refused(&error)),
            Ok(Begun::Repeated(answer)) => Answered { answer, is_replay: true, is_dropped: false },
            Ok(Begun::First) => self.perform(request, effect).await,
        }
    }

    async fn perform<E>(&self, request: Request, effect: E) -> Answered
    where
        E: FnOnce(&mut Ledger, Option<&str>, bool) -> Done + Send,
    {
        let faults = self.faults().take(request.operation);
        for fault in &faults {
            if let Effect::Slow { milliseconds } = fault {
                sleep(Duration::from_millis(*milliseconds)).await;
            }
        }
        let key = request.key.as_deref();
        let is_declined = faults.contains(&Effect::Decline);
        let done = if faults.contains(&Effect::FailBefore) {
            Err(Error::fault())
        } else {
            effect(&mut self.ledger(), key, is_declined)
        };
        let (mut answer, notices, has_begun) = match done {
            Ok((object, notices)) => ((200, object), notices, true),
            Err(error) => {
                let notices = error.intent.clone().filter(|_| error.code == "card_declined");
                let kind = "payment_intent.payment_failed";
                let notices = notices.map(|object| crate::ledger::Notice { kind, object });
                (refused(&error), notices.into_iter().collect(), error.has_begun)
            }
        };
        if faults.contains(&Effect::FailAfter) {
            answer = refused(&Error::fault());
        }
        // An early webhook comes while the request is at work.
        self.webhooks.send(notices, &faults).await;
        if let Some(key) = key {
            self.keys().end(key, has_begun.then(|| answer.clone()));
        }
        for fault in &faults {
            if let Effect::SlowAnswer { milliseconds } = fault {
                sleep(Duration::from_millis(*milliseconds)).await;
            }
        }
        let is_dropped = faults.contains(&Effect::DropAnswer);
        Answered { answer, is_replay: false, is_dropped }
    }
}

fn answered(answer: Answer) -> Answered {
    Answered { answer, is_replay: false, is_dropped: false }
}

fn refused(error: &Error) -> Answer {
    (error.status.as_u16(), error.body())
}
