//! Money: an order is charged once (I3), no money is taken for nothing (I4), and all books have the same (I11).

use std::collections::BTreeMap;

use super::{History, Invariant, Order, Violation};

/// The account of the books that has what the provider owes.
const PROVIDER: &str = "assets:provider";

/// I3: of all payments of an order at most one was taken, with what the order costs; no more was given back than taken; an
/// order that has come to nothing keeps nothing; and nothing is held any more.
pub(super) fn no_double_charge(history: &History) -> Vec<Violation> {
    let found = &history.found;
    let intents = found.intents_by_order();
    let mut violations = Vec::new();
    for order in &found.orders {
        let mut fail = |ids: Vec<&str>, what: String| {
            let ids = std::iter::once(order.id.as_str()).chain(ids);
            violations.push(Violation::new(Invariant::NoDoubleCharge, ids, what));
        };
        let of = intents.get(order.id.as_str()).map_or(&[][..], Vec::as_slice);
        let captures: Vec<_> = found
            .provider
            .moved
            .iter()
            .filter(|moved| moved.what == "capture" && of.contains(&moved.intent.as_str()))
            .collect();
        if captures.len() > 1 {
            let ids = captures.iter().map(|moved| moved.intent.as_str()).collect();
            fail(ids, format!("was charged {} times", captures.len()));
        }
        let (taken, refunded) = totals(found, of);
        if captures.len() == 1 && taken != order.total {
            fail(of.to_vec(), format!("costs {}, and {taken} were taken", order.total));
        }
        if refunded > taken {
            fail(of.to_vec(), format!("{refunded} were given back of {taken}"));
        }
        let is_to_keep_nothing = order.is_undone() || order.status == "payment_failed";
        if is_to_keep_nothing && taken != refunded {
            fail(of.to_vec(), format!("is {}, and keeps {}", order.status, taken - refunded));
        }
        if order.is_sold() && taken != order.total {
            fail(of.to_vec(), format!("is {}, and {taken} of {} were taken", order.status, order.total));
        }
        for intent in of.iter().filter(|_| !order.is_for_a_person()) {
            let held = found.moved(intent, "authorize");
            let (taken, freed) = (found.moved(intent, "capture"), found.moved(intent, "void"));
            if held != taken + freed {
                fail(vec![intent], format!("is {}, and holds {}", order.status, held - taken - freed));
            }
        }
    }
    violations
}

fn totals(found: &super::Found, intents: &[&str]) -> (i64, i64) {
    let sum = |what| intents.iter().map(|intent| found.moved(intent, what)).sum();
    (sum("capture"), sum("refund"))
}

/// I4: whatever the provider has taken is of an order that is paid, or was given back.
pub(super) fn no_charge_without_order(history: &History) -> Vec<Violation> {
    let found = &history.found;
    let orders = found.orders_by_id();
    let captures = found.provider.moved.iter().filter(|moved| moved.what == "capture");
    let mut violations = Vec::new();
    for capture in captures {
        let order = found.provider.intents.get(&capture.intent).map_or("", |intent| &intent.order);
        let known = orders.get(order);
        let is_kept = known.is_some_and(|order| order.is_sold() || order.is_for_a_person());
        if !is_kept && found.moved(&capture.intent, "capture") > found.moved(&capture.intent, "refund") {
            let status = known.map_or("not there", |order| order.status.as_str());
            let what = format!("{} were taken, and the order is {status}", capture.amount);
            violations.push(Violation::new(Invariant::NoChargeWithoutOrder, [order, &capture.intent], what));
        }
    }
    violations
}

/// I11: each cause of the books sums to nothing; of each order and each payment the books have what the provider has; and an
/// order costs what its lines cost.
pub(super) fn money_conserved(history: &History) -> Vec<Violation> {
    let found = &history.found;
    let fail =
        |ids: &[&str], what: String| Violation::new(Invariant::MoneyConserved, ids.iter().copied(), what);
    let mut violations = Vec::new();
    let (mut causes, mut books) = (BTreeMap::<&str, i64>::new(), BTreeMap::<&str, i64>::new());
    for entry in &found.ledger {
        *causes.entry(&entry.cause).or_default() += entry.amount;
        if entry.account == PROVIDER {
            *books.entry(&entry.order).or_default() += entry.amount;
        }
    }
    for (cause, sum) in causes.into_iter().filter(|(_, sum)| *sum != 0) {
        violations.push(fail(&[cause], format!("its entries sum to {sum}")));
    }
    let intents = found.intents_by_order();
    for order in &found.orders {
        let lines: i64 = order.lines.iter().map(|line| line.total).sum();
        if lines != order.total {
            violations.push(fail(&[&order.id], format!("costs {}, and its lines {lines}", order.total)));
        }
        let of = intents.get(order.id.as_str()).map_or(&[][..], Vec::as_slice);
        let (captured, refunded) = totals(found, of);
        let booked = books.remove(order.id.as_str()).unwrap_or_default();
        if booked != captured - refunded {
            let what = format!("the books have {booked}, and the provider {}", captured - refunded);
            violations.push(fail(&[&order.id], what));
        }
        violations.extend(refunded_alike(history, order));
    }
    violations.extend(
        books.into_iter().map(|(order, sum)| fail(&[order], format!("the books have {sum} of no order"))),
    );
    for payment in &found.payments {
        let Some(reference) = payment.reference.as_deref() else { continue };
        let theirs = (found.moved(reference, "capture"), found.moved(reference, "refund"));
        if theirs != (payment.captured, payment.refunded) {
            let what = format!(
                "{} were taken and {} given back here, and {} and {} with the provider",
                payment.captured, payment.refunded, theirs.0, theirs.1
            );
            violations.push(fail(&[&payment.order, &payment.id, reference], what));
        }
    }
    violations
}

