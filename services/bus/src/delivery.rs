//! What a consumer gets, and its answer.

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use crate::Event;

/// An event that is no longer this consumer's to answer for: another one has it, or will. What was done for it has to be
/// taken back, or be harmless twice.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the delivery is no longer held: it comes again")]
pub struct Lost;

/// What a consumer says of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is done.
    Done,
    /// It failed, and may do better.
    Again(String),
    /// It failed, and always will.
    Dead(String),
    /// Nobody has begun with it.
    Back,
}

/// An answer on its way to the broker.
#[derive(Debug)]
pub(crate) struct Settlement<T> {
    pub(crate) tag: T,
    pub(crate) verdict: Verdict,
    pub(crate) done: oneshot::Sender<Result<(), Lost>>,
}

/// How answers go.
type Settle = Box<dyn FnOnce(Verdict) -> oneshot::Receiver<Result<(), Lost>> + Send>;

/// An event that a consumer has to answer for. Left without an answer, it has failed.
#[must_use = "without an answer it has failed"]
pub struct Delivery {
    /// The event.
    pub event: Event,
    /// The how-manieth try this is, from 1 on.
    pub attempt: u32,
    settle: Option<Settle>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Delivery")
            .field("event", &self.event)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl Delivery {
    /// A delivery whose answer goes to whoever speaks with the broker.
    pub(crate) fn new<T: Send + 'static>(
        event: Event,
        attempt: u32,
        tag: T,
        answers: mpsc::UnboundedSender<Settlement<T>>,
    ) -> Self {
        let settle = move |verdict| {
            let (done, settled) = oneshot::channel();
            // When nobody is there, `done` goes with the message, and whoever waits hears that it is lost.
            let _sent = answers.send(Settlement { tag, verdict, done }).is_ok();
            settled
        };
        Self { event, attempt, settle: Some(Box::new(settle)) }
    }

    /// It is done, and does not come again.
    pub async fn ack(self) -> Result<(), Lost> {
        self.settle(Verdict::Done).await
    }

    /// It failed: it comes again, or is a dead letter when that was the last attempt.
    pub async fn nack(self, reason: impl Into<String>) -> Result<(), Lost> {
        self.settle(Verdict::Again(reason.into())).await
    }

    /// It always will fail: it is a dead letter at once.
    pub async fn bury(self, reason: impl Into<String>) -> Result<(), Lost> {
        self.settle(Verdict::Dead(reason.into())).await
    }

    async fn settle(mut self, verdict: Verdict) -> Result<(), Lost> {
        match self.settle.take() {
            Some(settle) => settle(verdict).await.unwrap_or(Err(Lost)),
            None => Err(Lost),
        }
    }

    /// Nobody has begun with it, and nobody will here.
    pub(crate) fn give_back(mut self) {
        if let Some(settle) = self.settle.take() {
            drop(settle(Verdict::Back));
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            drop(settle(Verdict::Again("whoever had it ended without an answer".to_owned())));
        }
    }
}

/// The events of a subscription. Dropped, it has the broker give to others what has no answer yet.
#[derive(Debug)]
pub struct Deliveries {
    deliveries: mpsc::Receiver<Delivery>,
    worker: JoinHandle<()>,
}

impl Deliveries {
    /// What a worker sends. The worker ends once the channel is closed and everything it sent has an answer.
    pub(crate) fn new(deliveries: mpsc::Receiver<Delivery>, worker: JoinHandle<()>) -> Self {
        Self { deliveries, worker }
    }

    /// The next event. Nothing once it is closed.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }

    /// Takes no more events. Those that nobody has begun with go back; those that somebody has still want their answer.
    pub fn close(&mut self) {
        self.deliveries.close();
        while let Ok(delivery) = self.deliveries.try_recv() {
            delivery.give_back();
        }
    }

    /// Waits until every answer has reached the broker, once closed.
    pub async fn ended(mut self) {
        self.close();
        let _died = (&mut self.worker).await.is_err();
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.worker.abort();
    }
}
