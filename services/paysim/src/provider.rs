//! The provider: what it knows, the keys it has seen, and what is to go wrong, behind one lock each.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::sleep;

use flotilla_kit::Secret;

use crate::{
    error::Error,
    fault::{Effect, Faults, Operation},
    idempotency::{Answer, Begun, Keys},
    journal::{Journal, Line},
    ledger::{Done, Ledger, Notice},
    webhook::Webhooks,
};

/// A payment provider.
#[derive(Clone, Debug)]
pub struct Provider {
    ledger: Arc<Mutex<Ledger>>,
    keys: Arc<Mutex<Keys>>,
    faults: Arc<Mutex<Faults>>,
    journal: Option<Arc<Journal>>,
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
        let (ledger, keys, faults, journal) = (Arc::default(), Arc::default(), Arc::default(), None);
        Self { ledger, keys, faults, journal, webhooks, secret }
    }

    /// One that knows what its journal says, and writes it on.
    pub fn with_journal(
        secret: Secret<String>,
        webhooks: Webhooks,
        journal: Journal,
        ledger: Ledger,
        keys: Keys,
    ) -> Self {
        let (ledger, keys) = (Arc::new(Mutex::new(ledger)), Arc::new(Mutex::new(keys)));
        Self { ledger, keys, journal: Some(Arc::new(journal)), ..Self::new(secret, webhooks) }
    }

    /// What it knows.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to go wrong.
    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all keys, as it does a day after each.
    pub fn forget_keys(&self) {
        self.keys().clear();
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

    /// Writes into the journal what a request has changed, while nobody else changes anything.
    fn note(&self, ledger: &Ledger, before: usize, key: Option<&str>, answer: &Answer, notices: &[Notice]) {
        let Some(journal) = &self.journal else { return };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        // Whatever is changed is told of.
        let of = |notice: &Notice| match notice.object["object"].as_str() {
            Some("payment_intent") => ledger.intents.get(&text(&notice.object["id"])),
            _ => ledger.intents.get(&text(&notice.object["payment_intent"])),
        };
        let refund = notices.iter().find_map(|notice| ledger.refunds.get(&text(&notice.object["id"])));
        let known = key.and_then(|key| {
            let mut keys = self.keys();
            keys.end(key, Some(answer.clone()));
            Some((key.to_owned(), keys.known(key)?))
        });
        let line = Line {
            intent: notices.iter().find_map(of).cloned(),
            refund: refund.cloned(),
            entries: ledger.entries.get(before..).unwrap_or_default().to_vec(),
            key: known,
        };
        if let Err(error) = journal.write(&line) {
            tracing::error!(%error, "the journal cannot be written; what is known is gone at the end");
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
        let (answer, notices, has_begun) = {
            let mut ledger = self.ledger();
            let before = ledger.entries.len();
            let done = if faults.contains(&Effect::FailBefore) {
                Err(Error::fault())
            } else {
                effect(&mut ledger, key, is_declined)
            };
            let (mut answer, notices, has_begun) = told(done);
            if faults.contains(&Effect::FailAfter) {
                answer = refused(&Error::fault());
            }
            if has_begun {
                self.note(&ledger, before, key, &answer, &notices);
            }
            (answer, notices, has_begun)
        };
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

/// The answer to what came of a request, what there is to tell of it, and whether its key has this answer from now on.
fn told(done: Done) -> (Answer, Vec<Notice>, bool) {
    match done {
        Ok((object, notices)) => ((200, object), notices, true),
        Err(error) => {
            let declined = error.intent.clone().filter(|_| error.code == "card_declined");
            let kind = "payment_intent.payment_failed";
            let notices = declined.into_iter().map(|object| Notice { kind, object });
            (refused(&error), notices.collect(), error.has_begun)
        }
    }
}

fn answered(answer: Answer) -> Answered {
    Answered { answer, is_replay: false, is_dropped: false }
}

fn refused(error: &Error) -> Answer {
    (error.status.as_u16(), error.body())
}
