//! What this service measures beside its requests.

use flotilla_kit::metrics::Metrics;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use crate::domain::outcome::State;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AttemptLabels {
    channel: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DeadLabels {
    channel: String,
}

/// Attempts, and what was given up.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    attempts: Family<AttemptLabels, Counter>,
    dead: Family<DeadLabels, Counter>,
}

impl Measures {
    /// In the metrics of the service.
    pub fn new(metrics: &Metrics) -> Self {
        let measures = Self::default();
        metrics.register(
            "attempts",
            "Attempts to deliver, by channel and outcome",
            measures.attempts.clone(),
        );
        metrics.register("dead_letters", "Deliveries that were given up", measures.dead.clone());
        measures
    }

    /// An attempt has ended, and the delivery is in this state. Nothing: it was somebody else's by then.
    pub fn attempted(&self, channel: &str, outcome: &'static str, state: Option<State>) {
        let channel = channel.to_owned();
        self.attempts.get_or_create(&AttemptLabels { channel: channel.clone(), outcome }).inc();
        if state == Some(State::Dead) {
            self.dead.get_or_create(&DeadLabels { channel }).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_and_dead_letters_are_counted() {
        let metrics = Metrics::new("notification-service", "1");
        let measures = Measures::new(&metrics);
        measures.attempted("email", "later", Some(State::Queued));
        measures.attempted("email", "refused", Some(State::Dead));
        let text = metrics.encode().unwrap();
        for line in [
            r#"flotilla_shop_attempts_total{service="notification-service",channel="email",outcome="later"} 1"#,
            r#"flotilla_shop_dead_letters_total{service="notification-service",channel="email"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
