//! Events that a consumer could not do.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Event;

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The event.
    pub event: Event,
    /// How often it was tried.
    pub attempts: u32,
    /// What the last failure was.
    pub reason: String,
    /// When it was given up.
    pub time: Timestamp,
}

/// Some dead letters of a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every one.
    All,
    /// The events with these ids.
    These(Vec<Uuid>),
}

impl Which {
    /// Whether an event is one of them.
    pub fn has(&self, event: &Event) -> bool {
        match self {
            Self::All => true,
            Self::These(ids) => ids.contains(&event.id),
        }
    }
}
