//! The end: nothing is under way any more, and nothing waits for what never comes.

use super::{History, Invariant, Violation};

/// Every order is what it will stay, nothing is to be given back, all events are published and handled, all mail is sent.
pub(super) fn settled(history: &History) -> Vec<Violation> {
    let found = &history.found;
    let fail = |ids: &[&str], what: String| Violation::new(Invariant::Settled, ids.iter().copied(), what);
    let mut violations = Vec::new();
    for saga in &found.sagas {
        let error = saga.error.as_deref().unwrap_or("nothing is said of it");
        violations.push(fail(&[&saga.order], format!("its saga is at {}: {error}", saga.step)));
    }
    for order in &found.orders {
        if matches!(order.status.as_str(), "pending" | "reserved" | "authorized" | "payment_failed") {
            violations.push(fail(&[&order.id], format!("is {} still", order.status)));
        }
    }
    for refund in found.refunds.iter().filter(|refund| refund.status == "requested") {
        violations.push(fail(&[&refund.order, &refund.id], "its money is not given back yet".to_owned()));
    }
    for payment in found.payments.iter().filter(|payment| payment.is_stray && payment.reference.is_some()) {
        violations.push(fail(&[&payment.order, &payment.id], "pays nothing, and has money".to_owned()));
    }
    for event in found.outbox.iter().filter(|event| !event.is_published && event.refusal.is_none()) {
        violations.push(fail(&[&event.id], format!("{} is not published", event.kind)));
    }
    for letter in &found.dead_letters {
        violations
            .push(fail(&[&letter.consumer, &letter.id], format!("is a dead letter: {}", letter.reason)));
    }
    for delivery in found.deliveries.iter().filter(|delivery| delivery.state != "sent") {
        let what = format!("{} of {} is {}", delivery.template, delivery.subject, delivery.state);
        violations.push(fail(&[&delivery.id], what));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{
        super::{DeadLetter, Delivery, Refund, Saga, sample},
        *,
    };

    fn broken(change: impl Fn(&mut History)) -> String {
        let mut history = sample::good();
        change(&mut history);
        settled(&history).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn whatever_is_under_way_has_not_ended() {
        let text = str::to_owned;
        for (change, what) in [
            (
                &(|history: &mut History| {
                    let (order, step) = (text("o-1"), text("capture"));
                    history.found.sagas.push(Saga { order, step, error: None });
                }) as &dyn Fn(&mut History),
                "o-1: its saga is at capture",
            ),
            (&|history| history.found.orders[0].status = text("reserved"), "o-1: is reserved still"),
            (
                &|history| {
                    let (id, order, status) = (text("f-1"), text("o-1"), text("requested"));
                    history.found.refunds.push(Refund { id, order, status });
                },
                "o-1 f-1: its money is not given back",
            ),
            (&|history| history.found.payments[0].is_stray = true, "o-1 p-1: pays nothing"),
            (
                &|history| history.found.outbox[0].is_published = false,
                "e-1: shop.order.paid.v1 is not published",
            ),
            (
                &|history| {
                    let (consumer, id, reason) = (text("order-service"), text("e-1"), text("no"));
                    history.found.dead_letters.push(DeadLetter { consumer, id, reason });
                },
                "order-service e-1: is a dead letter: no",
            ),
            (
                &|history| {
                    let state = text("queued");
                    history.found.deliveries.push(Delivery { state, ..Delivery::default() });
                },
                "is queued",
            ),
        ] {
            let told = broken(change);
            assert!(told.contains(what), "{told} has no {what}");
        }
    }
}
