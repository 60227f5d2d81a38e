//! Failures on command: what goes wrong with the next requests of a kind, so that a test can have it when it wants it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Make a payment intent.
    Create,
    /// Ask the bank.
    Confirm,
    /// Take the money.
    Capture,
    /// Give it up.
    Cancel,
    /// Give it back.
    Refund,
    /// Read something.
    Read,
    /// The customer answers the bank.
    Authenticate,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// The effect waits, and so does the answer.
    Slow {
        /// For so long.
        milliseconds: u64,
    },
    /// The effect is there, and the answer waits.
    SlowAnswer {
        /// For so long.
        milliseconds: u64,
    },
    /// A 500, without the effect.
    FailBefore,
    /// A 500, with the effect.
    FailAfter,
    /// The effect, and a connection that breaks before the answer is whole.
    DropAnswer,
    /// The bank says no.
    Decline,
    /// Webhooks come before the answer.
    EarlyWebhook,
    /// Webhooks come twice.
    DuplicateWebhook,
    /// Webhooks wait.
    LateWebhook {
        /// For so long.
        milliseconds: u64,
    },
    /// Webhooks wait until there are so many, and then come the other way around.
    ReorderWebhooks {
        /// So many.
        count: usize,
    },
    /// Webhooks never come.
    LoseWebhook,
}

/// What somebody wants to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// With which requests.
    pub operation: Operation,
    /// What.
    pub effect: Effect,
    /// With how many of them.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

/// What is to go wrong yet.
#[derive(Debug, Default)]
pub struct Faults(BTreeMap<Operation, Vec<(Effect, u32)>>);

impl Faults {
    /// More of it.
    pub fn add(&mut self, fault: Fault) {
        self.0.entry(fault.operation).or_default().push((fault.effect, fault.times));
    }

    /// No more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes wrong with the next request.
    pub fn take(&mut self, operation: Operation) -> Vec<Effect> {
        let Some(faults) = self.0.get_mut(&operation) else { return Vec::new() };
        faults.retain(|(_, times)| *times > 0);
        for (_, times) in faults.iter_mut() {
            *times -= 1;
        }
        faults.iter().map(|(effect, _)| *effect).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fails_as_often_as_it_was_told() {
        let mut faults = Faults::default();
        let slow = Effect::Slow { milliseconds: 5 };
        faults.add(Fault { operation: Operation::Capture, effect: Effect::FailAfter, times: 1 });
        faults.add(Fault { operation: Operation::Capture, effect: slow, times: 2 });
        assert!(faults.take(Operation::Refund).is_empty());
        assert_eq!(faults.take(Operation::Capture), [Effect::FailAfter, slow]);
        assert_eq!(faults.take(Operation::Capture), [slow]);
        assert!(faults.take(Operation::Capture).is_empty());
    }

    #[test]
    fn it_is_read_as_json() {
        let text = r#"{"operation":"capture","effect":{"kind":"slow","milliseconds":20}}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!((fault.times, fault.effect), (1, Effect::Slow { milliseconds: 20 }));
        assert!(
            serde_json::from_str::<Fault>(r#"{"operation":"capture","effect":{"kind":"melt"}}"#).is_err()
        );
    }
}