/// What an order says was given back is what was of the payment that counts.
fn refunded_alike(history: &History, order: &Order) -> Option<Violation> {
    let payment = history.found.payments.iter().find(|payment| payment.id == order.payment);
    let refunded = payment.map_or(0, |payment| payment.refunded);
    (refunded != order.refunded).then(|| {
        let what = format!("says that {} were given back, and its payment {refunded}", order.refunded);
        Violation::new(Invariant::MoneyConserved, [order.id.as_str(), &order.payment], what)
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Intent, LedgerEntry, Moved, sample},
        *,
    };

    fn moved(intent: &str, what: &str, amount: i64) -> Moved {
        Moved { intent: intent.to_owned(), what: what.to_owned(), amount }
    }

    fn told(violations: &[Violation]) -> String {
        violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn an_order_is_charged_once_with_what_it_costs() {
        let mut history = sample::good();
        history.found.provider.moved.push(moved("pi_1", "capture", 1_000));
        assert!(told(&no_double_charge(&history)).contains("o-1 pi_1 pi_1: was charged 2 times"));

        // By another payment of the same order.
        let mut history = sample::good();
        history.found.provider.intents.insert("pi_9".to_owned(), Intent { order: "o-1".to_owned() });
        history
            .found
            .provider
            .moved
            .extend([moved("pi_9", "authorize", 1_000), moved("pi_9", "capture", 1_000)]);
        assert!(told(&no_double_charge(&history)).contains("o-1 pi_1 pi_9: was charged 2 times"));

        let mut history = sample::good();
        history.found.provider.moved.retain(|moved| moved.what != "capture");
        let all = told(&no_double_charge(&history));
        assert!(all.contains("o-1 pi_1: is paid, and 0 of 1000 were taken"), "{all}");

        let mut history = sample::good();
        history.found.orders[0].total = 999;
        assert!(told(&no_double_charge(&history)).contains("costs 999, and 1000 were taken"));
    }

    #[test]
    fn what_came_to_nothing_keeps_nothing_and_holds_nothing() {
        let mut history = sample::good();
        history.found.orders[0].status = "cancelled".to_owned();
        assert!(told(&no_double_charge(&history)).contains("o-1 pi_1: is cancelled, and keeps 1000"));
        history.found.provider.moved.push(moved("pi_1", "refund", 1_000));
        assert_eq!(no_double_charge(&history), []);
        history.found.provider.moved.push(moved("pi_1", "refund", 1));
        assert!(told(&no_double_charge(&history)).contains("1001 were given back of 1000"));

        let mut history = sample::good();
        history.found.provider.moved.push(moved("pi_2", "authorize", 500));
        assert!(told(&no_double_charge(&history)).contains("o-2 pi_2: is cancelled, and holds 500"));
    }

    #[test]
    fn no_money_is_taken_for_nothing() {
        let mut history = sample::good();
        history.found.orders.remove(0);
        assert!(
            told(&no_charge_without_order(&history))
                .contains("o-1 pi_1: 1000 were taken, and the order is not there")
        );
        history.found.provider.moved.push(moved("pi_1", "refund", 1_000));
        assert_eq!(no_charge_without_order(&history), []);
    }

    #[test]
    fn the_books_the_provider_and_the_orders_have_the_same() {
        let broken = |change: &dyn Fn(&mut History)| {
            let mut history = sample::good();
            change(&mut history);
            told(&money_conserved(&history))
        };
        let all = broken(&|history| history.found.ledger.clear());
        assert!(all.contains("o-1: the books have 0, and the provider 1000"), "{all}");
        let all = broken(&|history| history.found.ledger[0].amount = 999);
        assert!(all.contains("capture:p-1: its entries sum to -1"), "{all}");
        let all = broken(&|history| history.found.orders[0].lines[0].total = 1);
        assert!(all.contains("o-1: costs 1000, and its lines 1"), "{all}");
        let all = broken(&|history| history.found.payments[0].captured = 0);
        assert!(all.contains("o-1 p-1 pi_1: 0 were taken and 0 given back here, and 1000 and 0"), "{all}");
        let all = broken(&|history| history.found.orders[0].refunded = 10);
        assert!(all.contains("o-1 p-1: says that 10 were given back, and its payment 0"), "{all}");
        let all = broken(&|history| {
            let entry = |account: &str, amount| LedgerEntry {
                cause: "x".to_owned(),
                account: account.to_owned(),
                order: "o-9".to_owned(),
                amount,
            };
            history.found.ledger.extend([entry(PROVIDER, 5), entry("income:sales", -5)]);
        });
        assert!(all.contains("o-9: the books have 5 of no order"), "{all}");
    }
}
