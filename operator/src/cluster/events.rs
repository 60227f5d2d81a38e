//! The edge to the events API.

use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

/// The longest note that the events API takes, in bytes.
const NOTE_MAX_BYTES: usize = 1024;

/// How many events are remembered, so that what repeats is counted in the first one. A recorder by itself remembers
/// all of its last minutes, which are many when many services start.
const REMEMBERED: u16 = 256;

/// Publishes events of the operator.
pub struct Events {
    client: Client,
    reporter: Reporter,
    recorder: Mutex<(Recorder, u16)>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Events")
    }
}

impl Events {
    /// Of the replica of this name.
    pub fn new(client: Client, instance: &str) -> Self {
        let reporter =
            Reporter { controller: "flotilla-operator".into(), instance: Some(instance.to_owned()) };
        let recorder = Recorder::new(client.clone(), reporter.clone());
        Self { client, reporter, recorder: Mutex::new((recorder, 0)) }
    }

    /// The recorder, or a new one when it remembers enough.
    fn recorder(&self) -> Recorder {
        let mut current = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        let (recorder, published) = &mut *current;
        if *published >= REMEMBERED {
            *recorder = Recorder::new(self.client.clone(), self.reporter.clone());
            *published = 0;
        }
        *published += 1;
        recorder.clone()
    }

    /// Publishes an event about an object. One that cannot be published is logged: it must not stop the work.
    pub async fn publish(&self, about: &ObjectReference, type_: EventType, reason: &str, note: &str) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(
                note.char_indices()
                    .take_while(|(at, c)| at + c.len_utf8() <= NOTE_MAX_BYTES)
                    .map(|(_, c)| c)
                    .collect(),
            ),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder().publish(&event, about).await {
            tracing::warn!(%error, reason, "cannot publish an event");
        }
    }
}
