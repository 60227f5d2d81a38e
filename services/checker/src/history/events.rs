//! Events: each reaches all who want it, and nobody handles one that never was (I10).

use std::collections::BTreeSet;

use super::{History, Invariant, Violation};

/// I10: of each consumer, what is in the outboxes and it wants is what is in its inbox. A dead letter is not lost: it is there for
/// a person, and keeps everything from having ended.
pub(super) fn event_delivery(history: &History) -> Vec<Violation> {
    let found = &history.found;
    let fail = |ids: [&str; 2], what: String| Violation::new(Invariant::EventDelivery, ids, what);
    let known: BTreeSet<_> = found.outbox.iter().map(|event| event.id.as_str()).collect();
    let mut violations = Vec::new();
    for subscription in &found.subscriptions {
        let consumer = subscription.consumer.as_str();
        let handled = found.inbox.iter().filter(|handled| handled.consumer == consumer);
        let handled: BTreeSet<_> = handled.map(|handled| handled.id.as_str()).collect();
        let dead = found.dead_letters.iter().filter(|letter| letter.consumer == consumer);
        let dead: BTreeSet<_> = dead.map(|letter| letter.id.as_str()).collect();
        for event in found.outbox.iter().filter(|event| subscription.wants(&event.kind)) {
            let id = event.id.as_str();
            if let Some(refusal) = &event.refusal {
                violations.push(fail([consumer, id], format!("the bus refuses {}: {refusal}", event.kind)));
            } else if event.is_published && !handled.contains(id) && !dead.contains(id) {
                violations
                    .push(fail([consumer, id], format!("{} was published, and not handled", event.kind)));
            }
        }
        for id in handled.difference(&known) {
            violations.push(fail([consumer, id], "was handled, and never published".to_owned()));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{
        super::{DeadLetter, Handled, sample},
        *,
    };

    fn told(violations: &[Violation]) -> String {
        violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn an_event_that_is_not_handled_is_lost() {
        let mut history = sample::good();
        history.found.inbox.clear();
        assert_eq!(
            told(&event_delivery(&history)),
            "I10 event delivery: notification-service e-1: shop.order.paid.v1 was published, and not handled"
        );
        let (consumer, id) = ("notification-service".to_owned(), "e-1".to_owned());
        history.found.dead_letters.push(DeadLetter { consumer, id, reason: "poison".to_owned() });
        assert_eq!(event_delivery(&history), []);
    }

    #[test]
    fn an_event_that_the_bus_refuses_is_lost() {
        let mut history = sample::good();
        history.found.outbox[0].refusal = Some("too large".to_owned());
        assert!(told(&event_delivery(&history)).contains("the bus refuses shop.order.paid.v1: too large"));
    }

    #[test]
    fn nobody_handles_what_never_was() {
        let mut history = sample::good();
        let (consumer, id) = ("notification-service".to_owned(), "e-9".to_owned());
        history.found.inbox.push(Handled { consumer, id });
        assert!(told(&event_delivery(&history)).contains("e-9: was handled, and never published"));
    }
}
